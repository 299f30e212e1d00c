r"""Terms as MathML, which browsers set by themselves: no script and no font from elsewhere.

The LaTeX of `printing.latex` is converted by latex2mathml, and the result fitted to what browsers implement
(MathML Core, W3C, https://www.w3.org/TR/mathml-core/): words are one element each, so that a screen reader says
"outside" and not seven letters, columns are aligned by style, and limits stand below in displayed formulas.
"""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from convgrad.arguments import one_of, takes
from convgrad.errors import ArgumentError, EquationError
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.printing.latex import latex
from convgrad.notation.terms import WRITTEN, Definition, Equation, Term

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

UPRIGHT = re.compile(r"\\mathrm\{((?:[^{}\\]|\\[_,])*)\}")
HARD_SPACE, THIN_SPACE = "\u00a0", "\u2009"
ALIGNMENTS = {"left": "text-align: left", "right": "text-align: right; padding-right: 0"}
EXTREMES = ("max", "min")


@takes(ArgumentError, obj=WRITTEN, display=one_of("block", "inline"))
def mathml(obj: Term | Definition | Equation | Polynomial | Position, display: str = "block") -> str:
    """The object as a `<math>` element; its alternative text is the notation itself.

    display: "block" for a formula on a line of its own, "inline" within a sentence.

    >>> from convgrad.notation.parsing.parser import parse
    >>> print(mathml(parse("x = a"), display="inline"))
    <math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"
    alttext="x = a"><mrow><mi>x</mi><mo>=</mo><mi>a</mi></mrow></math>
    """
    return mathml_of_latex(latex(obj), str(obj), display)


def mathml_of_latex(written: str, alternative: str, display: str = "block") -> str:
    """LaTeX that this package wrote as a `<math>` element; `alternative` is said where it can't be shown.

    Returns: well-formed XML in one line.

    Raises: EquationError where it is nested too deep.
    """
    from xml.etree.ElementTree import tostring  # both would slow down `import convgrad`

    from latex2mathml.converter import convert_to_element

    try:
        math = convert_to_element(_readable(written), display=display)
    except RecursionError:
        message = "This formula is nested too deep for MathML."
        raise EquationError(message, remedy="Define a part of it as a tensor of its own, or take LaTeX.") from None
    for element in math.iter():
        element.text = unescape(element.text) if element.text else None
        _fit(element, display)
    math.set("alttext", alternative.replace("\n", "; "))
    return tostring(math, encoding="unicode")


def _readable(written: str) -> str:
    r"""What latex2mathml knows: `split` for `aligned`, and `\text` for `\mathrm`, whose words it would spell."""
    return UPRIGHT.sub(_word, written.replace("{aligned}", "{split}"))


def _word(match: re.Match[str]) -> str:
    plain = match[1].replace(r"\_", "_").replace(r"\,", THIN_SPACE)
    return rf"\text{{{plain}}}"


def _fit(element: Element, display: str) -> None:
    if element.tag == "mtext":
        _name(element)
    elif element.tag == "mtd" and "columnalign" in element.attrib:
        element.set("style", ALIGNMENTS[element.attrib.pop("columnalign")])
    elif element.tag == "msub" and display == "block" and element[0].text in EXTREMES:
        element.tag = "munder"


def _name(element: Element) -> None:
    r"""A word from `\mathrm` is an upright identifier; a text with spaces stays one."""
    words = element.text or ""
    if HARD_SPACE not in words:
        element.tag = "mi"
        if len(words) == 1:  # of itself, one letter is slanted and a word is not
            element.set("mathvariant", "normal")
