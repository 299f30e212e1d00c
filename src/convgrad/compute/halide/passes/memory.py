"""Where tensors lie: type, strides, a border of zeros; and one block of memory for all intermediate ones."""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable
from dataclasses import dataclass
from math import prod

from convgrad.dtypes import ALIGNMENT, DTYPES


@dataclass(frozen=True)
class Layout:
    """A tensor in memory, row-major.

    Attributes:
        element: NumPy's name of the type of its elements.
        low, high: zeros stored before and behind each axis; empty where there are none.
    """

    shape: tuple[int, ...]
    element: str
    low: tuple[int, ...] = ()
    high: tuple[int, ...] = ()

    @property
    def bordered(self) -> bool:
        return any(self.low) or any(self.high)

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """The shape, border included."""
        if not self.bordered:
            return self.shape
        return tuple(n + a + b for n, a, b in zip(self.shape, self.low, self.high, strict=True))

    @property
    def strides(self) -> tuple[int, ...]:
        """In elements."""
        whole = self.whole_shape
        return tuple(prod(whole[axis + 1 :]) for axis in range(len(whole)))

    @property
    def first(self) -> int:
        """Elements of border before the first one that is not border."""
        return sum(a * s for a, s in zip(self.low, self.strides, strict=True)) if self.bordered else 0

    @property
    def bytes(self) -> int:
        return prod(self.whole_shape) * DTYPES[self.element].bytes


@dataclass(frozen=True)
class Lifetime:
    """A block of `size` bytes, in use from kernel `start` to kernel `stop`, both included."""

    name: Hashable
    size: int
    start: int
    stop: int


_Placed = tuple[int, int, Lifetime]
"""Where a block begins and ends, and the block."""


def _begin(placed: _Placed) -> int:
    return placed[0]


def packed(lifetimes: list[Lifetime]) -> tuple[dict[Hashable, int], int]:
    """Offsets of blocks in one stretch of memory, such that no two in use together overlap; and its size.

    Largest first, each at the lowest place that is free (first fit by size).

    >>> packed([Lifetime("a", 100, 0, 1), Lifetime("b", 50, 1, 2), Lifetime("c", 60, 2, 3)])
    ({'a': 0, 'c': 0, 'b': 128}, 192)
    """
    offsets: dict[Hashable, int] = {}
    placed: list[_Placed] = []  # in the order of their offsets
    total = 0
    for block in sorted(lifetimes, key=lambda b: (-b.size, b.start)):
        size = -(-block.size // ALIGNMENT) * ALIGNMENT
        offset = 0
        for begin, end, other in placed:
            if begin >= offset + size:
                break
            if offset < end and block.start <= other.stop and other.start <= block.stop:
                offset = end
        offsets[block.name] = offset
        insort(placed, (offset, offset + size, block), key=_begin)
        total = max(total, offset + size)
    return offsets, total
