"""Every function at ordinary and at extreme arguments, in both evaluators; ties; values that are not taken."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import mpmath
import numpy as np
import pytest
from numpy.typing import ArrayLike

from convgrad.compute.oracle import grid, loops
from convgrad.functions import FUNCTIONS
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse

INF, NAN = math.inf, math.nan
EPS = float(np.finfo(float).eps)

EXTREMES = [
    -INF,
    -1e308,
    -800.0,
    -745.0,
    -701.0,
    -37.0,
    -1.5,
    -1e-300,
    -0.0,
    0.0,
    1e-300,
    0.5,
    37.0,
    709.0,
    800.0,
    1e308,
    INF,
    NAN,
]
ONE_ARGUMENT = [row.name for row in FUNCTIONS.values() if row.arity == 1]


def both(source: str, values: Mapping[str, ArrayLike] | None = None, **sizes: int) -> np.ndarray:
    """The result by both evaluators, equal to a few bits."""
    arrays = {name: np.asarray(a, float) for name, a in (values or {}).items()}
    equation = bind(parse(source), shapes={name: a.shape for name, a in arrays.items()}, sizes=sizes)
    fast, slow = grid.evaluate(equation, arrays), loops.evaluate(equation, arrays)
    for name in slow:
        np.testing.assert_allclose(fast[name], slow[name], rtol=8 * EPS, atol=0, err_msg=source)
    return fast[equation.result.name]


@pytest.mark.parametrize("function", ONE_ARGUMENT)
def test_both_agree_where_arguments_are_extreme(function: str) -> None:
    both(f"x[i] = {function}(o[i])", {"o": EXTREMES})


@pytest.mark.parametrize("exponent", ["2", "3", "-1", "-2", "-3", "0.5", "-0.5", "1.5", "0"])
def test_both_agree_in_powers_of_extremes(exponent: str) -> None:
    both(f"x[i] = o[i]^({exponent})", {"o": EXTREMES})


@pytest.mark.parametrize("operation", ["a[i] / b[j]", "a[i] * b[j]", "a[i] - b[j]", "max(a[i],b[j])", "min(a[i],b[j])"])
def test_both_agree_in_operations_on_extremes(operation: str) -> None:
    both(f"x[i,j] = {operation}", {"a": EXTREMES, "b": EXTREMES[::2]})


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">="])
def test_both_agree_in_comparisons_of_extremes(operator: str) -> None:
    both(f"x[i,j] = where(a[i] {operator} b[j], 1, 2)", {"a": EXTREMES, "b": EXTREMES})


@pytest.mark.parametrize(
    ("function", "exact"),
    [
        ("exp", mpmath.exp),
        ("tanh", mpmath.tanh),
        ("erf", mpmath.erf),
        ("sigmoid", lambda a: 1 / (1 + mpmath.exp(-a))),
        ("softplus", lambda a: mpmath.log1p(mpmath.exp(a))),
    ],
)
def test_functions_are_exact_to_a_few_bits(function: str, exact: Callable[..., np.ndarray]) -> None:
    arguments = [-700.0, -40.0, -3.7, -1.0, -1e-9, 0.0, 1e-9, 0.3, 2.0, 39.0, 700.0]
    with mpmath.workdps(40):
        expected = [float(exact(mpmath.mpf(a))) for a in arguments]
    # exp(-a) of a rounded -a is exact, so nothing but the last bits is lost.
    np.testing.assert_allclose(both(f"x[i] = {function}(o[i])", {"o": arguments}), expected, rtol=4 * EPS)


def test_infinities_of_ieee_754() -> None:
    assert np.array_equal(both("x[i] = log(o[i])", {"o": [0, -1]}), [-INF, NAN], equal_nan=True)
    assert np.array_equal(both("x[i] = o[i] / p", {"o": [1, -1, 0], "p": 0}), [INF, -INF, NAN], equal_nan=True)
    assert np.array_equal(both("x[i] = exp(o[i])", {"o": [1000, -1000]}), [INF, 0])
    assert np.array_equal(both("x[i] = o[i]^-1", {"o": [0, -0.0, 2]}), [INF, -INF, 0.5])


def test_a_value_that_is_not_taken_does_not_matter() -> None:
    taken = "where(o[i] > 0, log(o[i]), 0) + where(o[i] <= 0, -1, 1/o[i]) * where(o[i] < 0, exp(-1000*o[i]), 1)"
    assert np.array_equal(both(f"x[i] = {taken}", {"o": [1, 0]}), [1, -1])
    assert both("x = sum[i](where(i < 2, o[i], 0))", {"o": [1, 2, NAN]}) == 3
    assert both("x = max[i](where(i < 2, o[i], -inf))", {"o": [1, 2, INF]}) == 2


def test_infinity_times_zero_is_kept_in_sums_of_products() -> None:
    # Taken out of the sum, `a` would give inf * (1 + 0) = inf.
    assert np.array_equal(
        both("x[i] = sum[m](a[i] * b[m] * c[m])", {"a": [1, INF], "b": [1, 0], "c": [1, 1]}), [1, NAN], equal_nan=True
    )
    # So would `a` times the sum of `b`.
    assert math.isnan(both("x = sum[m,n](a[m] * b[n])", {"a": [INF, 1], "b": [0, 1]}))
    assert np.array_equal(
        both("x[i] = sum[m](w[m] * o[i+m else 0])", {"w": [1, INF], "o": [1, 2]}, I=2), [INF, NAN], equal_nan=True
    )


def test_not_a_number_reaches_what_reads_it_and_nothing_else() -> None:
    x = both("x[i] = sum[m](w[m] * o[i+m])", {"w": [1, 2], "o": [1, 2, NAN, 4, 5]})
    assert np.array_equal(x, [5, NAN, NAN, 14], equal_nan=True)


def test_the_first_extreme_counts() -> None:
    o = [[3, 1, 3], [0, 3, 0]]
    assert both("x = argmax[m,n](o[m,n])", {"o": o}) == 0
    assert both("x = argmin[m,n](o[m,n])", {"o": o}) == 3
    assert both("x = argmax[m,n](o[m+1,n else -inf])", {"o": o}, M=2, N=3) == 1
    # Nothing but minus infinity: the first place, and the places of the outermost index count row by row.
    assert both("x = argmax[m,n](o[m+2,n else -inf])", {"o": o}, M=2, N=3) == 0


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1000])
def test_ties_across_blocks(block: int) -> None:
    o = np.random.default_rng(1).integers(0, 3, (11, 5, 7)).astype(float)
    o[4, 2, 3] = o[4, 4, 6] = NAN
    source = "a[i] = argmax[m,n](o[i,m,n]); x[i] = a[i] + 100 * argmin[m,n](o[i,m,n]) + 10000 * max[m,n](o[i,m,n])"
    equation = bind(parse(source), shapes={"o": o.shape})
    a, x = grid.evaluate(equation, {"o": o}, block=block).values()
    assert np.array_equal(a, o.reshape(11, -1).argmax(axis=1))
    assert a[4] == 2 * 7 + 3
    assert np.array_equal(x, loops.evaluate(equation, {"o": o})["x"], equal_nan=True)


def test_uniform_by_hand() -> None:
    # k = 1, seed = 0: the finalizer of MurmurHash3 on 0x9E3779B1, in plain arithmetic.
    h = 0x9E3779B1
    h ^= h >> 16
    h = h * 0x85EBCA6B % 2**32
    h ^= h >> 13
    h = h * 0xC2B2AE35 % 2**32
    h ^= h >> 16
    assert both("x = uniform(0, 1)") == (h >> 8) / 2**24
    assert both("x = uniform(0, 0)") == 0


def test_uniform_is_uniform_and_exact_in_float32() -> None:
    x = grid.evaluate(bind(parse("x[k] = uniform(seed, k)"), {"seed": ()}, {"K": 2**16}), {"seed": 2**24 - 1})["x"]
    assert np.array_equal(x, x.astype(np.float32))
    assert x.min() >= 0
    assert x.max() < 1
    # Moments of 2^16 numbers lie within five standard deviations; those of neighbours are uncorrelated.
    assert abs(x.mean() - 1 / 2) < 5 * (1 / 12) ** 0.5 / 2**8
    assert abs((x**2).mean() - 1 / 3) < 5 * (4 / 45) ** 0.5 / 2**8
    assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 5 / 2**8
    both("x[k] = uniform(k - 3, 1000003 * k)", K=11)
