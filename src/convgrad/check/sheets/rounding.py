"""Rounding as it is taught at school."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from math import isfinite

import numpy as np
import numpy.typing as npt

FIGURES = 12
"""What float64 makes of a short decimal beyond so many figures does not count: 0.1 + 0.2 is 0.3."""


MOST = 340
"""Decimals; float64 has no smaller numbers."""
EXACT = Context(prec=2 * MOST)


def half_up(values: npt.NDArray[np.float64], decimals: int) -> npt.NDArray[np.float64]:
    """To so many decimals; a half goes away from 0, so that 0.125 becomes 0.13 and -0.125 becomes -0.13.

    >>> half_up(np.array([0.125, -0.125, 0.1 + 0.2]), 2).tolist()
    [0.13, -0.13, 0.3]
    """
    unit = _unit(decimals)
    return np.array([_half_up(float(v), unit) for v in np.ravel(values)], np.float64).reshape(np.shape(values))


def half_unit(decimals: int) -> float:
    """What rounding to so many decimals may do: 0.005 for 2."""
    return float(_unit(decimals) / 2)


def _unit(decimals: int) -> Decimal:
    return Decimal(1).scaleb(-min(decimals, MOST))


def _half_up(value: float, unit: Decimal) -> float:
    if not isfinite(value):
        return value
    return float(Decimal(f"{value:.{FIGURES}g}").quantize(unit, ROUND_HALF_UP, EXACT)) + 0.0
