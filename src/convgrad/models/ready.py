"""More networks known by name: deeper ones for images, one for signals, and two whose results are images."""

from __future__ import annotations

from math import prod

from convgrad.errors import ModelError
from convgrad.layers import (
    Add,
    BatchNorm,
    Concatenate,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    Input,
    MaxPool2D,
    ReLU,
    ReLU6,
    Reshape,
)
from convgrad.layers.base import Layer, Node, Shape
from convgrad.models.network import Network
from convgrad.models.parts import SOON, block, chain, residual

LARGE = 96
"""Rows and columns from which MobileNet halves an image five times, as for 224; smaller ones three times."""


def resnet8(input_shape: Shape, classes: int) -> Network:
    """Three stages of one residual block each, as `resnet20` has three."""
    return stages("resnet8", input_shape, classes, (16, 32, 64), (1, 1, 1))


def resnet9(input_shape: Shape, classes: int) -> Network:
    """Four convolutions that widen and halve, 32 to 256 channels, and two residual blocks, for images of about 32x32.

    Reference: Page, "How to train your ResNet", 2018, with half of its channels.
    """
    image = Input(input_shape)
    node = chain(image, *block(32), *block(64), MaxPool2D(2))
    node = Add()(chain(node, *block(64), *block(64)), node)
    node = chain(node, *block(128), MaxPool2D(2), *block(256), MaxPool2D(2))
    node = Add()(chain(node, *block(256), *block(256)), node)
    return Network(inputs=image, outputs=chain(node, GlobalMaxPool2D(), Dense(classes)), name="resnet9")


def resnet8_wide(input_shape: Shape, classes: int) -> Network:
    """Seven convolutions, 32 to 256 channels, with a residual one after each halving, for images of about 32x32.

    Reference: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024, fig. 1, with a residual connection where
    the second convolution of each pair begins as the identity there, and a trained 3x3 convolution as the first.
    """
    image = Input(input_shape)
    node = chain(image, *block(32))
    for channels in (64, 256, 256):
        node = chain(node, Conv2D(channels, 3, padding="same", bias=None), MaxPool2D(2), BatchNorm(), ReLU())
        node = Add()(chain(node, *block(channels)), node)
    return Network(inputs=image, outputs=chain(node, GlobalMaxPool2D(), Dense(classes)), name="resnet8-wide")


def resnet20(input_shape: Shape, classes: int) -> Network:
    """Three stages of three residual blocks, 16, 32 and 64 channels, for images of about 32x32.

    Reference: He, Zhang, Ren and Sun, 2016, section 4.2, n = 3, with 1x1 convolutions where the size changes.
    """
    return stages("resnet20", input_shape, classes, (16, 32, 64), (3, 3, 3))


def resnet18(input_shape: Shape, classes: int) -> Network:
    """Four stages of two residual blocks, 64 to 512 channels, for images of about 32x32 (3x3 stem, no pooling).

    Reference: He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2016, table 1 and fig. 3.
    """
    return stages("resnet18", input_shape, classes, (64, 128, 256, 512), (2, 2, 2, 2))


def resnet34(input_shape: Shape, classes: int) -> Network:
    """Four stages of 3, 4, 6 and 3 residual blocks, 64 to 512 channels, else as `resnet18`.

    Reference: He, Zhang, Ren and Sun, 2016, table 1.
    """
    return stages("resnet34", input_shape, classes, (64, 128, 256, 512), (3, 4, 6, 3))


def stages(name: str, input_shape: Shape, classes: int, channels: tuple[int, ...], counts: tuple[int, ...]) -> Network:
    """A residual network: so many blocks of each width, the size halved at the beginning of each but the first."""
    image = Input(input_shape)
    node = chain(image, *block(channels[0]))
    for width, count in zip(channels, counts, strict=True):
        for number in range(count):
            halves = width > channels[0] and number == 0
            node = residual(node, width, 2 if halves else 1, widen=halves)
    return Network(inputs=image, outputs=chain(node, GlobalAvgPool2D(), Dense(classes)), name=name)


def vgg16(input_shape: Shape, classes: int) -> Network:
    """Thirteen convolutions with batch normalization, 64 to 512 channels, and 512 hidden units, for images of 32x32.

    Reference: Simonyan and Zisserman, Very deep convolutional networks, 2015, table 1, D; hidden units as in Liu and
    Deng, Very deep convolutional neural network based image classification using small training sample size, 2015.
    """
    layers: list[Layer] = []
    for channels, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += block(channels)
        layers.append(MaxPool2D(2))
    layers += [GlobalAvgPool2D(), Dense(512), ReLU(), Dropout(0.5), Dense(classes)]
    return Network(*layers, input_shape=input_shape, name="vgg16")


def mobilenet_v2(input_shape: Shape, classes: int) -> Network:
    """Seventeen blocks that widen, convolve each channel by itself, and narrow again.

    Reference: Sandler, Howard, Zhu, Zhmoginov and Chen, MobileNetV2, 2018, table 2.
    """
    image = Input(input_shape)
    first = 2 if min(input_shape[:2]) >= LARGE else 1
    node = chain(image, Conv2D(32, 3, strides=first, padding="same", bias=None), BatchNorm(), ReLU6())
    channels = 32
    stages = (
        (1, 16, 1, 1),
        (6, 24, 2, first),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    for widening, filters, count, stride in stages:
        for number in range(count):
            node = _narrow(node, channels, filters, widening, stride if number == 0 else 1)
            channels = filters
    ending = (Conv2D(1280, 1, bias=None), BatchNorm(), ReLU6(), GlobalAvgPool2D(), Dropout(0.2), Dense(classes))
    return Network(inputs=image, outputs=chain(node, *ending), name="mobilenet-v2")


def _narrow(node: Node, channels: int, filters: int, widening: int, stride: int) -> Node:
    """A block of MobileNetV2; what comes in is added where the size stays."""
    wide = channels * widening
    layers: list[Layer] = [Conv2D(wide, 1, bias=None), BatchNorm(), ReLU6()] if widening > 1 else []
    layers += [DepthwiseConv2D(3, strides=stride, padding="same", bias=None), BatchNorm(), ReLU6()]
    changed = chain(node, *layers, Conv2D(filters, 1, bias=None), BatchNorm())
    return Add()(changed, node) if stride == 1 and channels == filters else changed


def signal(input_shape: Shape, classes: int) -> Network:
    """Three convolutions of 128, 256 and 128 channels along the places of a signal (places, channels).

    Reference: Wang, Yan and Oates, Time series classification from scratch with deep neural networks, 2017,
    section 2.2.
    """
    layers: list[Layer] = []
    for channels, size in ((128, 8), (256, 5), (128, 3)):
        layers += [Conv1D(channels, size, padding="same", bias=None), BatchNorm(momentum=SOON), ReLU()]
    return Network(*layers, GlobalAvgPool1D(), Dense(classes), input_shape=input_shape, name="signal")


def unet(input_shape: Shape, classes: int) -> Network:
    """A class for each place: three halvings from 16 to 128 channels, and back with what each size looked like before.

    Reference: Ronneberger, Fischer and Brox, U-Net, 2015, fig. 1, with borders kept and fewer channels.
    """
    _check_halvings("unet", input_shape, 3)
    image = Input(input_shape)
    node: Node | Input = image
    seen = []
    for channels in (16, 32, 64):
        seen.append(chain(node, *block(channels, SOON), *block(channels, SOON)))
        node = MaxPool2D(2)(seen[-1])
    node = chain(node, *block(128, SOON), *block(128, SOON))
    for channels, before in zip((64, 32, 16), reversed(seen), strict=True):
        larger = ConvTranspose2D(channels, 2, strides=2)(node)
        node = chain(Concatenate()(before, larger), *block(channels, SOON), *block(channels, SOON))
    return Network(inputs=image, outputs=Conv2D(classes, 1)(node), name="unet")


def autoencoder(input_shape: Shape, code: int) -> Network:
    """An image to `code` numbers and back: two halvings to 32 channels, dense layers, and transposed convolutions.

    Reference: Masci, Meier, Ciresan and Schmidhuber, Stacked convolutional auto-encoders, 2011.
    """
    _check_halvings("autoencoder", input_shape, 2)
    rows, columns, channels = input_shape
    small = (rows // 4, columns // 4, 32)
    return Network(
        Conv2D(16, 3, strides=2, padding="same"),
        ReLU(),
        Conv2D(32, 3, strides=2, padding="same"),
        ReLU(),
        Flatten(),
        Dense(code),
        Dense(prod(small)),
        ReLU(),
        Reshape(small),
        ConvTranspose2D(16, 3, strides=2, padding="same"),
        ReLU(),
        ConvTranspose2D(channels, 3, strides=2, padding="same"),
        input_shape=input_shape,
        name="autoencoder",
    )


def _check_halvings(name: str, input_shape: Shape, count: int) -> None:
    parts = 2**count
    if len(input_shape) != 3 or any(size % parts for size in input_shape[:2]):
        raise ModelError(
            f"{name} halves an image {count} times and makes it as large again, so it takes (rows, columns, channels) "
            f"with rows and columns that are multiples of {parts}, not {input_shape}. Pad or crop the images."
        )
