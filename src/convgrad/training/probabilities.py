"""Probabilities from what a network returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.errors import DataError
from convgrad.functions import FUNCTIONS
from convgrad.losses import (
    KLDivergence,
    Loss,
    MultiMargin,
    NegativeLogLikelihood,
    PixelCrossEntropy,
    SoftmaxCrossEntropy,
    loss_from,
)
from convgrad.training.metrics import LOGITS

Rows = npt.NDArray[np.float64]


def probabilities(outputs: npt.NDArray[Any], loss: str | Loss) -> Rows:
    """Probabilities (N, K) from outputs (N, K), by the loss that the network was trained with.

    Cross-entropy of one class of several: p[k] = exp(y[k]) / sum[k](exp(y[k])), so that a row adds up to 1. Losses of
    logarithms of probabilities: p[k] = exp(y[k]). Yes or no for each output: p[k] = 1 / (1 + exp(-y[k])). Another loss
    has taught the network to return 1 for yes and 0 for no: p[k] = y[k] within 0..1. A single output (N, 1) is that of
    yes: the row is then no, yes (N, 2).

    Raises:
        DataError: multi_margin, which teaches no probabilities.

    >>> probabilities(np.array([[0.0, np.log(3.0)]]), "softmax_cross_entropy").round(9)
    array([[0.25, 0.75]])
    >>> probabilities(np.array([[0.0]]), "binary_cross_entropy")
    array([[0.5, 0.5]])
    """
    loss = loss_from(loss)
    rows = outputs.astype(np.float64)
    if isinstance(loss, MultiMargin):
        raise DataError(
            "The network was trained with multi_margin, which makes the right output the greatest, and no probability "
            "of it. Take the greatest of what predict returns, or train with softmax_cross_entropy."
        )
    if isinstance(loss, (SoftmaxCrossEntropy, PixelCrossEntropy)):
        return softmax(rows)
    if isinstance(loss, (NegativeLogLikelihood, KLDivergence)):
        return np.exp(np.minimum(rows, 0))
    yes = FUNCTIONS["sigmoid"].grid(rows) if isinstance(loss, LOGITS) else np.clip(rows, 0, 1)
    return np.concatenate([1 - yes, yes], axis=1) if rows.shape[1] == 1 else yes


def softmax(rows: Rows) -> Rows:
    """p[k] = exp(y[k]) / sum[k](exp(y[k])) over the last axis, without overflow."""
    powers = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
