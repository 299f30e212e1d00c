"""Layers whose windows slide over images, as operators of ONNX: kernels and images with their channels first."""

from __future__ import annotations

from typing import Any

import numpy as np

from convgrad.interop.graph import Array, Graph, Value
from convgrad.layers.conv import Convolution
from convgrad.layers.conv_transpose import ConvTranspose
from convgrad.layers.depthwise import DepthwiseConv2D
from convgrad.layers.padding import Border, FilledBorder
from convgrad.layers.pool import AvgPooling, GlobalPooling, LpPooling, MaxPooling, Pooling
from convgrad.layers.resize import PixelShuffle, UpSampling
from convgrad.layers.window import Window
from convgrad.network.placed import PlacedLayer


def image(placed: PlacedLayer, name: str) -> Value:
    """A result with its channels first."""
    return Value(name, placed.built.output_shape, "first")


def tensor(graph: Graph, placed: PlacedLayer, key: str) -> Array:
    """One of the layer's tensors."""
    return graph.tensors[placed.tensor(key)]


def window_attributes(window: Window, placed: PlacedLayer, sizes: tuple[int, ...]) -> dict[str, Any]:
    """What conv and pooling nodes say of a window; `ceil_mode` as the padding that it comes to."""
    before = [pair[0] for pair in window.pad(sizes)]
    behind = [pair[1] for pair in window.pad(sizes)]
    if window.ceil:
        rows = zip(placed.built.output_shape, window.strides, window.extent, sizes, before, behind, strict=False)
        behind = [max(after, (out - 1) * s + extent - size - b) for out, s, extent, size, b, after in rows]
    return {
        "kernel_shape": list(window.kernel),
        "strides": list(window.strides),
        "dilations": list(window.dilation),
        "pads": [*before, *behind],
    }


def _inputs(graph: Graph, placed: PlacedLayer, value: Value, w: Array, bias: bool) -> list[str]:
    """Of a convolution's node: the image, the kernel as it is there, and a number for each channel, if there is one."""
    inputs = [graph.first(value), graph.weight(w, placed.tensor("w"))]
    return [*inputs, graph.weight(tensor(graph, placed, "b").reshape(-1), placed.tensor("b"))] if bias else inputs


def convolution(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """w[m,n,c,g,k] becomes W[g*K+k,c,m,n]."""
    layer = placed.layer
    assert isinstance(layer, Convolution)
    w, axes = tensor(graph, placed, "w"), layer.axes
    w = np.moveaxis(w.reshape(*w.shape[: axes + 1], -1), (-1, -2), (0, 1))
    inputs = _inputs(graph, placed, value, w, layer.bias == "channel")
    said = window_attributes(layer.window, placed, value.shape[:-1])
    result = graph.node("Conv", *inputs, **said, group=layer.groups)
    if layer.bias == "position":
        b = tensor(graph, placed, "b").reshape(placed.built.output_shape)
        result = graph.node("Add", result, graph.weight(np.moveaxis(b, -1, 0), placed.tensor("b")))
    return image(placed, result)


def depthwise(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """w[m,n,c,q] becomes W[c*Q+q,1,m,n], each channel a group."""
    layer = placed.layer
    assert isinstance(layer, DepthwiseConv2D)
    w = tensor(graph, placed, "w")
    w = np.moveaxis(w.reshape(*w.shape[:2], -1), -1, 0)[:, None]
    inputs = _inputs(graph, placed, value, w, bool(layer.bias))
    said = window_attributes(layer.window, placed, value.shape[:-1])
    return image(placed, graph.node("Conv", *inputs, **said, group=value.shape[-1]))


def transposed(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """w[m,n,k,g,c] becomes W[g*C+c,k,m,n]. Rows that are added behind are `output_padding`."""
    layer = placed.layer
    assert isinstance(layer, ConvTranspose)
    w, axes = tensor(graph, placed, "w"), layer.axes
    w = np.moveaxis(w.reshape(*w.shape[: axes + 1], -1), (-1, -2), (0, 1))
    inputs = _inputs(graph, placed, value, w, bool(layer.bias))
    result = graph.node(
        "ConvTranspose",
        *inputs,
        kernel_shape=list(layer._kernel),
        strides=list(layer._strides),
        dilations=list(layer._dilation),
        pads=[*(before for before, _ in layer._cut), *(max(behind, 0) for _, behind in layer._cut)],
        output_padding=[max(-behind, 0) for _, behind in layer._cut],
        group=layer.groups,
    )
    return image(placed, result)


def pooling(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """MaxPool, AveragePool or LpPool; the mean is over what lies in the image."""
    layer = placed.layer
    assert isinstance(layer, Pooling)
    said, source = window_attributes(layer.window, placed, value.shape[:-1]), graph.first(value)
    axes, kernel = layer.axes, layer.window.kernel
    outside = -np.inf if isinstance(layer, MaxPooling) else 0.0
    wide = any(pad >= size for pad, size in zip(said["pads"], kernel * 2, strict=True))
    if wide and not isinstance(layer, AvgPooling):  # as wide as a window, which operators refuse
        source = _bordered(graph, source, said["pads"], "constant", outside)
        said["pads"] = [0] * (2 * axes)
    if isinstance(layer, MaxPooling):
        return image(placed, graph.node("MaxPool", source, **said))
    dilated = any(apart > 1 for apart in layer.window.dilation)
    if isinstance(layer, AvgPooling):
        if not dilated:
            del said["dilations"]
            return image(placed, graph.node("AveragePool", source, **said, count_include_pad=0))
        return image(placed, _dilated_mean(graph, placed, value, source, said))
    assert isinstance(layer, LpPooling)
    if float(layer.norm).is_integer():
        return image(placed, graph.node("LpPool", source, **said, p=int(layer.norm)))
    power = graph.node("Pow", graph.node("Abs", source), graph.weight(np.float32(layer.norm)))
    total = _window_sums(graph, power, value.shape[-1], said)
    return image(placed, graph.node("Pow", total, graph.weight(np.float32(1 / layer.norm))))


def _dilated_mean(graph: Graph, placed: PlacedLayer, value: Value, source: str, said: dict[str, Any]) -> str:
    """Sums over windows, each over how many of its places lie in the image, whatever the opset."""
    layer = placed.layer
    assert isinstance(layer, Pooling)
    counts = np.ones((), np.float32)
    for axis, size in enumerate(value.shape[:-1]):
        window = layer.window
        starts = np.arange(placed.built.output_shape[axis]) * window.strides[axis] - said["pads"][axis]
        places = starts[:, None] + window.dilation[axis] * np.arange(window.kernel[axis])
        counts = counts[..., None] * ((places >= 0) & (places < size)).sum(1)
    return graph.node("Div", _window_sums(graph, source, value.shape[-1], said), graph.weight(counts))


def _window_sums(graph: Graph, source: str, channels: int, said: dict[str, Any]) -> str:
    """The sum over each window: a convolution with ones, each channel by itself."""
    ones = graph.weight(np.ones((channels, 1, *said["kernel_shape"]), np.float32))
    return graph.node("Conv", source, ones, **said, group=channels)


def global_pooling(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    """One value a channel, without the axes of the places."""
    layer = placed.layer
    assert isinstance(layer, GlobalPooling)
    operator = {"mean": "GlobalAveragePool", "max": "GlobalMaxPool"}[layer.reduction]
    pooled = graph.node(operator, graph.first(value))
    return Value(graph.node("Flatten", pooled, axis=1), placed.built.output_shape)


def border(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    layer = placed.layer
    assert isinstance(layer, Border)
    pads = [*(before for before, _ in layer.pairs), *(behind for _, behind in layer.pairs)]
    mode, number = (layer.mode, layer.value) if isinstance(layer, FilledBorder) else ("constant", 0.0)
    return image(placed, _bordered(graph, graph.first(value), pads, mode, number))


def _bordered(graph: Graph, source: str, pads: list[int], mode: str, number: float) -> str:
    half = len(pads) // 2
    sizes = graph.sizes(0, 0, *pads[:half], 0, 0, *pads[half:])
    given = [graph.weight(np.float32(number))] if mode == "constant" else []
    return graph.node("Pad", source, sizes, *given, mode=mode)


def up_sampling(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    layer = placed.layer
    assert isinstance(layer, UpSampling)
    scales = graph.weight(np.array([1, 1, *layer.factors], np.float32))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return image(placed, graph.node("Resize", graph.first(value), "", scales, **how))


def pixel_shuffle(graph: Graph, placed: PlacedLayer, value: Value) -> Value:
    layer = placed.layer
    assert isinstance(layer, PixelShuffle)
    return image(placed, graph.node("DepthToSpace", graph.first(value), blocksize=layer.factor, mode="CRD"))
