"""Rounding as it is taught at school."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import numpy.typing as npt

FIGURES = 12
"""What float64 makes of a short decimal beyond so many figures does not count: 0.1 + 0.2 is 0.3."""


def half_up(values: npt.NDArray[np.float64], decimals: int) -> npt.NDArray[np.float64]:
    """To so many decimals; a half goes away from 0, so that 0.125 becomes 0.13 and -0.125 becomes -0.13.

    >>> half_up(np.array([0.125, -0.125, 0.1 + 0.2]), 2).tolist()
    [0.13, -0.13, 0.3]
    """
    unit = Decimal(1).scaleb(-decimals)
    found = [float(Decimal(f"{v:.{FIGURES}g}").quantize(unit, ROUND_HALF_UP)) + 0.0 for v in np.ravel(values)]
    return np.array(found, np.float64).reshape(np.shape(values))
