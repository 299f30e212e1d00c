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
from convgrad.layers import Equation, Flatten, Input, Layer, Node, Permute, Reshape
from convgrad.layers.base import NAME

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
EXAMPLES = (10007, 10009)
"""Numbers of examples for which shapes are computed; primes, so that a size which holds them is seen."""
LETTERS = "ijlmnpq"
"""Indices of all axes but the last one, c."""


@dataclass(frozen=True)
class PerBatch:
    """A constant that depends on how many examples there are: what it is for each of `EXAMPLES`."""

    arrays: tuple[Array, Array]


@dataclass(frozen=True)
class Formula:
    """factor * product(terms) + shift: a result as a function of each element `o` of an earlier one, `origin`."""

    origin: Result
    factor: float = 1.0
    terms: tuple[str, ...] = ("o",)
    shift: float = 0.0

    def __str__(self) -> str:
        written = "*".join([f"{self.factor:.6g}"] * (self.factor != 1) + sorted(self.terms))
        return f"{written}+{self.shift:.6g}" if self.shift else written


@dataclass(frozen=True)
class Result:
    """The node's result, `size` here, transposed by `axes` and reshaped to `shape`: one example of the file's.

    formula: how it is made of single elements of another result, if it is.
    """

    node: Node | Input
    size: Shape
    axes: Shape
    shape: Shape
    formula: Formula | None = field(default=None, compare=False)

    @property
    def arranged(self) -> tuple[Shape, Shape, Shape]:
        """Results that are alike in these have the same elements at the same places."""
        return self.size, self.axes, self.shape

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


def turned(node: Node | Input, size: Shape, axes: Shape) -> Result:
    """The node's result with its axes in another order."""
    return Result(node, size, axes, tuple(size[axis] for axis in axes))


def plain(node: Node | Input, size: Shape) -> Result:
    return turned(node, size, tuple(range(len(size))))


def image(node: Node | Input, size: Shape) -> Result:
    """Of a layer whose operator has its channels first."""
    rank = len(size)
    return turned(node, size, (rank - 1, *range(rank - 1)))


Given = Result | PerBatch | Array


@dataclass
class Step:
    """One node of the file. given: its inputs, results and constants (arrays), None where one is left out."""

    reader: Reader
    name: str
    operator: str
    inputs: tuple[str, ...]
    given: tuple[Given | None, ...]
    said: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1

    def refuse(self, why: str) -> ModelError:
        return ModelError(f"from_onnx: node `{self.name}`, {self.operator}, can't be read: {why}.")

    # What the node was given

    def _given(self, place: int) -> Given | None:
        return self.given[place] if place < len(self.given) else None

    def result(self, place: int = 0) -> Result:
        found = self._given(place)
        if not isinstance(found, Result):
            raise self.refuse(f"input {place} must come from the network's inputs")
        return found

    def constant(self, place: int) -> Array | None:
        found = self._given(place)
        if isinstance(found, Result):
            raise self.refuse(f"input {place} is computed from the network's inputs, but has to be a constant")
        if isinstance(found, PerBatch):
            raise self.refuse(f"input {place} depends on the number of examples, but has to be a constant")
        return found

    def weight(self, place: int) -> Array:
        found = self.constant(place)
        if found is None:
            raise self.refuse(f"input {place} is missing")
        if found.dtype.kind not in "fV" or not np.isfinite(found.astype(np.float64)).all():
            raise self.refuse(f"input {place} must hold finite floats")
        return found.astype(np.float64)

    def number(self, place: int, name: str, default: float | None) -> float | None:
        """A number given as an input, or in older operators as an attribute."""
        found = self.constant(place)
        if found is None:
            return self.real(name, default) if name in self.said else default
        if found.size != 1:
            raise self.refuse(f"input {place} must hold one number, not {found.size}")
        return short(found.reshape(()))

    def real(self, name: str, default: Any) -> Any:
        """An attribute of float32."""
        return short(self.said[name]) if name in self.said else default

    def wholes(self, name: str, count: int, default: int, least: int = 1) -> Shape:
        """An attribute of `count` whole numbers."""
        found = tuple(int(number) for number in self.said.get(name, [default] * count))
        if len(found) != count or min(found, default=least) < least:
            raise self.refuse(f"{name} must be {count} whole numbers of at least {least}, not {list(found)}")
        return found

    def listed(self, place: int, name: str) -> list[int] | None:
        """Whole numbers given as an input, or in older operators as an attribute; None where they are left out."""
        found = self.constant(place)
        if found is None:
            return [int(number) for number in self.said[name]] if name in self.said else None
        return [int(number) for number in found.reshape(-1)]

    def sizes(self, place: int) -> list[int | None]:
        """A shape; None for the number of examples in it."""
        found = self._given(place)
        if not isinstance(found, PerBatch):
            array = self.constant(place)
            return [] if array is None else [int(size) for size in array.reshape(-1)]
        pairs = list(zip(*(array.reshape(-1).tolist() for array in found.arrays), strict=True))
        if any(pair[0] != pair[1] and pair != EXAMPLES for pair in pairs):
            raise self.refuse("it has a size that is computed from the number of examples, which mixes them")
        return [None if pair == EXAMPLES else int(pair[0]) for pair in pairs]

    def axis(self, axis: int, rank: int) -> int:
        """An axis of the file, of `rank` with the examples, as one of an example."""
        found = axis + rank if axis < 0 else axis
        if not 0 <= found < rank:
            raise self.refuse(f"there is no axis {axis}, its input has {rank}")
        if found == 0:
            raise self.refuse("it goes over examples, which must stay apart")
        return found - 1

    # What it becomes

    def add(self, layer: Layer, *sources: Result, weights: dict[str, Array] | None = None) -> tuple[Node, Shape]:
        """A layer on results as their nodes have them; one that the same weights have made before, again."""
        built = layer.build(*(one.size for one in sources))
        nodes: list[Node | Input] = []
        for one in sources:  # a layer has different inputs
            nodes.append(Reshape(one.size)(one.node) if one.node in nodes else one.node)
        shapes = {key: one.shape for key, one in built.parameters.items()} | {k: s for k, (s, _) in built.state.items()}
        for key, array in (weights or {}).items():
            if array.shape != shapes[key]:
                raise self.refuse(f"its weights make `{key}` of shape {array.shape}, which has to be {shapes[key]}")
        layer = self.reader.shared(self, layer, weights or {})
        return layer(*nodes), built.output_shape

    def equation(self, text: str, *sources: Result, weights: dict[str, Array] | None = None, **said: Any) -> Result:
        """A layer that is its equation, on o, or o1 and o2, as their nodes have them."""
        names = ("o",) if len(sources) == 1 else tuple(f"o{n + 1}" for n in range(len(sources)))
        shapes = {key: array.shape for key, array in (weights or {}).items()}
        layer = Equation(text, inputs=names, shapes=shapes, **said)
        return plain(*self.add(layer, *sources, weights=weights))

    def indices(self, rank: int) -> list[str]:
        if rank > len(LETTERS) + 1:
            raise self.refuse(f"{rank} axes besides the examples are too many; {len(LETTERS) + 1} are supported")
        return [*LETTERS[: rank - 1], "c"]

    def in_order(self, value: Result) -> Result:
        """The value with no more than its axes in another order than its node's."""
        return value if value.shape == value.transposed else self.settled(value)

    def moved(self, value: Result, dims: Shape) -> Result:
        """The value with its node's axes as `dims` of the file's (counted from 0); a node of its own where needed."""
        if not value.shape:  # one number an example, which is an axis of length 1 here
            value, dims = replace(value, shape=(1,)), (0,)
        if value.shape == value.transposed:
            wanted = tuple(value.axes[axis] for axis in dims)
        else:
            shape, wanted = value.shape, dims
            if value.axes != tuple(range(len(value.axes))):
                value = plain(*self.add(Permute(tuple(axis + 1 for axis in value.axes)), value))
            value = plain(*self.add(Reshape(shape) if len(shape) > 1 else Flatten(), value))
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
    """What has been read so far. known: the file's name -> its result or constant. opset: of the file."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.known: dict[str, Given] = {}
        self.weights: dict[int, tuple[Layer, dict[str, Array]]] = {}
        self._layers: dict[tuple[str, ...], tuple[Layer, dict[str, Array]]] = {}
        self._names: set[str] = set()

    def shared(self, step: Step, layer: Layer, weights: dict[str, Array]) -> Layer:
        if not weights:
            return layer
        constants = [name for name, one in zip(step.inputs, step.given, strict=True) if not isinstance(one, Result)]
        key = (step.operator, *constants, repr(layer))
        found = self._layers.get(key)
        if found and all(np.array_equal(array, found[1][name]) for name, array in weights.items()):
            return found[0]
        prefix = re.sub(r"\W", "_", constants[0].rpartition(".")[0], flags=re.ASCII)
        if re.fullmatch(NAME, prefix, re.ASCII) and prefix not in self._names | {"input"}:
            self._names.add(prefix)
            layer = replace(layer, name=prefix)
        self._layers[key] = self.weights[id(layer)] = (layer, weights)
        return layer


def short(number: Any) -> float:
    """A float32 as the shortest number that rounds to it."""
    return float(str(np.float32(number)))


Reads = Callable[[Step], "Given | list[Given]"]
