"""The spec of legal forms, on terms that no text gives; and the arithmetic of positions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgrad.errors import EquationSyntaxError, Span
from convgrad.notation import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Equation,
    IndexValue,
    Multiply,
    Negate,
    Number,
    Polynomial,
    Position,
    Reduce,
    Term,
)
from convgrad.notation.legality import check, counted, position_span

i, j = Polynomial.name("i"), Polynomial.name("j")
one = Number(1.0)
deep: Term = one
for _ in range(20000):
    deep = Negate(deep)


@pytest.mark.parametrize(
    ("term", "message"),
    [
        (IndexValue(i * i), r"i\*i is not affine"),
        (Access("o", (Position(i * j),)), "position i\\*j of o is not affine"),
        (Access("o", (Position(i, j),), 0.0), "divided by a loop index"),
        (Access("o", (Position(i, Polynomial()),), 0.0), "divided by 0"),
        (Access("o", (Position(i, Polynomial.constant(2)),)), "nothing is said about quotients"),
        (Add((one,)), "needs at least two parts"),
        (Multiply((one,)), "needs at least two parts"),
        (Call("sinh", (one,)), "no function sinh"),
        (Call("exp", ()), "exp takes 1 argument, but got 0"),
        (Call("where", (one, one, one)), "only a comparison may appear there"),
        (Compare("<", one, one), "only as the first argument of where"),
        (Call("where", (Compare("=", one, one), one, one)), "no comparison '='"),
        (Reduce("prod", ("m",), one), r"no reduction prod\[m\]"),
        (Reduce("sum", (), one), r"no reduction sum\[\]"),
        (Reduce("sum", ("i",), one), "Index i is already in use"),
        (Reduce("sum", ("m", "m"), one), "Index m is already in use"),
        (deep, "nested more than 100 deep"),
    ],
)
def test_illegal_terms(term: Term, message: str) -> None:
    with pytest.raises(EquationSyntaxError, match=message):
        check(Equation((Definition("x", ("i", "j"), term),)))


def test_an_index_stands_once_on_the_left() -> None:
    with pytest.raises(EquationSyntaxError, match="Index i appears twice on the left of x"):
        check(Equation((Definition("x", ("i", "i"), one),)))


def test_a_position_without_a_place_of_its_own_is_in_the_access() -> None:
    span = Span(3, 7)
    assert position_span(Access("o", (Position(i),), span=span), 0) == span
    assert position_span(Access("o", (Position(i),)), 0) is None


def test_counting() -> None:
    assert [counted(n, "axis") for n in range(3)] == ["no axis", "1 axis", "2 axes"]
    assert counted(2, "argument") == "2 arguments"


@given(st.integers(-5, 5), st.integers(-5, 5), st.integers(-6, 6).filter(bool), st.integers(-4, 4))
def test_lowest_terms_keep_the_quotient(factor: int, constant: int, divisor: int, place: int) -> None:
    numerator = Polynomial.of([(("i",), factor), ((), constant)])
    position = Position(numerator, Polynomial.constant(divisor))
    lowest = position.in_lowest_terms
    assert lowest.divisor.constant_value > 0
    top, below = numerator.evaluate({"i": place}), lowest.divisor.constant_value
    assert top * below == lowest.numerator.evaluate({"i": place}) * divisor
    assert lowest.in_lowest_terms == lowest


def test_lowest_terms_leave_named_divisors() -> None:
    position = Position(i + i, Polynomial.name("s"))
    assert position.in_lowest_terms == position
