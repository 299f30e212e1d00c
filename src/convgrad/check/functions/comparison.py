"""A call's results against the right ones, entry by entry, with bounds from the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.reading import Attempt
from convgrad.check.problems.bound import error_bounds

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Comparison:
    """One output against what it should be, both as the person lays them out.

    bound: what rounding may do to each entry; none where the shapes differ. single: it is right as far as float32 goes.
    """

    output: str
    found: AnyArray
    expected: AnyArray
    bound: AnyArray
    differs: npt.NDArray[np.bool_] | None
    single: bool = False

    @property
    def right(self) -> bool:
        """Whether every entry is within its bound."""
        return self.differs is not None and not self.differs.any()

    @property
    def largest(self) -> float:
        """The largest difference; infinite where shapes differ."""
        return distance(self.found, self.expected)


def distance(found: AnyArray, expected: AnyArray) -> float:
    """The largest difference of two arrays, axes of length one aside; infinite where shapes differ."""
    a, b = np.squeeze(np.asarray(found, np.float64)), np.squeeze(expected)
    if a.shape != b.shape:
        return float("inf")
    with np.errstate(all="ignore"):
        gap = np.where(a == b, 0.0, np.abs(a - b))
    return float(np.nan_to_num(gap, nan=np.inf, posinf=np.inf).max(initial=0.0))


def compared(attempt: Attempt) -> dict[str, Comparison]:
    """Every output against its right value, with the bound from the arithmetic."""
    bounds = error_bounds(attempt.problem, attempt.values)
    result = {}
    for output, found in attempt.roles.items():
        expected = attempt.expected(output)
        magnitude, operations = bounds[output]
        laid = attempt.convention.laid_out(output, magnitude, attempt.problem)
        result[output] = _compare(output, found, expected, laid, operations)
    return result


def machine_epsilon(array: AnyArray) -> float:
    """Of the array's type; that of float64 for whole numbers."""
    return float(np.finfo(array.dtype if array.dtype.kind == "f" else np.float64).eps)


def _compare(output: str, found: AnyArray, expected: AnyArray, magnitude: AnyArray, operations: int) -> Comparison:
    value, right, size = (np.squeeze(np.asarray(a, np.float64)) for a in (found, expected, magnitude))
    if value.shape != right.shape:
        return Comparison(output, found, expected, np.zeros(0), None)
    with np.errstate(all="ignore"):
        gap = np.where(value == right, 0.0, np.abs(value - right))
    # What is exactly 0 by the equation may be a rounding error of the largest terms where products are transformed.
    scale = size + 1e-3 * size.max(initial=0.0)
    bound = operations * machine_epsilon(found) * scale
    differs = ~(gap <= bound)
    single = False
    if differs.any() and found.dtype == np.float64:
        loose = operations * float(np.finfo(np.float32).eps) * scale / 8
        if bool((gap <= loose).all()):
            single, bound, differs = True, loose, np.zeros_like(differs)
    return Comparison(output, found, expected, bound, differs, single)
