"""Terms as MathML, which browsers set by themselves: no script and no font from elsewhere."""

from __future__ import annotations

import re
from html import unescape

from convgrad.notation.latex import latex
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import Definition, Equation, Term

UPRIGHT = re.compile(r"\\mathrm\{((?:[^{}\\]|\\[_,])*)\}")


def mathml(obj: Term | Definition | Equation | Polynomial | Position, display: str = "block") -> str:
    """The object as a `<math>` element.

    display: "block" for a formula on a line of its own, "inline" within a sentence.

    >>> from convgrad.notation.parser import parse
    >>> print(mathml(parse("x = a"), display="inline"))
    <math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"
    alttext="x = a"><mrow><mi>x</mi><mo>=</mo><mi>a</mi></mrow></math>
    """
    return mathml_of_latex(latex(obj), str(obj), display)


def mathml_of_latex(written: str, alternative: str, display: str = "block") -> str:
    """LaTeX that this package wrote as a `<math>` element; `alternative` is said where it can't be shown."""
    from xml.etree.ElementTree import tostring  # both would slow down `import convgrad`

    from latex2mathml.converter import convert_to_element

    readable = UPRIGHT.sub(_word, written.replace("{aligned}", "{split}"))
    math = convert_to_element(readable, display=display)
    for element in math.iter():
        element.text = unescape(element.text) if element.text else None
    math.set("alttext", alternative.replace("\n", "; "))
    return tostring(math, encoding="unicode")


def _word(match: re.Match[str]) -> str:
    plain = match[1].replace(r"\_", "_").replace(r"\,", " ")
    return rf"\text{{{plain}}}"
