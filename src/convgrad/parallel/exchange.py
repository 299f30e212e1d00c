"""How the sums of a batch go from rank to rank: each adds up a part of the numbers for all, and hands it on.

The numbers are cut into buckets, and each bucket into as many parts as there are ranks. Of its part of a bucket a rank
gets the sums of all shards, adds them up as the tree says, and sends the result to the others. So every rank sends and
receives each number about twice, however many ranks there are, and no rank more than another. Messages are views of
the memory that the numbers lie in.

A bucket is on its way as soon as a shard has computed its numbers, while the rank computes the others: between two
kernels it looks for what has come, and hands on what is whole. MPI moves messages only while it is called.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.parallel.group import Early
from convgrad.parallel.route import KINDS, ROWS, SUMS, TOTALS, Message, Route, Sizes
from convgrad.parallel.tree import Growing, Node, added_up

Array = npt.NDArray[Any]
LOOK = 3e-3
"""Seconds between two looks for what has come, while nothing is to be sent. With 0.5 ms the kernels lost more than was
won: steps on 1 Gbit/s took up to 15 % longer than without looks, and with 3 ms they take 3 to 8 % less
(`python -m benchmarks.parallel overlap`)."""


class Exchange:
    """Of batches of one kind, among the ranks of a communicator.

    until: waits until a function says that it is so.
    """

    def __init__(self, comm: Any, growing: Growing, told: int, until: Callable[[Callable[[], bool]], None], tag: int):
        self._comm, self._growing, self._told, self._until, self._tag = comm, growing, told, until, tag
        rank, size = comm.rank, comm.size
        self._route = route = Route(growing.shards, size, Sizes(growing.size, np.dtype(growing.dtype).itemsize, told))
        self._others = route.others(rank)
        self._growings = [Growing(growing.shards, len(bucket), growing.dtype) for bucket in route.buckets]
        self._received: list[dict[Node, Array]] = [
            {
                node: np.empty(len(parts[rank]), growing.dtype)
                for other in self._others
                for node in route.branches[other]
            }
            for parts in route.parts
        ]
        self._totals = [np.empty(growing.size, growing.dtype) for _ in range(2)]
        self._rows = [np.empty(1 + len(own) * told) for own in route.shards]

    def serves(self, growing: Growing, told: int) -> bool:
        """Whether it is for batches like these."""
        return self._growing is growing and self._told == told

    def begin(self) -> None:
        """Receive from now on."""
        comm, rank, route = self._comm, self._comm.rank, self._route
        for growing in self._growings:
            growing.begin()
        self._next, self._due = 0, 0.0
        self._whole: set[int] = set()
        self._sent: list[Any] = []
        self._totals.reverse()  # what came of the batch before stays: another rank may need it
        total = self._totals[0]
        self._coming: list[deque[tuple[Any, int | None]]] = []
        """From each other rank, in the order in which it sends: what is received, and the bucket that waits for it."""
        self._missing = [0] * len(route.buckets)
        for other in self._others:
            sums, totals = deque[tuple[Any, int | None]](), deque[tuple[Any, int | None]]()
            for node in route.branches[other]:
                for bucket, (parts, found) in enumerate(zip(route.parts, self._received, strict=True)):
                    for piece in route.pieces(range(len(parts[rank]))):
                        into = found[node][piece.start : piece.stop]
                        sums.append((comm.Irecv(into, other, self._of(SUMS, bucket)), bucket))
                        self._missing[bucket] += 1
            for bucket, parts in enumerate(route.parts):
                for piece in route.pieces(parts[other]):
                    into = total[piece.start : piece.stop]
                    totals.append((comm.Irecv(into, other, self._of(TOTALS, bucket)), None))
            totals.append((comm.Irecv(self._rows[other], other, self._of(ROWS)), None))
            self._coming += [sums, totals]

    def early(self, shard: int) -> Early:
        """Who takes the numbers of a shard that is being computed."""
        return partial(self._take, shard)

    def take(self, shard: int, numbers: Array) -> None:
        """Take a shard in, of which `early` may have taken some numbers, and go on to the next one."""
        self._take(shard, numbers, len(numbers))
        self._next = 0

    def _take(self, shard: int, numbers: Array, count: int) -> None:
        """Take the buckets in that lie within the first `count` numbers of a shard, and send what is whole by them."""
        rank, route = self._comm.rank, self._route
        first = self._next
        while self._next < len(route.buckets) and route.buckets[self._next].stop <= count:
            bucket, growing = route.buckets[self._next], self._growings[self._next]
            last = shard + 1 == route.shards[rank].stop
            growing.add(shard, numbers[bucket.start : bucket.stop], stays=last)
            node, array = growing.sums[-1]
            self._sent += [self._send(array, m, bucket.start) for m in route.sums(rank, node, self._next)]
            if last:
                self._whole.add(self._next)
            self._next += 1
        if self._next > first or time.perf_counter() > self._due:
            self._look()
            self._due = time.perf_counter() + LOOK

    def _look(self) -> None:
        """See what has come; add up what is whole by it, and send it on."""
        moved = True
        while moved:
            moved = False
            for queue in self._coming:
                while queue and queue[0][0].Test():
                    _, bucket = queue.popleft()
                    if bucket is not None:
                        self._missing[bucket] -= 1
                    moved = True
        rank, total = self._comm.rank, self._totals[0]
        for bucket in sorted(self._whole):
            if self._missing[bucket]:
                continue
            start, mine = self._route.buckets[bucket].start, self._route.parts[bucket][rank]
            here = slice(mine.start - start, mine.stop - start)  # nobody else gets this part of this rank's sums
            own = {node: array[here] for node, array in self._growings[bucket].sums}
            out = total[mine.start : mine.stop]
            added_up(self._growing.shards, {**own, **self._received[bucket]}, out)
            self._sent += [self._send(total, message) for message in self._route.totals(rank, bucket)]
            self._whole.remove(bucket)

    def finish(self, rows: Array, stopping: bool) -> tuple[Array, Array, bool]:
        """Send what is left; returns the sum of all shards, what they tell, and whether to stop."""
        rank = self._comm.rank
        here = self._rows[rank]
        here[0], here[1:] = stopping, rows.reshape(-1)
        self._sent += [self._send(here, message) for message in self._route.rows(rank)]
        self._until(self._is_over)
        told = np.concatenate([own[1:] for own in self._rows]).reshape(self._growing.shards, self._told)
        return self._totals[0], told, any(own[0] > 0 for own in self._rows)

    def _is_over(self) -> bool:
        self._look()
        while self._sent and self._sent[-1].Test():
            self._sent.pop()
        return not (self._whole or self._sent or any(self._coming))

    def _send(self, array: Array, message: Message, start: int = 0) -> Any:
        """A part of an array whose first number is that at `start`."""
        part = array[message.part.start - start : message.part.stop - start]
        return self._comm.Isend(part, message.other, self._of(message.kind, message.bucket))

    def _of(self, kind: int, bucket: int = 0) -> int:
        return self._tag + kind + KINDS * bucket
