"""Random equations, derived and checked by the oracle: 500 in a full run, CONVGRAD_FUZZ of them where it is set.

They are shared out over a few tests so that processes can take some each.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from convgrad.notation import batched
from convgrad.notation.terms import Equation
from gradient_checks import assert_gradients, assert_steps, assert_unbound_is_the_same, derived, same
from strategies import Case, cases

COUNT = int(os.environ.get("CONVGRAD_FUZZ", "500"))
SHARES = 8
BATCH = 3


@pytest.mark.parametrize("share", range(SHARES))
def test_random_equations(share: int) -> None:
    examples = COUNT // SHARES + (share < COUNT % SHARES)

    @seed(share)
    @settings(
        max_examples=max(1, examples),
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(differentiable=True), st.integers(0, 2**32 - 1))
    def derived_in_all_ways_alike(case: Case, number: int) -> None:
        equation, rng = case.bound, np.random.default_rng(number)
        arrays = {name: _values(rng, equation.shape_of[name]) for name in equation.inputs}
        if not arrays:
            return
        assert_gradients(equation, arrays, tolerance=1e-7, most=6)
        one = str(rng.choice(list(arrays)))
        assert_steps(equation, arrays, one, rng.standard_normal(equation.result.shape))
        if rng.integers(2):
            assert_unbound_is_the_same(case.equation, equation, case.integers, arrays, [*arrays])
        else:
            _assert_examples_add_up(equation, arrays, rng)

    derived_in_all_ways_alike()


def _values(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normally distributed and not near 0, where many kinks are."""
    values = rng.normal(0.0, 0.5, shape)
    return values + 0.05 * np.sign(values)


def _assert_examples_add_up(equation: Equation, arrays: dict[str, np.ndarray], rng: np.random.Generator) -> None:
    """Over a batch, a gradient is the sum over the examples, or has the batch axis where its tensor has it."""
    examples = {name for name in arrays if rng.integers(2)} or {next(iter(arrays))}
    many = batched(equation, examples, BATCH)
    stacked = {n: _values(rng, (BATCH, *a.shape)) if n in examples else a for n, a in arrays.items()}
    upstream = rng.standard_normal(many.result.shape)
    together, _ = derived(many, stacked, [*arrays], upstream)
    if many.result.shape == equation.result.shape:  # the result does not depend on the examples
        return
    apart = [
        derived(equation, {n: a[e] if n in examples else a for n, a in stacked.items()}, [*arrays], upstream[e])[0]
        for e in range(BATCH)
    ]
    for name, found in together.items():
        each = [gradient[name] for gradient in apart]
        same(found, np.array(each) if name in examples else sum(each[1:], each[0]), f"d{name} of\n{many}")
