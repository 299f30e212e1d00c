"""Networks whose weights become int8: each kind of weight, with sizes that differ on every axis."""

from __future__ import annotations

from collections.abc import Callable

from convgrad import Network
from convgrad.layers import (
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    DepthwiseConv2D,
    Equation,
    Flatten,
    Input,
    Multiply,
    PReLU,
    ReLU,
)

STANDARDIZED = """
u[m,n,c,k] = w[m,n,c,k] - mean[p,q,e](w[p,q,e,k])
x[i,j,k] = sum[m,n,c](u[m,n,c,k] * o[i+m,j+n,c]) + b[k]
"""
GATED = """
g[i,j,c] = sigmoid(sum[m,n](v[m,n,c] * o[i+m,j+n,c]) + a[c])
x[i,j,k] = sum[c](w[c,k] * g[i,j,c] * o[i+1,j+1,c])
"""
EMBEDDED = "x[i,d] = sum[v](w[v,d] * where(floor(4 * abs(o[i])) == v, 1, 0))"
EACH_PLACE = "x[i,k] = sum[m,c](w[m,i,c,k] * o[i+m,c])"


def of(*layers: object, input_shape: tuple[int, ...]) -> Callable[[str], Network]:
    return lambda dtype: Network(*layers, input_shape=input_shape, dtype=dtype)  # type: ignore[arg-type]


def shared(dtype: str) -> Network:
    """A convolution in two places, one of which reads the other."""
    image = Input((7, 5, 4))
    conv = Conv2D(4, (3, 2), padding="same")
    return Network(inputs=image, outputs=Dense(3)(Flatten()(Multiply()(conv(conv(image)), image))), dtype=dtype)


NETWORKS: dict[str, Callable[[str], Network]] = {
    "conv": of(Conv2D(5, (3, 2)), BatchNorm(), PReLU(), Flatten(), Dense(7), input_shape=(9, 8, 3)),
    "groups": of(Conv2D(6, (3, 2), groups=2, bias="position"), BatchNorm(), ReLU(), input_shape=(7, 5, 4)),
    "depthwise": of(DepthwiseConv2D((2, 3), depth_multiplier=2), BatchNorm(), input_shape=(7, 6, 5)),
    "transposed": of(ConvTranspose2D(5, (3, 2), strides=2), BatchNorm(), input_shape=(4, 6, 3)),
    "transposed-groups": of(ConvTranspose2D(6, (3, 2), groups=2), BatchNorm(), input_shape=(4, 7, 8)),
    "standardized": of(Equation(STANDARDIZED, sizes={"M": 3, "N": 2, "K": 5}), input_shape=(7, 6, 4)),
    "gated": of(Equation(GATED, sizes={"M": 3, "N": 2, "K": 5}), input_shape=(7, 6, 4)),
    "embedding": of(Equation(EMBEDDED, sizes={"V": 11, "D": 3}), Flatten(), Dense(5), input_shape=(7,)),
    "each-place": of(Equation(EACH_PLACE, sizes={"M": 3, "K": 4}), input_shape=(7, 2)),
    "shared": shared,
}
WHOLE = {
    "conv": {"conv1.w", "dense1.w"},
    "groups": {"conv1.w"},
    "depthwise": {"depthwiseconv1.w"},
    "transposed": {"convtranspose1.w"},
    "transposed-groups": {"convtranspose1.w"},
    "standardized": {"equation1.w"},
    "gated": {"equation1.v", "equation1.w"},
    "embedding": {"equation1.w", "dense1.w"},
    "each-place": {"equation1.w"},
    "shared": {"conv1.w", "dense1.w"},
}
"""Names of the weights that become int8."""


def quantizable(name: str, dtype: str = "float32") -> Network:
    network = NETWORKS[name](dtype)
    network.initialize(seed=6)
    statistics = {key: array + 0.3 for key, array in network.state.items()}
    network.set_weights(network.get_weights() | statistics)
    return network
