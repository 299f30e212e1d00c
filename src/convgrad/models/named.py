"""Networks known by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convgrad.layers import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    MaxPool2D,
    ReLU,
    Sigmoid,
)
from convgrad.layers.base import Shape
from convgrad.models.network import Network
from convgrad.models.parts import block
from convgrad.models.ready import (
    autoencoder,
    mobilenet_v2,
    resnet8,
    resnet8_wide,
    resnet9,
    resnet18,
    resnet20,
    resnet34,
    signal,
    unet,
    vgg16,
)

LARGE_ENOUGH = 16
"""Rows and columns from which two 5x5 convolutions without border and two poolings leave something over."""


@dataclass(frozen=True)
class Named:
    """A network known by name.

    Attributes:
        about: one line for people who choose.
        make: from the shape of one image and the number of classes to the network.
        input_shape: of the images that it was made for.
        loss, optimizer, learning_rate, schedule: how it is trained well.
    """

    about: str
    make: Callable[[Shape, int], Network]
    input_shape: Shape
    loss: str = "softmax_cross_entropy"
    optimizer: str = "momentum"
    learning_rate: float | None = 0.05
    schedule: str = "one-cycle"


def _kernel(input_shape: Shape) -> tuple[int, str]:
    """Kernel size and padding of a LeNet: small images get small kernels and keep their size."""
    return (5, "valid") if min(input_shape[:2]) >= LARGE_ENOUGH else (3, "same")


def lenet(input_shape: Shape, classes: int) -> Network:
    """Two convolutions of 20 and 50 channels with ReLU and pooling, then 500 hidden units.

    Reference: LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, 1998; sizes
    as in Caffe's example.
    """
    size, padding = _kernel(input_shape)
    return Network(
        Conv2D(20, size, padding=padding),
        ReLU(),
        MaxPool2D(2),
        Conv2D(50, size, padding=padding),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dense(500),
        ReLU(),
        Dense(classes),
        input_shape=input_shape,
        name="lenet",
    )


def lenet5(input_shape: Shape, classes: int) -> Network:
    """6 and 16 channels, then 120 and 84 hidden units, with ReLU and max pooling.

    Reference: LeCun, Bottou, Bengio and Haffner, 1998, fig. 2.
    """
    size, padding = _kernel(input_shape)
    return Network(
        Conv2D(6, size, padding="same"),
        ReLU(),
        MaxPool2D(2),
        Conv2D(16, size, padding=padding),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dense(120),
        ReLU(),
        Dense(84),
        ReLU(),
        Dense(classes),
        input_shape=input_shape,
        name="lenet5",
    )


def example(input_shape: Shape, classes: int) -> Network:
    """The small network that back-propagation is explained with: one 2x2 kernel, pooling, sigmoid, a dense layer."""
    return Network(
        Conv2D(1, 2), MaxPool2D(2), Sigmoid(), Flatten(), Dense(classes), input_shape=input_shape, name="example"
    )


def cifar_small(input_shape: Shape, classes: int) -> Network:
    """32-32-64-64 channels with batch normalization."""
    return Network(
        *block(32),
        *block(32),
        MaxPool2D(2),
        *block(64),
        *block(64),
        MaxPool2D(2),
        Flatten(),
        Dense(classes),
        input_shape=input_shape,
        name="cifar-small",
    )


def vgg_small(input_shape: Shape, classes: int) -> Network:
    """64-64-128-128-256-256 channels with batch normalization.

    Reference: Simonyan and Zisserman, Very deep convolutional networks, 2015, cut down to small images.
    """
    return Network(
        *block(64),
        *block(64),
        MaxPool2D(2),
        *block(128),
        *block(128),
        MaxPool2D(2),
        *block(256),
        *block(256),
        GlobalAvgPool2D(),
        Dropout(0.2),
        Dense(classes),
        input_shape=input_shape,
        name="vgg-small",
    )


NAMED: dict[str, Named] = {
    "lenet": Named("20 and 50 channels, 500 hidden units; the default for gray images", lenet, (28, 28, 1)),
    "lenet5": Named("the classic of 1998: 6 and 16 channels, 120 and 84 units", lenet5, (28, 28, 1)),
    "example": Named(
        "one 2x2 kernel, for learning how back-propagation works",
        example,
        (5, 5, 1),
        loss="half_squared_error",
        optimizer="sgd",
        learning_rate=0.04,  # diverges above 2 / (169 numbers of 28x28 images, 1/4 each in the mean)
        schedule="constant",
    ),
    "cifar-small": Named("four convolutions (32, 32, 64, 64); the default for RGB images", cifar_small, (32, 32, 3)),
    "vgg-small": Named("six convolutions (64 to 256), slower and better", vgg_small, (32, 32, 3)),
    "resnet8": Named("residual network with 7 convolutions for small images", resnet8, (32, 32, 3)),
    "resnet8-wide": Named("residual network with 7 convolutions, up to 256 channels", resnet8_wide, (32, 32, 3)),
    "resnet9": Named("residual network with 8 convolutions, few and wide, quickly good", resnet9, (32, 32, 3)),
    "resnet18": Named("residual network with 17 convolutions for small images", resnet18, (32, 32, 3)),
    "resnet20": Named("residual network with 19 convolutions for small images", resnet20, (32, 32, 3)),
    "resnet34": Named("residual network with 33 convolutions for small images", resnet34, (32, 32, 3)),
    "vgg16": Named("thirteen convolutions (64 to 512), large", vgg16, (32, 32, 3)),
    "mobilenet-v2": Named("narrow blocks, few weights for its depth", mobilenet_v2, (32, 32, 3)),
    "signal": Named("three convolutions along a signal of (places, channels)", signal, (128, 1)),
    "unet": Named(
        "a class for each place of an image; takes label maps",
        unet,
        (64, 64, 3),
        loss="pixel_cross_entropy",
        optimizer="adam",
        learning_rate=0.001,
    ),
    "autoencoder": Named(
        "an image to a few numbers and back; takes images as targets",
        autoencoder,
        (28, 28, 1),
        loss="mse",
        optimizer="adam",
        learning_rate=0.001,
    ),
}
