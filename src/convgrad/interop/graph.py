"""A graph of ONNX while it is written: nodes, weights, and in which order of axes each result lies.

Layers here have the channels last, (N, H, W, C); the operators of ONNX for images have them first, (N, C, H, W). A
result lies in the order of the operator that made it, and is transposed where another one needs the other order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Order = Literal["last", "first", "row"]


@dataclass(frozen=True)
class Value:
    """A result in the graph.

    shape: of one example, as layers here have it. order: where the channels are; "row" for an image in a row, all of
    its first channel before the next one, as Flatten leaves it behind a convolution; then `image` is its shape here.
    """

    name: str
    shape: Shape
    order: Order = "last"
    image: Shape = ()


class Graph:
    """Nodes and weights, as they are added.

    onnx: the library. tensors: name -> array of the network's parameters and state.
    """

    def __init__(self, onnx: Any, opset: int, tensors: dict[str, Array]):
        self.onnx, self.opset, self.tensors = onnx, opset, tensors
        self.nodes: list[Any] = []
        self.weights: dict[str, Array] = {}
        self.layer = ""
        self._used: dict[str, int] = {}

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The result of one more node."""
        return self.nodes_of(operator, inputs, 1, **attributes)[0]

    def nodes_of(self, operator: str, inputs: tuple[str, ...], count: int, **attributes: Any) -> list[str]:
        """The results of one more node that has `count` of them."""
        name = self._free(f"{self.layer}/{operator}" if self.layer else operator)
        results = [name if count == 1 else f"{name}:{number}" for number in range(count)]
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), results, name=name, **attributes))
        return results

    def weight(self, array: npt.ArrayLike, name: str = "") -> str:
        """A tensor of the file, of float32 unless it holds whole numbers or truths.

        name: of a parameter, which is kept where it is one array wherever it is read.
        """
        array = np.asarray(array)
        array = np.ascontiguousarray(array.astype(np.float32) if array.dtype.kind == "f" else array).reshape(
            array.shape
        )
        name = name or self._free(f"{self.layer}/constant")
        while name in self.weights and not _same(self.weights[name], array):
            name = self._free(name)
        self.weights[name] = array
        return name

    def sizes(self, *sizes: int) -> str:
        """A tensor of whole numbers."""
        return self.weight(np.array(sizes, np.int64))

    def named(self, result: str, name: str) -> str:
        """The result of the newest node under another name."""
        if not self.nodes or self.nodes[-1].output[0] != result or len(self.nodes[-1].output) > 1:
            return result
        self.nodes[-1].output[0] = name
        return name

    def last(self, value: Value) -> str:
        """The value with its channels last, and a row in the order of layers here."""
        if value.order == "first":
            return self.node("Transpose", value.name, perm=[0, *range(2, len(value.shape) + 1), 1])
        if value.order == "row":
            *places, channels = value.image
            image = self.node("Reshape", value.name, self.sizes(0, channels, *places))
            moved = self.last(Value(image, value.image, "first"))
            return self.node("Reshape", moved, self.sizes(0, prod(value.image)))
        return value.name

    def first(self, value: Value) -> str:
        """The value, of two axes or more, with its channels first."""
        if value.order == "first" or len(value.shape) < 2:
            return value.name if value.order == "first" else self.last(value)
        axes = len(value.shape)
        return self.node("Transpose", value.name, perm=[0, axes, *range(1, axes)])

    def _free(self, name: str) -> str:
        number = self._used[name] = self._used.get(name, 0) + 1
        return name if number == 1 else f"{name}_{number}"


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
