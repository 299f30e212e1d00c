"""The one tree in which the shards of a batch are added up, whoever computes them.

Sums of floating-point numbers depend on where the brackets stand. Here they stand where the number of shards says:

    8 shards:  ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7))
    5 shards:  ((0 + 1) + (2 + 3)) + 4

So whoever computes some shards in a row adds up whole branches of the tree, and hands on as few sums as there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Node = tuple[int, int]
"""The sum of the shards from the first one to the second, which is not among them."""


def cut(count: int, parts: int) -> list[range]:
    """`count` things in a row, cut into parts that differ by one at most.

    >>> cut(10, 4)
    [range(0, 2), range(2, 5), range(5, 7), range(7, 10)]
    """
    return [range(count * n // parts, count * (n + 1) // parts) for n in range(parts)]


def halves(node: Node) -> tuple[Node, Node]:
    """The two sums that a sum of several shards is made of: the first of as many shards as a power of two allows.

    >>> halves((0, 8)), halves((0, 5)), halves((4, 7))
    (((0, 4), (4, 8)), ((0, 4), (4, 5)), ((4, 6), (6, 7)))
    """
    first, end = node
    middle = first + (1 << (end - first - 1).bit_length() - 1)
    return (first, middle), (middle, end)


def branches(shards: int, own: range) -> list[Node]:
    """The fewest sums of the tree that the shards of `own`, in a row, are added up to.

    >>> branches(8, range(2, 8)), branches(8, range(0, 8))
    ([(2, 4), (4, 8)], [(0, 8)])
    """

    def within(node: Node) -> Iterator[Node]:
        if own.start <= node[0] and node[1] <= own.stop:
            yield node
        elif node[0] < own.stop and own.start < node[1]:
            for half in halves(node):
                yield from within(half)

    return list(within((0, shards)))


def added_up(shards: int, found: Mapping[Node, Array], out: Array) -> None:
    """The sum of all shards, put into `out`, of the sums that are there. Those change."""

    def total(node: Node) -> Array:
        if node in found:
            return found[node]
        left, right = map(total, halves(node))
        return np.add(left, right, out=left)

    out[...] = total((0, shards))


def sums_of(rows: Array) -> Array:
    """Rows (shards, F), one of each shard, added up in the tree: (F,).

    >>> sums_of(np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]))
    array([111., 222.])
    """
    out = np.empty(rows.shape[1:], rows.dtype)
    added_up(len(rows), {(n, n + 1): row.copy() for n, row in enumerate(rows)}, out)
    return out


@dataclass
class Growing:
    """The sums of some shards in a row, which come one after the other: no more are kept than the tree has floors.

    size, dtype: of what is added up. sums: those that are there, in order.
    """

    shards: int
    size: int
    dtype: npt.DTypeLike
    sums: list[tuple[Node, Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._nodes = frozenset(_nodes((0, self.shards)))
        self._spare: list[Array] = []

    def begin(self) -> None:
        """Forget all sums."""
        for _, array in self.sums:
            self._give_back(array)
        self.sums.clear()

    def add(self, shard: int, numbers: Array, stays: bool = False) -> None:
        """Take a shard's numbers (size,) in, which are copied where they are a sum by themselves, unless they stay as
        they are until `begin`.
        """
        first, end, own = shard, shard + 1, numbers
        while self.sums and self._are_halves(self.sums[-1][0], (first, end)):
            (first, _), left = self.sums.pop()
            np.add(left, own, out=left)
            if own is not numbers:
                self._give_back(own)
            own = left
        if own is numbers and not stays:
            own = self._spare.pop() if self._spare else np.empty(self.size, self.dtype)
            own[...] = numbers
        self.sums.append(((first, end), own))

    def _are_halves(self, left: Node, right: Node) -> bool:
        whole = left[0], right[1]
        return whole in self._nodes and halves(whole) == (left, right)

    def _give_back(self, array: Array) -> None:
        if array.base is None:  # else it is a part of someone else's memory
            self._spare.append(array)


def _nodes(node: Node) -> Iterator[Node]:
    """A sum, and all that it is made of."""
    yield node
    if node[1] - node[0] > 1:
        for half in halves(node):
            yield from _nodes(half)
