"""Figures that tell how good outputs are.

A metric gives one value for each example, so that averages over batches of any size are exact and rows that only fill
up a batch take no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from convgrad.arguments import FUNCTION, TEXT, at_least, made_from, takes
from convgrad.errors import DataError, TrainingError
from convgrad.losses import BinaryCrossEntropy, Dice, Loss
from convgrad.network.targets import one_hot

Values = npt.NDArray[np.float64]
Array = npt.NDArray[Any]
Better = Literal["less", "more"]
Meaning = Literal["classes", "places", "answers", "numbers", "several"]
"""What targets are: one class of several for each example, or for each place of it; yes or no for each output; numbers
to come close to; or several of these, of several outputs."""
SHARES_SLACK = 1e-5
"""What the sum of a row of shares may differ from 1 by: each of them was rounded to float32, of up to 100 classes."""
LOGITS = (BinaryCrossEntropy, Dice)
"""Losses of outputs that say yes above 0."""


@made_from(TrainingError, name=TEXT, each=FUNCTION)
@dataclass(frozen=True)
class Metric:
    """A figure called `name`: the mean over examples of `each(outputs, targets)`.

    Args:
        each: from outputs (N, ...) and targets, labels (N,) or an array like the outputs, to values (N,).
        better: whether less or more of it is better, which `EarlyStopping` has to know; None where nobody said.
    """

    name: str
    each: Callable[[Array, Array], Any]
    better: Better | None = None
    of_each: ClassVar[bool] = True
    """Whether it is a mean over examples."""

    def __post_init__(self) -> None:
        if self.better not in ("less", "more", None):
            raise TrainingError(f"better is 'less' or 'more', not {self.better!r}: which of {self.name} is wanted?")

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
    """Labels (N,) as they are; one-hot rows (N, K) as labels, and rows of shares as the class of the largest one; a
    column (N, 1) of 0 and 1 as labels.

    Raises:
        DataError: targets that name no class, such as several answers of yes or no for an example.
    """
    if targets.ndim == 1:
        return np.asarray(targets, dtype=np.int64)
    if not are_one_hot(targets) and not _are_shares(targets):
        raise DataError(
            f"targets of shape {targets.shape} do not name a class for each example: a row needs a single 1, else 0."
        )
    return predicted_labels(targets)


def are_one_hot(targets: Array) -> bool:
    """Whether these are rows (N, K) of a single 1, and else 0; or a column (N, 1) of 0 and 1."""
    if targets.ndim != 2 or targets.shape[1] == 0 or not ((targets == 0) | (targets == 1)).all():
        return False
    return targets.shape[1] == 1 or bool((targets.sum(axis=1) == 1).all())


def _are_shares(targets: Array) -> bool:
    """Whether these are rows (N, K) of at least 0 whose sum is 1, but for rounding: classes that were mixed."""
    if targets.ndim != 2 or targets.shape[1] < 2 or targets.dtype.kind != "f" or not (targets >= 0).all():
        return False
    return bool((np.abs(targets.sum(axis=1, dtype=np.float64) - 1) <= SHARES_SLACK).all())


def accuracy_above(threshold: float) -> Metric:
    """The share of examples whose class is named, called `accuracy`; `threshold` is that of a single output."""

    def each(outputs: Array, targets: Array) -> Values:
        return np.asarray(predicted_labels(outputs, threshold) == true_labels(targets), dtype=np.float64)

    return Metric("accuracy", each, "more")


def _answers_right(outputs: Array, targets: Array) -> Values:
    """The share of an example's yes-or-no answers that are right; outputs are logits, so above 0 is yes."""
    right = (outputs > 0) == (targets.reshape(outputs.shape) > 0.5)
    return np.asarray(right.reshape(len(right), -1).mean(axis=1), dtype=np.float64)


def _places_right(outputs: Array, targets: Array) -> Values:
    """The share of an example's places whose class is named, of those with a label 0..K-1."""
    counts = ((targets >= 0) & (targets < outputs.shape[-1])).reshape(len(outputs), -1)
    right = (outputs.argmax(axis=-1) == targets).reshape(len(outputs), -1) & counts
    return np.asarray(right.sum(axis=1) / np.maximum(counts.sum(axis=1), 1), dtype=np.float64)


def _errors(outputs: Array, targets: Array, name: str) -> Values:
    """Outputs minus targets, a row (N, K) for each example; a label counts as its one-hot row."""
    rows = outputs.reshape(len(outputs), -1).astype(np.float64)
    wanted = one_hot(targets, rows.shape[1]) if targets.ndim == 1 else targets.reshape(len(targets), -1)
    if rows.shape != wanted.shape:
        raise DataError(f"{name}: outputs have shape {outputs.shape}, but targets {targets.shape}.")
    return np.asarray(rows - wanted, dtype=np.float64)


def _mean_squared_error(outputs: Array, targets: Array) -> Values:
    return np.asarray((_errors(outputs, targets, "mean_squared_error") ** 2).mean(axis=1))


def _mean_absolute_error(outputs: Array, targets: Array) -> Values:
    return np.asarray(np.abs(_errors(outputs, targets, "mae")).mean(axis=1))


@takes(TrainingError, k=at_least(1))
def top_k(k: int) -> Metric:
    """The share of examples whose label is among the `k` largest outputs, called `top5` for k = 5.

    Of equal outputs those of lower classes come first.
    """

    def each(outputs: Array, targets: Array) -> Values:
        rows, labels = outputs.reshape(len(outputs), -1), true_labels(targets)
        if k > rows.shape[1]:
            raise DataError(f"top{k}: there are only {rows.shape[1]} classes. Use a k of at most that.")
        label_output = rows[np.arange(len(rows)), labels][:, np.newaxis]
        earlier = np.arange(rows.shape[1]) < labels[:, np.newaxis]
        rank = (rows > label_output).sum(axis=1) + ((rows == label_output) & earlier).sum(axis=1)
        return np.asarray(rank < k, dtype=np.float64)

    return Metric(f"top{k}", each, "more")


accuracy = accuracy_above(0.5)
answers_right = Metric("accuracy", _answers_right, "more")
places_right = Metric("accuracy", _places_right, "more")
mean_squared_error = Metric("mean_squared_error", _mean_squared_error, "less")
mean_absolute_error = Metric("mae", _mean_absolute_error, "less")

registry: dict[str, Metric] = {
    m.name: m for m in (accuracy, mean_squared_error, mean_absolute_error, top_k(3), top_k(5))
}
"""Name -> metric, of those that can be named in `fit(metrics=...)`."""
_KNOWN_BY_NAME: dict[str, Better] = {
    **dict.fromkeys(("mse", "rmse", "mape", "mean_absolute_error", "perplexity"), "less"),
    **dict.fromkeys(("precision", "recall", "f1", "auc", "iou", "dice", "r2"), "more"),
}
"""Figures that are called so everywhere, of metrics of one's own that did not say it."""


def better_of(name: str, metrics: Iterable[Metric] = ()) -> Better | None:
    """Whether less or more of a figure, by its name in a history, is better; None where nobody said.

    Args:
        metrics: those that are recorded; they know about themselves.

    >>> better_of("val_mae"), better_of("top7"), better_of("val_wobble")
    ('less', 'more', None)
    """
    plain = name.removeprefix("val_")
    for metric in metrics:
        if metric.name == plain and metric.better is not None:
            return metric.better
    if plain in registry:
        return registry[plain].better
    if plain in _KNOWN_BY_NAME:
        return _KNOWN_BY_NAME[plain]
    if plain.endswith(("loss", "error")):
        return "less"
    return "more" if plain.removeprefix("top").isdecimal() and plain.startswith("top") else None


def meaning_of(y: Any, loss: Loss, output_shape: tuple[int, ...]) -> Meaning:
    """What targets mean, told from the loss and from the array that was given.

    `places` where the loss takes labels of places; `classes` where it takes labels, or where y is labels (N,) or
    one-hot rows (N, K); `answers` with binary cross-entropy and dice, for every other array; else `numbers`.

    Args:
        y: targets as they were given to `fit` or `evaluate`.
    """
    targets = np.asarray(y)
    if loss.takes_label_maps:
        return "places"
    if loss.takes_labels:
        return "classes"
    if targets.ndim == 2 and targets.shape[1] == 1 and targets.dtype.kind in "iub":
        targets = targets[:, 0]
    if targets.ndim == 1 and targets.dtype.kind in "iub" and len(output_shape) == 1:
        classes = max(2, output_shape[0])
        if not targets.size or (targets.min() >= 0 and targets.max() < classes):
            return "classes"
    if isinstance(loss, LOGITS):
        return "answers"
    return "classes" if targets.ndim == 2 and targets.shape[1] > 1 and are_one_hot(targets) else "numbers"


@takes(TrainingError)
def confusion_matrix(
    outputs: Array, targets: Array, classes: int | None = None, threshold: float = 0.5
) -> npt.NDArray[np.int64]:
    """count[a,b] = number of examples of class a that were taken for class b.

    Args:
        outputs: (N, K), or predicted labels (N,) of an integer type.
        targets: labels (N,) or one-hot rows (N, K).
        classes: how many there are; by default K, or as many as occur.
        threshold: above which a single output (N, 1) names class 1: 0 for logits, 0.5 for probabilities.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]))
    array([[1, 1],
           [0, 1]])
    """
    labels = true_labels(targets)
    given = outputs.ndim == 1 and outputs.dtype.kind in "iu"
    guesses = outputs.astype(np.int64) if given else predicted_labels(outputs, threshold)
    if classes is None:
        width = 0 if given else outputs.reshape(len(outputs), -1).shape[1]
        classes = max(width, int(labels.max(initial=0)) + 1, int(guesses.max(initial=0)) + 1)
    counts = np.bincount(labels * classes + guesses, minlength=classes * classes)
    return counts.reshape(classes, classes)


def of_each(metrics: Iterable[Metric]) -> list[Metric]:
    """Those that are means over examples."""
    return [metric for metric in metrics if metric.of_each]


class RunningMeans:
    """Weighted means of several figures over the batches of an epoch."""

    def __init__(self, state: Mapping[str, Mapping[str, float]] | None = None) -> None:
        """state: what `state` gave, to go on from."""
        self._sums: dict[str, float] = dict(state["sums"]) if state else {}
        self._weights: dict[str, float] = dict(state["weights"]) if state else {}

    def add(self, name: str, mean: float, weight: float) -> None:
        """Take a mean over `weight` examples in."""
        self._sums[name] = self._sums.get(name, 0.0) + mean * weight
        self._weights[name] = self._weights.get(name, 0.0) + weight

    def values(self) -> dict[str, float]:
        """Name -> mean so far."""
        return {name: total / self._weights[name] for name, total in self._sums.items()}

    def state(self) -> dict[str, dict[str, float]]:
        """All that is needed to go on."""
        return {"sums": dict(self._sums), "weights": dict(self._weights)}
