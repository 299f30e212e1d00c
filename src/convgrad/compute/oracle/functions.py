"""Powers and comparisons on float64 arrays; the functions of the notation are in `convgrad.functions`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from convgrad.functions import Array


def power(base: Array, exponent: float) -> Array:
    """base^exponent; the square as a product, which is much faster, and exponent 1/2 as the root in every version."""
    if exponent == 2:
        return base * base
    return np.asarray(np.sqrt(base) if exponent == 0.5 else np.power(base, exponent))


COMPARISONS: dict[str, Callable[..., Any]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
