"""Layers and losses under further names: normalization of single images, absolute errors, Huber's loss."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from convgrad import check

A = npt.NDArray[np.float64]


def _instance_norm(dout: A, x: A, gamma: A, beta: A, eps: float = 1e-3) -> tuple[A, A, A]:
    over = (2, 3)
    inverse = 1 / np.sqrt(x.var(axis=over, keepdims=True) + eps)
    normalized = (x - x.mean(axis=over, keepdims=True)) * inverse
    g = dout * gamma[:, None, None]
    mean, along = g.mean(axis=over, keepdims=True), (g * normalized).mean(axis=over, keepdims=True)
    return inverse * (g - mean - normalized * along), (dout * normalized).sum((0, 2, 3)), dout.sum((0, 2, 3))


@pytest.mark.parametrize("name", ["instance_norm", "InstanceNorm"])
def test_instance_norm(name: str) -> None:
    def over_the_batch(x: A, gamma: A, beta: A) -> A:
        normalized = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-3)
        return np.asarray(gamma[:, None, None] * normalized + beta[:, None, None])

    assert check(_instance_norm, name).ok
    assert check(over_the_batch, name).causes == ("statistics-over-wrong-axes",)


@pytest.mark.parametrize("name", ["huber", "smooth_l1", "HuberLoss"])
def test_huber(name: str) -> None:
    def right(y_pred: A, y_true: A) -> A:
        return np.asarray(np.clip(y_pred - y_true, -1, 1) / y_pred.size)

    def wrong(y_pred: A, y_true: A) -> A:
        return np.asarray(np.clip(y_pred - y_true, -2, 2) / y_pred.size)

    assert check(right, name).ok
    assert not check(wrong, name).ok


@pytest.mark.parametrize("name", ["mae", "l1_loss", "mean_absolute_error"])
def test_absolute_error(name: str) -> None:
    def right(pred: A, target: A) -> tuple[float, A]:
        return float(np.abs(pred - target).mean()), np.asarray(np.sign(pred - target) / pred.size)

    def wrong(pred: A, target: A) -> tuple[float, A]:
        return float(np.abs(pred - target).mean()), np.asarray(np.sign(target - pred) / pred.size)

    assert check(right, name).ok
    assert check(wrong, name).causes == ("sign",)
