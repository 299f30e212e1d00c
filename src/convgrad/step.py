"""One training step: results, loss, gradients and update, compiled as one program on arrays laid out once."""

from __future__ import annotations

from math import prod
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from convgrad.arguments import COUNT, SEED, real_array, takes
from convgrad.arrays import copy_into
from convgrad.backend import choose
from convgrad.errors import DataError, TrainingError
from convgrad.losses import Loss, loss_from
from convgrad.network import NETWORK, Network
from convgrad.notation.terms import gradient_name
from convgrad.optimizers import Optimizer, optimizer_from
from convgrad.plan import INPUT, LOSS, TARGET, training_plan
from convgrad.sharing import Lock, locked

Array = npt.NDArray[Any]


class TrainingStep:
    """`run` takes a batch and changes the network's parameters. It is compiled code, so it can be neither pickled nor
    copied: pickle the network, and make a step of it where it arrives.

    The gradient is that of the weighted mean of the examples' losses: `weights` / their sum.

    Attributes:
        batch_size, compile_seconds.
        program: the compiled program; `program.equation` is all that it computes.
    """

    @takes(TrainingError, network=NETWORK, batch_size=COUNT, seed=SEED)
    def __init__(
        self,
        network: Network,
        loss: str | Loss,
        optimizer: str | Optimizer,
        batch_size: int,
        *,
        seed: int = 0,
        engine: str = "auto",
    ):
        if not network.parameters:
            raise TrainingError("The network has no parameters, so there is nothing to train. Add one such as Dense.")
        if not network.initialized:
            network.initialize(seed)
        self.network, self.batch_size, self.seed = network, batch_size, seed
        self.loss_function, self.optimizer = loss_from(loss), optimizer_from(optimizer)
        network.loss = self.loss_function
        self.plan = training_plan(
            network.layers,
            network.input_shape,
            network.layers[-1].name,
            batch_size,
            self.loss_function,
            self.optimizer,
        )
        equation = self.plan.equation
        self.program = choose(engine).compile_program(
            equation,
            [self.plan.output, f"{LOSS}.mean"],
            network.dtype,
            in_place=self.plan.in_place,
            buffers=network.buffers(equation, self.plan.views),
            views=self.plan.views,
        )
        self.compile_seconds: float = self.program.compile_seconds
        self.steps = 0
        for name, value in self.plan.state.items():
            self.program.arrays[name][...] = value
        arrays = self.program.arrays
        self._x, self._t, self._shares = arrays[INPUT], arrays[TARGET], arrays[f"{LOSS}.dE"]
        self._equal_shares = False
        self._scalars: dict[str, float] = {}

    def __reduce__(self) -> NoReturn:
        raise TrainingError(
            "A training step can't be pickled or copied: it is compiled code, and its memory. Pickle or copy the "
            "network (step.network), and call training_step of the new one."
        )

    @property
    def lock(self) -> Lock:
        """The network's: one step at a time changes its weights."""
        return self.network.lock

    @locked
    def run(
        self, x: npt.ArrayLike, t: npt.ArrayLike, learning_rate: float | None = None, weights: Array | None = None
    ) -> None:
        """One step on (batch, *input_shape) inputs and their targets.

        learning_rate: the optimizer's where None. weights: (batch,) of the examples, 1 each where None; 0 for rows
        that only fill up the batch.

        Raises: DataError where a shape differs; TrainingError where all weights are 0.
        """
        self._weigh(weights)
        copy_into(self._x, x, "x")
        targets = t if isinstance(t, np.ndarray) else real_array("run", "t", t, DataError)
        copy_into(self._t, targets.reshape(self._t.shape) if targets.size == self._t.size else t, "t")
        self._set_scalars(self.optimizer.learning_rate if learning_rate is None else learning_rate)
        for place, name in enumerate(self.plan.seeds):
            self.program.arrays[name][...] = step_seed(self.seed, self.steps, place)
        self.steps += 1
        self.program.run()

    def _weigh(self, weights: Array | None) -> None:
        """Each example's share of the mean; equal ones are written once and stay, for a step may take microseconds."""
        if weights is None and self._equal_shares:
            return
        given = np.ones(self.batch_size) if weights is None else real_array("run", "weights", weights, DataError)
        total = float(np.sum(given))
        if not 0 < total < np.inf:
            raise TrainingError(f"The weights of a batch add up to {total:g}, so there is nothing to learn from it.")
        copy_into(self._shares, given / total, "weights")
        self._equal_shares = weights is None

    def _set_scalars(self, rate: float) -> None:
        """The optimizer's numbers of this step, where they are others than before."""
        values = self.optimizer.scalars(self.steps, rate)
        if values != self._scalars:
            for name, value in values.items():
                self.program.arrays[self.plan.scalars[name]][...] = value
            self._scalars = values

    @property
    def loss(self) -> float:
        """The weighted mean of the examples' losses in the last run, before its update."""
        return float(self.program.arrays[f"{LOSS}.mean"])

    @property
    def output(self) -> Array:
        """(batch, *output_shape): the network's results in the last run, before its update."""
        return self.program.arrays[self.plan.output].reshape(self.batch_size, *self.network.output_shape)  # type: ignore[no-any-return]


@takes(TrainingError, network=NETWORK)
def gradients(
    network: Network, x: npt.ArrayLike, t: npt.ArrayLike, loss: str | Loss, *, engine: str = "auto"
) -> dict[str, Array]:
    """The gradients of the mean loss with respect to the input, all results and all parameters, by name."""
    wanted = [gradient_name(INPUT), *map(gradient_name, network.parameters)]
    wanted += [gradient_name(placed.output) for placed in network.layers]
    return _evaluated(network, x, t, loss, engine, wanted)


@takes(TrainingError, network=NETWORK)
def loss_value(
    network: Network, x: npt.ArrayLike, t: npt.ArrayLike, loss: str | Loss, *, engine: str = "auto"
) -> float:
    """The mean loss as training sees it (BatchNorm by the batch's own statistics), without an update."""
    return float(_evaluated(network, x, t, loss, engine, [f"{LOSS}.mean"])[f"{LOSS}.mean"])


def _evaluated(
    network: Network, x: npt.ArrayLike, t: npt.ArrayLike, loss: str | Loss, engine: str, wanted: list[str]
) -> dict[str, Array]:
    """Tensors of a training step on one batch, the network left as it is."""
    inputs, targets = real_array("gradients", "x", x, DataError), real_array("gradients", "t", t, DataError)
    if inputs.ndim == 0 or len(inputs) == 0 or inputs.shape[1:] != network.input_shape:
        shape = ", ".join(map(str, network.input_shape))
        raise DataError(f"gradients: x must be an array (N, {shape}), N at least 1, but has shape {inputs.shape}.")
    last = network.layers[-1].name
    plan = training_plan(
        network.layers, network.input_shape, last, len(inputs), loss_from(loss), None, input_gradient=True
    )
    equation = plan.equation
    program = choose(engine).compile_program(equation, wanted, network.dtype, views=plan.views)
    given: dict[str, npt.ArrayLike] = {
        INPUT: inputs,
        f"{LOSS}.dE": np.full(len(inputs), 1 / len(inputs)),
        **network.parameters,
        **network.state,
    }
    given |= {name: step_seed(0, 1, place) for place, name in enumerate(plan.seeds)}
    if TARGET in program.arrays:
        wanted_targets = program.arrays[TARGET].shape
        if targets.size != prod(wanted_targets):
            raise DataError(f"gradients: t must hold targets {wanted_targets}, but has shape {targets.shape}.")
        given[TARGET] = targets.reshape(wanted_targets)
    for name, value in given.items():
        if name in program.arrays:
            program.set(name, value)
    program.run()
    return {name: program.arrays[name] for name in wanted}


def step_seed(seed: int, step: int, place: int) -> int:
    """A whole number below 2^24 for `uniform`, another one for every step and layer."""
    return int(np.random.SeedSequence([seed, step, place]).generate_state(1)[0] >> 8)
