"""Terms as a textbook sets them, whatever language they are set in: a walk over terms that LaTeX and Typst share.

What a piece looks like is said by a subclass for each language; where parentheses stand is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from convgrad.notation.exponents import exponent_text
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.printing.text import is_negative, number_text, without_sign
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Divide,
    Equation,
    IndexValue,
    Multiply,
    Number,
    Power,
    Reduce,
    Term,
    accesses,
)

GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|upsilon|phi|chi|psi|omega"
    "|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)

# How tightly a piece holds together, loosest first. A sum reaches as far to the right as it can (OPEN), so it stands
# without parentheses only at the end of a product.
SUM, SIGN, OPEN, PRODUCT, POWER, PRIMARY = range(6)


class Mathematics:
    """A language that sets mathematics. A subclass gives its pieces; `of` sets an object."""

    times: ClassVar[str]
    """Between numbers."""
    juxtaposed: ClassVar[str]
    """Between factors that are letters."""
    infinity: ClassVar[str]
    partial: ClassVar[str]
    """The d of a partial derivative."""
    about: ClassVar[str]
    """Between a number and what it is rounded to."""
    aligned_equals: ClassVar[str]
    """An equals sign below that of the line before."""
    power_of_ten: ClassVar[str]
    """How a number with an exponent is known."""
    comparisons: ClassVar[Mapping[str, str]]

    def of(self, obj: Term | Definition | Equation | Polynomial | Position) -> str:
        """The object, to be set in mathematics mode."""
        if isinstance(obj, Equation):
            if len(obj.definitions) == 1:
                return self.of(obj.result)
            return self.aligned([self.definition(definition, self.aligned_equals) for definition in obj.definitions])
        if isinstance(obj, Definition):
            return self.definition(obj)
        if isinstance(obj, Term):
            return self._written(obj)[0]
        return self.index(obj)

    def definition(self, definition: Definition, equals: str = "=") -> str:
        """A definition, and what is read outside its tensors."""
        left = self.name(definition.name, ",".join(self.name(i) for i in definition.indices))
        return f"{left} {equals} {self.right_side(definition.term)}"

    def right_side(self, term: Term) -> str:
        """What stands behind the equals sign; what each tensor is outside is said once, behind it."""
        values = {(a.tensor, a.outside): None for a in accesses(term) if a.outside is not None}
        notes = [f"{self.name(tensor)} = {self.number(number_text(float(value or 0)))}" for tensor, value in values]
        return self._written(term)[0] + (self.outside(notes) if notes else "")

    def name(self, name: str, indices: str = "") -> str:
        """A tensor or index, with its indices as subscript.

        Digits behind a letter and words behind an underscore become part of the subscript, a layer's name stands
        above: e1 is e with 1 below, conv1.w is w with conv1 above.
        """
        plain = name.rstrip("'")
        prefix, _, last = plain.rpartition(".")
        base, *words = [part for part in last.split("_") if part] or [""]
        match = re.fullmatch(r"([A-Za-z]+)([0-9]+)", base)
        if match:
            base, words = match[1], [match[2], *words]
        words = [word if word.isdigit() else self.upright(word) for word in words]
        below = ",".join([*words, *([indices] if indices else [])])
        return self.scripts(self._symbol(base), name[len(plain) :], below, prefix)

    def _symbol(self, base: str) -> str:
        if not base:
            return self.underscore
        if GREEK.fullmatch(base) or base == "eps":
            return self.greek(base)
        if len(base) == 1:
            return base
        if base[0] == "d" and (len(base) == 2 or GREEK.fullmatch(base[1:])):
            return self.gradient_of(self._symbol(base[1:]))
        return self.slanted(base)

    def index(self, obj: Polynomial | Position) -> str:
        """A position as it stands in a subscript: 2i+m, (p-m)/2."""
        if isinstance(obj, Position) and not obj.is_whole:
            top, below = self.index(obj.numerator), self.index(obj.divisor)
            top = f"({top})" if len(obj.numerator.terms) > 1 else top
            below = f"({below})" if len(obj.divisor.terms) > 1 or len(below) > 1 else below
            return f"{top}{self.slash}{below}"
        polynomial = obj.numerator if isinstance(obj, Position) else obj
        result = ""
        for monomial, coefficient in polynomial.in_reading_order:
            sign = "-" if coefficient < 0 else "+" if result else ""
            size = str(abs(coefficient)) if abs(coefficient) != 1 or not monomial else ""
            # A space, which is invisible in mathematics, ends a word such as eta before the next letter.
            result += sign + size + " ".join(self.name(name) for name in monomial)
        return result or "0"

    def number(self, text: str) -> str:
        """A number that was written as text: 1e-07 becomes a power of ten."""
        if text.endswith("inf"):
            return text.replace("inf", self.infinity)
        digits, _, exponent = text.partition("e")
        if not exponent:
            return digits
        power = self.power("10", str(int(exponent)))
        return power if digits == "1" else f"{digits}{self.times}{power}"

    # The walk

    def _written(self, term: Term) -> tuple[str, int]:
        """A term and how tightly it holds together."""
        if is_negative(term):
            return f"-{self._at_least(OPEN, without_sign(term))}", SIGN
        if isinstance(term, Number):
            written = self.number(number_text(term.value))
            return written, PRODUCT if self.power_of_ten in written else PRIMARY
        if isinstance(term, Access):
            return self.name(term.tensor, ",".join(self.index(p) for p in term.positions)), PRIMARY
        if isinstance(term, IndexValue):
            return self.index(term.polynomial), _level(term.polynomial)
        if isinstance(term, Add):
            return self._sum(term), SUM
        if isinstance(term, Multiply):
            return self._product(term)
        if isinstance(term, Divide):
            return self.fraction(self._written(term.numerator)[0], self._written(term.denominator)[0]), PRODUCT
        if isinstance(term, Power):
            return self._power(term)
        if isinstance(term, Compare):
            sides = (self._written(term.left)[0], self._written(term.right)[0])
            return f"{sides[0]} {self.comparisons[term.operator]} {sides[1]}", SUM
        if isinstance(term, Reduce):
            return self._reduction(term)
        if isinstance(term, Call):
            return self._call(term)
        raise TypeError(f"{type(term).__name__} is not a term of the notation.")

    def _sum(self, term: Add) -> str:
        result = self._at_least(SIGN, term.terms[0])
        for part in term.terms[1:]:
            negative = is_negative(part)
            result += f" {'-' if negative else '+'} {self._at_least(OPEN, without_sign(part) if negative else part)}"
        return result

    def _product(self, term: Multiply) -> tuple[str, int]:
        *before, last = term.factors
        parts = [self._at_least(PRODUCT, factor) for factor in before]
        closing, level = self._written(last)
        if level < OPEN:
            closing, level = self.parenthesised(closing), PRIMARY
        result = parts[0]
        for part in [*parts[1:], closing]:
            # A number behind a space would read as a part of what stands before.
            result += (self.times if part[0].isdigit() else self.juxtaposed) + part
        return result, OPEN if level == OPEN else PRODUCT

    def _power(self, term: Power) -> tuple[str, int]:
        exponent = exponent_text(term.exponent) or self.number(number_text(term.exponent))
        if isinstance(term.base, Access) and "." in term.base.tensor:
            return self.power(self.parenthesised(self._written(term.base)[0]), exponent), POWER
        return self.power(self._at_least(PRIMARY, term.base), exponent), POWER

    def _reduction(self, term: Reduce) -> tuple[str, int]:
        indices = ",".join(self.name(index) for index in term.indices)
        body = self._at_least(OPEN if term.kind == "sum" else PRODUCT, term.body)
        return f"{self.reduction(term.kind, indices)} {body}", OPEN

    def _call(self, term: Call) -> tuple[str, int]:
        if term.function == "where":
            return self._cases(term), OPEN
        return self.call(term.function, [self._written(argument)[0] for argument in term.arguments]), PRIMARY

    def _cases(self, term: Call) -> str:
        """Conditions one within the other, with the same value where they fail, are one condition: A, B."""
        condition, taken, other = term.arguments
        conditions = [condition]
        while isinstance(taken, Call) and taken.function == "where" and taken.arguments[2] == other:
            conditions.append(taken.arguments[0])
            taken = taken.arguments[1]
        told = [self._written(c)[0] for c in conditions]
        return self.cases(self._written(taken)[0], told, self._written(other)[0])

    def _at_least(self, wanted: int, term: Term) -> str:
        written, level = self._written(term)
        return written if level >= wanted else self.parenthesised(written)

    # The pieces

    slash: ClassVar[str]
    underscore: ClassVar[str]

    def greek(self, name: str) -> str:
        """A Greek letter, or eps, a small number."""
        raise NotImplementedError

    def slanted(self, word: str) -> str:
        """A name of several letters."""
        raise NotImplementedError

    def upright(self, word: str) -> str:
        """A word in a formula."""
        raise NotImplementedError

    def words(self, text: str) -> str:
        """Words with spaces between them."""
        raise NotImplementedError

    def gradient_of(self, symbol: str) -> str:
        """An upright d in front."""
        raise NotImplementedError

    def scripts(self, symbol: str, primes: str, below: str, above: str) -> str:
        """A symbol with a subscript, and with a plain word above."""
        raise NotImplementedError

    def outside(self, notes: Sequence[str]) -> str:
        """What tensors are outside: (o = 0 outside)."""
        raise NotImplementedError

    def fraction(self, top: str, below: str) -> str:
        """A fraction."""
        raise NotImplementedError

    def slope(self, of: str, by: str) -> str:
        """How fast one changes with the other: a partial derivative."""
        return self.fraction(f"{self.partial} {of}", f"{self.partial} {by}")

    def power(self, base: str, exponent: str) -> str:
        """A power."""
        raise NotImplementedError

    def reduction(self, kind: str, indices: str) -> str:
        """The sign of a sum, a maximum, ... with indices below."""
        raise NotImplementedError

    def call(self, function: str, arguments: Sequence[str]) -> str:
        """A function of its arguments, or argmax, argmin of values that are written out."""
        raise NotImplementedError

    def cases(self, value: str, conditions: Sequence[str], otherwise: str) -> str:
        """One value where all conditions hold, and another otherwise."""
        raise NotImplementedError

    def parenthesised(self, written: str) -> str:
        """In parentheses as tall as it is."""
        raise NotImplementedError

    def aligned(self, lines: Sequence[str]) -> str:
        """Lines one below the other, their `aligned_equals` in a column."""
        raise NotImplementedError

    def matrix(self, rows: Sequence[Sequence[str]]) -> str:
        """Numbers in rows and columns."""
        raise NotImplementedError

    def dots(self, what: str) -> str:
        """In place of `what` is left out."""
        raise NotImplementedError


def _level(polynomial: Polynomial) -> int:
    if len(polynomial.terms) > 1:
        return SUM
    if polynomial.as_name or not polynomial.terms:
        return PRIMARY
    return SIGN if polynomial.terms[0][1] < 0 else PRODUCT
