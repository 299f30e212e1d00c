"""Normalizations as operators of ONNX, or as what they are made of where the opset has none."""

from __future__ import annotations

import numpy as np

from convgrad.interop.graph import Graph, Value
from convgrad.interop.whole_weights import scaled
from convgrad.interop.windows import tensor
from convgrad.layers import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RMSNorm
from convgrad.network.placed import PlacedLayer


def _channels_first(graph: Graph, value: Value) -> tuple[str, tuple[int, ...]]:
    """The value as (N, C, places), with at least one axis of places, and these axes' sizes."""
    if len(value.shape) > 1:
        return graph.first(value), value.shape[:-1]
    return graph.node("Reshape", graph.last(value), graph.sizes(0, value.shape[0], 1)), (1,)


def _back(graph: Graph, placed: PlacedLayer, name: str) -> Value:
    shape = placed.built.output_shape
    if len(shape) > 1:
        return Value(name, shape, "first")
    return Value(graph.node("Reshape", name, graph.sizes(0, *shape)), shape)


def batch_norm(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """By the moving statistics."""
    layer = placed.layer
    assert isinstance(layer, BatchNorm)
    keys = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = [graph.weight(tensor(graph, placed, key), placed.tensor(key)) for key in keys]
    source = graph.first(value) if len(value.shape) > 1 else graph.last(value)
    said = {"epsilon": float(layer.epsilon), "momentum": float(layer.momentum)}
    result = graph.node("BatchNormalization", source, *weights, **said)
    return Value(result, value.shape, "first" if len(value.shape) > 1 else "last")


def layer_norm(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """Over the last axes; where others are normalized over, these come last meanwhile."""
    layer = placed.layer
    assert isinstance(layer, LayerNorm)
    rank = len(value.shape)
    chosen = (layer.axis,) if isinstance(layer.axis, int) else layer.axis
    over = sorted(rank + axis for axis in chosen)
    others = [axis for axis in range(rank) if axis not in over]
    order = [0, *(axis + 1 for axis in (*others, *over))]
    moved = order != sorted(order)
    source = graph.last(value)
    if moved:
        source = graph.node("Transpose", source, perm=order)
    sizes = tuple(value.shape[axis] for axis in over)
    weights = [graph.weight(tensor(graph, placed, key).reshape(sizes), placed.tensor(key)) for key in ("gamma", "beta")]
    result = graph.node("LayerNormalization", source, *weights, axis=-len(over), epsilon=float(layer.epsilon))
    if moved:
        result = graph.node("Transpose", result, perm=[int(place) for place in np.argsort(order)])
    return Value(result, value.shape)


def group_norm(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """GroupNormalization from opset 21 on, which scales channels; before, groups as channels of an InstanceNorm."""
    layer = placed.layer
    assert isinstance(layer, GroupNorm)
    gamma, beta = (tensor(graph, placed, key).reshape(-1) for key in ("gamma", "beta"))
    source, places = _channels_first(graph, value)
    if graph.opset >= 21:
        weights = [graph.weight(gamma, placed.tensor("gamma")), graph.weight(beta, placed.tensor("beta"))]
        said = {"epsilon": float(layer.epsilon), "num_groups": layer.groups}
        return _back(graph, placed, graph.node("GroupNormalization", source, *weights, **said))
    groups = graph.node("Reshape", source, graph.sizes(0, layer.groups, -1))
    ones, zeros = graph.weight(np.ones(layer.groups)), graph.weight(np.zeros(layer.groups))
    normal = graph.node("InstanceNormalization", groups, ones, zeros, epsilon=float(layer.epsilon))
    normal = graph.node("Reshape", normal, graph.sizes(0, value.shape[-1], *places))
    sides = (-1, *[1] * len(places))
    scaled = graph.node("Mul", normal, graph.weight(gamma.reshape(sides), placed.tensor("gamma")))
    return _back(graph, placed, graph.node("Add", scaled, graph.weight(beta.reshape(sides), placed.tensor("beta"))))


def instance_norm(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    layer = placed.layer
    assert isinstance(layer, InstanceNorm)
    source, _ = _channels_first(graph, value)
    weights = [graph.weight(tensor(graph, placed, key), placed.tensor(key)) for key in ("gamma", "beta")]
    return _back(graph, placed, graph.node("InstanceNormalization", source, *weights, epsilon=float(layer.epsilon)))


def rms_norm(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """o / sqrt(mean(o^2) + eps), and the scale."""
    layer = placed.layer
    assert isinstance(layer, RMSNorm)
    source = graph.last(value)
    square = graph.node("ReduceMean", graph.node("Mul", source, source), graph.sizes(-1), keepdims=1)
    root = graph.node("Sqrt", graph.node("Add", square, graph.weight(np.float32(layer.epsilon))))
    gamma = graph.weight(tensor(graph, placed, "gamma"), placed.tensor("gamma"))
    return Value(graph.node("Mul", graph.node("Div", source, root), gamma), value.shape)


def local_response_norm(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """LRN for images and an odd size; else means of squares over windows of channels, zeros counted."""
    layer = placed.layer
    assert isinstance(layer, LocalResponseNorm)
    numbers = {"alpha": float(layer.alpha), "beta": float(layer.beta), "bias": float(layer.k)}
    if layer.size % 2 and len(value.shape) == 3:
        return Value(graph.node("LRN", graph.first(value), size=int(layer.size), **numbers), value.shape, "first")
    source, places = _channels_first(graph, value)
    channels, before = value.shape[-1], layer.size // 2
    square = graph.node("Mul", source, source)
    rows = graph.node("Reshape", square, graph.sizes(0, 1, channels, -1))
    border = graph.sizes(0, 0, before, 0, 0, 0, layer.size - 1 - before, 0)
    bordered = graph.node("Pad", rows, border, graph.weight(np.float32(0)), mode="constant")
    mean = graph.node("AveragePool", bordered, kernel_shape=[int(layer.size), 1])
    mean = graph.node("Reshape", mean, graph.sizes(0, channels, *places))
    inner = graph.node("Add", graph.node("Mul", mean, _number(graph, layer.alpha)), _number(graph, layer.k))
    scaled = graph.node("Mul", source, graph.node("Pow", inner, _number(graph, -layer.beta)))
    return _back(graph, placed, scaled)


def _number(graph: Graph, number: float) -> str:
    return graph.weight(np.float32(number))


def fold(graph: Graph, placed: PlacedLayer, value: Value) -> bool:
    """Let the node that made `value` do what the batch normalization does, too, and say whether it could:

    w'[..,k] = w[..,k] * g[k],  b'[k] = (b[k] - mean[k]) * g[k] + beta[k],  g[k] = gamma[k] / sqrt(variance[k] + eps)
    """
    layer, node = placed.layer, next((node for node in graph.nodes if value.name in node.output), None)
    assert isinstance(layer, BatchNorm)
    if node is None or node.op_type not in ("Conv", "ConvTranspose", "Gemm"):
        return False
    if sum(name == node.input[1] for other in graph.nodes for name in other.input) > 1:
        return False
    norm = {
        key: tensor(graph, placed, key).astype(np.float64)
        for key in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    g = norm["gamma"] / np.sqrt(norm["moving_variance"] + layer.epsilon)
    w = graph.weights[node.input[1]]
    if node.op_type == "Gemm":
        factor = g
    elif node.op_type == "Conv":
        factor = g.reshape(-1, *[1] * (w.ndim - 1))
    else:  # W[g*C+c,k,m,n]: filters of the group that a channel is of
        groups = len(g) // w.shape[1]
        own = np.repeat(g.reshape(groups, -1), len(w) // groups, axis=0)
        factor = own.reshape(*own.shape, *[1] * (w.ndim - 2))
    b = graph.weights[node.input[2]].astype(np.float64) if len(node.input) > 2 else np.zeros(len(g))
    graph.weights[node.input[1]] = scaled(w, factor)
    shifted = (b - norm["moving_mean"]) * g + norm["beta"]
    if len(node.input) > 2:
        graph.weights[node.input[2]] = shifted.astype(np.float32)
    else:
        node.input.append(graph.weight(shifted, f"{node.input[1].rpartition('.')[0]}.b"))
    return True
