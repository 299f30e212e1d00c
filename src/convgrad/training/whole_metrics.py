"""Figures of all outputs together, no means over examples: precision, recall, F1, IoU, AUC, R2, and any function.

Weights change while an epoch goes on, so such a figure has a meaning on outputs of the same weights only: in a training
it is that of the validation examples, `val_f1` in the history.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from convgrad.arguments import FUNCTION, TEXT, made_from, one_of, optional
from convgrad.errors import DataError, TrainingError
from convgrad.losses import Loss
from convgrad.training.advice import TrainingWarning
from convgrad.training.metrics import LOGITS, Better, Meaning, Metric, predicted_labels, true_labels
from convgrad.training.probabilities import softmax

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Kind:
    """What outputs and targets are. `loss` tells whether outputs are logits."""

    meaning: Meaning
    loss: Loss | None = None

    def guesses(self, outputs: Array, targets: Array) -> tuple[Labels, Labels, int]:
        """Labels that were guessed, true labels, and how many classes there are.

        One of each for every example, or for every answer or place, without those whose label counts for nothing.
        """
        if self.meaning == "answers":
            guessed, right, classes = outputs.reshape(-1) > 0, targets.reshape(-1) > 0.5, 2
            return guessed.astype(np.int64), right.astype(np.int64), classes
        if self.meaning == "places":
            classes = outputs.shape[-1]
            right = targets.reshape(-1).astype(np.int64)
            counts = (right >= 0) & (right < classes)
            return outputs.argmax(axis=-1).reshape(-1)[counts], right[counts], classes
        threshold = 0.0 if isinstance(self.loss, LOGITS) else 0.5
        return predicted_labels(outputs, threshold), true_labels(targets), max(2, outputs[0].size)

    def scores(self, outputs: Array, targets: Array) -> tuple[npt.NDArray[np.float64], Labels]:
        """Rows of numbers (N, K) that are large for what is likely, and labels; K = 1 where there are two classes.

        Rows of a network that ends before softmax go through it, since the same logit means less beside a larger one.
        """
        if self.meaning == "answers":
            return outputs.reshape(-1, 1).astype(np.float64), (targets.reshape(-1) > 0.5).astype(np.int64)
        _, right, classes = self.guesses(outputs, targets)
        rows = outputs.reshape(-1, outputs.shape[-1]).astype(np.float64)
        if self.meaning == "places":
            labels = targets.reshape(-1)
            rows = rows[(labels >= 0) & (labels < classes)]
        if self.loss is not None and (self.loss.takes_labels or self.loss.takes_label_maps):
            rows = softmax(rows)
        return (rows[:, 1:] if rows.shape[1] == 2 else rows), right


@made_from(TrainingError, name=TEXT, each=FUNCTION)
@dataclass(frozen=True)
class WholeMetric(Metric):
    """A figure called `name`: `each(outputs, targets)` of all examples together, one number.

    kind: what outputs and targets are, where the figure depends on it.

    >>> spread = WholeMetric("spread", lambda outputs, targets: (outputs - targets).std())
    >>> spread(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
    1.0
    """

    of_each: ClassVar[bool] = False
    kind: Kind | None = None

    def __call__(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        if weights is not None:
            raise TrainingError(f"{self.name} is of all examples together, so they can't have weights.")
        return float(self.each(outputs, targets))


def _of_counts(
    figure: Callable[[Array, Array, Array], tuple[Array, Array]], kind: Kind, outputs: Array, targets: Array
) -> float:
    """Of class 1 of two, else the mean over the classes that occur; 0 where nothing is divided by nothing.

    figure: from right guesses, guesses and examples of each class (K,) to the two sides of a fraction.
    """
    guessed, right, classes = kind.guesses(outputs, targets)
    counts = np.bincount(right * classes + guessed, minlength=classes * classes).reshape(classes, classes)
    above, below = figure(np.diag(counts), counts.sum(axis=0), counts.sum(axis=1))
    values = np.divide(above, below, out=np.zeros(classes), where=below > 0)
    occurs = counts.sum(axis=0) + counts.sum(axis=1) > 0
    return float(values[1] if classes == 2 else values[occurs].mean())


def _area(scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """The share of pairs, one positive and one not, of which the positive one has more; equal ones count one half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)]
    many = int(positive.sum())
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * (len(scores) - many)))


def _auc(kind: Kind, outputs: Array, targets: Array) -> float:
    scores, labels = kind.scores(outputs, targets)
    if scores.shape[1] == 1:
        columns = [(scores[:, 0], labels == 1)]
    else:
        columns = [(scores[:, k], labels == k) for k in range(scores.shape[1])]
    areas = [_area(column, positive) for column, positive in columns if 0 < positive.sum() < len(positive)]
    if not areas:  # which is told here where targets are known only as they are read
        warnings.warn(f"{_ONE_CLASS} The figure is NaN.", TrainingWarning, stacklevel=2)
        return float("nan")
    return float(np.mean(areas))


_ONE_CLASS = "auc: all targets are of one class, so there are no pairs to compare. Give examples of both."


def _r2(_kind: Kind, outputs: Array, targets: Array) -> float:
    rows, wanted = outputs.reshape(len(outputs), -1).astype(np.float64), targets.reshape(len(targets), -1)
    if rows.shape != wanted.shape:
        raise DataError(f"r2: outputs have shape {outputs.shape}, but targets {targets.shape}.")
    left = ((rows - wanted) ** 2).sum(axis=0)
    total = ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
    # A constant target is predicted perfectly, or not explained at all, as in scikit-learn.
    flat = np.where(left == 0, 1.0, 0.0)
    return float((1 - np.divide(left, total, out=1 - flat, where=total > 0)).mean())


_FIGURES: dict[str, Callable[[Kind, Array, Array], float]] = {
    "precision": partial(_of_counts, lambda right, guessed, _there: (right, guessed)),
    "recall": partial(_of_counts, lambda right, _guessed, there: (right, there)),
    "f1": partial(_of_counts, lambda right, guessed, there: (2 * right, guessed + there)),
    "iou": partial(_of_counts, lambda right, guessed, there: (right, guessed + there - right)),
    "auc": _auc,
    "r2": _r2,
}
NAMES = tuple(_FIGURES)
"""Those that can be named in `fit(metrics=...)`; of all of them more is better."""


def whole_metric(name: str, meaning: Meaning, loss: Loss | None) -> WholeMetric:
    """The metric of that name, for outputs and targets of that meaning.

    Raises:
        TrainingError: it has no meaning for such targets.
    """
    if (meaning == "numbers") != (name == "r2"):
        wanted = "numbers to come close to" if name == "r2" else "classes, or answers of yes or no"
        found = "numbers" if meaning == "numbers" else "classes or answers"
        instead = "'accuracy' or 'f1'" if name == "r2" else "'mae' or 'r2'"
        raise TrainingError(f"The metric {name!r} is for {wanted}, but these targets are {found}. Use {instead}.")
    kind = Kind(meaning, loss)
    return WholeMetric(name, partial(_FIGURES[name], kind), "more", kind)


@made_from(TrainingError, function=FUNCTION, name=optional(TEXT), of=optional(one_of("labels", "scores", "outputs")))
@dataclass(frozen=True)
class MetricOf:
    """A metric of all examples by a function (targets, predictions) -> number, such as those of scikit-learn.

    A function that stands in `fit(metrics=...)` by itself is taken so.

    Args:
        name: in the history; by default the function's.
        better: "less" or "more"; by default as a name that ends with `_score`, `_error` or `_loss` says it.
        of: what predictions are: "labels" that were guessed, "scores", one number or row an example that is large for
            what is likely, or "outputs" as they are. By default labels, and outputs where targets are numbers.

    Example:
        >>> wrong = MetricOf(lambda targets, guesses: (targets != guesses).sum(), "wrong", "less")
        >>> wrong.metric("classes", None)(np.array([[1.0, 0.0], [3.0, 1.0]]), np.array([0, 1]))
        1.0
    """

    function: Callable[[Any, Any], Any]
    name: str | None = None
    better: Better | None = None
    of: str | None = None

    def metric(self, meaning: Meaning, loss: Loss | None) -> WholeMetric:
        """The metric, for outputs and targets of that meaning."""
        name = self.name or str(getattr(self.function, "__name__", type(self.function).__name__))
        kind, of = Kind(meaning, loss), self.of or ("outputs" if meaning == "numbers" else "labels")
        better = self.better
        if better is None and name.endswith(("_score", "_error", "_loss")):
            better = "more" if name.endswith("_score") else "less"
        return WholeMetric(name, lambda outputs, targets: self.function(*_given(kind, of, outputs, targets)), better)


def _given(kind: Kind, of: str, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Targets and predictions as functions of other libraries take them."""
    if of == "outputs":
        return targets, outputs
    if of == "labels":
        guessed, right, _ = kind.guesses(outputs, targets)
        return right, guessed
    scores, right = kind.scores(outputs, targets)
    return right, scores[:, 0] if scores.shape[1] == 1 else scores


def check_validated(metrics: Iterable[Metric], validated: bool, targets: Array | None) -> None:
    """Before a training, refuse figures of all examples that it could not give.

    Args:
        validated: whether there are examples to validate with. targets: theirs, where they are known.

    Raises:
        TrainingError: there are none. DataError: they are of one class, and two are needed.
    """
    for metric in metrics:
        if not (metric.of_each or validated):
            raise TrainingError(
                f"The metric {metric.name!r} is of all outputs of the same weights, so it is that of the validation "
                "examples. Give validation_split=0.1 or validation_data."
            )
        if isinstance(metric, WholeMetric) and metric.name == "auc" and metric.kind is not None and targets is not None:
            labels = targets > 0.5 if metric.kind.meaning == "answers" else targets
            if len(np.unique(labels)) < 2:
                raise DataError(f"validation data: {_ONE_CLASS}")
