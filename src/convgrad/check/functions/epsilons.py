"""The epsilon of a normalization that is none of those people usually write, told from the numbers.

x = gamma * (o - mu) / sqrt(v + eps) + beta: one unknown, and an equation for each number of a result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.comparison import distance

AnyArray = npt.NDArray[Any]
LARGEST = 0.1
"""What is larger keeps no root from 0, but changes what is computed."""
ROUNDS = 12
"""Steps of the fit, each of which goes down by a factor of a hundred at most."""
CLOSER = 0.5
"""Of what is left before a step: what is left after it, where an epsilon explains the numbers."""
DIGITS = 6
"""Digits that are told at most."""


def fitted_epsilon(
    found: AnyArray, at: Callable[[float], AnyArray | None], start: float, tolerance: float
) -> float | None:
    """The epsilon of the fewest digits that explains every number; None where none does.

    at: the right numbers with an epsilon. start: the layer's. tolerance: what rounding may do to an entry.
    """
    nearest = _nearest(np.asarray(found, np.float64), at, start, tolerance)
    for digits in range(DIGITS if nearest is not None else 0):
        told = float(f"{nearest:.{digits}e}")
        made = at(told)
        if made is not None and distance(found, made) <= tolerance:
            return told
    return None


def _nearest(found: AnyArray, at: Callable[[float], AnyArray | None], start: float, tolerance: float) -> float | None:
    """The one of least squares, by steps along the slope; None where they come no nearer, or none is in the range."""
    value, before = start, float("inf")
    for _ in range(ROUNDS):
        here = at(value)
        if here is None or here.size != found.size:
            return None
        rest = found.reshape(here.shape) - here
        off = float(np.abs(rest).max())
        if not (off <= CLOSER * before or off <= tolerance):
            return None
        step = max(value, 1e-9) * 1e-4
        there = at(value + step)
        if there is None:
            return None
        slope = (there - here) / step
        size = float(np.sum(slope * slope))
        if not size or not np.isfinite(size):
            return None
        value, before = min(max(value + float(np.sum(slope * rest)) / size, value / 100), 10 * LARGEST), off
        if off <= tolerance:
            break
    return value if value <= LARGEST else None
