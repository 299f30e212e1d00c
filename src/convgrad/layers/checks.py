"""Checks of arguments that several layers have."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any

from convgrad.errors import ModelError, suggestion


def whole(value: Any) -> int | None:
    """`value` as an int if it is a whole number of any integer type, else None."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def at_least(label: str, argument: str, value: Any, least: int) -> int:
    """A whole number. Raises: ModelError."""
    number = whole(value)
    if number is None or number < least:
        raise ModelError(f"{label}: {argument} must be a whole number of at least {least}, not {value!r}.")
    return number


def between(label: str, argument: str, value: Any, low: float, high: float) -> float:
    """A number from `low` up to, and not including, `high`. Raises: ModelError."""
    number = _number(value)
    if number is None or not low <= number < high:
        bounds = f"of at least {low:g}" + (f" and below {high:g}" if math.isfinite(high) else "")
        raise ModelError(f"{label}: {argument} must be a number {bounds}, not {value!r}.")
    return number


def positive(label: str, argument: str, value: Any) -> float:
    """A number above 0. Raises: ModelError."""
    number = _number(value)
    if number is None or not 0 < number < math.inf:
        raise ModelError(f"{label}: {argument} must be a number above 0, not {value!r}.")
    return number


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def one_of(label: str, argument: str, value: Any, choices: tuple[str | None, ...]) -> None:
    """Raises: ModelError where `value` is none of `choices`."""
    if value not in choices:
        known = " or ".join(repr(choice) for choice in choices)
        near = suggestion(value, [c for c in choices if c]) if isinstance(value, str) else ""
        near = near if "mean" in near else ""
        raise ModelError(f"{label}: {argument} must be {known}, not {value!r}.{near}")
