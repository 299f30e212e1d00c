"""Losses with a small number beside each probability, which is a choice."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def _told(planted: Collection[str], word: str) -> float:
    """The number in a switch such as `epsilon-in-log 1e-07`."""
    return next((float(s.split(" ")[1]) for s in planted if s.startswith(word)), 0.0)


def class_loss(planted: Collection[str]) -> Callable[..., Any]:
    """The value of a loss of several classes, from logits."""
    epsilon = _told(planted, "epsilon-in-log")

    def loss(logits: Array, labels: Array) -> float:
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return float(-np.log(p[np.arange(len(p)), labels] + epsilon).mean())

    return loss


def two_class_gradient(planted: Collection[str]) -> Callable[..., Any]:
    """The gradient of a loss of two classes, with respect to the probability."""
    epsilon = _told(planted, "epsilon-below")

    def loss_backward(probability: Array, target: Array) -> Array:
        below = probability * (1 - probability) + epsilon
        return np.asarray((probability - target) / below / target.size)

    return loss_backward
