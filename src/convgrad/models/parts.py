"""What networks by name are made of."""

from __future__ import annotations

from convgrad.layers import Add, BatchNorm, Conv2D, Input, ReLU
from convgrad.layers.base import Layer, Node

SOON = 0.9
"""Momentum of the moving statistics where a few hundred updates train well: 0.99 keeps 2 % of its start after 400."""


def block(channels: int, momentum: float = 0.99) -> list[Layer]:
    """A 3x3 convolution, batch normalization and ReLU."""
    return [Conv2D(channels, 3, padding="same", bias=None), BatchNorm(momentum=momentum), ReLU()]


def chain(node: Node | Input, *layers: Layer) -> Node:
    """The result of the layers, one after the other."""
    for layer in layers:
        node = layer(node)
    assert isinstance(node, Node)
    return node


def residual(node: Node, channels: int, stride: int, widen: bool) -> Node:
    """relu(F(o) + o), with F two convolutions; where the size changes, o goes through a 1x1 convolution."""
    changed = chain(
        node,
        Conv2D(channels, 3, strides=stride, padding="same", bias=None),
        BatchNorm(),
        ReLU(),
        Conv2D(channels, 3, padding="same", bias=None),
        BatchNorm(),
    )
    kept = chain(node, Conv2D(channels, 1, strides=stride, bias=None), BatchNorm()) if widen else node
    return ReLU()(Add()(changed, kept))
