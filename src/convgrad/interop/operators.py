"""Which layer is written as which operators. What stands in neither table is written as its equation says."""

from __future__ import annotations

from collections.abc import Callable

from convgrad.interop import elements, norms, windows
from convgrad.interop.equations import from_equation
from convgrad.interop.graph import Graph, Value
from convgrad.layers import (
    GLU,
    BatchNorm,
    Concatenate,
    Dense,
    DepthwiseConv2D,
    Equation,
    Flatten,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    LocalResponseNorm,
    LogSoftmax,
    Permute,
    PixelShuffle,
    PReLU,
    Reshape,
    RMSNorm,
    Softmax,
)
from convgrad.layers.base import registry
from convgrad.layers.conv import Convolution
from convgrad.layers.conv_transpose import ConvTranspose
from convgrad.layers.merge import Joined
from convgrad.layers.padding import Border
from convgrad.layers.pool import GlobalPooling, Pooling
from convgrad.layers.resize import UpSampling
from convgrad.network.placed import PlacedLayer

Writer = Callable[..., Value]

FAMILIES: dict[type[Layer], Writer] = {
    Convolution: windows.convolution,
    ConvTranspose: windows.transposed,
    DepthwiseConv2D: windows.depthwise,
    Pooling: windows.pooling,
    GlobalPooling: windows.global_pooling,
    Border: windows.border,
    UpSampling: windows.up_sampling,
    PixelShuffle: windows.pixel_shuffle,
    Dense: elements.dense,
    Flatten: elements.flatten,
    Reshape: elements.reshape,
    Permute: elements.permute,
    Joined: elements.joined,
    Concatenate: elements.concatenated,
    Softmax: elements.along_channels,
    LogSoftmax: elements.along_channels,
    PReLU: elements.along_channels,
    GLU: elements.gates,
    BatchNorm: norms.batch_norm,
    LayerNorm: norms.layer_norm,
    GroupNorm: norms.group_norm,
    InstanceNorm: norms.instance_norm,
    RMSNorm: norms.rms_norm,
    LocalResponseNorm: norms.local_response_norm,
    Equation: from_equation,
}
"""Layer, or the base of several -> what writes it."""


def writer(layer: Layer) -> Writer:
    """What writes a layer: by its class in convgrad, or by its equation where it is a class of somebody else's."""
    kind = type(layer)
    if kind.__module__.startswith("convgrad.layers."):
        if kind in elements.ELEMENTS:
            return elements.element
        for base, write in FAMILIES.items():
            if isinstance(layer, base):
                return write
    return from_equation


def has_operator(kind: str) -> bool:
    """Whether the layer of that name has a row of its own here."""
    known = registry[kind]
    return known in elements.ELEMENTS or any(issubclass(known, base) for base in FAMILIES)


def write_layer(graph: Graph, placed: PlacedLayer, values: list[Value]) -> Value:
    """The result of the layer's nodes."""
    made = writer(placed.layer)(graph, placed, *values)
    return Value(graph.named(made.name, placed.output), made.shape, made.order, made.image)
