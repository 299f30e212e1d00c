"""Numbers as they were written by hand: each stands for everything that rounds to it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.errors import DataError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Written:
    """Numbers as they were written: `halves` is half a unit of each one's last digit.

    >>> written = Written.of("a", [Decimal("0.58"), Decimal("0.580"), 2])
    >>> written.values.tolist(), written.halves.tolist()
    ([0.58, 0.58, 2.0], [0.005, 0.0005, 0.0])
    """

    values: Array
    halves: Array

    @staticmethod
    def of(name: str, content: Any) -> Written:
        """From nested lists of numbers. Raises: DataError."""
        try:
            values = np.array(_mapped(content, float), np.float64)
            halves = np.array(_mapped(content, _half_unit), np.float64)
        except (TypeError, ValueError, OverflowError, RecursionError):
            raise DataError(f"`{name}` must be a number or lists of numbers, all of one length.") from None
        return Written(values, halves)


def _mapped(content: Any, function: Any) -> Any:
    if isinstance(content, list):
        return [_mapped(c, function) for c in content]
    if not isinstance(content, (int, float, Decimal)) or isinstance(content, bool):
        raise TypeError
    return function(content)


def _half_unit(number: Any) -> float:
    """Half a unit of the last digit: 0.005 for 0.58, nothing for a whole number."""
    if not isinstance(number, Decimal):
        return 0.0
    exponent = number.as_tuple().exponent
    return 0.5 * float(f"1e{exponent}") if isinstance(exponent, int) else 0.0
