r"""Terms as LaTeX, as a textbook sets them: \sum_{m,n} w_{m,n} \, o_{i+m,j+n}."""

from __future__ import annotations

from collections.abc import Sequence

from convgrad.arguments import takes
from convgrad.errors import ArgumentError
from convgrad.functions import FUNCTIONS, PLACE
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.printing.mathematics import Mathematics
from convgrad.notation.shown import Shown, as_latex
from convgrad.notation.terms import WRITTEN, Definition, Equation, Term

REDUCTIONS = {"sum": r"\sum", "max": r"\max", "min": r"\min", "argmax": r"\mathrm{arg\,max}"}
REDUCTIONS |= {"argmin": r"\mathrm{arg\,min}"}
WRITTEN_OUT = rf"\left({PLACE}\right)"
"""What follows `argmax` where the values are written out: argmax(3, 1, 2)."""


@takes(ArgumentError, obj=WRITTEN)
def latex(obj: Term | Definition | Equation | Polynomial | Position) -> str:
    r"""The object as LaTeX, to be set in mathematics mode.

    >>> from convgrad.notation.parsing.parser import parse
    >>> print(latex(parse("x[i] = sum[m](w[m] * o[i+m]) + b")))
    x_{i} = \sum_{m} w_{m} \, o_{i+m} + b

    What is read outside a tensor is said once, behind the definition: (o = 0 outside).
    """
    return LATEX.of(obj)


as_latex.register(Shown, latex)


def name_text(name: str, indices: str = "") -> str:
    r"""A tensor or index: x, \gamma, w^{\mathrm{conv1}}, \mathrm{d}w, \mathit{mask}, and its indices as subscript.

    Digits behind a letter and words behind an underscore become part of the subscript: e1 is e_1, w_next w_{next}.
    """
    return LATEX.name(name, indices)


class Latex(Mathematics):
    """LaTeX with amsmath."""

    times = r" \cdot "
    juxtaposed = r" \, "
    infinity = r"\infty"
    partial = r"\partial"
    about = r"\approx"
    aligned_equals = "&="
    power_of_ten = "10^"
    slash = "/"
    underscore = r"\_"
    comma = r",\, "
    """Between arguments."""
    comparisons = {"==": "=", "!=": r"\neq", "<": "<", "<=": r"\leq", ">": ">", ">=": r"\geq"}

    def greek(self, name: str) -> str:
        return r"\varepsilon" if name == "eps" else f"\\{name}"

    def slanted(self, word: str) -> str:
        return rf"\mathit{{{word}}}"

    def upright(self, word: str) -> str:
        return rf"\mathrm{{{word}}}"

    def words(self, text: str) -> str:
        return rf"\text{{{text}}}"

    def gradient_of(self, symbol: str) -> str:
        return rf"\mathrm{{d}}{symbol}"

    def scripts(self, symbol: str, primes: str, below: str, above: str) -> str:
        raised = rf"^{{\mathrm{{{above.replace('_', self.underscore)}}}}}" if above else ""
        return symbol + primes + (f"_{{{below}}}" if below else "") + raised

    def outside(self, notes: Sequence[str]) -> str:
        said = r",\ ".join(notes)
        return rf" \qquad ({said}\ \mathrm{{outside}})"

    def fraction(self, top: str, below: str) -> str:
        return rf"\frac{{{top}}}{{{below}}}"

    def power(self, base: str, exponent: str) -> str:
        return f"{base}^{{{exponent}}}"

    def reduction(self, kind: str, indices: str) -> str:
        sign = REDUCTIONS.get(kind, self.upright(kind))
        return f"{sign}_{{{indices}}}"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        pattern = FUNCTIONS[function].latex if function in FUNCTIONS else self.upright(function) + WRITTEN_OUT
        return pattern.replace(PLACE, self.comma.join(arguments))

    def cases(self, value: str, conditions: Sequence[str], otherwise: str) -> str:
        told = r",\ ".join(conditions)
        return rf"\begin{{cases}} {value} & \mathrm{{if}}\ {told} \\ {otherwise} & \mathrm{{otherwise}} \end{{cases}}"

    def parenthesised(self, written: str) -> str:
        return rf"\left({written}\right)"

    def aligned(self, lines: Sequence[str]) -> str:
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        body = r" \\ ".join(" & ".join(row) for row in rows)
        return rf"\begin{{pmatrix}} {body} \end{{pmatrix}}"

    def dots(self, what: str) -> str:
        return rf"\cdots (\text{{{what}}})"


LATEX = Latex()
