"""Index arithmetic: integer polynomials in named indices and parameters, such as `s*i + d*m - p`.

An index expression is affine in the loop indices; its coefficients may be products of named integer parameters.
One class holds both: a polynomial over names in which loop indices happen to occur at degree one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from convgrad.errors import EquationError

Monomial = tuple[str, ...]

LONGEST = 1000
"""Names and numbers in one polynomial: products of sums multiply, so that a line of text could fill the memory."""


@dataclass(frozen=True)
class Polynomial:
    """`sum of coefficient * name * name ...`, with integer coefficients.

    `terms` pairs each monomial (names in the order they were first written) with its coefficient; no
    coefficient is 0, and the order is the one that is printed. Equality does not depend on the order.
    """

    terms: tuple[tuple[Monomial, int], ...] = ()

    @staticmethod
    def of(terms: Iterable[tuple[Monomial, int]]) -> Polynomial:
        """Collect like monomials; keep the order in which terms, and names within them, were first written.

        Raises: EquationError where more than `LONGEST` parts are left.
        """
        written: dict[Monomial, Monomial] = {}
        collected: dict[Monomial, int] = {}
        for monomial, coefficient in terms:
            key = tuple(sorted(monomial))
            written.setdefault(key, tuple(monomial))
            collected[key] = collected.get(key, 0) + coefficient
        result = tuple((written[key], c) for key, c in collected.items() if c != 0)
        check_length(_length(result))
        return Polynomial(result)

    @staticmethod
    def constant(value: int) -> Polynomial:
        return Polynomial((((), int(value)),)) if value else Polynomial()

    @staticmethod
    def name(name: str) -> Polynomial:
        return Polynomial((((name,), 1),))

    @cached_property
    def _canonical(self) -> frozenset[tuple[Monomial, int]]:
        return frozenset((tuple(sorted(monomial)), coefficient) for monomial, coefficient in self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self._canonical == other._canonical

    def __hash__(self) -> int:
        return hash(self._canonical)

    def __add__(self, other: Polynomial) -> Polynomial:
        return Polynomial.of(self.terms + other.terms)

    def __neg__(self) -> Polynomial:
        return Polynomial(tuple((m, -c) for m, c in self.terms))

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + -other

    def __mul__(self, other: Polynomial) -> Polynomial:
        if len(self.terms) == 1 and not self.terms[0][0]:
            return other.scaled(self.terms[0][1])
        check_length(self.length_of_product(other))
        return Polynomial.of((m + n, c * d) for m, c in self.terms for n, d in other.terms)

    def scaled(self, factor: int) -> Polynomial:
        """Times a number other than 0."""
        return self if factor == 1 else Polynomial(tuple((m, factor * c) for m, c in self.terms))

    @cached_property
    def length(self) -> int:
        """How many names and numbers it has."""
        return _length(self.terms)

    def length_of_product(self, other: Polynomial) -> int:
        """The length of the product before like terms are collected."""
        return self.length * len(other.terms) + len(self.terms) * (other.length - len(other.terms))

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(name for monomial, _ in self.terms for name in monomial)

    @cached_property
    def slopes(self) -> dict[str, int]:
        """Name -> the whole number that it is multiplied by, of a polynomial that is affine in its names."""
        collected = dict(self.terms)
        return {name: collected.get((name,), 0) for name in self.names}

    @property
    def is_constant(self) -> bool:
        return not self.names

    @cached_property
    def constant_value(self) -> int:
        """The coefficient of the empty monomial (the whole value where `is_constant`)."""
        return dict(self.terms).get((), 0)

    @property
    def as_name(self) -> str | None:
        """The name that this polynomial consists of, or None if it is anything else."""
        if len(self.terms) == 1 and self.terms[0][1] == 1 and len(self.terms[0][0]) == 1:
            return self.terms[0][0][0]
        return None

    def degree(self, names: Iterable[str]) -> int:
        """The highest total degree in `names`; at most 1 for a legal index expression over its loop indices."""
        wanted = set(names)
        return max((sum(n in wanted for n in monomial) for monomial, _ in self.terms), default=0)

    def coefficient(self, name: str) -> Polynomial:
        """What `name` is multiplied by (`name` must occur at degree at most 1)."""
        return Polynomial.of((_drop(m, name), c) for m, c in self.terms if name in m)

    def without(self, name: str) -> Polynomial:
        """The monomials that do not contain `name`."""
        return Polynomial(tuple((m, c) for m, c in self.terms if name not in m))

    def substitute(self, values: Mapping[str, Polynomial]) -> Polynomial:
        """Replace names by polynomials, all at once."""
        if not self.names & values.keys():
            return self
        terms: list[tuple[Monomial, int]] = []
        for monomial, coefficient in self.terms:
            product = Polynomial((((), coefficient),))
            for name in monomial:
                product = product * values.get(name, Polynomial.name(name))
            terms += product.terms
        return Polynomial.of(terms)

    def evaluate(self, values: Mapping[str, int]) -> int:
        """The integer value; every name must be given."""
        total = 0
        for monomial, coefficient in self.terms:
            for name in monomial:
                coefficient *= values[name]
            total += coefficient
        return total

    def bounds(self, ranges: Mapping[str, int]) -> tuple[int, int]:
        """Least and greatest value where each name runs over 0..ranges[name]-1 (affine with integer coefficients)."""
        low = high = self.constant_value
        for monomial, coefficient in self.terms:
            if monomial:
                (name,) = monomial
                reach = coefficient * (ranges[name] - 1)
                low, high = low + min(reach, 0), high + max(reach, 0)
        return low, high

    @property
    def in_reading_order(self) -> list[tuple[Monomial, int]]:
        """The terms as they were first written, but one with a positive sign first: p-m rather than -m+p."""
        first = next((place for place, (_, c) in enumerate(self.terms) if c > 0), 0)
        return [*self.terms[first : first + 1], *self.terms[:first], *self.terms[first + 1 :]]

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        text = ""
        for monomial, coefficient in self.in_reading_order:
            size = abs(coefficient)
            factors = ([str(size)] if size != 1 or not monomial else []) + list(monomial)
            sign = "-" if coefficient < 0 else "+"
            text += sign if text else ("-" if sign == "-" else "")
            text += "*".join(factors)
        return text


def _length(terms: Sequence[tuple[Monomial, int]]) -> int:
    return len(terms) + sum([len(monomial) for monomial, _ in terms])


def check_length(length: int) -> None:
    """Refuse index arithmetic that has more than `LONGEST` parts."""
    if length > LONGEST:
        message = f"This index arithmetic has {length:,} parts when it is multiplied out; the limit is {LONGEST:,}."
        raise EquationError(message, remedy="Name the product: pass one whole number, such as integers={'p': 24}.")


def _drop(monomial: Monomial, name: str) -> Monomial:
    place = monomial.index(name)
    return monomial[:place] + monomial[place + 1 :]


@dataclass(frozen=True)
class Position:
    """A position along one axis: `numerator / divisor`.

    A divisor other than 1 comes from an adjoint of a strided access. A position that is not a whole number lies
    outside the tensor, exactly as one below 0 or beyond the last.
    """

    numerator: Polynomial
    divisor: Polynomial = Polynomial((((), 1),))

    @staticmethod
    def name(name: str) -> Position:
        return Position(Polynomial.name(name))

    @cached_property
    def is_whole(self) -> bool:
        """Whether no division is left."""
        return self.divisor == ONE

    @property
    def as_name(self) -> str | None:
        """The single index that this position is, or None."""
        return self.numerator.as_name if self.is_whole else None

    @property
    def names(self) -> frozenset[str]:
        return self.numerator.names | self.divisor.names

    @property
    def in_lowest_terms(self) -> Position:
        """The same position with a positive divisor that has no common factor with all of the numerator.

        For a plain whole number as divisor; others stay as they are.
        """
        if not self.divisor.is_constant or self.is_whole:
            return self
        below = self.divisor.constant_value
        common = math.gcd(below, *(c for _, c in self.numerator.terms)) * (-1 if below < 0 else 1)
        numerator = Polynomial(tuple((m, c // common) for m, c in self.numerator.terms))
        return Position(numerator, Polynomial.constant(below // common))

    def substitute(self, values: Mapping[str, Position]) -> Position:
        """Replace names by positions, over a common divisor: with i -> (p-m)/s, 2*i+k -> (2*p-2*m+s*k)/s."""
        used = {n: v for n, v in values.items() if n in self.names}
        if not used:
            return self
        divided = [n for n, v in used.items() if not v.is_whole]
        if not divided:
            plain = {n: v.numerator for n, v in used.items()}
            return Position(self.numerator.substitute(plain), self.divisor.substitute(plain))
        common = used[divided[0]].divisor
        for n in divided[1:]:
            if used[n].divisor != common:
                common = common * used[n].divisor
        numerator = Polynomial()
        for monomial, coefficient in self.numerator.terms:
            product = Polynomial.constant(coefficient)
            divisor = ONE
            for n in monomial:
                value = used.get(n, Position.name(n))
                product, divisor = product * value.numerator, divisor * value.divisor
            scale = common if divisor == ONE else (ONE if divisor == common else _exact_ratio(common, divisor))
            numerator = numerator + product * scale
        return Position(numerator, self.divisor * common)

    def __str__(self) -> str:
        if self.is_whole:
            return str(self.numerator)
        top = str(self.numerator)
        top = f"({top})" if len(self.numerator.terms) > 1 else top
        below = str(self.divisor)
        below = f"({below})" if len(self.divisor.terms) > 1 or "*" in below else below
        return f"{top}/{below}"


ONE = Polynomial.constant(1)


def _exact_ratio(numerator: Polynomial, divisor: Polynomial) -> Polynomial:
    """`numerator / divisor` for products of single monomials, where it comes out exactly."""
    ((top, c),), ((below, d),) = numerator.terms, divisor.terms
    rest = list(top)
    for name in below:
        rest.remove(name)
    assert c % d == 0, "common divisors are products of the single ones"
    return Polynomial.of([(tuple(rest), c // d)])
