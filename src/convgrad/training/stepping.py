"""A training step as the loop sees it: one batch in, what it tells out, whether it is computed whole or in shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from convgrad.compute.several import Several
from convgrad.data import Batch
from convgrad.network.sharded import ShardedStep
from convgrad.network.step import TrainingStep

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Told:
    """Of one batch.

    counts: (B,) the examples whose targets count, where they have a weight.
    inputs: numbers with the least and the greatest of the batch's inputs.
    stopping: whether one of those who compute it was asked to stop.
    measured: the means of the metrics, over the examples that they look at, and how many these are; asked for where
        the loss is a number, so that no metric meets what is none.
    """

    counts: Bools
    inputs: Any
    stopping: bool
    measured: Callable[[], tuple[Sequence[float], int]]


class Stepping(Protocol):
    """What the loop needs of a step."""

    @property
    def step(self) -> TrainingStep | ShardedStep:
        """What changes the weights, and what a checkpoint holds of it."""
        ...

    @property
    def own_rows(self) -> range:
        """The rows of a batch that this process computes with."""
        ...

    def run(self, batch: Batch, rate: float, last: bool, asked: bool) -> Told:
        """One step; `last`: of its epoch; `asked`: whether this process was asked to stop."""
        ...


class Whole:
    """A batch in one program, which `measure` looks at."""

    def __init__(self, step: TrainingStep, measure: Callable[[Any, Any], Sequence[float]]):
        self.step, self._measure = step, measure

    @property
    def own_rows(self) -> range:
        return range(self.step.batch_size)

    def run(self, batch: Batch, rate: float, last: bool, asked: bool) -> Told:
        step = self.step
        step.run(batch.images, batch.labels, rate, batch.weights, last)
        counts = step.targets.counts(batch.labels)

        def measured() -> tuple[Sequence[float], int]:
            output: Any = Several(step.output) if step.losses else step.output
            seen = counts[: batch.real_count]
            values = self._measure(output[: len(seen)][seen], batch.labels[: len(seen)][seen])
            return values, int(seen.sum())

        return Told(counts, batch.images, asked, measured)


class InShards:
    """A batch in shards, where each shard was measured by whoever computed it."""

    def __init__(self, step: ShardedStep):
        self.step = step

    @property
    def own_rows(self) -> range:
        return self.step.own_rows

    def run(self, batch: Batch, rate: float, last: bool, asked: bool) -> Told:
        step = self.step
        step.run(batch.images, batch.labels, rate, batch.weights, last, count=batch.real_count, stopping=asked)
        counts = step.targets.counts(batch.labels)
        return Told(counts, np.array(step.span), step.stopping, lambda: step.measured)
