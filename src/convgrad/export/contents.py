"""What of a network leaves Python: its programs, where its numbers lie, and those that they begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.compute.contract import Request, example_indices
from convgrad.compute.halide.exporting import Listing, listing
from convgrad.compute.halide.listed import Memory
from convgrad.losses import Loss
from convgrad.network.plain import PlainNetwork
from convgrad.network.plan import INPUT, LOSS_MEAN, Plan, prediction_plan, training_plan
from convgrad.network.quantizing import Int8
from convgrad.optimizers import Optimizer

Array = npt.NDArray[Any]
PREDICT, STEP = "predict", "step"


@dataclass(frozen=True)
class Tensor:
    """One of the network's arrays, by its name in Python. whole: what it is kept as, where it is kept as int8."""

    name: str
    memory: Memory
    values: Array
    whole: Int8 | None = None

    @property
    def kept_bytes(self) -> int:
        """Where it lies in the program or beside it."""
        return self.values.nbytes if self.whole is None else self.whole.nbytes


@dataclass(frozen=True)
class Training:
    """A training step that is exported beside the predictions."""

    plan: Plan
    loss: Loss
    optimizer: Optimizer
    seed: int


@dataclass(frozen=True)
class Contents:
    """A network with everything that an exported program of it has.

    Attributes:
        output: the tensor that is predicted.
        weights: parameters, then moving statistics; they lie where the programs have them.
        state: what the optimizer remembers, with what it begins with.
    """

    network: PlainNetwork
    batch_size: int
    listing: Listing
    output: str
    weights: list[Tensor]
    state: list[Tensor]
    training: Training | None

    def memory(self, program: str, tensor: str) -> Memory:
        return self.listing.places[program][tensor]

    def constants(self, inside: bool) -> dict[int, Array]:
        """Blocks that are never written, and their numbers: weights of floats inside a program that does not train."""
        if self.training is not None or not inside:
            return {}
        return {tensor.memory.block: tensor.values for tensor in self.weights if tensor.whole is None}

    def memory_bytes(self, inside: bool) -> int:
        """Of the blocks that are written."""
        constants = self.constants(inside)
        return sum(size for block, size in enumerate(self.listing.blocks) if block not in constants)


def contents(
    network: PlainNetwork,
    folder: Path,
    batch_size: int,
    loss: Loss | None,
    optimizer: Optimizer | None,
    seed: int,
    whole: Mapping[str, Int8],
) -> Contents:
    """The programs of a network, with the object files of their kernels in `folder`. whole: weights that are int8."""
    requests = {PREDICT: _prediction(network, batch_size)}
    training = None
    if loss is not None and optimizer is not None:
        plan = training_plan(network.layers, network.ends, batch_size, loss, optimizer)
        training = Training(plan, loss, optimizer, seed)
        outputs = (plan.output, LOSS_MEAN)
        buffers = network.buffers(plan.equation, plan.views)
        requests[STEP] = Request(plan.equation, outputs, network.dtype, plan.in_place, buffers, plan.views)
    listed = listing(requests, folder)
    places: dict[str, Memory] = {name: memory for own in listed.places.values() for name, memory in own.items()}
    arrays = {**network.parameters, **network.state}
    weights = [Tensor(name, places[name], array, whole.get(name)) for name, array in arrays.items() if name in places]
    state = []
    if training is not None:
        for name, value in training.plan.state.items():
            state.append(Tensor(name, places[name], np.full(training.plan.shapes[name], value, network.dtype)))
    return Contents(network, batch_size, listed, requests[PREDICT].outputs[0], weights, state, training)


def _prediction(network: PlainNetwork, batch_size: int) -> Request:
    plan = prediction_plan(network.layers, network.ends, batch_size)
    equation = plan.equation
    buffers = network.buffers(equation, plan.views)
    apart = example_indices(plan.definitions, plan.views, [INPUT]) is not None
    return Request(equation, (plan.output,), network.dtype, {}, buffers, plan.views, (INPUT,) if apart else ())
