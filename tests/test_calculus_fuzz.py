"""Random equations, derived and checked by the oracle: 2,000 in a full run, CONVGRAD_FUZZ of them where it is set.

They are shared out over a few tests so that processes can take some each.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from convgrad.notation.terms import Equation
from gradient_checks import assert_gradients
from strategies import bound_equations

COUNT = int(os.environ.get("CONVGRAD_FUZZ", "2000"))
SHARES = 8


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
    @given(bound_equations(differentiable=True))
    def derived_as_by_differences(case: tuple[Equation, dict[str, np.ndarray]]) -> None:
        equation, arrays = case
        if arrays:
            assert_gradients(equation, arrays, tolerance=1e-7, most=6)

    derived_as_by_differences()
