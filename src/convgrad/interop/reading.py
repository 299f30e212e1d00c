"""A graph of ONNX while it is read: what its results are in terms of nodes of layers, whose channels are last.

A result of the file is kept as a node here, and as how that node's axes are to be transposed and then reshaped to make
it. So Flatten and Transpose cost nothing where the next layer can take their order into its weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.errors import ModelError
from convgrad.layers import Flatten, Input, Layer, Node, Permute, Reshape
from convgrad.layers.base import NAME

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Result:
    """The node's result, `size` here, transposed by `axes` and reshaped to `shape`: one example of the file's."""

    node: Node | Input
    size: Shape
    axes: Shape
    shape: Shape

    @property
    def transposed(self) -> Shape:
        return tuple(self.size[axis] for axis in self.axes)

    @property
    def first(self) -> bool:
        """Whether it is an image with its channels first whose node has them last."""
        rank = len(self.size)
        return rank > 1 and self.axes == (rank - 1, *range(rank - 1)) and self.shape == self.transposed

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """For each element in the file's order, its place in the node's."""
        places: npt.NDArray[np.int64] = np.arange(prod(self.size)).reshape(self.size)
        return np.asarray(places.transpose(self.axes).reshape(-1), np.int64)


def plain(node: Node | Input, size: Shape) -> Result:
    return Result(node, size, tuple(range(len(size))), size)


def image(node: Node | Input, size: Shape) -> Result:
    """Of a layer whose operator has its channels first."""
    rank = len(size)
    return Result(node, size, (rank - 1, *range(rank - 1)), (size[-1], *size[:-1]))


@dataclass
class Step:
    """One node of the file. given: its inputs, results and constants (arrays), None where one is left out."""

    reader: Reader
    name: str
    operator: str
    inputs: tuple[str, ...]
    given: tuple[Result | Array | None, ...]
    said: dict[str, Any] = field(default_factory=dict)

    def refuse(self, why: str) -> ModelError:
        return ModelError(f"from_onnx: node `{self.name}`, {self.operator}, can't be read: {why}.")

    def result(self, place: int = 0) -> Result:
        found = self.given[place] if place < len(self.given) else None
        if not isinstance(found, Result):
            raise self.refuse(f"input {place} must come from the network's inputs")
        return found

    def constant(self, place: int) -> Array | None:
        found = self.given[place] if place < len(self.given) else None
        if isinstance(found, Result):
            raise self.refuse(f"input {place} is computed from the network's inputs, but has to be a constant")
        return found

    def weight(self, place: int) -> Array:
        found = self.constant(place)
        if found is None:
            raise self.refuse(f"input {place} is missing")
        if found.dtype.kind not in "fV" or not np.isfinite(found.astype(np.float64)).all():
            raise self.refuse(f"input {place} must hold finite floats")
        return found.astype(np.float64)

    def add(self, layer: Layer, *sources: Result, weights: dict[str, Array] | None = None) -> tuple[Node, Shape]:
        """A layer on results as their nodes have them; one that the same weights have made before, again."""
        layer = self.reader.shared(self, layer, weights or {})
        return layer(*(one.node for one in sources)), layer.build(*(one.size for one in sources)).output_shape

    def moved(self, value: Result, dims: Shape) -> Result:
        """The value with its node's axes as `dims` of the file's (counted from 0); a node of its own where needed."""
        if value.shape == value.transposed:
            wanted = tuple(value.axes[axis] for axis in dims)
        else:
            if value.axes != tuple(range(len(value.axes))):
                value = plain(*self.add(Permute(tuple(axis + 1 for axis in value.axes)), value))
            value = plain(*self.add(Reshape(value.shape) if len(value.shape) > 1 else Flatten(), value))
            value, wanted = replace(value, shape=value.size), dims
        size = tuple(value.size[axis] for axis in wanted)
        if wanted == tuple(range(len(wanted))):
            return plain(value.node, size)
        long = [axis for axis in wanted if value.size[axis] > 1]
        layer = Reshape(size) if long == sorted(long) else Permute(tuple(axis + 1 for axis in wanted))
        return plain(*self.add(layer, value))

    def last(self, value: Result) -> Result:
        """An image of the file with its channels last."""
        if len(value.shape) < 2:
            return self.settled(value)
        return self.moved(value, (*range(1, len(value.shape)), 0))

    def settled(self, value: Result) -> Result:
        """The value as the file has it."""
        return self.moved(value, tuple(range(len(value.shape))))

    def row(self, value: Result) -> Result:
        """All elements of the node in a row, in the node's own order."""
        return plain(value.node, value.size) if len(value.size) == 1 else plain(*self.add(Flatten(), value))


class Reader:
    """What has been read so far. known: the file's name -> its result or constant."""

    def __init__(self) -> None:
        self.known: dict[str, Result | Array] = {}
        self.weights: dict[int, tuple[Layer, dict[str, Array]]] = {}
        self._layers: dict[tuple[str, ...], tuple[Layer, dict[str, Array]]] = {}
        self._names: set[str] = set()

    def shared(self, step: Step, layer: Layer, weights: dict[str, Array]) -> Layer:
        if not weights:
            return layer
        key = (step.operator, *step.inputs[1:], repr(layer))
        found = self._layers.get(key)
        if found and all(np.array_equal(array, found[1][name]) for name, array in weights.items()):
            return found[0]
        prefix = re.sub(r"\W", "_", step.inputs[1].rpartition(".")[0], flags=re.ASCII)
        if re.fullmatch(NAME, prefix, re.ASCII) and prefix not in self._names | {"input"}:
            self._names.add(prefix)
            layer = replace(layer, name=prefix)
        self._layers[key] = self.weights[id(layer)] = (layer, weights)
        return layer


Reads = Callable[[Step], "Result | Array"]
