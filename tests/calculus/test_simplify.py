"""The rewrites that make terms shorter keep their value, and do shorten."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgrad.calculus.simplify import as_polynomial, simplify
from convgrad.compute.oracle.grid import evaluate
from convgrad.notation import bind, parse
from convgrad.notation.polynomial import Polynomial, Position
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
    Negate,
    Number,
    Power,
    Reduce,
    Term,
    bound_indices,
    substitute_indices,
)

I = Position.name("i")
SIZES = {"i": 3, "m": 2, "n": 2}


def shortened(expression: str, **sizes: int) -> str:
    return str(simplify(parse(f"x[i] = {expression}").result.term, sizes))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a[i] * 1 + 0", "a[i]"),
        ("a[i] * 0 + b[i]", "b[i]"),
        ("-(-a[i])", "a[i]"),
        ("-(a[i] - b[i])", "b[i] - a[i]"),
        ("2 * a[i] * 3", "6 * a[i]"),
        ("a[i] * (1 / b[i])", "a[i] / b[i]"),
        ("2 * (a[i] / 2)", "a[i]"),
        ("a[i] * a[i] * b[i]", "a[i]^2 * b[i]"),
        ("a[i]^1 * b[i]^0", "a[i]"),
        ("(-a[i])^2", "a[i]^2"),
        ("a[i] / -b[i]", "-a[i] / b[i]"),
        ("0 / a[i]", "0"),
        ("a[i] / (b[i] / c[i])", "a[i] * c[i] / b[i]"),
        ("a[i] * where(b[i] > 0, c[i], 0)", "where(b[i] > 0, a[i] * c[i], 0)"),
        ("where(b[i] > 0, c[i], 0) / a[i]", "where(b[i] > 0, c[i] / a[i], 0)"),
        ("-where(b[i] > 0, c[i], 0)", "where(b[i] > 0, -c[i], 0)"),
        ("where(a[i] > 0, b[i], b[i])", "b[i]"),
        ("where(1 > 2, a[i], b[i])", "b[i]"),
        ("sum[m](0 * a[i,m])", "0"),
        ("sum[m](-a[i,m])", "-sum[m](a[i,m])"),
        ("sum[m](2 * b[i] * a[i,m])", "2 * b[i] * sum[m](a[i,m])"),
        ("sum[m](a[i,m] / b[i])", "sum[m](a[i,m]) / b[i]"),
        ("sum[m](a[i,m] / b[m])", "sum[m](a[i,m] / b[m])"),
        ("max[m](2 * a[m])", "max[m](2 * a[m])"),
        ("a[i] + 1 + 2", "a[i] + 3"),
        ("1 - 1", "0"),
        ("-a[i] - b[i]", "-(a[i] + b[i])"),
        ("a[i] + 2 * b[i] + a[i] - 3 * b[i]", "2 * a[i] - b[i]"),
        ("a[i] - b[i] - a[i]", "-b[i]"),
        ("a[i] - a[i]", "0"),
        ("sum[m](where(a[i] > 0, b[m], 0))", "where(a[i] > 0, sum[m](b[m]), 0)"),
        (
            "sum[m](where(b[m] > 0, where(a[i] > 0, b[m], 0), 0))",
            "where(a[i] > 0, sum[m](where(b[m] > 0, b[m], 0)), 0)",
        ),
        ("sum[m](where(b[m] > 0, b[m], a[i]))", "sum[m](where(b[m] > 0, b[m], a[i]))"),
        ("sum[m](a[i])", "sum[m](a[i])"),
    ],
)
def test_shorter(before: str, after: str) -> None:
    assert shortened(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("where(i < 3, a[i], b[i])", "a[i]"),
        ("where(i >= 3, a[i], b[i])", "b[i]"),
        ("where(i == 3, a[i], b[i])", "b[i]"),
        ("where(i != 3, a[i], b[i])", "a[i]"),
        ("where(i < 2, a[i], b[i])", "where(i < 2, a[i], b[i])"),
        ("where(i == 1, a[i], b[i])", "where(i == 1, a[i], b[i])"),
        ("where(2 * i + 1 <= 5, a[i], b[i])", "a[i]"),
        ("where(i < c[i], a[i], b[i])", "where(i < c[i], a[i], b[i])"),
    ],
)
def test_conditions_on_indices_are_decided_by_their_range(before: str, after: str) -> None:
    assert shortened(before, i=3) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("sum[m](a[i])", "2 * a[i]"),
        ("sum[m,n](a[i,n])", "2 * sum[n](a[i,n])"),
        ("mean[m,n](a[i,n])", "mean[n](a[i,n])"),
        ("sum[m,n](-3 * a[i])", "-30 * a[i]"),
        ("mean[m](a[i])", "a[i]"),
    ],
)
def test_a_sum_over_what_does_not_change_is_a_product(before: str, after: str) -> None:
    assert shortened(before, m=2, n=5) == after


def test_index_arithmetic_becomes_one_term_after_a_change_of_index() -> None:
    term = parse("x[i,m] = a[i] * (i - m + 7 + b[i])").result.term
    p_m = Position(Polynomial.name("p") - Polynomial.name("m"))
    assert str(simplify(substitute_indices(term, {"i": p_m}))) == "a[p-m] * ((p - 2 * m + 7) + b[p-m])"
    term = parse("x[i,m] = a[i] * (i - m + 7)").result.term
    m_5 = Position(Polynomial.name("m") - Polynomial.constant(5))
    assert str(simplify(substitute_indices(term, {"i": m_5}))) == "2 * a[m-5]"


def test_index_arithmetic_is_recognized() -> None:
    term = parse("x[i] = 2 * i - (i + 3)").result.term
    assert as_polynomial(term) == Polynomial.name("i") - Polynomial.constant(3)
    assert as_polynomial(parse("x[i] = 0.5 * i").result.term) is None


# Any term over a[i], b[i], w[m], i and numbers, zeros and signs included.

LEAVES = st.sampled_from(
    [Access("a", (I,)), Access("b", (I,)), IndexValue(Polynomial.name("i")), Number(0.0), Number(1.0), Number(2.0)]
)


def extended(terms: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    several = st.lists(terms, min_size=2, max_size=3).map(tuple)
    positive = terms.map(lambda t: Add((Number(2.0), Power(t, 2.0))))
    conditions = st.builds(Compare, st.sampled_from(["<", "==", ">="]), terms, terms)
    weighted = terms.map(_weighted)
    return st.one_of(
        st.builds(Negate, terms),
        st.builds(Add, several),
        st.builds(Multiply, several),
        st.builds(Divide, terms, positive),
        st.builds(Power, terms, st.sampled_from([0.0, 1.0, 2.0, 3.0])),
        st.builds(lambda c, a, b: Call("where", (c, a, b)), conditions, terms, terms),
        st.builds(lambda c, a: Call("where", (c, a, Number(0.0))), conditions, terms),
        st.builds(lambda c, a: _weighted(Call("where", (c, a, Number(0.0)))), conditions, terms),
        st.builds(lambda kind, a: _reduced(kind, a), st.sampled_from(["sum", "mean"]), terms),
        weighted,
        st.builds(lambda t: Call("tanh", (t,)), terms),
    )


def _reduced(kind: str, term: Term) -> Term:
    """A reduction over an index that does not occur, and over those of sums taken apart."""
    free = [index for index in ("m", "n") if index not in bound_indices(term)]
    return Reduce(kind, tuple(free), term) if free else term


def _weighted(term: Term) -> Term:
    """A sum around the term, over an index that is not in use inside."""
    free = [index for index in ("m", "n") if index not in bound_indices(term)]
    return Reduce("sum", (free[0],), Multiply((term, Access("w", (Position.name(free[0]),))))) if free else term


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.recursive(LEAVES, extended, max_leaves=8))
def test_the_value_stays(term: Term) -> None:
    rng = np.random.default_rng(0)
    arrays = {"a": rng.standard_normal(3), "b": rng.standard_normal(3), "w": rng.standard_normal(2)}
    before, after = (_value(t, arrays) for t in (term, simplify(term, SIZES)))
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9 * max(1.0, float(np.abs(before).max())))


def _value(term: Term, arrays: dict[str, np.ndarray]) -> np.ndarray:
    shapes = tuple((name, array.shape) for name, array in arrays.items())
    definition = Definition("x", ("i",), term, tuple(SIZES.items()))
    return evaluate(Equation((definition,), shapes=(*shapes, ("x", (3,)))), arrays)["x"]


def test_bound_equations_may_be_simplified_too() -> None:
    equation = bind(parse("x[i] = where(i < I, a[i], 7)"), {"a": (3,)})
    assert str(simplify(equation.result.term, equation.result.sizes)) == "a[i]"
