"""Figures that tell how good outputs are.

A metric gives one value for each example, so that averages over batches of any size are exact and rows that only fill
up a batch take no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import FUNCTION, TEXT, at_least, made_from, optional, shown, takes
from convgrad.errors import DataError, TrainingError, suggestion
from convgrad.losses import BinaryCrossEntropy, Loss

Values = npt.NDArray[np.float64]
Array = npt.NDArray[Any]


@made_from(TrainingError, name=TEXT, each=FUNCTION)
@dataclass(frozen=True)
class Metric:
    """A figure called `name`: the mean over examples of `each(outputs, targets)`.

    Args:
        each: from outputs (N, ...) and targets, labels (N,) or an array like the outputs, to values (N,).
    """

    name: str
    each: Callable[[Array, Array], npt.NDArray[Any]]

    def __call__(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        """The mean over all examples, weighted by `weights` (N,) where they are given."""
        return float(np.average(self.each(outputs, targets), weights=weights))


def predicted_labels(outputs: Array, threshold: float = 0.5) -> npt.NDArray[np.int64]:
    """The class that each row of outputs (N, K) names: the place of its largest value, the first of equal ones.

    A single output (N, 1) or (N,) names class 1 where it is above `threshold`.

    >>> predicted_labels(np.array([[0.1, 0.9, 0.0], [2.0, -1.0, 2.0]]))
    array([1, 0])
    """
    rows = outputs.reshape(len(outputs), -1)
    if rows.shape[1] == 1:
        return np.asarray(rows[:, 0] > threshold, dtype=np.int64)
    return np.asarray(rows.argmax(axis=1), dtype=np.int64)


def true_labels(targets: Array) -> npt.NDArray[np.int64]:
    """Labels (N,) as they are; one-hot rows (N, K) as labels; a column (N, 1) of 0 and 1 as labels."""
    if targets.ndim == 1:
        return np.asarray(targets, dtype=np.int64)
    return predicted_labels(targets)


def accuracy_above(threshold: float) -> Metric:
    """The share of examples whose class is named, called `accuracy`; `threshold` is that of a single output."""

    def each(outputs: Array, targets: Array) -> Values:
        return np.asarray(predicted_labels(outputs, threshold) == true_labels(targets), dtype=np.float64)

    return Metric("accuracy", each)


def _mean_squared_error(outputs: Array, targets: Array) -> Values:
    rows = outputs.reshape(len(outputs), -1).astype(np.float64)
    wanted = one_hot(targets, rows.shape[1]) if targets.ndim == 1 else targets.reshape(len(targets), -1)
    if rows.shape != wanted.shape:
        raise DataError(f"mean_squared_error: outputs have shape {outputs.shape}, but targets {targets.shape}.")
    return np.asarray(((rows - wanted) ** 2).mean(axis=1), dtype=np.float64)


def one_hot(labels: Array, classes: int) -> Values:
    """Rows (N, K) that are 1 at the label and 0 elsewhere; with one class, the label itself as a column (N, 1).

    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    if classes == 1:
        return np.asarray(labels, dtype=np.float64).reshape(-1, 1)
    return np.eye(classes)[labels.astype(np.int64)]


@takes(TrainingError, k=at_least(1))
def top_k(k: int) -> Metric:
    """The share of examples whose label is among the `k` largest outputs, called `top5` for k = 5.

    Of equal outputs those of lower classes come first.
    """

    def each(outputs: Array, targets: Array) -> Values:
        rows, labels = outputs.reshape(len(outputs), -1), true_labels(targets)
        if k > rows.shape[1]:
            raise DataError(f"top{k}: there are only {rows.shape[1]} classes. Use k of at most that.")
        label_output = rows[np.arange(len(rows)), labels][:, np.newaxis]
        earlier = np.arange(rows.shape[1]) < labels[:, np.newaxis]
        rank = (rows > label_output).sum(axis=1) + ((rows == label_output) & earlier).sum(axis=1)
        return np.asarray(rank < k, dtype=np.float64)

    return Metric(f"top{k}", each)


accuracy = accuracy_above(0.5)
mean_squared_error = Metric("mean_squared_error", _mean_squared_error)

registry: dict[str, Metric] = {m.name: m for m in (accuracy, mean_squared_error, top_k(3), top_k(5))}
"""Name -> metric, of those that can be named in `fit(metrics=...)`."""


def metrics_from(chosen: Iterable[str | Metric], loss: Loss | None = None) -> tuple[Metric, ...]:
    """The metrics of these names; a `Metric` stands for itself.

    Args:
        loss: tells what outputs mean: with binary cross-entropy they are logits, and yes is above 0, not above 0.5.

    Raises:
        TrainingError: there is no metric of that name.
    """
    found = []
    for metric in (chosen,) if isinstance(chosen, (str, Metric)) else _listed(chosen):
        if isinstance(metric, Metric):
            found.append(metric)
        elif isinstance(metric, str) and metric == "accuracy" and isinstance(loss, BinaryCrossEntropy):
            found.append(accuracy_above(0.0))
        elif isinstance(metric, str) and metric in registry:
            found.append(registry[metric])
        else:
            raise TrainingError(f"There is no metric {shown(metric)}.{suggestion(metric, registry)}")
    return tuple(found)


def _listed(chosen: Iterable[str | Metric]) -> tuple[str | Metric, ...]:
    try:
        return tuple(chosen)
    except TypeError:
        raise TrainingError(f"metrics must be a list of names or Metric objects, not {shown(chosen)}.") from None


@takes(DataError, classes=optional(at_least(1)))
def confusion_matrix(outputs: Array, targets: Array, classes: int | None = None) -> npt.NDArray[np.int64]:
    """count[a,b] = number of examples of class a that were taken for class b.

    Args:
        outputs: (N, K), or predicted labels (N,) of an integer type.
        targets: labels (N,) or one-hot rows (N, K).
        classes: how many there are; by default K, or as many as occur.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]))
    array([[1, 1],
           [0, 1]])
    """
    labels = true_labels(targets)
    given = outputs.ndim == 1 and outputs.dtype.kind in "iu"
    guesses = outputs.astype(np.int64) if given else predicted_labels(outputs)
    if classes is None:
        width = 0 if given else outputs.reshape(len(outputs), -1).shape[1]
        classes = max(width, int(labels.max(initial=0)) + 1, int(guesses.max(initial=0)) + 1)
    counts = np.bincount(labels * classes + guesses, minlength=classes * classes)
    return counts.reshape(classes, classes)


class RunningMeans:
    """Weighted means of several figures over the batches of an epoch."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._weights: dict[str, float] = {}

    def add(self, name: str, mean: float, weight: float) -> None:
        """Take a mean over `weight` examples in."""
        self._sums[name] = self._sums.get(name, 0.0) + mean * weight
        self._weights[name] = self._weights.get(name, 0.0) + weight

    def values(self) -> dict[str, float]:
        """Name -> mean so far."""
        return {name: total / self._weights[name] for name, total in self._sums.items()}
