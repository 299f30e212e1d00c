"""How the sums of a batch go from rank to rank: each adds up a part of the numbers for all, and hands it on.

The numbers are cut into buckets, and each bucket into as many parts as there are ranks. Of its part of a bucket a rank
gets the sums of all shards, adds them up as the tree says, and sends the result to the others. So every rank sends and
receives each number about twice, however many ranks there are, and no rank more than another. Messages are views of
the memory that the numbers lie in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.parallel.route import KINDS, ROWS, SUMS, TOTALS, Message, Route, Sizes
from convgrad.parallel.tree import Growing, Node, added_up

Array = npt.NDArray[Any]


class Exchange:
    """Of batches of one kind, among the ranks of a communicator."""

    def __init__(self, comm: Any, growing: Growing, told: int, wait: Callable[[Sequence[Any]], None], tag: int):
        self._comm, self._growing, self._told, self._wait, self._tag = comm, growing, told, wait, tag
        rank, size = comm.rank, comm.size
        self._route = route = Route(growing.shards, size, Sizes(growing.size, np.dtype(growing.dtype).itemsize, told))
        self._others = route.others(rank)
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
        comm, rank = self._comm, self._comm.rank
        self._gone: set[Node] = set()
        self._sent: list[Any] = []
        self._totals.reverse()  # what came of the batch before stays: another rank may need it
        total = self._totals[0]
        self._coming = [[comm.Irecv(self._rows[other], other, self._of(ROWS)) for other in self._others]]
        for bucket, (parts, found) in enumerate(zip(self._route.parts, self._received, strict=True)):
            pieces = self._route.pieces(range(len(parts[rank])))
            self._coming.append(
                [
                    comm.Irecv(found[node][piece.start : piece.stop], other, self._of(SUMS, bucket))
                    for other in self._others
                    for node in self._route.branches[other]
                    for piece in pieces
                ]
            )
        self._last = [
            comm.Irecv(total[piece.start : piece.stop], other, self._of(TOTALS, bucket))
            for bucket, parts in enumerate(self._route.parts)
            for other in self._others
            for piece in self._route.pieces(parts[other])
        ]

    def advance(self) -> None:
        """Send the sums that are whole to those who add them up, while this rank goes on to its next shard."""
        for node, array in self._growing.sums:
            if node not in self._gone:
                self._gone.add(node)
                self._sent += [self._send(array, message) for message in self._route.sums(self._comm.rank, node)]

    def finish(self, rows: Array, stopping: bool) -> tuple[Array, Array, bool]:
        """Send what this rank has computed; returns the sum of all shards, what they tell, and whether to stop."""
        rank, total = self._comm.rank, self._totals[0]
        here = self._rows[rank]
        here[0], here[1:] = stopping, rows.reshape(-1)
        self.advance()
        sent = self._sent
        sent += [self._send(here, message) for message in self._route.rows(rank)]
        for bucket, (parts, found) in enumerate(zip(self._route.parts, self._received, strict=True)):
            self._wait(self._coming[1 + bucket])
            mine = slice(parts[rank].start, parts[rank].stop)  # nobody else gets this part of this rank's sums
            own = {node: array[mine] for node, array in self._growing.sums}
            added_up(self._growing.shards, {**own, **found}, total[mine])
            sent += [self._send(total, message) for message in self._route.totals(rank, bucket)]
        self._wait([*self._coming[0], *self._last, *sent])
        told = np.concatenate([own[1:] for own in self._rows]).reshape(self._growing.shards, self._told)
        return total, told, any(own[0] > 0 for own in self._rows)

    def _send(self, array: Array, message: Message) -> Any:
        part = array[message.part.start : message.part.stop]
        return self._comm.Isend(part, message.other, self._of(message.kind, message.bucket))

    def _of(self, kind: int, bucket: int = 0) -> int:
        return self._tag + kind + KINDS * bucket
