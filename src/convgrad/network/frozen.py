"""What a training leaves as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convgrad.errors import TrainingError
from convgrad.network.chosen import Names, tensors_called
from convgrad.network.placed import PlacedLayer
from convgrad.network.plan import parameters_of


@dataclass(frozen=True)
class Frozen:
    """What a training leaves as it is, to the bit, and computes no gradients for.

    A layer whose moving statistics are among it uses them, as it does when it predicts: they would say nothing about
    what it computes otherwise.

    tensors: parameters and moving statistics.
    """

    tensors: frozenset[str] = frozenset()

    def apply(self, layer: PlacedLayer) -> PlacedLayer:
        """The layer as it is in training."""
        statistics = {layer.tensor(name) for name in layer.built.state}
        return layer.predicting if statistics & self.tensors else layer


def frozen_from(layers: Sequence[PlacedLayer], names: Names) -> Frozen:
    """What `fit(frozen=...)` means. Raises: TrainingError for a name that nothing has, or where nothing is left."""
    own = {
        layer.name: [layer.tensor(name) for name in (*layer.built.parameters, *layer.built.state)] for layer in layers
    }
    frozen = Frozen(tensors_called(own, names, "frozen"))
    parameters = [name for tensors in parameters_of(layers).values() for name in tensors]
    if parameters and frozen.tensors.issuperset(parameters):
        raise TrainingError("frozen names all parameters of the network, so there is nothing to train.")
    return frozen
