"""Probabilities from what a network returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.functions import FUNCTIONS
from convgrad.losses import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy, loss_from


def probabilities(outputs: npt.NDArray[Any], loss: str | Loss) -> npt.NDArray[np.float64]:
    """Probabilities (N, K) from outputs (N, K), by the loss that the network was trained with.

    softmax_cross_entropy: p[k] = exp(y[k]) / sum[k](exp(y[k])), so that a row adds up to 1. binary_cross_entropy:
    p[k] = 1 / (1 + exp(-y[k])), each by itself. Another loss has taught the network to return 1 for yes and 0 for no:
    p[k] = y[k] within 0..1. A single output (N, 1) is that of yes: the row is then no, yes (N, 2).

    >>> probabilities(np.array([[0.0, np.log(3.0)]]), "softmax_cross_entropy").round(9)
    array([[0.25, 0.75]])
    >>> probabilities(np.array([[0.0]]), "binary_cross_entropy")
    array([[0.5, 0.5]])
    """
    loss = loss_from(loss)
    rows = outputs.astype(np.float64)
    if isinstance(loss, SoftmaxCrossEntropy):
        powers = np.exp(rows - rows.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    yes = FUNCTIONS["sigmoid"].grid(rows) if isinstance(loss, BinaryCrossEntropy) else np.clip(rows, 0, 1)
    return np.concatenate([1 - yes, yes], axis=1) if rows.shape[1] == 1 else yes
