"""Random small networks, a different one for every seed: chains and graphs of all kinds of layers that fit together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convgrad.errors import ConvgradError
from convgrad.layers import (
    ELU,
    GELU,
    Add,
    AvgPool2D,
    BatchNorm,
    Concatenate,
    Conv2D,
    ConvTranspose2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Equation,
    Flatten,
    GlobalAvgPool2D,
    GroupNorm,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    Multiply,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from convgrad.layers.base import Input, Node
from convgrad.models.network import Network

LOSSES = ("half_squared_error", "mse", "softmax_cross_entropy", "binary_cross_entropy")
ACTIVATIONS = (ReLU, LeakyReLU, ELU, Sigmoid, Tanh, GELU, SiLU)


def random_network(seed: int, dtype: str = "float64") -> tuple[Network, str, np.ndarray, np.ndarray]:
    """A network of 1 to 6 layers on tiny images, a loss that suits it, a batch of inputs and targets."""
    rng = np.random.default_rng(seed)
    image = Input((int(rng.integers(3, 9)), int(rng.integers(3, 9)), int(rng.integers(1, 5))))
    loss = LOSSES[rng.integers(len(LOSSES))]
    node: Input | Node = image
    for _ in range(rng.integers(1, 5)):
        node = _appended(rng, node)
    node = _ended(rng, node, loss)
    network = Network(inputs=image, outputs=node, dtype=dtype)
    network.initialize(seed)
    for array in network.parameters.values():  # zeros would hide mistakes
        array += 0.1 * rng.standard_normal(array.shape)
    batch = int(rng.integers(1, 5))
    x = rng.standard_normal((batch, *image.shape))
    if loss == "softmax_cross_entropy":
        return network, loss, x, rng.integers(0, network.output_shape[0], batch)
    targets = rng.random((batch, *network.output_shape))
    return network, loss, x, targets


def _shape(node: Input | Node) -> tuple[int, ...]:
    if isinstance(node, Input):
        return node.shape
    return node.layer.build(*map(_shape, node.inputs)).output_shape


def _appended(rng: np.random.Generator, node: Input | Node) -> Node:
    """One more layer (or a small branch), drawn until one fits."""
    for _ in range(100):
        try:
            following = _draw(rng, node)
            if min(_shape(following)) >= 1 and np.prod(_shape(following)) <= 600:
                return following
        except ConvgradError:
            continue
    return Tanh()(node)


def _draw(rng: np.random.Generator, node: Input | Node) -> Node:
    channels = _shape(node)[-1]

    def number(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    def pair(low: int, high: int) -> tuple[int, int]:
        return number(low, high), number(low, high)

    def conv() -> Node:
        groups = number(1, 2) if channels % 2 == 0 else 1
        padding = ("valid", "same", number(0, 2), ((number(0, 2), number(0, 2)), (number(0, 1), 1)))[number(0, 3)]
        bias = ("channel", "position", None)[number(0, 2)]
        filters = groups * number(1, 3)
        return Conv2D(filters, pair(1, 3), pair(1, 3), padding, pair(1, 2), groups=groups, bias=bias)(node)

    def residual() -> Node:
        return Add()(node, Conv2D(channels, pair(1, 3), padding="same")(node))

    def joined() -> Node:
        return Concatenate()(Conv2D(number(1, 3), 3, padding="same")(node), node, Tanh()(node))

    def gated() -> Node:
        return Multiply()(node, Sigmoid()(DepthwiseConv2D(3, padding="same")(node)))

    def written() -> Node:
        text = "x[i,j,k] = tanh(sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c])) * (1 + v[k] * o[i,j,0]^2)"
        rows, columns, _ = _shape(node)
        return Equation(text, sizes={"M": 2, "N": 1, "K": 2, "I": rows - 1, "J": columns})(node)

    choices: list[Callable[[], Node]] = [
        conv,
        conv,
        conv,
        lambda: ConvTranspose2D(number(1, 3), pair(1, 3), pair(1, 2), ("valid", "same")[number(0, 1)])(node),
        lambda: DepthwiseConv2D(
            pair(1, 3), number(1, 2), ("valid", "same")[number(0, 1)], depth_multiplier=number(1, 2)
        )(node),
        lambda: MaxPool2D(pair(1, 3), pair(1, 3), ("valid", "same")[number(0, 1)])(node),
        lambda: AvgPool2D(pair(1, 3), pair(1, 3), ("valid", "same")[number(0, 1)])(node),
        lambda: BatchNorm()(node),
        lambda: GroupNorm(groups=1 if channels % 2 else 2)(node),
        lambda: LayerNorm()(node),
        lambda: Dropout(0.3)(node),
        lambda: Softmax()(node),
        residual,
        joined,
        gated,
        written,
        lambda: ACTIVATIONS[number(0, len(ACTIVATIONS) - 1)]()(node),
        lambda: ACTIVATIONS[number(0, len(ACTIVATIONS) - 1)]()(node),
    ]
    return choices[number(0, len(choices) - 1)]()


def _ended(rng: np.random.Generator, node: Input | Node, loss: str) -> Node:
    """What the loss needs: a row of class scores for cross-entropy; anything else may be left as it is."""
    if loss != "softmax_cross_entropy" and isinstance(node, Node) and rng.random() < 0.3:
        return node
    flat = GlobalAvgPool2D()(node) if rng.random() < 0.3 else Flatten()(node)
    return Dense(int(rng.integers(2, 6)))(flat)
