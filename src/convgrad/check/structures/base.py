"""What is seen of an output that is wrong: the numbers found beside those expected, and nothing of the layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ENOUGH = 3
"""Numbers that have to agree beyond those that were chosen to make them agree."""
AXES = {
    "batch": "example",
    "c": "channel",
    "f": "feature",
    "g": "group",
    **dict.fromkeys(("h", "i", "m"), "row"),
    **dict.fromkeys(("v", "j", "n"), "column"),
}
"""What one place along an axis is called, by the letter of the axis."""


@dataclass(frozen=True)
class Seen:
    """An output beside what it should be, both as the person lays them out.

    found, expected: float64; of other shapes, where the person's is wrong. tolerance: what rounding may do to an entry.
    axes: the letter of each axis of `expected`. sizes: the length of each axis that the problem has, by its letter.
    arrays: what else there is, by its name: inputs, the gradient from above, other results.
    whole: the type that came back, where it holds whole numbers only. terms: how many were added up for one entry.
    results: what one of the last axis of a result is called.
    """

    output: str
    found: Array
    expected: Array
    tolerance: float
    axes: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)
    whole: str = ""
    terms: int = 0
    results: str = "filter"

    @property
    def same_shape(self) -> bool:
        """Whether the two can be compared entry by entry."""
        return self.found.shape == self.expected.shape

    @property
    def large(self) -> Mask:
        """Where the right number is not 0."""
        return np.asarray(np.abs(self.expected) > self.tolerance)

    def enough(self, free: int = 0) -> bool:
        """Whether that many numbers, chosen to fit, leave others to agree by themselves."""
        return int(np.count_nonzero(self.large)) >= free + ENOUGH

    def gap(self, predicted: Array) -> float:
        """The largest difference from these numbers; infinite where shapes differ or something is not a number."""
        if predicted.shape != self.found.shape:
            return float("inf")
        return largest_gap(self.found, predicted)

    def is_near(self, predicted: Array, scale: float = 1.0) -> bool:
        """Whether these numbers are those found; `scale`: of their rounding errors against those of the right ones."""
        return self.gap(predicted) <= self.tolerance * scale

    def place(self, axis: int, many: bool = False) -> str:
        """What one place along an axis is called."""
        letter = self.axes[axis] if axis < len(self.axes) else ""
        word = self.results if letter == "k" else AXES.get(letter, f"place along axis {axis}")
        if not many:
            return word
        return word.replace("place ", "places ", 1) if " " in word else f"{word}{'es' if word.endswith('s') else 's'}"


@dataclass(frozen=True)
class Structure:
    """How the numbers found come from the right ones.

    name: short and fixed. cause, change, undone: as of a `Mistake`, with `{output}` in them. difference: the largest
    that is left when the same is done to the right numbers.
    """

    name: str
    cause: str
    change: str
    undone: str
    difference: float


Look = Callable[[Seen], Iterator[Structure]]
"""One kind of structure: those that explain every number."""


def largest_gap(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """The largest difference of two arrays of one shape; infinite where only one has a number."""
    with np.errstate(all="ignore"):
        gaps = np.abs(found - expected)
        largest = float(gaps.max(initial=0.0))
        if not isfinite(largest):  # equal infinities do not differ
            largest = float(np.where(found == expected, 0.0, gaps).max(initial=0.0))
    return largest if largest == largest else float("inf")


def listed(words: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)
