"""The functions of the notation on float64 arrays, as `docs/notation.md` states them.

Results follow IEEE 754 (`log(0)` is minus infinity, not a number goes through `max` and `min`). The caller switches
NumPy's warnings off, because values in the branch of a `where` that is not taken are nobody's concern.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from convgrad.compute.oracle.inputs import Array

_erf = np.frompyfunc(math.erf, 1, 1)


def erf(a: Array) -> Array:
    """The error function, exact to the last bits (`math.erf` at each element)."""
    return np.asarray(_erf(a), dtype=np.float64)


def sigmoid(a: Array) -> Array:
    """1/(1+exp(-a)), without overflow on either side."""
    small = np.exp(-np.abs(a))
    return np.asarray(np.where(a >= 0, 1, small) / (1 + small))


def softplus(a: Array) -> Array:
    """log(1+exp(a)), without overflow."""
    return np.asarray(np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a))))


def uniform(seed: Array, k: Array) -> Array:
    """A number in [0, 1) from two whole numbers: the finalizer of MurmurHash3 (Austin Appleby, 2011)."""
    h = _unsigned(k) * np.uint32(0x9E3779B1) + _unsigned(seed)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return np.asarray((h >> np.uint32(8)).astype(np.float64) / 2**24)


def _unsigned(whole: Array) -> np.ndarray[Any, np.dtype[np.uint32]]:
    return (whole.astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)


def power(base: Array, exponent: float) -> Array:
    """base^exponent; the square as a product, which is much faster, and exponent 1/2 as the root in every version."""
    if exponent == 2:
        return base * base
    return np.asarray(np.sqrt(base) if exponent == 0.5 else np.power(base, exponent))


def stop(a: Array) -> Array:
    """The value itself: `stop` concerns derivatives only."""
    return a


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "erf": erf,
    "abs": np.abs,
    "floor": np.floor,
    "stop": stop,
    "max": np.maximum,
    "min": np.minimum,
    "uniform": uniform,
    "where": np.where,
}

COMPARISONS: dict[str, Callable[..., Any]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
