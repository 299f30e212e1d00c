"""Weights by name: what people call some of a network's layers and tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from convgrad.arguments import shown
from convgrad.errors import TrainingError, suggestion

Names = str | Iterable[str]


def tensors_called(own: Mapping[str, Sequence[str]], names: Names, where: str, some: bool = True) -> frozenset[str]:
    """The tensors that names mean, such as `conv1.w`.

    Args:
        own: layer's name -> its tensors.
        names: of layers (`conv1`, all its tensors) and of tensors (`conv1.w`), or patterns of both (`conv*`, `*.b`), as
            those of files.
        where: what a message calls the argument.
        some: whether a pattern has to mean something; a name has to.

    Raises:
        TrainingError: a name that nothing has, or that means nothing with weights.
    """
    every = [tensor for tensors in own.values() for tensor in tensors]
    found: set[str] = set()
    for name in _listed(names, where):
        meant = [layer for layer in own if fnmatchcase(layer, name)]
        tensors = [tensor for tensor in every if fnmatchcase(tensor, name)]
        tensors += [tensor for layer in meant for tensor in own[layer]]
        if not tensors and (some or not WILD & set(name)):
            raise _nothing(own, name, where, bool(meant))
        found.update(tensors)
    return frozenset(found)


WILD = frozenset("*?[")
"""Characters that make a pattern of a name."""


def _nothing(own: Mapping[str, Sequence[str]], name: str, where: str, is_layer: bool) -> TrainingError:
    weighed = [layer for layer, tensors in own.items() if tensors]
    if is_layer:
        listed = ", ".join(f"`{layer}`" for layer in weighed)
        return TrainingError(f"{where}: {name!r} has no weights. Layers with weights are {listed}.")
    known = [tensor for tensors in own.values() for tensor in tensors] if "." in name else weighed
    return TrainingError(f"{where}: the network has no layer or weights called {name!r}.{suggestion(name, known)}")


def _listed(names: Names, where: str) -> list[str]:
    try:
        listed = [names] if isinstance(names, str) else list(names)
    except TypeError:
        listed = [names]  # type: ignore[list-item]
    for name in listed:
        if not isinstance(name, str):
            raise TrainingError(f"{where} holds names of layers and weights, such as 'conv1', not {shown(name)}.")
    return listed
