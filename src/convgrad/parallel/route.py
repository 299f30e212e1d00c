"""What goes from rank to rank for a batch: which sums, in which parts, to whom. `exchange` sends it, `scale` counts it.

The numbers are cut into buckets, and each bucket into as many parts as there are ranks. Of its part of a bucket a rank
gets the sums of all shards, adds them up as the tree says, and sends the result to the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from convgrad.parallel.tree import Node, branches, cut

BUCKET = 1 << 18
"""Numbers in a bucket, for each rank: 1 MB of float32."""
MOST_BUCKETS = 16
TOLD_BYTES = 8
KINDS = 3
ROWS, SUMS, TOTALS = range(KINDS)


@dataclass(frozen=True)
class Sizes:
    """What a shard adds to the sum of a batch: so many numbers of `itemsize` bytes. told: float64 numbers beside them."""

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

    shards: those of each rank. branches: the sums that each rank hands on. parts: of each bucket, one for each rank.
    """

    def __init__(self, shards: int, ranks: int, sizes: Sizes):
        self.ranks, self.sizes = ranks, sizes
        self.shards = cut(shards, ranks)
        self.branches = [branches(shards, own) for own in self.shards]
        count = min(MOST_BUCKETS, max(1, sizes.numbers // (BUCKET * ranks)))
        self.parts = [
            [range(bucket.start + part.start, bucket.start + part.stop) for part in cut(len(bucket), ranks)]
            for bucket in cut(sizes.numbers, count)
        ]

    def others(self, rank: int) -> list[int]:
        return [other for other in range(self.ranks) if other != rank]

    def rows(self, rank: int) -> list[Message]:
        """What the shards of a rank tell, and whether it was asked to stop: to all others."""
        whole = range(1 + len(self.shards[rank]) * self.sizes.told)
        return [Message(ROWS, 0, other, whole) for other in self.others(rank)]

    def sums(self, rank: int, node: Node) -> Iterator[Message]:
        """A sum that is whole, if it is one that the rank hands on: to those who add it up."""
        if node in self.branches[rank]:
            for bucket, parts in enumerate(self.parts):
                for other in self.others(rank):
                    yield Message(SUMS, bucket, other, parts[other])

    def totals(self, rank: int, bucket: int) -> list[Message]:
        """What a rank has added up: to all others."""
        return [Message(TOTALS, bucket, other, self.parts[bucket][rank]) for other in self.others(rank)]

    def bytes_of(self, message: Message) -> int:
        return len(message.part) * (TOLD_BYTES if message.kind == ROWS else self.sizes.itemsize)
