"""Make a term shorter without changing its value: the rewrites a person does without thinking.

Each function is one family of rewrites; `simplify` applies them bottom up. They hold for every value of the tensors
(up to rounding), given that what multiplies 0 is finite; `tests/calculus/test_simplify.py` checks them by the oracle.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import isfinite, prod
from typing import TypeGuard

from convgrad.arguments import TABLE, optional, takes
from convgrad.errors import ArgumentError
from convgrad.notation.exponents import exact
from convgrad.notation.polynomial import LONGEST, Polynomial
from convgrad.notation.terms import (
    TERM,
    Add,
    Call,
    Compare,
    Divide,
    IndexValue,
    Multiply,
    Negate,
    Number,
    Power,
    Reduce,
    Term,
    free_names,
    rebuild,
)

ZERO, ONE = Number(0.0), Number(1.0)
LARGEST_WHOLE = 2**53
"""Whole numbers below it are exact in float64."""

_HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@takes(ArgumentError, term=TERM, ranges=optional(TABLE))
def simplify(term: Term, ranges: Mapping[str, int] | None = None) -> Term:
    """The same value, written shorter. `ranges` (index -> size), where known, decide conditions on indices."""

    def step(t: Term) -> Term:
        if isinstance(t, IndexValue) and t.polynomial.is_constant:
            return Number(float(t.polynomial.constant_value))
        if isinstance(t, Negate):
            return negated(t.term)
        if isinstance(t, Add):
            return _sum(t)
        if isinstance(t, Multiply):
            return product(t.factors)
        if isinstance(t, Divide):
            return quotient(t.numerator, t.denominator)
        if isinstance(t, Power):
            return _power(t)
        if isinstance(t, Call) and t.function == "where":
            return _where(t, ranges or {})
        if isinstance(t, Reduce):
            return _reduction(t, ranges or {})
        return t

    return rebuild(term, step)


def negated(term: Term) -> Term:
    """`-term`, with the sign as far out as it goes."""
    if isinstance(term, Number):
        return Number(-term.value) if term.value else term
    if isinstance(term, Negate):
        return term.term
    if _is_gate(term):
        return _gate(term, negated(term.arguments[1]))
    if _is_difference(term):
        return _swapped(term)
    if isinstance(term, Multiply):
        for place, factor in enumerate(term.factors):
            if _is_difference(factor):
                return replace(term, factors=(*term.factors[:place], _swapped(factor), *term.factors[place + 1 :]))
    return Negate(term)


def _is_difference(term: Term) -> bool:
    """Whether the term is `a - b`."""
    return (
        isinstance(term, Add) and len(term.terms) == 2 and [isinstance(t, Negate) for t in term.terms] == [False, True]
    )


def _swapped(term: Term) -> Term:
    """`b - a` for `a - b`."""
    assert isinstance(term, Add)
    assert isinstance(term.terms[1], Negate)
    return replace(term, terms=(term.terms[1].term, Negate(term.terms[0])))


def product(factors: tuple[Term, ...]) -> Term:
    """The product: numbers folded and in front, signs and denominators outside, `where(c, e, 0)` around the rest."""
    number, sign = 1.0, False
    plain: list[Term] = []
    below: list[Term] = []
    pending = list(factors)
    while pending:
        factor = pending.pop(0)
        if isinstance(factor, Multiply):
            pending[:0] = factor.factors
        elif isinstance(factor, Negate):
            sign = not sign
            pending.insert(0, factor.term)
        elif isinstance(factor, Divide):
            pending.insert(0, factor.numerator)
            below.append(factor.denominator)
        elif isinstance(factor, Number) and isfinite(number * factor.value):
            number *= factor.value
        else:
            plain.append(factor)
    if number == 0:
        return ZERO
    for place, factor in enumerate(plain):
        if _is_gate(factor):
            others = (Number(number), *plain[:place], factor.arguments[1], *plain[place + 1 :])
            inside = product(others)
            for denominator in below:
                inside = quotient(inside, denominator)
            return _gate(factor, negated(inside) if sign else inside)
    if number < 0:
        number, sign = -number, not sign
    if below:
        top = product((Number(number), *plain))
        result = quotient(top, product(tuple(below)))
        return negated(result) if sign else result
    plain = _powers(plain)
    kept = tuple(plain) if number == 1 and plain else (Number(number), *plain)
    result = kept[0] if len(kept) == 1 else Multiply(kept)
    return negated(result) if sign else result


def _powers(factors: list[Term]) -> list[Term]:
    """Equal factors as one power: a * b * a -> a^2 * b."""
    exponents: dict[Term, float] = {}
    for factor in factors:
        base, exponent = (factor.base, factor.exponent) if isinstance(factor, Power) else (factor, 1.0)
        exponents[base] = exponents.get(base, 0.0) + exponent
    if len(exponents) == len(factors):
        return factors
    if not all(map(isfinite, exponents.values())):
        return factors
    raised = [_power(Power(base, exact(exponent))) for base, exponent in exponents.items()]
    return [factor for factor in raised if factor != ONE]


def quotient(top: Term, below: Term) -> Term:
    """`top / below`, without a 1 below, numbers that divide exactly folded, signs outside."""
    if top == ZERO:
        return ZERO
    if isinstance(below, Negate):
        return negated(quotient(top, below.term))
    if isinstance(top, Negate):
        return negated(quotient(top.term, below))
    if _is_gate(top):
        return _gate(top, quotient(top.arguments[1], below))
    if isinstance(top, Divide):
        return quotient(top.numerator, product((top.denominator, below)))
    if isinstance(below, Divide):
        return quotient(product((top, below.denominator)), below.numerator)
    number, rest = _coefficient(top)
    divisor, kept = _coefficient(below)
    if divisor != 1 and divisor != 0 and number % divisor == 0:
        top, below = product((Number(number / divisor), rest)), kept
    return top if below == ONE else Divide(top, below)


def _coefficient(term: Term) -> tuple[float, Term]:
    """A number and the rest whose product is the term."""
    if isinstance(term, Number):
        return term.value, ONE
    if isinstance(term, Multiply) and isinstance(term.factors[0], Number):
        rest = term.factors[1:]
        return term.factors[0].value, rest[0] if len(rest) == 1 else Multiply(rest)
    return 1.0, term


def _sum(term: Add) -> Term:
    """The sum: numbers folded, index arithmetic in one place, equal parts counted."""
    number = 0.0
    coefficients: dict[Term, float] = {}
    parts = _flat_sum(term)
    for part in _with_one_index_value(parts):
        coefficient, rest = _signed_coefficient(part)
        if not isfinite(coefficient + (number if rest == ONE else coefficients.get(rest, 0.0))):
            return Add(tuple(parts))  # inf - inf is not a number that could be written
        if rest == ONE:
            number += coefficient
        else:
            coefficients[rest] = coefficients.get(rest, 0.0) + coefficient
    kept = [_scaled(coefficient, rest) for rest, coefficient in coefficients.items() if coefficient]
    if number:
        place = 0 if number > 0 and (not kept or isinstance(kept[0], Negate)) else len(kept)
        kept.insert(place, Number(number) if number > 0 or not kept else Negate(Number(-number)))
    if not kept:
        return ZERO
    if len(kept) == 1:
        return kept[0]
    if all(isinstance(part, Negate) for part in kept):
        return Negate(Add(tuple(part.term for part in kept if isinstance(part, Negate))))
    return Add(tuple(kept))


def _signed_coefficient(part: Term) -> tuple[float, Term]:
    if isinstance(part, Negate):
        coefficient, rest = _coefficient(part.term)
        return -coefficient, rest
    return _coefficient(part)


def _scaled(coefficient: float, rest: Term) -> Term:
    part = rest if abs(coefficient) == 1 else product((Number(abs(coefficient)), rest))
    return Negate(part) if coefficient < 0 else part


def _with_one_index_value(parts: list[Term]) -> list[Term]:
    """Where one part is compound index arithmetic, as a change of index makes it, all of them as one: (p-m) - m + 7."""
    if not any(isinstance(part, IndexValue) and len(part.polynomial.terms) > 1 for part in parts):
        return parts
    total = Polynomial()
    others: list[Term] = []
    for part in parts:
        polynomial = as_polynomial(part)
        if polynomial is None:
            others.append(part)
        else:
            total = total + polynomial
    return [IndexValue(total) if total.names else Number(float(total.constant_value)), *others]


def _flat_sum(term: Term) -> list[Term]:
    if isinstance(term, Add):
        return [part for child in term.terms for part in _flat_sum(child)]
    if isinstance(term, Negate) and isinstance(term.term, Add):
        return [negated(part) for part in _flat_sum(term.term)]
    return [term]


def _power(term: Power) -> Term:
    if term.exponent == 0:
        return ONE
    if term.exponent == 1:
        return term.base
    if isinstance(term.base, Negate) and term.exponent % 2 == 0:
        return Power(term.base.term, term.exponent)
    return term


def _is_gate(term: Term) -> TypeGuard[Call]:
    """Whether the term is `where(c, e, 0)`."""
    return isinstance(term, Call) and term.function == "where" and term.arguments[2] == ZERO


def _gate(gate: Call, inside: Term) -> Term:
    return ZERO if inside == ZERO else replace(gate, arguments=(gate.arguments[0], inside, ZERO))


def _where(term: Call, ranges: Mapping[str, int]) -> Term:
    condition, yes, no = term.arguments
    if yes == no:
        return yes
    assert isinstance(condition, Compare)
    holds = _decided(condition, ranges)
    if holds is None:
        return term
    return yes if holds else no


def _decided(condition: Compare, ranges: Mapping[str, int]) -> bool | None:
    """Whether the condition is the same at every index; None where it isn't, or is not known."""
    if isinstance(condition.left, Number) and isinstance(condition.right, Number):
        return _HOLDS[condition.operator](condition.left.value, condition.right.value)
    left, right = as_polynomial(condition.left), as_polynomial(condition.right)
    if left is None or right is None:
        return None
    difference = left - right
    if not difference.is_constant and (difference.degree(difference.names) > 1 or difference.names - ranges.keys()):
        return None
    low, high = difference.bounds(ranges)
    results = {_HOLDS[condition.operator](low, 0), _HOLDS[condition.operator](high, 0)}
    if condition.operator in ("==", "!=") and low != high:
        inside = low <= 0 <= high
        return None if inside else condition.operator == "!="
    return results.pop() if len(results) == 1 else None


def as_polynomial(term: Term) -> Polynomial | None:
    """The term as index arithmetic, where it is that, with numbers that float64 holds exactly."""
    if isinstance(term, IndexValue):
        return term.polynomial
    if isinstance(term, Number) and abs(term.value) < LARGEST_WHOLE and term.value == int(term.value):
        return Polynomial.constant(int(term.value))
    if isinstance(term, Negate):
        inner = as_polynomial(term.term)
        return None if inner is None else -inner
    if isinstance(term, Add | Multiply):
        parts = [as_polynomial(child) for child in term.children]
        total = Polynomial.constant(0 if isinstance(term, Add) else 1)
        for part in parts:
            if part is None:
                return None
            length = total.length + part.length if isinstance(term, Add) else total.length_of_product(part)
            if length > LONGEST:
                return None
            total = total + part if isinstance(term, Add) else total * part
            if any(abs(coefficient) >= LARGEST_WHOLE for _, coefficient in total.terms):
                return None
        return total
    return None


def _reduction(term: Reduce, ranges: Mapping[str, int]) -> Term:
    """A sum or mean without what its indices do not touch: signs, factors, denominators, conditions, the indices."""
    if term.kind not in ("sum", "mean"):
        return term
    body, bound = term.body, set(term.indices)

    def over(inside: Term) -> Term:
        return _reduction(replace(term, body=inside), ranges)

    if body == ZERO:
        return ZERO
    if isinstance(body, Negate):
        return negated(over(body.term))
    if isinstance(body, Divide) and not free_names(body.denominator) & bound:
        return quotient(over(body.numerator), body.denominator)
    if isinstance(body, Multiply):
        outside = tuple(f for f in body.factors if not free_names(f) & bound)
        inside = tuple(f for f in body.factors if free_names(f) & bound)
        if outside and inside:
            return product((*outside, over(product(inside))))
    if _is_gate(body):
        conditions, inner = _gates(body)
        free = [c for c in conditions if not free_names(c) & bound]
        if free:
            inner = over(_gated([c for c in conditions if c not in free], inner))
            return _gated(free, inner)
    return _counted(term, ranges)


def _counted(term: Reduce, ranges: Mapping[str, int]) -> Term:
    """A sum over an index that does not occur is a product with its size, where that is known."""
    unused = [i for i in term.indices if i not in free_names(term.body) and i in ranges]
    if not unused:
        return term
    used = tuple(i for i in term.indices if i not in unused)
    rest = replace(term, indices=used) if used else term.body
    count = prod(ranges[i] for i in unused) if term.kind == "sum" else 1
    return product((Number(float(count)), rest))


def _gates(term: Term) -> tuple[list[Term], Term]:
    """`where(c, where(d, e, 0), 0)` as the conditions c, d and the term e."""
    conditions = []
    while _is_gate(term):
        conditions.append(term.arguments[0])
        term = term.arguments[1]
    return conditions, term


def _gated(conditions: list[Term], term: Term) -> Term:
    for condition in reversed(conditions):
        term = _gate(Call("where", (condition, term, ZERO)), term)
    return term
