"""One training step: results, loss, gradients and update, compiled as one program on arrays laid out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np
import numpy.typing as npt

from convgrad.arguments import COUNT, SEED, real_array, takes
from convgrad.compute.arrays import copy_into
from convgrad.compute.choose import Backend, choose
from convgrad.compute.program import Program
from convgrad.compute.samples import shares_of_bytes
from convgrad.compute.several import Several, each, gathered, named, tensor, tensors
from convgrad.errors import DataError, TrainingError
from convgrad.network.accumulation import AccumulatedUpdate
from convgrad.network.chosen import Names
from convgrad.network.frozen import frozen_from
from convgrad.network.losses import AnyLoss, loss_for
from convgrad.network.placed import PlacedLayer
from convgrad.network.plain import NETWORK, PlainNetwork
from convgrad.network.plan import (
    INPUT,
    LOSS,
    LOSS_MEAN,
    LOSS_WEIGHTS,
    TARGET,
    Plan,
    examples_meet,
    parameters_of,
    trained_shapes,
    training_plan,
)
from convgrad.network.precision import PRECISION, in_mixed_precision, is_mixed
from convgrad.network.targets import LABEL, targets_for
from convgrad.notation.terms import gradient_name
from convgrad.optimizers import Optimizer, optimizer_from
from convgrad.system import collecting
from convgrad.system.sharing import Lock

Array = npt.NDArray[Any]


class TrainingStep:
    """`run` takes a batch and changes the network's parameters. It is compiled code, so it can be neither pickled nor
    copied: pickle the network, and make a step of it where it arrives.

    The gradient is that of the weighted mean of the examples' losses: `weights` / their sum.

    Where examples meet (BatchNorm), rows of weight 0 are left out: the others go through a program for that many, which
    shares weights and optimizer's state, and is compiled when it is first needed, or by `prepare`.

    `frozen`: layers and weights that stay as they are, as `fit` takes them. Their gradients are not computed.
    `accumulate`: batches whose gradients are added up before the weights change, with every so many calls of `run`.
    `precision`: "mixed_bfloat16" for products of numbers that are rounded to bfloat16; `step.plan.equation` says where.

    Attributes:
        batch_size, compile_seconds.
        examples_meet: whether what is computed for an example depends on the others of its batch.
        program: the compiled program; `program.equation` is all that it computes.
    """

    _shared_state: ClassVar[Mapping[str, Array]] = {}
    """The optimizer's arrays, where they are those of another step."""
    _between: Callable[[Program, int], None] | None = None
    """Is told of the program, while it runs, how many of its parts are done."""

    @takes(TrainingError, network=NETWORK, batch_size=COUNT, seed=SEED, accumulate=COUNT, precision=PRECISION)
    @collecting.later()
    def __init__(
        self,
        network: PlainNetwork,
        loss: AnyLoss,
        optimizer: str | Optimizer,
        batch_size: int,
        *,
        seed: int = 0,
        engine: str = "auto",
        frozen: Names = (),
        accumulate: int = 1,
        precision: str | None = None,
    ):
        if not network.parameters:
            raise TrainingError("The network has no parameters, so there is nothing to train. Add one such as Dense.")
        if not network.initialized:
            network.initialize(seed)
        self.network, self.batch_size, self.seed = network, batch_size, seed
        self.loss_function, self.optimizer = loss_for(network.ends.output_names, loss), optimizer_from(optimizer)
        self.frozen = frozen_from(network.layers, frozen)
        network.loss = self.loss_function
        layers = [self.frozen.apply(placed) for placed in network.layers]
        self.plan = training_plan(
            layers,
            network.ends,
            batch_size,
            self.loss_function,
            self.optimizer,
            frozen=self.frozen.tensors,
            accumulates=accumulate > 1,
        )
        self.precision = precision
        if is_mixed(precision, network.dtype):
            self.plan = in_mixed_precision(self.plan)
        names = network.ends.output_names
        self._parts_of_loss = {name: f"{tensor(LOSS, name)}.mean" for name in names}
        equation = self.plan.equation
        self.program = choose(engine).compile_program(
            equation,
            [*dict.fromkeys(self.plan.outputs.values()), LOSS_MEAN, *self._parts_of_loss.values()],
            network.dtype,
            in_place=self.plan.in_place,
            buffers=network.buffers(equation, self.plan.views) | dict(self._shared_state),
            views=self.plan.views,
        )
        self.compile_seconds: float = self.program.compile_seconds
        self.steps = 0
        for name, value in self.plan.state.items():
            if value and name not in self._shared_state:  # its arrays are 0, and not in memory before they are written
                self.program.arrays[name][...] = value
        arrays = self.program.arrays
        self.accumulate = accumulate
        self.update = self._made_update(layers, engine)
        self._x, self._shares = gathered(INPUT, network.ends.input_names, arrays), arrays[LOSS_WEIGHTS]
        self._t = gathered(TARGET, names, arrays)
        self._copied = _copies(self._x, self._t)
        self.targets = targets_for(self.loss_function, network.output_shapes)
        self.examples_meet = any(examples_meet(placed.built) for placed in layers)
        self._engine = engine
        self._parts: dict[int, _PartOfBatch] = {}
        self._present: Array | None = None
        self._equal_shares = False
        self._total, self._unit = 0.0, batch_size
        self._draw = 0
        self._scalars: dict[str, float] = {}
        self._rate: float | None = None

    def _made_update(self, layers: Sequence[PlacedLayer], engine: str) -> AccumulatedUpdate | None:
        """The program that changes the weights, where this one only adds up gradients."""
        if self.accumulate == 1:
            return None
        shapes = trained_shapes(layers, self.frozen.tensors)
        arrays = {**self.network.parameters, **self.program.arrays}
        update = AccumulatedUpdate(self.optimizer, parameters_of(layers), shapes, arrays, self.network.dtype, engine)
        self.compile_seconds += update.program.compile_seconds
        return update

    def __reduce__(self) -> NoReturn:
        raise TrainingError(
            "A training step can't be pickled or copied: it is compiled code, and its memory. Pickle or copy the "
            "network (step.network), and call training_step of the new one."
        )

    @property
    def lock(self) -> Lock:
        """The network's: one step at a time changes its weights."""
        return self.network.lock

    def run(
        self,
        x: Any,
        t: Any,
        learning_rate: float | None = None,
        weights: Array | None = None,
        last: bool = False,
    ) -> None:
        """One step on (batch, *input_shape) inputs and their targets.

        x: of several inputs, a table by name or a list in their order. t: labels (batch,), one-hot rows or an array
        like the results, as `fit` takes them; of several outputs, a table or list of them. learning_rate: the
        optimizer's where None. weights: (batch,) of the examples, at least 0, 1 each where None; 0 for rows that only
        fill up the batch, and for those whose label the loss ignores. last: let the weights change even if fewer than
        `accumulate` batches have come.

        Raises: DataError where a shape differs, or targets mean nothing to the loss; TrainingError where all weights
        are 0, or one is below 0 or no number. Nothing is changed, then.
        """
        with self.network.lock.own:
            targets = self.targets.of(t, self.batch_size, "training step", name="t")
            self._put(x, targets)
            if self.targets.ignored is not None:
                weights = self.targets.counts(targets) * (1.0 if weights is None else np.asarray(weights))
            self._weigh(weights)
            self._present = self._rows_that_count()
            rate = self.optimizer.learning_rate if learning_rate is None else learning_rate
            if self._present is not None:
                self._part.run_in_place_of(self, targets, rate, np.asarray(weights))
            else:
                self._run_program(rate)
            if self.update is not None:
                self._accumulated(rate, last)

    def _put(self, x: Any, targets: Any) -> None:
        """Have a batch in the program's arrays. Raises: DataError where inputs don't fit."""
        if self._copied(x, targets):
            return
        if isinstance(self._x, Several):
            x = named(x, [*self._x.parts], "training step", "x", "inputs")
        each(lambda own, given: copy_into(own, shares_of_bytes(given, self.network.dtype), "x"), self._x, x)
        each(lambda own, given: copy_into(own, given.reshape(own.shape), "t"), self._t, targets)

    def _run_program(self, rate: float) -> None:
        """All that is computed for a batch whose numbers are there."""
        self._set_scalars(rate)
        if self.plan.seeds:
            self._draw_seeds()
        if self.accumulate == 1:
            self.steps += 1
            self.network.past.updates += 1
        if self._between is None:
            self.program.run()
        else:
            for done in self.program.in_parts():
                self._between(self.program, done)

    def _draw_seeds(self) -> None:
        for place, name in enumerate(self.plan.seeds):
            self.program.arrays[name][...] = step_seed(self.seed, self.network.past.updates, place, self._draw)

    def _accumulated(self, rate: float, last: bool) -> None:
        """Count a batch whose gradients were added up, and change the weights where it is time."""
        assert self.update is not None
        self.update.pending += 1
        self.update.total += self._total / self._unit
        if last or self.update.pending >= self.accumulate:
            self.update.run(self.steps, rate)
            self.steps += 1
            self.network.past.updates += 1
        self._draw = self.update.pending

    def restore(self, state: Mapping[str, Array], steps: int, pending: int, total: float) -> None:
        """Go on from what another step had: `optimizer_state`, and what it has counted."""
        self.steps = steps
        for name, array in state.items():
            self.optimizer_state[name][...] = array
        if self.update is not None:
            self.update.pending, self.update.total = pending, total
            self._draw = pending

    @property
    def pending(self) -> tuple[int, float]:
        """Batches since the last update, and their weight."""
        return (0, 0.0) if self.update is None else (self.update.pending, self.update.total)

    @property
    def optimizer_state(self) -> dict[str, Array]:
        """What the optimizer remembers from step to step, by name: `conv1.w_v`, say. The arrays themselves."""
        own = {name: self.program.arrays[name] for name in self.plan.state}
        return own if self.update is None else own | self.update.state

    def prepare(self, count: int) -> None:
        """Compile what a batch needs of which only `count` examples have a weight, where it needs a program of its own.

        count: 1..batch_size.
        """
        if self.examples_meet and count < self.batch_size and count not in self._parts:
            self._parts[count] = _PartOfBatch(self, count)
            self.compile_seconds += self._parts[count].compile_seconds

    def _rows_that_count(self) -> Array | None:
        """(batch,) of True and False where examples meet and some have no weight, so that they may not be seen."""
        if not self.examples_meet or self._equal_shares:
            return None
        counts: Array = self._shares > 0
        return None if counts.all() else counts

    @property
    def _part(self) -> _PartOfBatch:
        """The program for the rows that count."""
        assert self._present is not None
        count = int(self._present.sum())
        self.prepare(count)
        return self._parts[count]

    def _weigh(self, weights: Array | None) -> None:
        """Each example's share of the mean; equal ones are written once and stay, for a step may take microseconds."""
        if weights is None and self._equal_shares:
            return
        given, self._total = weighed(np.ones(self.batch_size) if weights is None else weights)
        copy_into(self._shares, given / self._total, "weights")
        self._equal_shares = weights is None

    def _set_scalars(self, rate: float) -> None:
        """The optimizer's numbers of this step, where they are others than before."""
        if self.accumulate > 1:
            values = {"part": self._total / self._unit}
        elif type(rate) is not float:
            values, self._rate = self.optimizer.all_scalars(self.steps, rate), None
        elif rate == self._rate:
            return
        else:
            values = self.optimizer.worked_out(self.steps, rate)
            follow_from_rate = type(self.optimizer).scalars is Optimizer.scalars
            self._rate = rate if follow_from_rate else None
        for name, value in values.items():
            if value != self._scalars.get(name):
                self.program.arrays[self.plan.scalars[name]][...] = value
        self._scalars = values

    @property
    def loss(self) -> float:
        """The weighted mean of the examples' losses in the last run, before its update."""
        return float(self.program.arrays[LOSS_MEAN]) if self._present is None else self._part.loss

    @property
    def losses(self) -> dict[str, float]:
        """The same for each of several outputs, without the weights of the outputs."""
        if self._present is not None:
            return self._part.losses
        return {name: float(self.program.arrays[mean]) for name, mean in self._parts_of_loss.items()}

    @property
    def output(self) -> Any:
        """(batch, *output_shape): the network's results in the last run, before its update; of several outputs, a table
        by name.

        NaN in rows of weight 0 that were left out because examples meet.
        """
        found = {name: self._output(name, shape) for name, shape in self.network.output_shapes.items()}
        return found if self._parts_of_loss else found[""]

    def _output(self, name: str, shape: tuple[int, ...]) -> Array:
        if self._present is not None:
            results = np.full((self.batch_size, *shape), np.nan, self.network.dtype)
            results[self._present] = self._part._output(name, shape)
            return results
        return self.program.arrays[self.plan.outputs[name]].reshape(self.batch_size, *shape)  # type: ignore[no-any-return]


def _copies(own: Any, wanted: Any) -> Callable[[Any, Any], bool]:
    """What copies a batch's inputs and targets where their types and shapes can be copied as they are, and says whether
    they are so. It is made once: all that is asked of an array takes its time, and a small network's step microseconds.
    """
    if isinstance(own, Several) or isinstance(wanted, Several):
        return lambda x, targets: False
    array, dtype, shape, shape_of_targets = np.ndarray, own.dtype, own.shape, wanted.shape

    def copied(x: Any, targets: Any) -> bool:
        if type(x) is not array or x.dtype != dtype or x.shape != shape or targets.shape != shape_of_targets:
            return False
        if targets.dtype != dtype and targets.dtype != LABEL:
            return False
        own[...] = x
        wanted[...] = targets
        return True

    return copied


class _PartOfBatch(TrainingStep):
    """The step of `whole` for fewer examples, on the same weights and the same optimizer's state."""

    def __init__(self, whole: TrainingStep, count: int):
        self._shared_state = {name: whole.program.arrays[name] for name in whole.plan.state}  # type: ignore[misc]
        super().__init__(
            whole.network,
            whole.loss_function,
            whole.optimizer,
            count,
            seed=whole.seed,
            engine=whole._engine,
            frozen=whole.frozen.tensors,
            accumulate=whole.accumulate,
            precision=whole.precision,
        )

    def _made_update(self, layers: Sequence[PlacedLayer], engine: str) -> None:
        """It is the whole's."""

    def run_in_place_of(self, whole: TrainingStep, targets: Any, learning_rate: float, weights: Array) -> None:
        """One step on the rows that count, which `whole` holds."""
        rows = whole._present
        self.steps, self._draw, self._unit = whole.steps, whole._draw, whole._unit
        self._between = whole._between
        self.run(whole._x[rows], targets[rows], learning_rate, weights[rows])
        whole.steps = self.steps


@takes(TrainingError, network=NETWORK)
def gradients(
    network: PlainNetwork,
    x: Any,
    t: Any,
    loss: AnyLoss,
    *,
    training: bool = True,
    engine: str = "auto",
) -> dict[str, Array]:
    """The gradients of the mean loss with respect to the inputs, all results and all parameters, by name.

    training: as `Network.gradients` says.
    """
    wanted = [*map(gradient_name, (*network.ends.input_tensors, *network.parameters))]
    wanted += [gradient_name(placed.output) for placed in network.layers]
    return evaluated(network, x, t, loss, engine, wanted, training)


@takes(TrainingError, network=NETWORK)
def loss_value(
    network: PlainNetwork,
    x: Any,
    t: Any,
    loss: AnyLoss,
    *,
    training: bool = True,
    engine: str = "auto",
) -> float:
    """The mean loss, without an update: as training sees it, or as `predict` does where `training` is False."""
    return float(evaluated(network, x, t, loss, engine, [LOSS_MEAN], training)[LOSS_MEAN])


def evaluated(
    network: PlainNetwork,
    x: Any,
    t: Any,
    loss: AnyLoss,
    engine: str,
    wanted: list[str],
    training: bool,
) -> dict[str, Array]:
    """Tensors of a training step on one batch, the network left as it is."""

    def numbers(given: Any, shape: tuple[int, ...], called: str) -> Array:
        found = real_array("gradients", called, shares_of_bytes(given, network.dtype), DataError)
        if found.shape[1:] != shape or found.size == 0:
            expected = ", ".join(map(str, shape))
            raise DataError(
                f"gradients: {called} must have shape (N, {expected}), N at least 1, but has {found.shape}."
            )
        return found

    ends, function = network.ends, loss_for(network.ends.output_names, loss)
    inputs = ends.each_input(x, "gradients", numbers)
    taken = targets_for(function, network.output_shapes)
    targets = taken.of(t, len(inputs), "gradients", name="t")
    layers = network.layers if training else [placed.predicting for placed in network.layers]
    plan = training_plan(layers, ends, len(inputs), function, None, input_gradient=True)
    given = {**tensors(INPUT, inputs), LOSS_WEIGHTS: taken.shares(targets)}
    return run_once(network, plan, given, wanted, choose(engine), targets)


def run_once(
    network: PlainNetwork,
    plan: Plan,
    given: Mapping[str, npt.ArrayLike],
    wanted: list[str],
    backend: Backend,
    targets: Any = None,
) -> dict[str, Array]:
    """Tensors that a plan computes from what is given and the network's weights, which stay as they are."""
    program = backend.compile_program(plan.equation, wanted, network.dtype, views=plan.views)
    values: dict[str, npt.ArrayLike] = {**given, **network.parameters, **network.state}
    values |= {name: step_seed(0, 1, place) for place, name in enumerate(plan.seeds)}
    for name, target in tensors(TARGET, targets).items() if targets is not None else ():
        if name in program.arrays:
            values[name] = target.reshape(program.arrays[name].shape)
    for name, value in values.items():
        if name in program.arrays:
            program.set(name, value)
    program.run()
    return {name: program.arrays[name] for name in wanted}


def weighed(weights: npt.ArrayLike) -> tuple[Array, float]:
    """What the examples of a batch count, in float64, and all of them together. Raises: as `TrainingStep.run`."""
    given = real_array("training step", "weights", weights, DataError).astype(np.float64)
    total = float(np.sum(given))
    if not given.min(initial=0) >= 0 or not total < float("inf"):
        raise TrainingError("The weights of a batch must be numbers of at least 0, none of them infinite.")
    if not total > 0:
        raise TrainingError("The weights of a batch add up to 0, so there is nothing to learn from it.")
    return given, total


def step_seed(seed: int, step: int, place: int, draw: int = 0) -> int:
    """A whole number below 2^24 for `uniform`, another one for every step, layer and further batch of a step."""
    return int(np.random.SeedSequence([seed, step, place, *([draw] if draw else [])]).generate_state(1)[0] >> 8)
