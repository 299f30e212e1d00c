"""A call's results against the right ones, entry by entry, with bounds from the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.reading import Attempt
from convgrad.check.problems.bound import error_bounds
from convgrad.check.structures.base import largest_gap

AnyArray = npt.NDArray[Any]
FINEST = float(np.finfo(np.float32).eps)
"""Of the coarsest arithmetic whose results can be told from mistakes."""
SPREAD = 0.1
"""The part of the largest magnitude that every entry may be off by, too."""
ROUNDINGS = 4.0
"""How many times the rounding of its magnitude a result may be off by on the whole."""
ENOUGH = 2
"""Entries right to double precision that are no accident."""


@dataclass(frozen=True)
class Comparison:
    """One output against what it should be, both as the person lays them out.

    bound: what rounding may do to each entry; none where the shapes differ. single: words where it is right as far as
    single precision goes, and no further. convention: it is compared with what is right in the person's convention.
    """

    output: str
    found: AnyArray
    expected: AnyArray
    bound: AnyArray
    differs: npt.NDArray[np.bool_] | None
    single: str = ""
    convention: bool = False

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
    return largest_gap(a, b)


def compared(attempt: Attempt) -> dict[str, Comparison]:
    """Every output against its right value, with the bound from the arithmetic."""
    bounds = attempt.problem.known.get("bounds")
    if bounds is None:
        bounds = attempt.problem.known["bounds"] = error_bounds(attempt.problem, attempt.values)
    result = {}
    for output, found in attempt.roles.items():
        expected = attempt.expected(output)
        magnitude, operations = bounds[output]
        laid = attempt.convention.laid_out(output, magnitude, attempt.problem) + attempt.taken_off(output)
        result[output] = _compare(output, found, expected, laid, operations)
    return result


def machine_epsilon(array: AnyArray) -> float:
    """Of the array's type; that of float64 for whole numbers."""
    return float(np.finfo(array.dtype if array.dtype.kind == "f" else np.float64).eps)


def _compare(output: str, found: AnyArray, expected: AnyArray, magnitude: AnyArray, operations: int) -> Comparison:
    if np.squeeze(found).shape != np.squeeze(expected).shape:
        return Comparison(output, found, expected, np.zeros(0), None)
    with np.errstate(all="ignore"):  # what came may be anything
        return _judged(output, found, expected, magnitude, operations)


def _judged(output: str, found: AnyArray, expected: AnyArray, magnitude: AnyArray, operations: int) -> Comparison:
    value, right, size = (np.squeeze(np.asarray(a, np.float64)) for a in (found, expected, magnitude))
    off = np.where(value == right, 0.0, value - right)
    # What is small or 0 by the equation may be a rounding error of the largest terms where products are transformed.
    scale = size + SPREAD * (size.max(initial=0.0) or 10.0)  # where all is 0, as a few inputs, which are of about 1
    eps = FINEST if found.dtype == np.float16 else machine_epsilon(found)
    single_bound = (8 + np.sqrt(operations)) * FINEST * scale
    if eps == FINEST:
        return Comparison(output, found, expected, single_bound, _not_by_rounding(off, right, scale, single_bound))
    bound = operations * eps * scale
    differs = ~(np.abs(off) <= bound)
    single = ""
    if differs.any() and found.dtype == np.float64:
        if _in_double_precision(right, differs):
            single_bound = np.full_like(scale, FINEST / 2 * max(np.abs(right).max(), 0.0))
            fits, words = bool((np.abs(off) <= single_bound).all()), "equal to single precision"
        else:
            fits = not _not_by_rounding(off, right, scale, single_bound).any()
            words = "right to single precision only" if _looks_random(off, right) else "equal to single precision"
        if fits:
            bound, differs, single = single_bound, np.zeros_like(differs), words
    return Comparison(output, found, expected, bound, differs, single)


def _not_by_rounding(off: AnyArray, right: AnyArray, scale: AnyArray, bound: AnyArray) -> npt.NDArray[np.bool_]:
    """Which entries single precision does not explain: those past their bound; all that differ where what is left is
    larger on the whole than rounding, or has a part along the right values that rounding of both signs can't have.

    The bound of an entry is that of the worst order of its sums, which a formula of many steps never reaches. A mistake
    in an epsilon is smaller, but in all entries alike.
    """
    beyond: npt.NDArray[np.bool_] = ~(np.abs(off) <= bound)
    if beyond.any() or not off.any():
        return beyond
    unit = FINEST / 2
    much = np.linalg.norm(off / np.where(scale > 0, scale, 1)) > ROUNDINGS * unit * np.sqrt(off.size)
    length = float(np.linalg.norm(right)) or 1.0
    along = abs(float(np.sum(off * right))) / length
    noise = ROUNDINGS * unit * float(np.linalg.norm(scale * right)) / length
    systematic = along > noise and along > ROUNDINGS * unit * length
    return (off != 0) if much or systematic else beyond


def _in_double_precision(right: AnyArray, differs: npt.NDArray[np.bool_]) -> bool:
    """Whether some entries are right to more digits than single precision has, so that the others are not so by it."""
    more_digits = np.abs(right - right.astype(np.float32)) > FINEST / 64 * np.abs(right)
    exact = more_digits & ~differs
    return int(exact.sum()) >= ENOUGH


def _looks_random(off: AnyArray, right: AnyArray) -> bool:
    """Whether differences have both signs and no direction in common with the right values, as rounding has."""
    along = abs(float(np.sum(off * right))) / (float(np.linalg.norm(off) * np.linalg.norm(right)) or 1.0)
    return off.size <= ENOUGH or (along < 0.9 and bool((off > 0).any()) and bool((off < 0).any()))
