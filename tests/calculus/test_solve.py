"""Equations for indices: what is said to solve them does, at every value of the indices."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgrad.calculus.solve import Solution, solve
from convgrad.notation import Polynomial, Position, parse
from convgrad.notation.terms import accesses

SIZES = {"i": 3, "j": 4, "m": 3, "n": 2}
TARGETS = ("p", "q", "r")


def reading(text: str) -> tuple[Position, ...]:
    return next(accesses(parse(f"x[i,j] = sum[m,n](a[{text} else 0])").result.term)).positions


def told(solution: Solution) -> str:
    values = [f"{name} = {value}" for name, value in solution.values.items()]
    return ", ".join(values + [f"{left} == {right}" for left, right in solution.conditions])


@pytest.mark.parametrize(
    ("text", "solution"),
    [
        ("i,m", "i = p, m = q"),
        ("i+m,j+n", "i = p-m, j = q-n"),
        ("m-i", "i = m-p"),
        ("2*i+m", "i = (p-m)/2"),
        ("5-3*i", "i = (5-p)/3"),
        ("(i+1-m)/2", "i = 2*p-1+m"),
        ("i,i", "i = p, i == q"),
        ("i+m,m", "m = q, i = p-q"),
        ("i+j,i-j", "i = (p+q)/2, j = (p-q)/2"),
        ("2*i+m,i+n", "i = q-n, m = p-2*q+2*n"),
        ("m+1,j", "j = q, m = p-1"),
        ("2*n+1", "2*n+1 == p"),
        ("2*m+1", "m = (p-1)/2"),
        ("3", "3 == p"),
        ("m+n", "m = p-n"),
        ("2*i+m,2*i+n", "m = p-2*i, n = q-2*i"),
    ],
)
def test_solutions(text: str, solution: str) -> None:
    positions = reading(text)
    found = solve(positions, TARGETS[: len(positions)], ("i", "j"), ("m", "n"), {"m"})
    assert told(found) == solution
    assert_solves(positions, found)


names = st.sampled_from(["i", "j", "m", "n"])
polynomials = st.builds(
    lambda terms, constant: Polynomial.of([((n,), c) for n, c in terms] + [((), constant)]),
    st.lists(st.tuples(names, st.sampled_from([-3, -2, -1, 1, 1, 1, 2, 3])), max_size=3),
    st.integers(-2, 2),
)
positions = st.builds(Position, polynomials, st.sampled_from([1, 1, 1, 2, 3]).map(Polynomial.constant))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(positions, min_size=1, max_size=3), st.sets(st.sampled_from(["m", "n"])))
def test_what_is_solved_holds(positions: list[Position], covered: set[str]) -> None:
    solution = solve(positions, TARGETS[: len(positions)], ("i", "j"), ("m", "n"), covered)
    assert_solves(positions, solution)
    for index in {"m", "n"} - covered:
        assert index not in solution.values or solution.values[index].is_whole
    solved = solution.values.keys()
    for value in solution.values.values():
        assert not value.names & solved, "what is solved for is gone"


def assert_solves(positions: list[Position] | tuple[Position, ...], solution: Solution) -> None:
    """At all values of the indices and targets: the reading hits the target where and only where the solution holds."""
    targets = TARGETS[: len(positions)]
    for values in product(*map(range, SIZES.values())):
        indices = dict(zip(SIZES, values, strict=True))
        hit = [_value(position, indices) for position in positions]
        for wanted in product(*({target, 0} if target is not None else {0} for target in hit)):
            everything = {**indices, **dict(zip(targets, wanted, strict=True))}
            holds = all(_value(value, everything) == indices[name] for name, value in solution.values.items()) and all(
                left.evaluate(everything) == right.evaluate(everything) for left, right in solution.conditions
            )
            assert holds == (tuple(hit) == wanted), f"{indices} {wanted}"


def _value(position: Position, values: dict[str, int]) -> int | None:
    """The position; None where it is not a whole number."""
    quotient, rest = divmod(position.numerator.evaluate(values), position.divisor.evaluate(values))
    return None if rest else quotient
