"""Normalizations and losses in plain NumPy, with mistakes to plant by name."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

Array = np.ndarray
EPSILON = 1e-3


def _backward(delta: Array, x: Array, axes: tuple[int, ...], planted: Collection[str], epsilon: float) -> Array:
    """Through (x - mean) / sqrt(var + epsilon)."""
    r = 1 / np.sqrt(x.var(axes, keepdims=True) + epsilon)
    normed = (x - x.mean(axes, keepdims=True)) * r
    if "statistics-constant" in planted:
        return np.asarray(delta * r)
    return np.asarray(
        r * (delta - delta.mean(axes, keepdims=True) - normed * (delta * normed).mean(axes, keepdims=True))
    )


def _normed(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    return np.asarray((x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon))


def group_norm_backward(planted: Collection[str]) -> Callable[..., tuple[Array, ...]]:
    """Two groups. Arrays NCHW. A switch may say which epsilon: `epsilon 1e-05`."""
    epsilon = next((float(s.split(" ")[1]) for s in planted if s.startswith("epsilon ")), EPSILON)

    def backward(dout: Array, x: Array, gamma: Array) -> tuple[Array, ...]:
        groups = 1 if "groups-ignored" in planted else 2
        shape = (len(x), groups, -1, *x.shape[2:])
        axes = (2, 3, 4)
        delta = (dout * gamma[:, None, None]).reshape(shape)
        dx = _backward(delta, x.reshape(shape), axes, planted, epsilon).reshape(x.shape)
        normed = _normed(x.reshape(shape), axes, epsilon).reshape(x.shape)
        dgamma, dbeta = (dout * normed).sum((0, 2, 3)), dout.sum((0, 2, 3))
        if "mean-over-batch" in planted:
            dgamma = dgamma / len(x)
        return dx, dgamma, -dbeta if "sign" in planted else dbeta

    return backward


def batch_norm_backward(planted: Collection[str]) -> Callable[..., tuple[Array, ...]]:
    """Arrays (N, C)."""

    def backward(dout: Array, x: Array, gamma: Array, beta: Array) -> tuple[Array, ...]:
        dx = _backward(dout * gamma, x, (0,), planted, EPSILON)
        dgamma = (dout * _normed(x, (0,), EPSILON)).sum(0)
        return dx, 2 * dgamma if "factor-2" in planted else dgamma, dout.sum(0)

    return backward


def image_batch_norm_backward(planted: Collection[str]) -> Callable[..., tuple[Array, ...]]:
    """Arrays NCHW."""

    def backward(dout: Array, x: Array, gamma: Array) -> tuple[Array, ...]:
        dx = _backward(dout * gamma[:, None, None], x, (0, 2, 3), planted, EPSILON)
        return dx, (dout * _normed(x, (0, 2, 3), EPSILON)).sum((0, 2, 3)), dout.sum((0, 2, 3))

    return backward


def layer_norm_backward(planted: Collection[str]) -> Callable[..., tuple[Array, ...]]:
    """Arrays (N, C)."""

    def backward(dout: Array, x: Array, gamma: Array) -> tuple[Array, ...]:
        dx = _backward(dout * gamma, x, (1,), planted, EPSILON)
        return dx, (dout * _normed(x, (1,), EPSILON)).sum(0), dout.sum(0)

    return backward


def binary_loss(planted: Collection[str]) -> Callable[..., tuple[float, Array]]:
    """Cross-entropy of sigmoid(logits), mean over outputs and batch; its gradient."""

    def loss(logits: Array, target: Array) -> tuple[float, Array]:
        p = 1 / (1 + np.exp(-logits))
        value = (np.logaddexp(0, logits) - target * logits).mean()
        delta = p if "target-missing" in planted else p - target
        if "sigmoid-twice" in planted:
            delta = delta * p * (1 - p)
        return value, delta / logits.size

    return loss


def half_square_loss(planted: Collection[str]) -> Callable[..., tuple[float, Array]]:
    """1/2 sum (t-y)^2, mean over the batch; its gradient."""

    def loss(y: Array, t: Array) -> tuple[float, Array]:
        delta = (y - t) / len(y)
        return ((t - y) ** 2).sum() / (2 * len(y)), delta / y.shape[1] if "mean-over-elements" in planted else delta

    return loss


def mean_square_loss(planted: Collection[str]) -> Callable[..., tuple[float, Array]]:
    """The mean over outputs and examples of (t-y)^2; its gradient."""

    def loss(y: Array, t: Array) -> tuple[float, Array]:
        delta = (y - t) if "factor-half" in planted else 2 * (y - t)
        return ((t - y) ** 2).mean(), delta / (len(y) if "sum-over-elements" in planted else y.size)

    return loss


def sigmoid_forward(planted: Collection[str]) -> Callable[..., Array]:
    """1 / (1 + exp(-z)), which is nan for large z where it is written with exp(z) above and below."""

    def forward(z: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.exp(z) / (1 + np.exp(z)) if "overflow" in planted else 1 / (1 + np.exp(-z)))

    return forward
