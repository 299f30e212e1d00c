"""The ranks of an MPI job as a group that trains together.

What all ranks do together is counted, and each keeps what came of it last. Where a rank dies and MPI survives that
(ULFM), those that are left close ranks: who has not yet got what another one already has, gets it from there; else they
do the same once more, with the shards of the dead one among them. So all go on from one place.

Messages go from one to another and never through MPI's own sums, whose brackets stand elsewhere for each number of
ranks. While a rank waits, it looks whether another one has given up, so that no error leaves the others waiting.
"""

from __future__ import annotations

import atexit
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TypeVar

import numpy.typing as npt

from convgrad.compute.halide.runtime import threads
from convgrad.errors import TrainingError
from convgrad.parallel.exchange import Exchange
from convgrad.parallel.group import Batch, EndedElsewhere, Work, check_ranks, compute
from convgrad.parallel.tree import cut

T = TypeVar("T")
Array = npt.NDArray[Any]
LEAVING, FAILED, THINGS, ENDINGS, FIRST_FREE = range(5)
"""Tags of messages. Those of exchanges come behind."""
GENERATIONS = 100
TAGS = 1000
"""Tags in one generation, so that no message of a training that failed is taken for one of the next."""
SPINS = 1000
"""Looks without a pause while a rank waits, about a millisecond."""
PAUSE = 20e-6
LAST_WORDS = 2.0
"""Seconds in which what a rank had sent before it ended has arrived."""


class RankLost(UserWarning):
    """A rank died, and the others go on with its shards."""


class _Lost(Exception):
    """A rank is gone, or the others have noticed that one is."""


class World:
    """All ranks of the job, and those that are left of them."""

    def __init__(self, mpi: Any):
        self._mpi = mpi
        self._comm = mpi.COMM_WORLD.Dup()
        self._comm.Set_errhandler(mpi.ERRORS_RETURN)
        self._names = list(range(self._comm.size))
        self._lost = {mpi.ERR_PROC_FAILED, mpi.ERR_PROC_FAILED_PENDING, mpi.ERR_REVOKED}
        self._count: int = 0
        self._result: Any = None
        self._depth, self._generation = 0, 0
        self._complete, self._left = True, 0.0
        self._sent: list[Any] = []
        self._exchange: Exchange | None = None
        _share_processors(mpi, self._comm)

    @property
    def place(self) -> tuple[int, int]:
        comm = self._comm  # the same for both, whatever another thread does meanwhile
        return int(comm.rank), int(comm.size)

    @property
    def rank(self) -> int:
        return int(self._comm.rank)

    @property
    def size(self) -> int:
        return int(self._comm.size)

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def name(self, rank: int) -> int:
        """What a rank was called when the job began."""
        return self._names[rank]

    def check_shards(self, shards: int) -> None:
        check_ranks(self.size, shards)

    def agree(self, about: Mapping[str, Any]) -> None:
        everything = self._together(lambda: self._things(dict(about)))
        for rank, other in enumerate(everything):
            for name, value in other.items():
                if value != everything[0].get(name):
                    raise TrainingError(
                        f"Rank {self.name(rank)} of {self.size} differs: {name} is {_short(value)} there and "
                        f"{_short(everything[0].get(name))} on rank {self.name(0)}. Start all with the same version, "
                        "arguments and data."
                    )

    def first(self, function: Callable[[], T]) -> T:
        found: T = self._together(lambda: self._things((function(),) if self.leads else ()))[0][0]
        return found

    def any(self, *asked: bool) -> tuple[bool, ...]:
        answers = self._together(lambda: self._things(asked))
        return tuple(any(column) for column in zip(*answers, strict=True))

    def batch(self, work: Work, stopping: bool) -> Batch:
        def attempt() -> Batch:
            growing = work.growing
            own = cut(growing.shards, self.size)
            exchange = self._exchange
            if exchange is None or not exchange.serves(growing, work.told):
                exchange = Exchange(self._comm, growing, work.told, self._until, self._tag(FIRST_FREE))
                self._exchange = exchange
            try:
                exchange.begin()
                rows = compute(work, own[self.rank], exchange.take, exchange.early if self.size > 1 else None)
                return Batch(*exchange.finish(rows, stopping))
            except self._mpi.Exception as error:
                raise meaning(error, self._lost) from error

        return self._together(attempt)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        if not self._depth:
            self._generation = (self._generation + 1) % GENERATIONS
            self._exchange = None
        self._depth += 1
        try:
            yield
        except EndedElsewhere:
            raise
        except BaseException as error:
            if not getattr(error, "told", False):
                self._tell(str(error) or type(error).__name__)
                with suppress(AttributeError):
                    error.told = True  # type: ignore[attr-defined]
            raise
        finally:
            self._depth -= 1

    def endings(self, text: str) -> list[str]:
        """How each rank's command ends: the message of its error, or "". Waits for all of them."""
        try:
            return self._things(text, ENDINGS, listening=False)
        except _Lost:
            self._complete = False
            return [text] * self.size

    def leave(self) -> None:
        """End MPI, together with the others. With a dead rank MPI_Finalize may wait for ever (Open MPI 5.0.11), so the
        process ends without it, when all who are left have got as far.
        """
        if self._mpi.Is_finalized():
            return
        with suppress(_Lost, TrainingError):
            self._generation = 0
            self._things(None, LEAVING, listening=False)
            if self._complete:
                self._mpi.Finalize()

    def _tell(self, text: str) -> None:
        """Let the others know that this rank gives up."""
        with suppress(self._mpi.Exception):
            for rank in self._others:
                self._sent.append(self._comm.isend(text, rank, self._tag(FAILED)))

    @property
    def _others(self) -> list[int]:
        return [rank for rank in range(self.size) if rank != self.rank]

    def _tag(self, kind: int) -> int:
        return self._generation * TAGS + kind

    def _together(self, attempt: Callable[[], T]) -> T:
        """What comes of something that all ranks do; once more where one dies meanwhile."""
        while True:
            try:
                result = attempt()
            except _Lost:
                found = self._close_ranks()
                if not found:
                    continue
                result = found[0]
            self._count += 1
            self._result = result
            return result

    def _close_ranks(self) -> tuple[Any, ...]:
        """Go on without those that are gone. Returns what the others have got already, where they have, in a tuple."""
        before = set(self._names)
        while True:
            with suppress(self._mpi.Exception):
                self._comm.Revoke()
            old, name = self._comm, self._names[self._comm.rank]
            self._comm = old.Shrink()
            self._comm.Set_errhandler(self._mpi.ERRORS_RETURN)
            self._exchange, self._complete = None, False
            try:
                counts, names = zip(*self._things((self._count, name), listening=False), strict=True)
                self._names = list(names)
                most = max(counts)
                ahead = counts.index(most)
                here = self._count < most
                given = (self._result,) if self.rank == ahead and min(counts) < most else ()
                found = self._things(given, listening=False)[ahead] if min(counts) < most else ()
            except _Lost:
                continue
            gone = sorted(before.difference(names))
            if self.leads and gone:
                called = f"Rank {gone[0]} is" if len(gone) == 1 else f"Ranks {', '.join(map(str, gone))} are"
                words = f"{called} gone; {self.size} of {len(before)} go on with all shards."
                warnings.warn(words, RankLost, stacklevel=2)
            return found if here else ()

    def _things(self, own: Any, kind: int = THINGS, listening: bool = True) -> list[Any]:
        """What each rank has, from all to all. listening: whether another one that gives up ends it."""
        tag, content = self._tag(kind), pickle.dumps(own)
        found: list[Any] = [own] * self.size
        try:
            requests = [self._comm.Isend(content, rank, tag) for rank in self._others]
            for rank in self._others:
                message = None
                for _ in self._looks(listening):
                    message = self._comm.Improbe(rank, tag, status := self._mpi.Status())
                    if message is not None:
                        break
                assert message is not None
                received = bytearray(status.Get_count(self._mpi.BYTE))
                request = message.Irecv(received)
                self._wait([request], listening)
                found[rank] = pickle.loads(received)
            self._wait(requests, listening)
        except self._mpi.Exception as error:
            raise meaning(error, self._lost) from error
        return found

    def _until(self, done: Callable[[], bool], listening: bool = True) -> None:
        """Look again and again, until it is done."""
        for _ in self._looks(listening):
            if done():
                return

    def _wait(self, requests: Sequence[Any], listening: bool) -> None:
        """Until all requests are done."""
        waiting = list(requests)

        def done() -> bool:
            waiting[:] = [request for request in waiting if not request.Test()]
            return not waiting

        self._until(done, listening)

    def _looks(self, listening: bool) -> Iterator[int]:
        """Again and again, with pauses where it takes long."""
        number = 0
        while True:
            yield number
            number += 1
            if number > SPINS:
                time.sleep(PAUSE)
            if listening and number % 100 == 0:
                self._listen()

    def _listen(self) -> None:
        """Raises: EndedElsewhere where another rank has given up, or ended."""
        status = self._mpi.Status()
        try:
            there = self._comm.iprobe(self._mpi.ANY_SOURCE, self._tag(FAILED), status)
            if there:
                text = self._comm.recv(source=status.Get_source(), tag=self._tag(FAILED))
                name = self.name(status.Get_source())
                raise EndedElsewhere(f"Rank {name} of {self.size} ended the training: {text}")
            if self._comm.iprobe(self._mpi.ANY_SOURCE, LEAVING, status):
                self._left = self._left or time.monotonic()
                if time.monotonic() - self._left > LAST_WORDS:
                    name = self.name(status.Get_source())
                    raise EndedElsewhere(f"Rank {name} of {self.size} has ended its program, and trains no more.")
        except self._mpi.Exception as error:
            raise meaning(error, self._lost) from error


def meaning(error: Any, lost: Collection[int]) -> Exception:
    """What an error of MPI is raised as here. lost: the classes of errors that say that a rank is gone."""
    return _Lost() if error.Get_error_class() in lost else TrainingError(f"MPI failed: {error.Get_error_string()}.")


@cache
def world() -> World:
    """The ranks of this job. Raises: TrainingError without MPI."""
    try:
        import mpi4py

        early = "mpi4py.MPI" in sys.modules
        mpi4py.rc.finalize = False
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(
            f'parallel="mpi" needs mpi4py and an MPI library: pip install "convgrad[mpi]". ({reason})'
        ) from error
    found = World(MPI)
    if not early:  # else MPI is somebody else's, who has begun it
        atexit.register(found.leave)
    return found


def _share_processors(mpi: Any, comm: Any) -> None:
    """Let the ranks of one machine share its processors, unless the user has said how many threads each has."""
    if os.environ.get(threads.VARIABLE) or not hasattr(os, "sched_getaffinity"):
        return
    here = comm.Split_type(mpi.COMM_TYPE_SHARED)
    masks = here.allgather(os.sched_getaffinity(0))
    share = max(1, len(set().union(*masks)) // here.size)
    here.Free()
    if len(masks) > 1:
        os.environ[threads.VARIABLE] = str(min(threads.processors_allowed(), share))


def _short(value: Any) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
