"""Layers of single elements, of several inputs, and those that only arrange, as operators of ONNX."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from convgrad.interop.graph import Graph, Value
from convgrad.interop.windows import tensor
from convgrad.layers import (
    ELU,
    GELU,
    SELU,
    Concatenate,
    Dense,
    Dropout,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    LogSoftmax,
    Mish,
    Permute,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from convgrad.layers.merge import Joined
from convgrad.network.placed import PlacedLayer

SELU_NUMBERS = {"alpha": 1.6732632423543772848, "gamma": 1.0507009873554804934}


def kept(placed: PlacedLayer, value: Value, name: str) -> Value:
    """A result of the same order and shape as what it was made from."""
    return Value(name, placed.built.output_shape, value.order, value.image)


def element(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """A function of each element."""
    made = ELEMENTS[type(placed.layer)]
    return kept(placed, value, made(graph, placed.layer, value.name))


def _single(operator: str) -> Callable[[Graph, Any, str], str]:
    return lambda graph, layer, x: graph.node(operator, x)


def _gelu(graph: Graph, layer: Any, x: str) -> str:
    if graph.opset >= 20:
        return graph.node("Gelu", x, approximate="tanh" if layer.approximate else "none")
    half = graph.weight(np.float32(0.5))
    if layer.approximate:
        cube = graph.node("Mul", graph.weight(np.float32(0.044715)), graph.node("Mul", x, graph.node("Mul", x, x)))
        inner = graph.node("Mul", graph.node("Add", x, cube), graph.weight(np.float32(np.sqrt(2 / np.pi))))
        curve = graph.node("Tanh", inner)
    else:
        curve = graph.node("Erf", graph.node("Mul", x, graph.weight(np.float32(np.sqrt(0.5)))))
    return graph.node("Mul", graph.node("Mul", x, half), graph.node("Add", curve, graph.weight(np.float32(1))))


def _clip(graph: Graph, layer: Any, x: str) -> str:
    return graph.node("Clip", x, graph.weight(np.float32(0)), graph.weight(np.float32(6)))


ELEMENTS: dict[type, Callable[[Graph, Any, str], str]] = {
    ReLU: _single("Relu"),
    LeakyReLU: lambda graph, layer, x: graph.node("LeakyRelu", x, alpha=float(layer.negative_slope)),
    ELU: lambda graph, layer, x: graph.node("Elu", x, alpha=float(layer.alpha)),
    SELU: lambda graph, layer, x: graph.node("Selu", x, **SELU_NUMBERS),
    GELU: _gelu,
    ReLU6: _clip,
    Sigmoid: _single("Sigmoid"),
    SiLU: lambda graph, layer, x: graph.node("Mul", x, graph.node("Sigmoid", x)),
    Tanh: _single("Tanh"),
    Softplus: _single("Softplus"),
    Softsign: _single("Softsign"),
    Mish: _single("Mish"),
    HardSigmoid: lambda graph, layer, x: graph.node("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    HardSwish: _single("HardSwish"),
    Dropout: lambda graph, layer, x: graph.node("Dropout", x, graph.weight(np.float32(layer.rate))),
}
"""Layer -> the result of its nodes on a tensor. Dropout changes nothing, but says its rate to whoever trains."""


def along_channels(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """Softmax, its logarithm, and slopes that each channel has."""
    if value.order == "row":
        value = Value(graph.last(value), value.shape)
    layer, first = placed.layer, value.order == "first"
    if isinstance(layer, PReLU):
        alpha = tensor(graph, placed, "alpha")
        slopes = alpha.reshape(-1, *[1] * (len(value.shape) - 1)) if first else alpha
        return kept(placed, value, graph.node("PRelu", value.name, graph.weight(slopes, placed.tensor("alpha"))))
    operator = {Softmax: "Softmax", LogSoftmax: "LogSoftmax"}[type(layer)]
    return kept(placed, value, graph.node(operator, value.name, axis=1 if first else -1))


def gates(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    if value.order == "row":
        value = Value(graph.last(value), value.shape)
    axis = 1 if value.order == "first" else -1
    linear, gate = graph.nodes_of("Split", (value.name,), 2, axis=axis, num_outputs=2)
    return kept(placed, value, graph.node("Mul", linear, graph.node("Sigmoid", gate)))


def dense(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """Gemm; of an image in a row with its channels first, the rows of w in that order. Of more axes, MatMul."""
    layer = placed.layer
    assert isinstance(layer, Dense)
    w = tensor(graph, placed, "w")
    if value.order == "row":
        order = np.moveaxis(np.arange(len(w)).reshape(value.image), -1, 0).reshape(-1)
        w, source = w[order], value.name
    else:
        source = graph.last(value)
    weights = [graph.weight(w, placed.tensor("w"))]
    if layer.bias:
        weights.append(graph.weight(tensor(graph, placed, "b"), placed.tensor("b")))
    if len(value.shape) == 1:
        return Value(graph.node("Gemm", source, *weights), placed.built.output_shape)
    result = graph.node("MatMul", source, weights[0])
    return Value(graph.node("Add", result, weights[1]) if layer.bias else result, placed.built.output_shape)


def joined(graph: Graph, placed: PlacedLayer, *values: Value) -> Value:
    """Sum, difference or product; shapes that differ are brought to as many axes, as NumPy aligns them."""
    layer = placed.layer
    assert isinstance(layer, Joined)
    operator, shape = {"+": "Add", "-": "Sub", "*": "Mul"}[layer.sign], placed.built.output_shape
    model = values[0]
    if all((v.shape, v.order, v.image) == (model.shape, model.order, model.image) for v in values):
        names = [value.name for value in values]
    else:
        first = any(value.order == "first" and len(value.shape) == len(shape) for value in values)
        names = [_aligned(graph, value, len(shape), first) for value in values]
        model = Value("", shape, "first" if first else "last")
    result = names[0]
    for name in names[1:]:
        result = graph.node(operator, result, name)
    return Value(result, shape, model.order, model.image)


def _aligned(graph: Graph, value: Value, axes: int, first: bool) -> str:
    missing = [1] * (axes - len(value.shape))
    if not missing:
        return graph.first(value) if first else graph.last(value)
    full = (*missing, *value.shape)
    name = graph.node("Reshape", graph.last(value), graph.sizes(0, *full))
    return graph.first(Value(name, full)) if first else name


def concatenated(graph: Graph, placed: PlacedLayer, *values: Value) -> Value:
    first = any(value.order == "first" for value in values)
    names = [graph.first(value) if first else graph.last(value) for value in values]
    result = graph.node("Concat", *names, axis=1 if first else -1)
    return Value(result, placed.built.output_shape, "first" if first else "last")


def flatten(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """Behind a convolution the elements stay in its order, and what reads them goes by that."""
    if value.order == "first":
        row = graph.node("Flatten", value.name, axis=1)
        return Value(row, placed.built.output_shape, "row", value.shape)
    if len(value.shape) == 1:
        return kept(placed, value, graph.node("Identity", value.name))
    return Value(graph.node("Flatten", value.name, axis=1), placed.built.output_shape)


def reshape(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    shape = placed.built.output_shape
    assert prod(shape) == prod(value.shape)
    return Value(graph.node("Reshape", graph.last(value), graph.sizes(0, *shape)), shape)


def permute(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    layer = placed.layer
    assert isinstance(layer, Permute)
    result = graph.node("Transpose", graph.last(value), perm=[0, *layer.dims])
    return Value(result, placed.built.output_shape)


MERGES = (Joined, Concatenate)
