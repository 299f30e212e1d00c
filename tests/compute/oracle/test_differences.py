"""Central differences against gradients that are known in closed form, and the error that they claim."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import ArrayLike

from convgrad.compute.oracle.differences import (
    STEP,
    central_difference,
    central_difference_with_error,
    directional_difference,
)
from convgrad.errors import DataError, ShapeError
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse

RANDOM = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


def test_convolution_to_eleven_digits() -> None:
    equation = bind(parse("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n])"), shapes={"w": (2, 3), "o": (5, 7)})
    o, w, dx = normal(5, 7), normal(2, 3), normal(4, 5)
    dw = [[np.sum(dx * o[m : m + 4, n : n + 5]) for n in range(3)] for m in range(2)]
    # Linear: only rounding, eps/STEP = 3e-13 of some 20 products of size 1 to 4.
    np.testing.assert_allclose(central_difference(equation, {"w": w, "o": o}, "w", dx), dw, rtol=0, atol=1e-11)
    do = np.zeros((5, 7))
    for m in range(2):
        for n in range(3):
            do[m : m + 4, n : n + 5] += dx * w[m, n]
    np.testing.assert_allclose(central_difference(equation, {"w": w, "o": o}, "o", dx), do, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        ("exp(o[i])", np.exp),
        ("tanh(o[i])", lambda o: 1 - np.tanh(o) ** 2),
        ("sigmoid(o[i])", lambda o: np.exp(-o) / (1 + np.exp(-o)) ** 2),
        ("softplus(o[i])", lambda o: 1 / (1 + np.exp(-o))),
        ("erf(o[i])", lambda o: 2 / np.sqrt(np.pi) * np.exp(-(o**2))),
        ("log(3 + o[i])", lambda o: 1 / (3 + o)),
        ("(3 + o[i])^-1.5", lambda o: -1.5 * (3 + o) ** -2.5),
    ],
)
def test_nine_digits_and_an_honest_error(function: str, derivative: Callable[..., np.ndarray]) -> None:
    o = np.linspace(-2, 2, 11)
    equation = bind(parse(f"x[i] = {function}"), shapes={"o": o.shape})
    value, error = central_difference_with_error(equation, {"o": o}, "o")
    true = derivative(o)
    assert np.all(np.abs(value - true) < 1e-9 * np.abs(true).max())
    assert np.all(np.abs(value - true) <= error)
    assert np.all(error < 1e-8)
    np.testing.assert_array_equal(value, central_difference(equation, {"o": o}, "o"))


def test_a_larger_step_cuts_more_off_and_a_smaller_one_rounds_more() -> None:
    equation = bind(parse("x = exp(o)"), shapes={"o": ()})

    def relative(step: float) -> float:
        return float(abs(central_difference(equation, {"o": 0.7}, "o", step=step) / np.exp(0.7) - 1))

    assert 1e-8 < relative(0.05) < 1e-5  # 4 h^4 / 30 = 8e-7
    assert relative(STEP) < 2e-12  # the balance of both
    assert relative(1e-10) > 1e-9  # eps / h = 2e-6 at most


def test_a_kink_shows_in_the_error() -> None:
    equation = bind(parse("x[i] = max(o[i], 0)"), shapes={"o": (3,)})
    value, error = central_difference_with_error(equation, {"o": [-1.0, STEP / 2, 1.0]}, "o")
    assert error[1] > 0.1
    np.testing.assert_allclose(value[[0, 2]], [0, 1], atol=1e-11)
    assert error[[0, 2]].max() < 1e-11
    near = central_difference(equation, {"o": [-1.0, STEP / 2, 1.0]}, "o", step=1e-6)
    np.testing.assert_allclose(near, [0, 1, 1], atol=1e-8)


def test_stop_is_held() -> None:
    shapes = {"y": (5,), "r": ()}
    y, dx = normal(5), normal(5)
    equation = bind(parse("x[k] = stop(y[k] + exp(r)) * y[k] * r"), shapes=shapes)
    arrays: dict[str, ArrayLike] = {"y": y, "r": 0.3}
    factor = y + np.exp(0.3)
    np.testing.assert_allclose(central_difference(equation, arrays, "y", dx), dx * factor * 0.3, atol=1e-11)
    np.testing.assert_allclose(central_difference(equation, arrays, "r", dx), np.sum(dx * factor * y), atol=1e-11)


def test_stop_is_held_through_definitions_reductions_and_stops() -> None:
    # m depends on y, stands in stop, and inside a sum whose index it has.
    text = "m[k] = 2 * y[k]\nE = sum[k](stop(m[k] * max[l](y[l]) * stop(k + 1)) * y[k]) + stop(sum[k](y[k]^2))"
    y = np.array([1.0, 4.0, 2.0])
    equation = bind(parse(text), shapes={"y": (3,)})
    np.testing.assert_allclose(central_difference(equation, {"y": y}, "y"), 2 * y * 4 * [1, 2, 3], atol=1e-10)


def test_upstream_is_one_number_or_an_array_of_the_result() -> None:
    equation = bind(parse("x[i] = o[i]^2"), shapes={"o": (3,)})
    o = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(central_difference(equation, {"o": o}, "o"), 2 * o, atol=1e-11)
    np.testing.assert_allclose(central_difference(equation, {"o": o}, "o", 0.5), o, atol=1e-11)
    np.testing.assert_allclose(central_difference(equation, {"o": o}, "o", [0, 1, -1]), [0, 4, -6], atol=1e-11)


def test_infinite_elements_that_do_not_vary_cancel() -> None:
    equation = bind(parse("x[i] = log(o[i])"), shapes={"o": (3,)})
    slope = central_difference(equation, {"o": [0.0, 2.0, 4.0]}, "o")
    np.testing.assert_allclose(slope[1:], [1 / 2, 1 / 4], atol=1e-11)


def test_a_constant_result_and_definitions_without_part_in_it() -> None:
    equation = bind(parse("y[i] = o[i]^2; x[i] = 3 * p[i]"), shapes={"o": (3,), "p": (3,)})
    arrays = {"o": normal(3), "p": normal(3)}
    assert np.array_equal(central_difference(equation, arrays, "o"), np.zeros(3))
    assert directional_difference(equation, arrays, {"o": normal(3)}) == 0
    assert directional_difference(equation, arrays, {"p": np.zeros(3)}) == 0
    assert directional_difference(equation, arrays, {}) == 0


def test_a_direction_over_two_inputs() -> None:
    equation = bind(parse("x[i,j] = tanh(sum[m](a[i,m] * b[m,j]))"), shapes={"a": (2, 3), "b": (3, 5)})
    arrays = {"a": normal(2, 3), "b": 0.01 * normal(3, 5)}
    direction = {"a": normal(2, 3), "b": normal(3, 5)}
    dx = normal(2, 5)
    slope = directional_difference(equation, arrays, direction, dx)
    dy = dx * (1 - np.tanh(arrays["a"] @ arrays["b"]) ** 2)
    expected = np.sum(dy @ arrays["b"].T * direction["a"]) + np.sum(arrays["a"].T @ dy * direction["b"])
    assert abs(slope - expected) < 1e-9 * abs(expected)


def test_arrays_are_left_alone() -> None:
    o = normal(3)
    before = o.copy()
    central_difference(bind(parse("x[i] = o[i]^2"), shapes={"o": (3,)}), {"o": o}, "o")
    assert np.array_equal(o, before)


def test_what_is_refused() -> None:
    equation = bind(parse("x[i] = o[i]^2"), shapes={"o": (3,)})
    o = np.ones(3)
    with pytest.raises(
        DataError, match=r"no derivative with respect to x: it is not an input.* Available|Did you mean"
    ):
        central_difference(equation, {"o": o}, "x")
    with pytest.raises(DataError, match=r"upstream has shape \(2,\); it must be one number or have shape \(3,\)"):
        central_difference(equation, {"o": o}, "o", np.ones(2))
    with pytest.raises(DataError, match=r"The direction of o has shape \(4,\)"):
        directional_difference(equation, {"o": o}, {"o": np.ones(4)})
    with pytest.raises(ShapeError, match="no sizes yet"):
        central_difference(parse("x[i] = o[i]"), {"o": o}, "o")
