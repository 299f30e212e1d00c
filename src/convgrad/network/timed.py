"""How long the parts of a training step in shards take on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from convgrad.compute.halide.runtime.threads import choose_threads
from convgrad.network.losses import AnyLoss
from convgrad.network.plain import PlainNetwork
from convgrad.network.sharded import ShardedStep
from convgrad.network.targets import Targets
from convgrad.optimizers import Optimizer
from convgrad.parallel.group import Alone, Batch, Work
from convgrad.parallel.route import Sizes
from convgrad.parallel.scale import Computing, Final

SHARDS = 2
SECONDS = 1.0
LEAST = 5
"""Steps that are timed, however long they take."""


@dataclass(frozen=True)
class Timed:
    """Of a step: seconds of one shard, and of all that is done once in a step, such as changing the weights; when the
    numbers of a shard are there.
    """

    shard: float
    update: float
    sizes: Sizes
    final: Final


class _Clock(Alone):
    """One process that notes how long its shards take."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def batch(self, work: Work, stopping: bool) -> Batch:
        start = time.perf_counter()
        done = super().batch(work, stopping)
        self.seconds.append(time.perf_counter() - start)
        return done


class _Watch(Alone):
    """One process that notes, while it computes its first shards, how many numbers are there, and when.

    counts: after each part of a shard, and at its end. seconds: the same of each batch.
    """

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.seconds: list[list[float]] = []

    def batch(self, work: Work, stopping: bool) -> Batch:
        notes: list[tuple[float, int]] = []
        start = time.perf_counter()
        numbers, _ = work.shard(0, lambda _, count: notes.append((time.perf_counter() - start, count)))
        notes.append((time.perf_counter() - start, len(numbers)))
        times, counts = zip(*notes, strict=True)
        self.counts = [*counts]
        self.seconds.append([*times])
        return super().batch(work, stopping)

    def final(self) -> Final:
        """When how many of the numbers do not change any more."""
        times = np.median(self.seconds, axis=0) / np.median(self.seconds, axis=0)[-1]
        shares = np.divide(self.counts, self.counts[-1])
        rises = np.flatnonzero(np.diff(shares, prepend=0.0))
        return tuple((float(times[n]), float(shares[n])) for n in rises)


def undisturbed(seconds: Sequence[float]) -> float:
    """The lower quartile: what else runs on a machine only ever makes a time longer."""
    return float(np.quantile(seconds, 0.25))


def timed_step(
    network: PlainNetwork,
    loss: AnyLoss,
    optimizer: str | Optimizer,
    rows: int,
    *,
    seconds: float = SECONDS,
    engine: str = "auto",
    typical: Callable[[Sequence[float]], float] = undisturbed,
) -> Timed:
    """Steps with shards of so many rows, of random numbers and with a learning rate of 0. What is not a weight changes:
    take a network that is not needed any more. typical: which of their times counts.
    """
    clock = _Clock()
    step = ShardedStep(network, loss, optimizer, SHARDS * rows, SHARDS, clock, engine=engine)
    x = np.random.default_rng(0).random((step.batch_size, *network.input_shape)).astype(network.dtype)
    targets = step.targets
    assert isinstance(targets, Targets)  # one output, as the models have that are known by name
    places = () if targets.labels else targets.shape
    t = np.zeros((step.batch_size, *places), int if targets.labels or targets.label_maps else network.dtype)
    step.group = watch = _Watch()
    for _ in range(LEAST):
        step.run(x, t, learning_rate=0.0)
    step.group = clock
    whole: list[float] = []
    end = 0.0
    while len(whole) <= LEAST or time.perf_counter() < end:
        start = time.perf_counter()
        step.run(x, t, learning_rate=0.0)
        whole.append(time.perf_counter() - start)
        end = end or time.perf_counter() + seconds  # the first one is not timed
    shards = clock.seconds[1:]
    rest = [one - other for one, other in zip(whole[1:], shards, strict=True)]
    return Timed(typical(shards) / SHARDS, typical(rest), step.sizes, watch.final())


def computing(network: PlainNetwork, loss: AnyLoss, optimizer: str | Optimizer, rows: int) -> tuple[Computing, Sizes]:
    """What shards take by their examples, from those of `rows` and of four times as many; and what they add up."""
    few, many = (timed_step(network, loss, optimizer, n) for n in (rows, 4 * rows))
    each = max(many.shard - few.shard, 0.0) / (3 * rows)
    fixed = few.shard - rows * each
    each = each if fixed > 0 else few.shard / rows
    return Computing(max(fixed, 0.0), each, few.update, choose_threads(), few.final), few.sizes


def sizes_of(network: PlainNetwork, loss: AnyLoss, optimizer: str | Optimizer) -> Sizes:
    """What a shard adds to the sums, without compiling anything."""
    return ShardedStep(network, loss, optimizer, 1, 1, Alone(), engine="oracle").sizes
