"""Results of layers by name, as `predict` computes them or as a step of training does."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import COUNT, takes
from convgrad.compute.choose import Backend, choose
from convgrad.compute.samples import floats_from
from convgrad.errors import DataError, ModelError, suggestion
from convgrad.network.plain import NETWORK, PlainNetwork
from convgrad.network.plan import INPUT, PlacedLayer, prediction_plan
from convgrad.network.prediction import Predictions
from convgrad.network.step import step_seed

Array = npt.NDArray[Any]


@takes(DataError, network=NETWORK, batch_size=COUNT)
def activations(
    network: PlainNetwork,
    x: npt.ArrayLike,
    *names: str,
    training: bool = False,
    batch_size: int = 64,
    engine: str = "auto",
) -> dict[str, Array]:
    """See `Network.activations`."""
    inputs = floats_from(x, "activations: x", network.dtype)
    if inputs.ndim == 0 or inputs.shape[1:] != network.input_shape or len(inputs) == 0:
        shape = ", ".join(map(str, network.input_shape))
        raise DataError(f"activations: x must have shape (N, {shape}), N at least 1, but has {inputs.shape}.")
    if not network.initialized:
        raise ModelError("The network has no weights yet. Train it (fit), load weights, or call initialize(seed).")
    layers, backend = layers_called(network, names), choose(engine)
    wanted = {layer.output: layer.built.output_shape for layer in layers}
    if training:
        return _of_a_step(network, inputs, wanted, backend)
    return Predictions(wanted).found(network, inputs, batch_size, backend)


def layers_called(network: PlainNetwork, names: tuple[str, ...]) -> list[PlacedLayer]:
    """The layers that names mean: their own, that of their result (`conv1.x`), or patterns such as `conv*`; all where
    there are no names. Raises: DataError for a name that no layer has."""
    known = [name for layer in network.layers for name in (layer.name, layer.output)]
    own = [layer.name for layer in network.layers]
    for name in names:
        if not isinstance(name, str) or not any(fnmatchcase(one, name) for one in known):
            raise DataError(f"The network has no layer {name!r}.{suggestion(str(name), own)}")
    return [
        layer
        for layer in network.layers
        if not names or any(fnmatchcase(one, name) for name in names for one in (layer.name, layer.output))
    ]


def _of_a_step(
    network: PlainNetwork, inputs: Array, wanted: dict[str, tuple[int, ...]], backend: Backend
) -> dict[str, Array]:
    """All inputs as one batch of a training: by its own statistics, with what is left out at random left out."""
    layers = [replace(layer, built=replace(layer.built, predict=None)) for layer in network.layers]
    plan = prediction_plan(layers, network.input_shape, network.layers[-1].name, len(inputs))
    seeds = [layer.tensor(name) for layer in layers for name in layer.built.seeds]
    program = backend.compile_program(plan.equation, [*wanted], network.dtype, views=plan.views)
    given: dict[str, npt.ArrayLike] = {INPUT: inputs, **network.parameters, **network.state}
    given |= {name: step_seed(0, 1, place) for place, name in enumerate(seeds)}
    for name, value in given.items():
        if name in program.arrays:
            program.set(name, value)
    program.run()
    return {name: np.array(program.arrays[name]).reshape(len(inputs), *shape) for name, shape in wanted.items()}
