"""Random equations: by matrix products, in blocks, and by plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from convgrad.compute.oracle import grid, loops
from convgrad.compute.oracle.differences import central_difference_with_error, directional_difference
from convgrad.notation.terms import Equation
from strategies import bound_equations

Case = tuple[Equation, dict[str, np.ndarray]]


def work(equation: Equation) -> float:
    """Evaluations of reduction bodies that the plain loops need, nested ones apart."""
    return sum(math.prod(float(size) for _, size in d.ranges) for d in equation.definitions)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(bound_equations(differentiable=False), st.sampled_from([1, 5, 64, grid.BLOCK]))
def test_grid_agrees_with_loops(case: Case, block: int) -> None:
    equation, arrays = case
    assume(work(equation) < 2000)
    expected = loops.evaluate(equation, arrays)
    for largest in (grid.LARGEST, 0):  # by matrix products, and without
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(grid, "LARGEST", largest)
            actual = grid.evaluate(equation, arrays, block=block)
        for name, value in expected.items():
            # Rounding in another order, made larger by two or three exp and quotients on the way.
            scale = np.max(np.abs(value))
            np.testing.assert_allclose(actual[name], value, rtol=1e-10, atol=1e-10 * scale, err_msg=str(equation))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(bound_equations(differentiable=True))
def test_a_direction_is_the_sum_over_elements(case: Case) -> None:
    equation, arrays = case
    assume(arrays and work(equation) < 500 and sum(a.size for a in arrays.values()) < 100)
    random = np.random.default_rng(5)
    direction = {name: random.normal(size=a.shape) for name, a in arrays.items()}
    upstream = random.normal(size=equation.result.shape)
    expected, error = 0.0, 0.0
    for name in arrays:
        slope, uncertain = central_difference_with_error(equation, arrays, name, upstream)
        expected += np.sum(slope * direction[name])
        error += np.sum(uncertain * np.abs(direction[name]))
    assume(error < 1e-6 * (1 + abs(expected)))  # no kink near any of the points
    half = directional_difference(equation, arrays, direction, upstream, step=1e-4)
    full = directional_difference(equation, arrays, direction, upstream, step=2e-4)
    assume(abs(half - full) < 1e-6 * (1 + abs(expected)))  # nor along the direction
    assert abs(half - expected) < 2e-6 * (1 + abs(expected))
