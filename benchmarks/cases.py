"""The single layers that are measured: sizes, arithmetic and traffic of each."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from benchmarks.verify import Array
from convgrad.layers import AvgPool2D, Conv2D, Dense, DepthwiseConv2D, Layer, MaxPool2D
from convgrad.layers.base import Built

PASSES = {"forward": "x", "input gradient": "do", "weight gradient": "dw"}
"""Name of a pass -> the tensor that it computes."""
POOLS = ("max", "average")


@dataclass(frozen=True)
class LayerCase:
    """A layer without bias on a batch of square images, or of rows where `size` is 0.

    kind: "conv", "depthwise", "dense", "max" or "average". size, channels: of the input. filters: of the result.
    kernel: the window of a pooling, too. groups: of a "conv".
    """

    name: str
    kind: str
    batch: int
    size: int
    channels: int
    filters: int
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    groups: int = 1

    @property
    def layer(self) -> Layer:
        """The layer as convgrad has it."""
        if self.kind == "dense":
            return Dense(self.filters, bias=None)
        if self.kind == "depthwise":
            return DepthwiseConv2D(self.kernel, self.stride, self.padding, bias=None)
        if self.kind in POOLS:
            return (MaxPool2D if self.kind == "max" else AvgPool2D)(self.kernel, self.stride, self.padding)
        return Conv2D(self.filters, self.kernel, self.stride, self.padding, groups=self.groups, bias=None)

    @property
    def built(self) -> Built:
        """The layer's equation for this input."""
        return self.layer.build(self.input_shape)

    @property
    def passes(self) -> tuple[str, ...]:
        """Those that the layer has: a pooling has no weights."""
        return tuple(part for part in PASSES if part != "weight gradient" or self.kind not in POOLS)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one example."""
        return (self.size, self.size, self.channels) if self.size else (self.channels,)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return self.built.output_shape

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """In the equation's order; of a pooling: its window, which has no numbers."""
        return (self.kernel, self.kernel) if self.kind in POOLS else self.built.parameters["w"].shape

    @property
    def weights(self) -> int:
        """How many there are."""
        return 0 if self.kind in POOLS else prod(self.weight_shape)

    @property
    def gflop(self) -> float:
        """10^9 multiplications and additions: two for each weight at each place that it is used, the same number in
        all three passes. Of a pooling: a comparison or an addition for each place in each window."""
        if self.kind in POOLS:
            return 1e-9 * self.batch * prod(self.output_shape) * prod(self.weight_shape)
        places = prod(self.output_shape[:-1])
        return 2e-9 * self.batch * places * prod(self.weight_shape)

    @property
    def gbytes(self) -> float:
        """10^9 bytes that have to move at least: each of the three tensors once, in float32."""
        values = self.batch * (prod(self.input_shape) + prod(self.output_shape)) + self.weights
        return 4e-9 * values

    def gbytes_of(self, part: str) -> float:
        """The same of one pass: the gradient of max pooling reads places of maxima beside what comes from above."""
        extra = self.batch * prod(self.output_shape) if (self.kind, part) == ("max", "input gradient") else 0
        return self.gbytes + 4e-9 * extra

    @property
    def wide_3x3(self) -> bool:
        """Of the group that the targets name: 3x3, stride 1, 64 or more channels."""
        return self.kind == "conv" and self.kernel == 3 and self.stride == 1 and min(self.channels, self.filters) >= 64


def _conv(
    kernel: int, channels: int, filters: int, size: int, *, batch: int = 64, stride: int = 1, same: bool = False
) -> LayerCase:
    padding = kernel // 2 if same else 0
    name = f"{kernel}x{kernel} {channels}->{filters} at {size}"
    name += (f" stride {stride}" if stride > 1 else "") + (f" batch {batch}" if batch != 64 else "")
    return LayerCase(name, "conv", batch, size, channels, filters, kernel, stride, padding)


def _depthwise(channels: int, size: int, stride: int) -> LayerCase:
    name = f"depthwise 3x3 {channels} at {size}" + (f" stride {stride}" if stride > 1 else "")
    return LayerCase(name, "depthwise", 64, size, channels, channels, 3, stride, 1)


def _dense(channels: int, units: int) -> LayerCase:
    return LayerCase(f"dense {channels}->{units}", "dense", 64, 0, channels, units)


LAYERS: tuple[LayerCase, ...] = (
    _conv(5, 1, 20, 28),
    _conv(5, 20, 50, 12),
    _conv(5, 6, 16, 14),
    _conv(3, 1, 32, 28),
    _conv(3, 32, 64, 26),
    _conv(3, 3, 64, 32, same=True),
    _conv(3, 64, 64, 32, same=True),
    _conv(3, 128, 128, 16, same=True),
    _conv(3, 256, 256, 8, same=True),
    _conv(3, 64, 128, 32, stride=2, same=True),
    _conv(7, 3, 64, 224, batch=8, stride=2, same=True),
    _conv(3, 64, 64, 56, batch=8, same=True),
    _conv(3, 128, 128, 28, batch=8, same=True),
    _conv(3, 256, 256, 14, batch=8, same=True),
    _conv(3, 512, 512, 7, batch=8, same=True),
    _conv(1, 256, 64, 56, batch=8),
    _conv(1, 64, 256, 56, batch=8),
    _depthwise(128, 28, 1),
    _depthwise(128, 28, 2),
    _dense(800, 500),
    _dense(4096, 10),
)


def random_arrays(case: LayerCase) -> dict[str, Array]:
    """Inputs `o`, weights `w` and output gradients `dx` in the equation's order, float32, the same in every run."""
    rng = np.random.default_rng(3)
    built = case.built
    grouped = (case.groups, case.filters // case.groups) if case.groups > 1 else (case.filters,)
    shapes = {"o": built.input_shapes[0], **{name: parameter.shape for name, parameter in built.parameters.items()}}
    shapes["dx"] = (*built.output_shape[:-1], *grouped)
    return {
        name: rng.standard_normal(shape if name == "w" else (case.batch, *shape), np.float32)
        for name, shape in shapes.items()
    }
