"""Networks that are written as programs for other tools, and run there."""

from __future__ import annotations

from typing import Any

import numpy as np

from convgrad import Network
from convgrad.explain import Trace
from convgrad.layers import AvgPool2D, Conv2D, Dense, Equation, Flatten, Layer, MaxPool2D, ReLU, Sigmoid, Tanh

LOSSES = ("mse", "half_squared_error", "binary_cross_entropy", "softmax_cross_entropy")
LARGE: dict[str, Any] = {"softmax_cross_entropy": 1, "binary_cross_entropy": [0, 1, 1]}
"""Loss -> a target that `large` is far from."""

LAYERS: dict[str, tuple[tuple[Layer, ...], tuple[int, ...]]] = {
    "all kinds": (
        (
            Conv2D(3, (3, 2), strides=(1, 2), padding=((1, 0), (0, 1)), dilation=(2, 1)),
            ReLU(),
            MaxPool2D((2, 3), strides=(2, 1), padding=((0, 1), (1, 1))),
            Conv2D(2, 1, bias=None),
            AvgPool2D((2, 2), strides=1),
            Sigmoid(),
            Flatten(),
            Dense(3),
            Tanh(),
            Dense(2, bias=None),
        ),
        (9, 8, 2),
    ),
    "one filter": ((Conv2D(1, (1, 3)), Flatten(), Dense(1)), (4, 5, 1)),
    "one place": ((Conv2D(4, (4, 5)),), (4, 5, 3)),
    "strides and dilation": ((Conv2D(2, (2, 3), strides=(2, 3), dilation=(3, 2), padding=(2, 1)),), (9, 11, 2)),
    "padding and stride": ((Conv2D(3, (3, 5), strides=(3, 2), padding="same"),), (8, 10, 2)),
    "a rest of rows and columns": ((Conv2D(2, (2, 3), strides=(2, 3)), MaxPool2D((2, 1))), (8, 10, 1)),
    "padded maxima": ((Conv2D(2, 1), MaxPool2D(3, strides=2, padding="same")), (6, 7, 3)),
    "overlapping means": ((Conv2D(2, 1), AvgPool2D((3, 2), strides=(1, 2))), (6, 7, 1)),
    "a row": ((Flatten(), Dense(3), Tanh(), Dense(4), Sigmoid(), Dense(2)), (5,)),
    "a matrix": ((Flatten(), Dense(3)), (3, 4)),
    "four axes": ((ReLU(), Flatten(), Dense(3)), (3, 2, 4, 2)),
    "no gradients": ((ReLU(),), (3, 4)),
    "many numbers": ((Conv2D(3, 2), Flatten(), Dense(2)), (6, 7, 1)),
}
"""What it is about -> layers, shape of the input. Sizes differ on every axis."""


def network_of(name: str) -> Trace:
    """One of LAYERS."""
    layers, shape = LAYERS[name]
    return made(*layers, shape=shape)


def made(*layers: Layer, shape: tuple[int, ...], loss: str = "mse", seed: int = 1, decimals: int = 2) -> Trace:
    """A network of these layers, on random numbers of few digits."""
    network = Network(*layers, input_shape=shape, dtype="float64")
    network.initialize(seed)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).round(decimals)
    targets: dict[str, Any] = {
        "softmax_cross_entropy": 2,
        "binary_cross_entropy": (rng.random(network.output_shape) > 0.5).astype(float),
    }
    target = targets[loss] if loss in targets else rng.standard_normal(network.output_shape).round(2)
    return network.trace(x, target, loss=loss)


def own_names() -> Layer:
    """A strided, dilated convolution of a 8 x 11 image whose tensors are all named otherwise."""
    text = "y[i,j] = sum[m,n](v[m,n] * a[2*i+3*m-1,3*j+n else 0]) + c"
    sizes = {"M": 2, "N": 3, "I": 3, "J": 4}
    return Equation(text, inputs=("a",), sizes=sizes, shapes={"c": ()}, name="own")


def large(loss: str) -> Trace:
    """Results whose exponentials are too large, or 0."""
    network = Network(Dense(3, bias=None), input_shape=(2,), dtype="float64")
    network.set_weights({"dense1.w": [[900, -1000, 1], [0, 0, 0]]})
    return network.trace([1, 2], LARGE[loss], loss=loss)
