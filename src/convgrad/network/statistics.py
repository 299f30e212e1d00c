"""Moving statistics computed anew, for weights that no training has gone through: means over batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.compute.choose import choose
from convgrad.compute.several import tensors
from convgrad.network.placed import PlacedLayer
from convgrad.network.plain import PlainNetwork
from convgrad.network.plan import INPUT, Plan, forward_plan
from convgrad.network.step import step_seed

Array = npt.NDArray[Any]


def statistics_of(
    network: PlainNetwork, layers: Sequence[PlacedLayer], batches: Iterable[Any], seed: int, engine: str
) -> dict[str, Array]:
    """Each moving statistic as the mean over batches of what the layer makes of a batch.

    A step makes m * s + (1 - m) * b of a moving statistic s and a batch's own b. So what it makes of 0 is (1 - m) * b,
    and what it makes of 1 is m more.

    Args:
        layers: as they are in training. batches: (B, *input_shape) inputs, of any sizes.

    Returns: tensor's name -> float64.
    """
    names = [tensor for layer in layers for name in layer.own_state if (tensor := layer.tensor(name)) in _moving(layer)]
    if not names:
        return {}
    programs: dict[int, _Program] = {}
    total = {name: np.zeros(network.state[name].shape) for name in names}
    share: dict[str, Array] = {}
    count = 0
    for count, inputs in enumerate(batches, 1):
        if len(inputs) not in programs:
            programs[len(inputs)] = _Program(network, layers, names, len(inputs), engine)
        program = programs[len(inputs)]
        if not share:
            ones, zeros = (program.run(inputs, value, seed, count) for value in (1.0, 0.0))
            share = {name: 1 - (ones[name] - zeros[name]) for name in names}
        made = program.run(inputs, 0.0, seed, count)
        for name in names:
            total[name] += made[name] / share[name]
    return {name: array / max(count, 1) for name, array in total.items()}


def _moving(layer: PlacedLayer) -> list[str]:
    """The layer's moving statistics that it changes."""
    defined = layer.built.equation.defined
    return [layer.tensor(name) for name in layer.built.state if f"{name}_next" in defined]


class _Program:
    """Results in training, for batches of one size, on the network's weights but statistics of its own."""

    def __init__(
        self, network: PlainNetwork, layers: Sequence[PlacedLayer], names: Sequence[str], batch: int, engine: str
    ):
        self._plan: Plan = forward_plan(layers, network.ends, batch)
        equation = self._plan.equation
        self._names, self._updates = names, network.past.updates
        self._program = choose(engine).compile_program(
            equation, [f"{name}_next" for name in names], "float64", views=self._plan.views
        )
        for name, array in (network.parameters | network.state).items():
            if name in self._program.arrays:
                self._program.set(name, array)

    def run(self, inputs: Any, value: float, seed: int, number: int) -> dict[str, Array]:
        """What it makes of statistics that are all `value`."""
        arrays = self._program.arrays
        for name, array in tensors(INPUT, inputs).items():
            self._program.set(name, array)
        for name in self._names:
            if name in arrays:
                arrays[name][...] = value
        for place, name in enumerate(self._plan.seeds):
            if name in arrays:
                arrays[name][...] = step_seed(seed, self._updates, place, number)
        self._program.run()
        return {name: np.array(arrays[f"{name}_next"], np.float64) for name in self._names}
