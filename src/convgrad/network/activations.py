"""Results of layers by name, as `predict` computes them or as a step of training does."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import numpy.typing as npt

from convgrad.arguments import COUNT, takes
from convgrad.compute.choose import Backend, choose
from convgrad.compute.samples import floats_from
from convgrad.compute.several import tensors
from convgrad.errors import DataError, suggestion
from convgrad.network.placed import PlacedLayer
from convgrad.network.plain import NETWORK, PlainNetwork, check_initialized
from convgrad.network.plan import INPUT, forward_plan
from convgrad.network.prediction import Predictions
from convgrad.network.step import run_once

Array = npt.NDArray[Any]


@takes(DataError, network=NETWORK, batch_size=COUNT)
def activations(
    network: PlainNetwork,
    x: Any,
    *names: str,
    training: bool = False,
    batch_size: int = 64,
    engine: str = "auto",
) -> dict[str, Array]:
    """See `Network.activations`."""
    inputs = inputs_of(network, x, "activations")
    check_initialized(network)
    layers, backend = layers_called(network, names), choose(engine)
    wanted = {layer.output: layer.built.output_shape for layer in layers}
    if training:
        return _of_a_step(network, inputs, wanted, backend)
    return Predictions(wanted).found(network, inputs, batch_size, backend)


def inputs_of(network: PlainNetwork, x: Any, where: str) -> Any:
    """Examples for a network as floats, bytes as 0..1. Raises: DataError where they don't fit, or are none."""

    def floats(given: Any, shape: tuple[int, ...], called: str) -> Array:
        inputs = floats_from(given, f"{where}: {called}", network.dtype)
        if inputs.ndim == 0 or inputs.shape[1:] != shape or len(inputs) == 0:
            expected = ", ".join(map(str, shape))
            raise DataError(f"{where}: {called} must have shape (N, {expected}), N at least 1, but has {inputs.shape}.")
        return inputs

    return network.ends.each_input(x, where, floats)


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
    network: PlainNetwork, inputs: Any, wanted: dict[str, tuple[int, ...]], backend: Backend
) -> dict[str, Array]:
    """All inputs as one batch of a training: by its own statistics, with what is left out at random left out."""
    plan = forward_plan(network.layers, network.ends, len(inputs))
    found = run_once(network, plan, tensors(INPUT, inputs), [*wanted], backend)
    return {name: found[name].reshape(len(inputs), *shape) for name, shape in wanted.items()}
