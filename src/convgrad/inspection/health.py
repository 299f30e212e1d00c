"""How the layers of a network are: sizes of results and gradients, and units that never answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import takes
from convgrad.errors import DataError
from convgrad.layers.activation import Elementwise
from convgrad.network.activations import activations
from convgrad.network.losses import AnyLoss
from convgrad.network.placed import PlacedLayer
from convgrad.network.plain import NETWORK, PlainNetwork
from convgrad.network.plan import LOSS_MEAN
from convgrad.network.step import evaluated
from convgrad.notation.terms import gradient_name

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LayerHealth:
    """One layer on given examples.

    name: of the layer. shape: of its result for one example.
    mean, deviation: of all numbers of its result, as prediction computes it.
    units, dead: channels of an activation's result (the last axis), and how many of them are 0 for every example at
        every place, so that nothing is learned through them; None for other layers.
    weights, gradient: root of the sum of squares of all its parameters, and of the gradient of the mean loss with
        respect to them, as a training step on all the examples computes it; None for a layer without parameters.
    """

    name: str
    shape: tuple[int, ...]
    mean: float
    deviation: float
    units: int | None = None
    dead: int | None = None
    weights: float | None = None
    gradient: float | None = None


@dataclass(frozen=True)
class Health:
    """The layers of a network, in order, on `examples` examples with a mean loss of `loss`."""

    examples: int
    loss: float
    layers: tuple[LayerHealth, ...]

    def __iter__(self) -> Iterator[LayerHealth]:
        return iter(self.layers)

    @property
    def dead(self) -> dict[str, int]:
        """Layers with dead units, and how many."""
        return {layer.name: layer.dead for layer in self.layers if layer.dead}


@takes(DataError, network=NETWORK)
def health(network: PlainNetwork, x: Any, y: Any, *, loss: AnyLoss | None = None, engine: str = "auto") -> Health:
    """For each layer, with a its result: mean(a), sqrt(mean((a - mean(a))^2)), units where a[e,..,c] = 0 for all e and
    places, and sqrt(sum(w^2)), sqrt(sum(dw^2)) over its parameters w.

    >>> import numpy as np
    >>> from convgrad import Network
    >>> from convgrad.layers import Dense, ReLU
    >>> network = Network(Dense(2), ReLU(), Dense(1), input_shape=(1,))
    >>> network.initialize(seed=0)
    >>> network.set_weights(network.get_weights() | {"dense1.w": np.array([[1.0, -1.0]]), "dense1.b": np.zeros(2)})
    >>> health(network, np.array([[1.0], [2.0]]), np.zeros((2, 1)), loss="mse").dead
    {'relu1': 1}

    Args:
        x: (N, *input_shape) inputs, N at least 1; all are one batch of the gradients. y: their targets, as `fit` takes
            them.
        loss: the one that the network was trained with unless told otherwise.

    Raises: DataError where inputs or targets don't fit.
    """
    chosen = network.loss if loss is None else loss
    results = activations(network, x, engine=engine)
    wanted = [gradient_name(name) for name in network.parameters]
    found = evaluated(network, x, y, chosen, engine, [LOSS_MEAN, *wanted], training=True)
    gradients = {name: found[gradient_name(name)] for name in network.parameters}
    layers = tuple(_layer(layer, network, results[layer.output], gradients) for layer in network.layers)
    return Health(len(next(iter(results.values()))), float(found[LOSS_MEAN]), layers)


def _layer(layer: PlacedLayer, network: PlainNetwork, result: Array, gradients: dict[str, Array]) -> LayerHealth:
    own = [layer.tensor(name) for name in layer.built.parameters]
    units = dead = None
    if isinstance(layer.layer, Elementwise):
        answers = (result.reshape(-1, result.shape[-1]) != 0).any(axis=0)
        units, dead = len(answers), int((~answers).sum())
    return LayerHealth(
        layer.name,
        layer.built.output_shape,
        float(result.mean(dtype=np.float64)),
        float(result.std(dtype=np.float64)),
        units,
        dead,
        _norm(network.parameters[name] for name in own) if own else None,
        _norm(gradients[name] for name in own) if own else None,
    )


def _norm(arrays: Iterator[Array]) -> float:
    return float(np.sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays)))
