"""One training step of a batch that is cut into shards, so that several processes may compute it to the same bits.

Each shard goes through one compiled program, which adds up the gradients of its examples; the sums of the shards are
added up in one tree, and the weights change by them. Which process computes which shard changes nothing.

    dw[i] = sum[s](u[s] * dw[s,i]) / sum[s](u[s])       u[s]: the weights of the examples of shard s, added up
    m[i]  = sum[s](n[s] * m[s,i]) / sum[s](n[s])        m: moving statistics, n[s]: how many examples shard s has

Where examples meet (BatchNorm), they meet those of their shard only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate as running
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import COUNT, takes
from convgrad.compute.arrays import aligned_zeros
from convgrad.compute.program import Program
from convgrad.compute.several import Several, arrays_of, named
from convgrad.dtypes import ALIGNMENT
from convgrad.errors import TrainingError
from convgrad.network.accumulation import sum_name
from convgrad.network.chosen import Names
from convgrad.network.frozen import frozen_from
from convgrad.network.losses import AnyLoss
from convgrad.network.plain import PlainNetwork
from convgrad.network.plan import trained_shapes
from convgrad.network.step import TrainingStep, weighed
from convgrad.optimizers import Optimizer
from convgrad.parallel.group import Batch, Early, Group, check_rows
from convgrad.parallel.route import Sizes
from convgrad.parallel.tree import Growing, cut, sums_of

Array = npt.NDArray[Any]
Measure = Callable[[Any, Any], Sequence[float]]
"""From results and targets of some examples to means over them."""
WEIGHT, COUNTED, LOW, HIGH, LOSS = range(5)
"""Where a shard tells the weight of its examples, how many metrics look at, the least and the greatest number of its
inputs, and its loss."""


class ShardedStep:
    """`run` takes a batch and changes the network's parameters, as `TrainingStep` does.

    Args:
        shards: how many a batch is cut into; at most as many as it has rows.
        group: those who compute them.
        measure: what is told of the results of a batch beside its loss, and `measures`, how many numbers these are.
    """

    @takes(TrainingError, shards=COUNT)
    def __init__(
        self,
        network: PlainNetwork,
        loss: AnyLoss,
        optimizer: str | Optimizer,
        batch_size: int,
        shards: int,
        group: Group,
        *,
        measure: Measure = lambda outputs, targets: (),
        measures: int = 0,
        seed: int = 0,
        engine: str = "auto",
        frozen: Names = (),
        accumulate: int = 1,
        precision: str | None = None,
    ):
        check_rows(batch_size, shards)
        group.check_shards(shards)
        self.network, self.batch_size, self.group, self.accumulate = network, batch_size, group, accumulate
        self._rows = cut(batch_size, shards)
        self._step = _Shard(network, loss, optimizer, max(map(len, self._rows)), seed, engine, frozen, precision)
        self.optimizer, self.targets = self._step.optimizer, self._step.targets
        self.examples_meet = self._step.examples_meet
        self.steps = 0
        self._measure, self._outputs = measure, [*self._step.losses]
        self._told = LOSS + 1 + len(self._outputs) + measures
        self._growing = Growing(shards, self._step.numbers.size, network.dtype)
        self._done: Batch | None = None
        self._sums = np.zeros(self._told)

    @property
    def compile_seconds(self) -> float:
        return self._step.compile_seconds

    @property
    def sizes(self) -> Sizes:
        """How much a shard adds to the sums of a batch."""
        return Sizes(self._growing.size, np.dtype(self.network.dtype).itemsize, self._told)

    @property
    def pending(self) -> tuple[int, float]:
        """Batches since the last update, and their weight."""
        return self._step.changing.pending, self._step.changing.total

    @property
    def optimizer_state(self) -> dict[str, Array]:
        """As `TrainingStep.optimizer_state`."""
        return self._step.optimizer_state

    def restore(self, state: Mapping[str, Array], steps: int, pending: int, total: float) -> None:
        """Go on from what another step had: `optimizer_state`, and what it has counted."""
        self.steps = steps
        self._step.restore(state, steps, pending, total)

    def prepare(self, count: int) -> None:
        """Compile what a batch needs of which only the first `count` examples have a weight."""
        for rows in self._rows:
            own = min(len(rows), count - rows.start)
            if own > 0:
                self._step.prepare(own)

    def run(
        self,
        x: Any,
        t: Any,
        learning_rate: float | None = None,
        weights: Array | None = None,
        last: bool = False,
        count: int | None = None,
        stopping: bool = False,
    ) -> None:
        """One step, as `TrainingStep.run` does it.

        count: of the rows, those that metrics look at; all of them where None. stopping: whether this process was asked
        to stop; `stopping` says afterwards whether one of the group was.
        """
        with self.network.lock:
            targets = self.targets.of(t, self.batch_size, "training step", name="t")
            if isinstance(x, (Mapping, list, tuple)):
                x = named(x, self.network.ends.input_names, "training step", "x", "inputs")
            given = np.ones(self.batch_size) if weights is None else weights
            given, _ = weighed(self.targets.counts(targets) * given)
            work = _Work(self, x, targets, given, self.batch_size if count is None else count)
            try:
                self._done = done = self.group.batch(work, stopping)
            finally:
                work.end()
            self._sums = sums_of(done.rows)
            self._step.take(done.total, self._sums[WEIGHT], work.present)
            rate = self.optimizer.learning_rate if learning_rate is None else learning_rate
            update = self._step.changing
            if last or update.pending >= self.accumulate:
                update.run(self.steps, rate)
                self.steps += 1
                self.network.past.updates += 1

    @property
    def own_rows(self) -> range:
        """The rows of a batch that this process computes with, as things stand."""
        rank, size = self.group.place
        own = cut(len(self._rows), size)[rank]
        return range(self._rows[own.start].start, self._rows[own.stop - 1].stop)

    @property
    def span(self) -> tuple[float, float]:
        """The least and the greatest number of the inputs of the last batch that had a weight, or stood beside it."""
        assert self._done is not None
        return float(self._done.rows[:, LOW].min()), float(self._done.rows[:, HIGH].max())

    @property
    def stopping(self) -> bool:
        """Whether one of the group was asked to stop before the last batch."""
        return self._done is not None and self._done.stopping

    @property
    def loss(self) -> float:
        """The weighted mean of the examples' losses in the last run, before its update."""
        return float(self._sums[LOSS] / self._sums[WEIGHT])

    @property
    def losses(self) -> dict[str, float]:
        """The same for each of several outputs, without the weights of the outputs."""
        places = range(LOSS + 1, LOSS + 1 + len(self._outputs))
        return {
            name: float(self._sums[place] / self._sums[WEIGHT])
            for name, place in zip(self._outputs, places, strict=True)
        }

    @property
    def measured(self) -> tuple[list[float], int]:
        """The means of what is measured over the examples that metrics look at, and how many these are."""
        counted = int(self._sums[COUNTED])
        first = LOSS + 1 + len(self._outputs)
        return [float(value) / max(counted, 1) for value in self._sums[first:]], counted


class _Work:
    """A batch as the group computes it."""

    def __init__(self, whole: ShardedStep, x: Any, targets: Any, weights: Array, count: int):
        self.growing, self.told = whole._growing, whole._told
        self._whole, self._x, self._targets, self._weights, self._count = whole, x, targets, weights, count
        self._step = whole._step
        self._state = {name: whole.network.state[name].copy() for name in self._step.moving}
        self._added = self._step.added()
        self.present = int(sum(self._present(rows) for rows in whole._rows))

    def _present(self, rows: range) -> int:
        return int((self._weights[rows.start : rows.stop] > 0).sum())

    def end(self) -> None:
        """The network's state and the sums of earlier batches are as before it."""
        self._restore()
        self._step.put(self._added)

    def _restore(self) -> None:
        for name, array in self._state.items():
            self._whole.network.state[name][...] = array

    def shard(self, number: int, early: Early | None = None) -> tuple[Array, Array]:
        rows, step, targets = self._whole._rows[number], self._step, self._targets
        told = np.zeros(self.told)
        self._restore()
        weights = self._weights[rows.start : rows.stop]
        told[LOW], told[HIGH] = np.inf, -np.inf
        if not weights.any():
            return step.nothing(), told
        filled = rows.start + np.arange(step.batch_size) % len(rows)
        own = np.where(np.arange(step.batch_size) < len(rows), self._weights[filled], 0)
        draw = self._whole.pending[0] * len(self._whole._rows) + number
        inputs = self._x[filled]
        told[LOW] = min(float(np.min(one)) for one in arrays_of(inputs))
        told[HIGH] = max(float(np.max(one)) for one in arrays_of(inputs))
        own_or_none = None if (own == 1).all() else own
        numbers = step.shard(inputs, targets[filled], own_or_none, draw, self._present(rows), early)
        measured = LOSS + 1 + len(step.losses)
        told[WEIGHT] = np.sum(weights)
        told[LOSS:measured] = np.multiply([step.loss, *step.losses.values()], told[WEIGHT])
        seen = np.arange(rows.start, max(rows.start, min(rows.stop, self._count)))
        seen = seen[self._whole.targets.counts(targets[seen])]
        if len(seen):
            outputs: Any = Several(step.output) if step.losses else step.output
            told[COUNTED] = len(seen)
            told[measured:] = np.multiply(self._whole._measure(outputs[seen - rows.start], targets[seen]), len(seen))
        return numbers, told


class _Shard(TrainingStep):
    """The program for one shard: it adds up gradients, and changes no weights.

    numbers: (size,) all that a shard adds to the sum of a batch: its gradients, in the program's own memory, those of
        the last layer first, as they are computed; and behind them its moving statistics, those of the network's
        tensors called `moving`.
    """

    def __init__(
        self,
        network: PlainNetwork,
        loss: AnyLoss,
        optimizer: str | Optimizer,
        rows: int,
        seed: int,
        engine: str,
        frozen: Names,
        precision: str | None,
    ):
        kept = frozen_from(network.layers, frozen)
        layers = [kept.apply(placed) for placed in network.layers]
        trained = trained_shapes(reversed(layers), kept.tensors)
        shapes = {sum_name(name): shape for name, shape in trained.items()}
        self.moving = [
            placed.tensor(name)
            for placed in layers
            for name in placed.own_state
            if f"{name}_next" in placed.built.equation.defined
        ]
        statistics = {name: network.state[name].shape for name in self.moving}
        starts, size = _places({**shapes, **statistics}, network.dtype)
        self.numbers = aligned_zeros((size,), network.dtype)
        places = {
            name: self.numbers[starts[name] : starts[name] + prod(shape)].reshape(shape)
            for name, shape in {**shapes, **statistics}.items()
        }
        self._shared_state = {name: places[name] for name in shapes}  # type: ignore[misc]
        self._statistics = {name: places[name] for name in self.moving}
        self._sums, self._ends = [*shapes], [*starts.values(), size][: len(shapes) + 1]
        self._gradients = self._ends[-1]
        self._until: dict[Program, list[int]] = {}
        most = 2  # more than 1 batch, so that the program adds up; when weights change, the whole step says
        super().__init__(
            network,
            loss,
            optimizer,
            rows,
            seed=seed,
            engine=engine,
            frozen=frozen,
            accumulate=most,
            precision=precision,
        )
        assert self.update is not None
        self.changing = self.update

    def _accumulated(self, rate: float, last: bool) -> None:
        """The whole step counts batches."""

    def shard(
        self, x: Any, targets: Any, weights: Array | None, draw: int, present: int, early: Early | None = None
    ) -> Array:
        """What a shard adds to the sum of its batch, (size,); `early` gets gradients while others are computed."""
        self.numbers[...] = 0
        self._draw = draw
        if early is not None:
            self._between = lambda program, done: early(self.numbers, self.final(program, done))
        try:
            self.run(x, targets, None, weights)
        finally:
            self._between = None
        for name, own in self._statistics.items():
            np.multiply(self.network.state[name], present, out=own)
        return self.numbers

    def final(self, program: Program, done: int) -> int:
        """How many numbers, from the first one on, do not change any more after so many parts of a program."""
        if program not in self._until:
            self._until[program] = [*running((program.parts_until(f"{name}_next") for name in self._sums), max)]
        return self._ends[bisect_right(self._until[program], done)]

    def nothing(self) -> Array:
        """What a shard without examples adds."""
        self.numbers[...] = 0
        return self.numbers

    def added(self) -> Array | None:
        """The sums of the batches since the last update."""
        return self.numbers[: self._gradients].copy() if self.changing.pending else None

    def put(self, added: Array | None) -> None:
        """Have these sums again."""
        self.numbers[: self._gradients] = 0 if added is None else added

    def take(self, total: Array, weight: float, present: int) -> None:
        """Add the sums of a whole batch to those before, and let its statistics be the network's."""
        self.numbers[: self._gradients] += total[: self._gradients]
        self.numbers[self._gradients :] = total[self._gradients :]
        for name, own in self._statistics.items():
            np.divide(own, present, out=self.network.state[name])
        self.changing.pending += 1
        self.changing.total += weight / self.batch_size


def _places(shapes: Mapping[str, tuple[int, ...]], dtype: str) -> tuple[dict[str, int], int]:
    """Where arrays begin that lie one behind the other, each aligned; and how many numbers that takes."""
    step = ALIGNMENT // np.dtype(dtype).itemsize
    starts, end = {}, 0
    for name, shape in shapes.items():
        starts[name] = end
        end += -(-prod(shape) // step) * step
    return starts, end
