"""What goes from rank to rank for a batch: which sums, in which parts, to whom. `exchange` sends it, `scale` counts it.

The numbers are cut into buckets by size, in the order in which a shard computes them, so that the first ones are sent
while the others are computed. Each bucket is cut into as many parts as there are ranks. Of its part of a bucket a rank
gets the sums of all shards, adds them up as the tree says, and sends the result to the others: in pieces, each of them
a message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from convgrad.parallel.tree import Node, branches, cut

BUCKET = 128_000
"""Bytes of a bucket, for each rank: a message or two to each. The last bucket can't be sent before all is computed, so
small ones hide more; each takes some tens of microseconds of Python."""
MOST_BUCKETS = 256
PIECE = 64_000
"""Bytes of a message at most. Over TCP, Open MPI sends what has less than 64 kB at once. What is longer it announces,
and the answer waits behind what the other one is sending: then each cable is used in one direction at a time, and an
exchange at 100 Mbit/s takes twice as long."""
TOLD_BYTES = 8
KINDS = 3
ROWS, SUMS, TOTALS = range(KINDS)


@dataclass(frozen=True)
class Sizes:
    """What a shard adds to the sum of a batch: numbers of `itemsize` bytes. told: how many of float64 beside them."""

    numbers: int
    itemsize: int
    told: int


@dataclass(frozen=True)
class Message:
    """From a rank to another one. kind: ROWS, SUMS or TOTALS. part: where its numbers lie among those of its kind."""

    kind: int
    bucket: int
    other: int
    part: range


class Route:
    """Of batches of so many shards among so many ranks.

    shards: those of each rank. branches: the sums that each rank hands on. buckets: of the numbers, in order.
    parts: of each bucket, one for each rank.
    """

    def __init__(self, shards: int, ranks: int, sizes: Sizes):
        self.ranks, self.sizes = ranks, sizes
        self.shards = cut(shards, ranks)
        self.branches = [branches(shards, own) for own in self.shards]
        count = min(MOST_BUCKETS, max(1, -(-sizes.numbers * sizes.itemsize // (BUCKET * ranks))))
        self.buckets = cut(sizes.numbers, count)
        self.parts = [
            [range(bucket.start + part.start, bucket.start + part.stop) for part in cut(len(bucket), ranks)]
            for bucket in self.buckets
        ]

    def others(self, rank: int) -> list[int]:
        """In the order in which a rank sends: the next one first, lest all send to the same one at the same time."""
        return [(rank + step) % self.ranks for step in range(1, self.ranks)]

    def rows(self, rank: int) -> list[Message]:
        """What the shards of a rank tell, and whether it was asked to stop: to all others."""
        whole = range(1 + len(self.shards[rank]) * self.sizes.told)
        return [Message(ROWS, 0, other, whole) for other in self.others(rank)]

    def sums(self, rank: int, node: Node, bucket: int) -> Iterator[Message]:
        """A sum of a bucket that is whole, if it is one that the rank hands on: to those who add it up."""
        if node in self.branches[rank]:
            for other in self.others(rank):
                yield from (Message(SUMS, bucket, other, piece) for piece in self.pieces(self.parts[bucket][other]))

    def totals(self, rank: int, bucket: int) -> list[Message]:
        """What a rank has added up: to all others."""
        pieces = self.pieces(self.parts[bucket][rank])
        return [Message(TOTALS, bucket, other, piece) for other in self.others(rank) for piece in pieces]

    def pieces(self, part: range) -> list[range]:
        """A part, cut into messages."""
        return [range(part.start + one.start, part.start + one.stop) for one in cut(len(part), self._count(part))]

    def _count(self, part: range) -> int:
        return max(1, -(-len(part) * self.sizes.itemsize // PIECE))

    def traffic(self, rank: int) -> tuple[int, int]:
        """How many messages a rank sends for a batch, and their bytes: those of `rows`, `sums`, `totals`."""
        others, nodes = self.ranks - 1, len(self.branches[rank])
        messages, numbers = others, 0
        for bucket, parts in zip(self.buckets, self.parts, strict=True):
            own, counts = parts[rank], [*map(self._count, parts)]
            messages += nodes * (sum(counts) - counts[rank]) + others * counts[rank]
            numbers += nodes * (len(bucket) - len(own)) + others * len(own)
        told = others * (1 + len(self.shards[rank]) * self.sizes.told)
        return messages, told * TOLD_BYTES + numbers * self.sizes.itemsize
