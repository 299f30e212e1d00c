"""The networks that are measured, each described once, in convgrad; `torch_twin` makes PyTorch's out of it.

Strided layers take padding=1 and not "same", so that PyTorch's padding is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod

from convgrad.layers import (
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAvgPool2D,
    Input,
    Layer,
    MaxPool2D,
    Node,
    ReLU,
)
from convgrad.models.named import NAMED
from convgrad.models.network import Network


@dataclass(frozen=True)
class NetworkCase:
    """A network with the batches that are measured.

    make: a fresh network. steps, predictions: batch sizes of training steps and of predictions.
    loss: "softmax_cross_entropy" or "half_squared_error".
    """

    name: str
    make: Callable[[], Network]
    steps: tuple[int, ...] = (64,)
    predictions: tuple[int, ...] = (1, 64)
    loss: str = "softmax_cross_entropy"


def lenet_like(name: str, classes: int = 10) -> Network:
    """One of convgrad's own networks on 28x28 images."""
    return NAMED[name].make((28, 28, 1), classes)


def colour_images(name: str) -> Network:
    """One of convgrad's own networks on CIFAR-10's 32x32 images."""
    return NAMED[name].make((32, 32, 3), 10)


def example() -> Network:
    """5x5 image, one 2x2 kernel, pooling, sigmoid, two outputs."""
    return NAMED["example"].make((5, 5, 1), 2)


def cifar_small() -> Network:
    """16-32-64 channels, each with ReLU and pooling, on 32x32 images."""
    layers = [layer for channels in (16, 32, 64) for layer in (_conv(channels), ReLU(), MaxPool2D(2))]
    return Network(*layers, Flatten(), Dense(10), input_shape=(32, 32, 3), name="cifar-small")


def vgg_like() -> Network:
    """64-64-128-128-256-256 channels, pooling after every second convolution, on 32x32 images."""
    layers: list[Layer] = []
    for channels in (64, 128, 256):
        layers += [_conv(channels), ReLU(), _conv(channels), ReLU(), MaxPool2D(2)]
    return Network(*layers, Flatten(), Dense(10), input_shape=(32, 32, 3), name="vgg")


def resnet18_cifar() -> Network:
    """ResNet-18 with a 3x3 stem and no pooling before the blocks, on 32x32 images."""
    image = Input((32, 32, 3))
    return _resnet18(image, _chain(image, _conv(64, bias=None), BatchNorm(), ReLU()), 10)


def resnet18_imagenet() -> Network:
    """ResNet-18 on 224x224 images.

    Reference: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016, table 1.
    """
    image = Input((224, 224, 3))
    stem = _chain(image, Conv2D(64, 7, 2, 3, bias=None), BatchNorm(), ReLU(), MaxPool2D(3, 2, 1))
    return _resnet18(image, stem, 1000)


def mobilenet_like() -> Network:
    """A 3x3 stem, then depthwise 3x3 and 1x1 convolutions with batch normalization, 32 to 512 channels, on 32x32.

    Reference: Howard et al., MobileNets, 2017, table 1, cut down to small images.
    """
    image = Input((32, 32, 3))
    node = _chain(image, _conv(32, bias=None), BatchNorm(), ReLU())
    for channels, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        node = _chain(node, DepthwiseConv2D(3, stride, 1, bias=None), BatchNorm(), ReLU())
        node = _chain(node, Conv2D(channels, 1, bias=None), BatchNorm(), ReLU())
    return Network(inputs=image, outputs=_chain(node, GlobalAvgPool2D(), Dense(10)), name="mobilenet")


NETWORKS: tuple[NetworkCase, ...] = (
    NetworkCase("example", example, steps=(1, 64), loss="half_squared_error"),
    NetworkCase("lenet5", partial(lenet_like, "lenet5"), steps=(1, 64)),
    NetworkCase("lenet", partial(lenet_like, "lenet")),
    NetworkCase("cifar-small", cifar_small),
    NetworkCase("vgg", vgg_like),
    NetworkCase("resnet18-cifar", resnet18_cifar),
    NetworkCase("resnet18-224", resnet18_imagenet, steps=(8,)),
    NetworkCase("mobilenet", mobilenet_like),
    NetworkCase("resnet8-wide", partial(colour_images, "resnet8-wide"), steps=(256,)),
)


def named(name: str) -> NetworkCase:
    """The case of that name."""
    return next(case for case in NETWORKS if case.name == name)


def gflop(network: Network, batch: int, training: bool) -> float:
    """10^9 multiplications and additions in convolutions and dense layers: forward, and in a training step twice as
    many again for the gradients, save for the input's, which nobody wants."""
    total = 0.0
    for placed in network.layers:
        weights = placed.built.parameters.get("w")
        if weights is None:
            continue
        forward = 2e-9 * batch * prod(placed.built.output_shape[:-1]) * prod(weights.shape)
        passes = (2 if placed.sources == ("input",) else 3) if training else 1
        total += passes * forward
    return total


def _conv(channels: int, bias: str | None = "channel") -> Conv2D:
    return Conv2D(channels, 3, padding=1, bias=bias)


def _chain(node: Node | Input, *layers: Layer) -> Node:
    for layer in layers:
        node = layer(node)
    assert isinstance(node, Node)
    return node


def _resnet18(image: Input, node: Node, classes: int) -> Network:
    for channels, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        changed = _chain(node, Conv2D(channels, 3, stride, 1, bias=None), BatchNorm(), ReLU())
        changed = _chain(changed, _conv(channels, bias=None), BatchNorm())
        if stride > 1:
            node = _chain(node, Conv2D(channels, 1, stride, bias=None), BatchNorm())
        node = ReLU()(Add()(changed, node))
    return Network(inputs=image, outputs=_chain(node, GlobalAvgPool2D(), Dense(classes)), name="resnet18")
