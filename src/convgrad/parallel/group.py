"""Those who train one network together: a process by itself, or the ranks of an MPI job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from convgrad.errors import TrainingError
from convgrad.parallel.tree import Growing, added_up

T = TypeVar("T")
Array = npt.NDArray[Any]


class EndedElsewhere(TrainingError):
    """Another rank ended the training, for a reason that it tells itself."""


@dataclass
class Batch:
    """What becomes of a batch.

    total: (size,) the sum of all shards' numbers. rows: (shards, F) float64, what each of them tells.
    stopping: whether one of the ranks was asked to stop.
    """

    total: Array
    rows: Array
    stopping: bool


Early = Callable[[Array, int], None]
"""Is given the numbers (size,) of a shard, and how many of them, from the first one on, do not change any more."""


class Work(Protocol):
    """A batch that is to be computed, shard by shard.

    growing: where the shards' numbers are added up. told: how many numbers a shard tells beside them.
    """

    @property
    def growing(self) -> Growing: ...

    @property
    def told(self) -> int: ...

    def shard(self, number: int, early: Early | None = None) -> tuple[Array, Array]:
        """A shard's numbers (size,), which stay until the next call, and what it tells, (told,) float64.

        early: who wants to have numbers while the others are still computed.
        """
        ...


class Group(Protocol):
    """Those who train together.

    place: which one this is, of how many; rank, size: the same one by one. leads: whether it is the one that writes and
        shows.
    """

    @property
    def place(self) -> tuple[int, int]: ...

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def leads(self) -> bool: ...

    def check_shards(self, shards: int) -> None:
        """Raises: TrainingError where some of the group would have nothing to do."""

    def agree(self, about: Mapping[str, Any]) -> None:
        """Raises: TrainingError on all where one was given something else."""

    def first(self, function: Callable[[], T]) -> T:
        """What the leader's call of a function gives, for all."""
        ...

    def any(self, *asked: bool) -> tuple[bool, ...]:
        """Of each question, whether one of the group says yes."""
        ...

    def batch(self, work: Work, stopping: bool) -> Batch:
        """A batch, computed by all."""
        ...

    def endings(self, text: str) -> list[str]:
        """How each one's command ends: the message of its error, or "". Waits for all of them."""
        ...

    def guarded(self) -> Any:
        """A context: where it is left by an exception, the others learn of it, and leave theirs by EndedElsewhere."""


def check_ranks(ranks: int, shards: int) -> None:
    """Raises: TrainingError where some ranks would have no shard."""
    if ranks > shards:
        raise TrainingError(
            f"{ranks} ranks can't share {shards} shard{'s' * (shards > 1)} of a batch: {ranks - shards} "
            f"would have nothing to do. Start {shards} at most, or cut batches into more: shards={ranks}."
        )


def check_rows(batch_size: int, shards: int) -> None:
    """Raises: TrainingError where some shards would have no example."""
    if shards > batch_size:
        raise TrainingError(
            f"A batch of {batch_size} can't be cut into {shards} shards: some would have no example. Cut it into "
            f"fewer, or take larger batches."
        )


class Alone:
    """One process, which computes all shards itself."""

    place, rank, size, leads = (0, 1), 0, 1, True

    def check_shards(self, shards: int) -> None:
        pass

    def agree(self, about: Mapping[str, Any]) -> None:
        pass

    def first(self, function: Callable[[], T]) -> T:
        return function()

    def any(self, *asked: bool) -> tuple[bool, ...]:
        return asked

    def batch(self, work: Work, stopping: bool) -> Batch:
        growing = work.growing
        growing.begin()
        rows = compute(work, range(growing.shards), growing.add)
        total = np.empty(growing.size, growing.dtype)
        added_up(growing.shards, dict(growing.sums), total)
        return Batch(total, rows, stopping)

    def endings(self, text: str) -> list[str]:
        return [text]

    @contextmanager
    def guarded(self) -> Iterator[None]:
        yield


def compute(
    work: Work,
    own: range,
    take: Callable[[int, Array], None],
    early: Callable[[int], Early] | None = None,
) -> Array:
    """Compute some shards in a row; returns what they tell, (shards, told).

    take: is given each shard's numbers. early: who wants to have those of a shard while they are computed.
    """
    rows = np.empty((len(own), work.told))
    for place, number in enumerate(own):
        numbers, rows[place] = work.shard(number, None if early is None else early(number))
        take(number, numbers)
    return rows
