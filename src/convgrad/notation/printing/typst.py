"""Terms as Typst, which sets PDF files: `sum_(m,n) w_(m,n) thin o_(i+m,j+n)`."""

from __future__ import annotations

from collections.abc import Sequence

from convgrad.functions import FUNCTIONS, PLACE
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.printing.mathematics import Mathematics
from convgrad.notation.terms import Definition, Equation, Term

GREEK = {"eps": "epsilon", "epsilon": "epsilon.alt", "phi": "phi.alt"}
"""Letters whose usual form has another name than in LaTeX."""
REDUCTIONS = {"sum": "sum", "argmax": 'op("arg max", limits: #true)', "argmin": 'op("arg min", limits: #true)'}


def typst(obj: Term | Definition | Equation | Polynomial | Position) -> str:
    """The object as Typst, to be set in mathematics mode.

    >>> from convgrad.notation.parsing.parser import parse
    >>> print(typst(parse("conv1.x[i] = sum[m](conv1.w[m] * o[i+m]) + b")))
    x_(i)^upright("conv1") = sum_(m) w_(m)^upright("conv1") thin o_(i+m) + b
    """
    return TYPST.of(obj)


def quoted(text: str) -> str:
    """A string in Typst's code and mathematics."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Typst(Mathematics):
    """Typst's own mathematics. Commas that do not part arguments stand in parentheses or are called `comma`."""

    times = " dot "
    juxtaposed = " thin "
    infinity = "infinity"
    partial = "partial"
    about = "approx"
    aligned_equals = "&="
    power_of_ten = "10^"
    slash = " slash "
    underscore = r"\_"
    comma = ", "
    """Between arguments."""
    comparisons = {"==": "=", "!=": "eq.not", "<": "lt", "<=": "lt.eq", ">": "gt", ">=": "gt.eq"}

    def greek(self, name: str) -> str:
        return GREEK.get(name, name)

    def slanted(self, word: str) -> str:
        return f"italic({quoted(word)})"

    def upright(self, word: str) -> str:
        return f"upright({quoted(word)})"

    def words(self, text: str) -> str:
        return quoted(text)

    def gradient_of(self, symbol: str) -> str:
        return f"upright(d){symbol}"

    def scripts(self, symbol: str, primes: str, below: str, above: str) -> str:
        return symbol + primes + (f"_({below})" if below else "") + (f"^{self.upright(above)}" if above else "")

    def outside(self, notes: Sequence[str]) -> str:
        return f' quad quad ({", ".join(notes)} "outside")'

    def fraction(self, top: str, below: str) -> str:
        return f"frac({top}, {below})"

    def power(self, base: str, exponent: str) -> str:
        return f"{base}^({exponent})"

    def reduction(self, kind: str, indices: str) -> str:
        sign = REDUCTIONS.get(kind, f"op({quoted(kind)}, limits: #true)")
        return f"{sign}_({indices})"

    def call(self, function: str, arguments: Sequence[str]) -> str:
        pattern = FUNCTIONS[function].typst if function in FUNCTIONS else f"op({quoted(function)}) ({PLACE})"
        return pattern.replace(PLACE, self.comma.join(arguments))

    def cases(self, value: str, conditions: Sequence[str], otherwise: str) -> str:
        told = " comma space ".join(conditions)
        return f'cases({value} & quad "if" {told}, {otherwise} & quad "otherwise")'

    def parenthesised(self, written: str) -> str:
        return f"({written})"

    def aligned(self, lines: Sequence[str]) -> str:
        return " \\\n".join(lines)

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        return f"mat({'; '.join(', '.join(row) for row in rows)})"

    def dots(self, what: str) -> str:
        return f"dots.h.c ({quoted(what)})"


TYPST = Typst()
