"""Nothing is timed before its result is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class WrongResult(Exception):
    """A result that differs from PyTorch's in float64 by more than rounding explains."""


def check(what: str, found: Array, expected: Array, tolerance: float) -> None:
    """Raises WrongResult unless the largest difference is within `tolerance` of the largest expected value.

    expected: in float64.
    """
    if found.shape != expected.shape:
        raise WrongResult(f"{what}: the shape is {found.shape}, but PyTorch's {expected.shape}.")
    scale = float(np.abs(expected).max())
    _refuse_zeros(what, scale)
    error = float(np.abs(found - expected).max()) / scale
    if not error <= tolerance:
        place = np.unravel_index(int(np.argmax(np.abs(found - expected))), expected.shape)
        raise WrongResult(
            f"{what}: element {tuple(map(int, place))} is {found[place]:.7g}, but PyTorch in float64 has "
            f"{expected[place]:.7g}. The difference is {error:.1e} of the largest value; {tolerance:.0e} is allowed."
        )


def distance(found: Array, expected: Array) -> float:
    """The length of the difference by that of `expected`, which is in float64."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def check_rounding(what: str, found: Array, theirs: Array, expected: Array, allowed: float, floor: float) -> None:
    """Raises WrongResult where ours is much further from float64 than PyTorch's float32 is.

    found, theirs: ours and PyTorch's in float32. allowed: how many times PyTorch's distance from `expected`.
    floor: a distance that is always allowed.
    """
    if found.shape != expected.shape:
        raise WrongResult(f"{what}: the shape is {found.shape}, but PyTorch's {expected.shape}.")
    _refuse_zeros(what, float(np.linalg.norm(expected)))
    ours, limit = distance(found, expected), max(floor, allowed * distance(theirs, expected))
    if not ours <= limit:
        raise WrongResult(
            f"{what}: the distance from PyTorch's values in float64 is {ours:.1e}; {limit:.1e} is allowed, "
            f"PyTorch's own in float32 being {distance(theirs, expected):.1e}."
        )


def check_changes(
    what: str,
    before: Mapping[str, Array],
    after: Mapping[str, Array],
    theirs: Mapping[str, Array],
    expected: Mapping[str, Array],
    allowed: float,
    floor: float,
) -> None:
    """`check_rounding` of what steps have changed weights by, from those `before`; by name, as in `expected`."""
    for name, exact in expected.items():
        start = before[name].astype(np.float64)
        changes = after[name] - start, theirs[name] - start, exact - start
        check_rounding(f"{what}change of {name}", *changes, allowed, floor)


def _refuse_zeros(what: str, size: float) -> None:
    if size == 0:
        raise WrongResult(f"{what}: PyTorch's values are all 0, so that comparing them proves nothing.")
