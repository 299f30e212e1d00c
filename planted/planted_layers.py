"""Pooling, activations, dense layers and losses in plain NumPy, with mistakes to plant by name."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

Array = np.ndarray


def max_pool_backward(
    planted: Collection[str], height: int = 2, width: int = 3, stride: int = 2
) -> Callable[..., Array]:
    """Arrays NHWC."""

    def pool_backward(dout: Array, x: Array) -> Array:
        dx = np.zeros_like(x)
        batch, rows, columns, channels = dout.shape
        for n in range(batch):
            for i in range(rows):
                for j in range(columns):
                    for c in range(channels):
                        top, left = i * stride, j * stride
                        window = x[n, top : top + height, left : left + width, c]
                        target = dx[n, top : top + height, left : left + width, c]
                        if "overlaps-overwritten" in planted:
                            target[np.unravel_index(window.argmax(), window.shape)] = dout[n, i, j, c]
                        elif "pool-spread" in planted:
                            target += dout[n, i, j, c] / window.size
                        elif "pool-spread in full" in planted:
                            target += dout[n, i, j, c]
                        elif "pool-mask-inverted" in planted:
                            target += dout[n, i, j, c] * (window != window.max())
                        elif "pool-mask-inverted, first" in planted:
                            others = np.arange(window.size) != window.argmax()
                            target += dout[n, i, j, c] * others.reshape(window.shape)
                        elif "pool-last-tie" in planted:
                            place = window.size - 1 - window[::-1, ::-1].argmax()
                            target[np.unravel_index(place, window.shape)] += dout[n, i, j, c]
                        elif "pool-wrong-position from the end" in planted:
                            place = window.size - 1 - window.argmax()
                            target[np.unravel_index(place, window.shape)] += dout[n, i, j, c]
                        elif "pool-wrong-position, one further" in planted:
                            place = window.argmax() + 1
                            if place < window.size:
                                target[np.unravel_index(place, window.shape)] += dout[n, i, j, c]
                        elif "pool-all-ties" in planted:
                            target += dout[n, i, j, c] * (window == window.max())
                        elif "pool-wrong-position" in planted:
                            place = window.argmax()
                            target[place % height, place // height] += dout[n, i, j, c]
                        elif "pool-smallest" in planted:
                            target[np.unravel_index(window.argmin(), window.shape)] += dout[n, i, j, c]
                        else:
                            target[np.unravel_index(window.argmax(), window.shape)] += dout[n, i, j, c]
        if "factor-2" in planted:
            dx = 2 * dx
        if "mean-over-batch" in planted:
            dx = dx / batch
        return -dx if "sign" in planted else dx

    return pool_backward


def average_pool_backward(planted: Collection[str], size: int = 2, stride: int = 3) -> Callable[..., Array]:
    """Arrays NCHW."""

    def pool_backward(dout: Array, x: Array) -> Array:
        dx = np.zeros_like(x)
        share = dout if "average-without-1/n" in planted else dout / size**2
        if "sign" in planted:
            share = -share
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                if "stride-far-edge" in planted and i == dout.shape[2] - 1:
                    continue
                dx[:, :, i * stride : i * stride + size, j * stride : j * stride + size] += share[
                    :, :, i : i + 1, j : j + 1
                ]
        return dx

    return pool_backward


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def dense_sigmoid_backward(planted: Collection[str]) -> Callable[..., tuple[Array, ...]]:
    """x = sigmoid(o @ w + b)."""

    def dense_backward(dout: Array, x: Array, w: Array, b: Array) -> tuple[Array, ...]:
        z = x @ w + b
        s = sigmoid(z)
        slope = s * (1 - s)
        if "activation-at-output" in planted:
            slope = sigmoid(s) * (1 - sigmoid(s))
        if "activation-formula-at-input" in planted:
            slope = z * (1 - z)
        delta = dout if "activation-missing" in planted else dout * slope
        if "activation-twice" in planted:
            delta = delta * slope
        if "sign" in planted:
            delta = -delta
        dw, db = x.T @ delta, delta.sum(axis=0)
        if "mean-over-batch" in planted:
            dw, db = dw / len(x), db / len(x)
        if "bias-not-summed" in planted:
            db = delta
        if "factor-2" in planted:
            dw = 2 * dw
        return delta @ w.T, dw, db

    return dense_backward


def softmax_loss(planted: Collection[str]) -> Callable[..., tuple[float, Array]]:
    """Mean over the batch of the cross-entropy of softmax(scores), and its gradient."""

    def loss(scores: Array, labels: Array) -> tuple[float, Array]:
        shifted = scores if "overflow" in planted else scores - scores.max(axis=1, keepdims=True)
        with np.errstate(all="ignore"):
            p = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        count = len(scores)
        with np.errstate(all="ignore"):
            picked = shifted[np.arange(count), labels] - np.log(np.exp(shifted).sum(axis=1))
        value = -picked.mean()
        delta = p.copy()
        if "target-missing" not in planted:
            delta[np.arange(count), labels] -= 1
        if "softmax-twice" in planted:
            delta = p * (delta - (p * delta).sum(axis=1, keepdims=True))
        if "sum-over-batch" not in planted:
            delta = delta / count
        if "sign" in planted:
            delta = -delta
        return value, delta

    return loss


def half_square_loss(planted: Collection[str]) -> Callable[..., tuple[float, Array]]:
    """1/2 sum (t-y)^2 over all."""

    def loss(y: Array, t: Array) -> tuple[float, Array]:
        delta = y - t
        if "factor-2" in planted:
            delta = 2 * delta
        if "sign" in planted:
            delta = -delta
        return 0.5 * ((t - y) ** 2).sum(), delta

    return loss


def keeps_adding(planted: Collection[str] = ()) -> Callable[..., tuple[Array, ...]]:
    """A dense layer that adds to the gradient of the call before."""
    kept: dict[tuple[int, ...], Array] = {}

    def dense_backward(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
        kept[w.shape] = kept.get(w.shape, 0) + x.T @ dout
        dw = kept[w.shape]
        return dout @ w.T, -dw if "sign" in planted else dw, dout.sum(axis=0)

    return dense_backward


def spoils_its_argument(planted: Collection[str] = ()) -> Callable[..., Array]:
    """relu's gradient, with its mask written into what was passed."""

    def relu_backward(dout: Array, x: Array) -> Array:
        x[x <= 0] = 0
        x[x > 0] = 1
        slope: Array = 2 * x if "factor-2" in planted else x
        return np.asarray(dout * slope)

    return relu_backward


def correlation(planted: Collection[str]) -> Callable[..., Array]:
    """The forward pass of one image with one channel."""

    def forward(o: Array, w: Array) -> Array:
        if "convolution-for-correlation" in planted:
            w = w[::-1, ::-1]
        rows, columns = o.shape[0] - w.shape[0] + 1, o.shape[1] - w.shape[1] + 1
        x = np.zeros((rows, columns))
        for i in range(rows):
            for j in range(columns):
                x[i, j] = (o[i : i + w.shape[0], j : j + w.shape[1]] * w).sum()
        return x

    return forward
