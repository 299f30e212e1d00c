"""Weights by name: what people call some of a network's layers and tensors, and what a training leaves as it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from convgrad.arguments import shown
from convgrad.errors import TrainingError, suggestion
from convgrad.network.plan import PlacedLayer

Names = str | Iterable[str]


def tensors_called(layers: Sequence[PlacedLayer], names: Names, where: str) -> frozenset[str]:
    """The parameters and moving statistics that names mean, such as `conv1.w`.

    Args:
        names: of layers (`conv1`, all its tensors) and of tensors (`conv1.w`), or patterns of both (`conv*`, `*.b`), as
            those of files.
        where: what a message calls the argument.

    Raises:
        TrainingError: a name that nothing has, or that means nothing with weights.
    """
    own = {layer.name: _tensors(layer) for layer in layers}
    every = [tensor for tensors in own.values() for tensor in tensors]
    found: set[str] = set()
    for name in _listed(names, where):
        meant = [layer for layer in own if fnmatchcase(layer, name)]
        tensors = [tensor for tensor in every if fnmatchcase(tensor, name)]
        if not meant and not tensors:
            known = every if "." in name else [layer for layer, all_of_it in own.items() if all_of_it]
            raise TrainingError(
                f"{where}: the network has no layer or weights called {name!r}.{suggestion(name, known)}"
            )
        tensors += [tensor for layer in meant for tensor in own[layer]]
        if not tensors:
            raise TrainingError(f"{where}: {name!r} has no weights. Layers with weights are {_with_weights(own)}.")
        found.update(tensors)
    return frozenset(found)


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
    frozen = Frozen(tensors_called(layers, names, "frozen"))
    parameters = [layer.tensor(name) for layer in layers for name in layer.built.parameters]
    if parameters and frozen.tensors.issuperset(parameters):
        raise TrainingError("frozen names all parameters of the network, so there is nothing to train.")
    return frozen


def _tensors(layer: PlacedLayer) -> list[str]:
    return [layer.tensor(name) for name in (*layer.built.parameters, *layer.built.state)]


def _listed(names: Names, where: str) -> list[str]:
    try:
        listed = [names] if isinstance(names, str) else list(names)
    except TypeError:
        listed = [names]  # type: ignore[list-item]
    for name in listed:
        if not isinstance(name, str):
            raise TrainingError(f"{where} holds names of layers and weights, such as 'conv1', not {shown(name)}.")
    return listed


def _with_weights(own: dict[str, list[str]]) -> str:
    return ", ".join(f"`{layer}`" for layer, tensors in own.items() if tensors)
