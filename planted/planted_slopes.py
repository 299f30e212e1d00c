"""Activations and softmax backwards in plain NumPy, with wrong derivatives to plant by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import numpy as np

Array = np.ndarray
PHI = np.vectorize(lambda z: (1 + math.erf(z / math.sqrt(2))) / 2)


def logistic(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def _by_tanh(z: Array) -> Array:
    """Of z/2 * (1 + tanh(inner))."""
    root = math.sqrt(2 / math.pi)
    t = np.tanh(root * (z + 0.044715 * z**3))
    return np.asarray((1 + t) / 2 + z / 2 * (1 - t**2) * root * (1 + 3 * 0.044715 * z**2))


SLOPES: dict[str, Callable[[Array], Array]] = {
    "relu": lambda z: (z > 0).astype(float),
    "sigmoid": lambda z: logistic(z) * logistic(-z),
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "leaky relu (slope 0.01)": lambda z: np.where(z > 0, 1, 0.01),
    "leaky relu (slope 0.1)": lambda z: np.where(z > 0, 1, 0.1),
    "leaky relu (slope 0.2)": lambda z: np.where(z > 0, 1, 0.2),
    "leaky relu (slope 0.3)": lambda z: np.where(z > 0, 1, 0.3),
    "elu": lambda z: np.exp(np.minimum(z, 0)),
    "softplus": logistic,
    "silu": lambda z: logistic(z) * (1 + z * logistic(-z)),
    "gelu": lambda z: PHI(z) + z * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi),
    "gelu by tanh": lambda z: _by_tanh(z),
    "exp": np.exp,
}
WRONG: dict[str, dict[str, Callable[[Array, Array], Array]]] = {
    "tanh": {
        "square-forgotten": lambda dout, z: 1 - np.tanh(z),
        "square-forgotten, of the difference": lambda dout, z: (1 - np.tanh(z)) ** 2,
        "derivative-in-part, added": lambda dout, z: 1 + np.tanh(z) ** 2,
        "derivative-in-part, the square": lambda dout, z: np.tanh(z) ** 2,
        "derivative-of-another by its result": lambda dout, z: np.tanh(z) * (1 - np.tanh(z)),
    },
    "sigmoid": {
        "derivative-in-part, s": lambda dout, z: logistic(z),
        "derivative-in-part, 1-s": lambda dout, z: logistic(-z),
        "derivative-in-part, added": lambda dout, z: logistic(z) * (1 + logistic(z)),
        "derivative-in-part, squared": lambda dout, z: logistic(z) ** 2 * logistic(-z),
        "derivative-of-another by its result": lambda dout, z: 1 - logistic(z) ** 2,
        "derivative-of-another tanh": lambda dout, z: SLOPES["tanh"](z),
    },
    "relu": {
        "derivative-in-part, the value": lambda dout, z: np.maximum(z, 0),
        "derivative-in-part, the other side": lambda dout, z: (z < 0).astype(float),
        "mask-of-wrong-tensor, dout > 0": lambda dout, z: (dout > 0).astype(float),
        "mask-of-wrong-tensor, |z| > 0": lambda dout, z: (np.abs(z) > 0).astype(float),
        "mask-of-wrong-tensor, both": lambda dout, z: ((z > 0) & (dout > 0)).astype(float),
        "kink at 1/2": lambda dout, z: np.heaviside(z, 0.5),
    },
    "gelu": {
        "gelu-by-sigmoid": lambda dout, z: logistic(1.702 * z) * (1 + 1.702 * z * logistic(-1.702 * z)),
    },
    "leaky_relu": {
        "mask-of-wrong-tensor, dout > 0": lambda dout, z: np.where(dout > 0, 1, 0.3),
        "derivative-in-part, the value": lambda dout, z: np.where(z > 0, 1, 0.3 * z),
        "kink": lambda dout, z: np.where(z >= 0, 1, 0.3),
    },
}


def activation_backward(name: str) -> Callable[[Collection[str]], Callable[..., Array]]:
    """dout * f'(x)."""

    def factory(planted: Collection[str]) -> Callable[..., Array]:
        def backward(dout: Array, x: Array) -> Array:
            for switch in planted:
                other = switch.removeprefix("derivative-of-another ")
                if switch in WRONG[name]:
                    return np.asarray(dout * WRONG[name][switch](dout, x))
                if other in SLOPES:
                    return np.asarray(dout * SLOPES[other](x))
            return np.asarray(dout * SLOPES["leaky relu (slope 0.3)" if name == "leaky_relu" else name](x))

        return backward

    return factory


def softmax_backward(planted: Collection[str]) -> Callable[..., Array]:
    """Rows of scores."""

    def backward(dout: Array, x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        s = e / e.sum(axis=1, keepdims=True)
        mixed = (dout * s).sum(axis=1, keepdims=True)
        if "softmax-diagonal" in planted:
            return np.asarray(dout * s * (1 - s))
        if "softmax-diagonal without the sum" in planted:
            return np.asarray(s * dout)
        if "softmax-diagonal without dout" in planted:
            return np.asarray(s - s**2)
        if "derivative-in-part, added" in planted:
            return np.asarray(s * (dout + mixed))
        if "derivative-in-part, a plain sum" in planted:
            return np.asarray(s * (dout - dout.sum(axis=1, keepdims=True)))
        if "derivative-in-part, no factor" in planted:
            return np.asarray(dout - mixed)
        return np.asarray(s * (dout - mixed))

    return backward
