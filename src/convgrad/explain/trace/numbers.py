"""Numbers as people write them: 0.0686, 0.20 among others with two decimals, 0.0445918.

A float64 that is a short decimal number is written as that number; any other with six digits.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

DIGITS = 6
"""Digits of a number that is not a short decimal."""
SHORT = 7
"""Digits that a short decimal may have: 0.04675125 is written in full."""
COMMON_DECIMALS = 4
"""As many decimals may all numbers of a tensor be filled up to."""
PLAIN = (1e-6, 1e9)
"""Sizes that are written without an exponent."""
TOLERANCE = 1e-12
"""Relative; what arithmetic in float64 makes of a short decimal."""


def written(value: float, decimals: int | None = None, tolerance: float = TOLERANCE) -> str:
    """A number for people.

    decimals: that many at least, where it is a number of so few; see `common_decimals`.

    >>> written(0.1 + 0.2), written(0.04675125), written(1 / 3), written(0.7, decimals=2), written(-2.0)
    ('0.3', '0.04675125', '0.333333', '0.70', '-2')
    """
    value = float(value)
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    if decimals is not None:
        return f"{value:.{decimals}f}"
    digits = next((n for n in range(1, SHORT + 1) if _is_near(value, n, tolerance)), DIGITS)
    rounded = f"{value:.{digits - 1}e}"
    if PLAIN[0] <= abs(value) < PLAIN[1]:
        plain = format(Decimal(rounded), "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    mantissa, _, exponent = rounded.partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"


def common_decimals(values: npt.NDArray[Any], tolerance: float = TOLERANCE) -> int | None:
    """The number of decimals that is enough for all of the values, at most `COMMON_DECIMALS`; None where none is.

    >>> common_decimals(np.array([0.51, 0.9])), common_decimals(np.array([1 / 3, 0.5]))
    (2, None)
    """
    values = np.asarray(values, dtype=np.float64)
    if not values.size or not np.isfinite(values).all() or np.abs(values).max() >= PLAIN[1]:
        return None
    for decimals in range(COMMON_DECIMALS + 1):
        if (np.abs(values - np.round(values, decimals)) <= tolerance * np.abs(values)).all():
            return decimals
    return None


def _is_near(value: float, digits: int, tolerance: float) -> bool:
    return abs(float(f"{value:.{digits - 1}e}") - value) <= tolerance * abs(value)
