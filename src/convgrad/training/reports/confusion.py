"""Which class was taken for which, counted while outputs pass by, as numbers and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.losses import Loss
from convgrad.training.history import picture_of
from convgrad.training.metrics import LOGITS, Metric, confusion_matrix, predicted_labels, true_labels

MOST_NUMBERS = 20
"""Classes whose counts are written into their squares, and whose names stand beside them."""


class Counted:
    """count[a,b] = number of examples of class a that were taken for class b, among all that pass through `metric`."""

    def __init__(self, classes: int, loss: Loss):
        self.counts = np.zeros((classes, classes), np.int64)
        self._threshold = 0.0 if isinstance(loss, LOGITS) else 0.5

    @property
    def metric(self) -> Metric:
        """A figure that counts what it sees."""
        return Metric("counted", self._each, "more")

    def _each(self, outputs: npt.NDArray[Any], targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        self.counts += confusion_matrix(outputs, targets, len(self.counts), self._threshold)
        return np.asarray(predicted_labels(outputs, self._threshold) == true_labels(targets), np.float64)


def shares(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """share[a,b] = count[a,b] / sum[b](count[a,b]); 0 for a class without examples.

    >>> shares(np.array([[3, 1], [0, 0]])).tolist()
    [[0.75, 0.25], [0.0, 0.0]]
    """
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), np.float64)


def picture(counts: npt.NDArray[np.int64], names: Sequence[str]) -> bytes:
    """The counts as a PNG: rows are the true classes, the darker the larger the share of its row."""
    from matplotlib.figure import Figure

    size = min(3.0 + 0.45 * len(names), 14.0)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    part = shares(counts)
    axes.imshow(part, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    axes.set_title(f"{np.trace(counts):,} of {counts.sum():,} right", loc="left", fontsize=11)
    if len(names) <= MOST_NUMBERS:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if part[row, column] > 0.5 else "black"
                axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=8, color=colour)
    return picture_of(figure)
