"""How much each example counts in a training: weights of its own, and those of its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import real_array, shown
from convgrad.errors import DataError, TrainingError, suggestion
from convgrad.training.examples import Examples
from convgrad.training.metrics import Meaning, true_labels
from convgrad.training.resuming import digest

Array = npt.NDArray[Any]
Weights = npt.NDArray[np.float64]
ClassWeight = str | Mapping[Any, float] | Sequence[float]
BALANCED = "balanced"


@dataclass(frozen=True, eq=False)
class Weighing:
    """u[n] = sample[n] * by_class[t[n]], for example n of class t[n]; 1 in place of what is None.

    sample: (N,) above 0 or 0. by_class: (K,) above 0.
    """

    sample: Weights | None = None
    by_class: Weights | None = None

    def __call__(self, positions: npt.NDArray[np.int64], targets: Array) -> Weights:
        """(B,): the weights of the examples at these positions, with these targets."""
        weights = np.ones(len(positions)) if self.sample is None else self.sample[positions]
        if self.by_class is None:
            return weights
        labels = np.clip(true_labels(targets), 0, len(self.by_class) - 1)  # one that the loss ignores has weight 0
        return np.asarray(weights * self.by_class[labels])

    def described(self) -> dict[str, Any]:
        """What a checkpoint knows the weights by."""
        sample = None if self.sample is None else digest(self.sample)
        return {"sample_weight": sample, "class_weight": None if self.by_class is None else self.by_class.tolist()}


def weighing_from(
    sample_weight: npt.ArrayLike | None,
    class_weight: ClassWeight | None,
    examples: Examples,
    rows: npt.NDArray[np.int64],
    meaning: Meaning,
    classes: int,
    names: Sequence[str] = (),
) -> tuple[Weighing | None, npt.NDArray[np.int64]]:
    """What `fit` was given as `sample_weight` and `class_weight`, None where all count alike; and the rows that count.

    Args:
        rows: the positions that are trained on, whose classes "balanced" counts.
        classes: K. names: of the classes, where they have names.

    Raises:
        DataError: weights that are no numbers of at least 0, or not one for each example.
        TrainingError: a class that there is not, or targets of no class.
    """
    if sample_weight is None and class_weight is None:
        return None, rows
    sample = None if sample_weight is None else _of_examples(sample_weight, examples)
    if sample is not None:
        rows = rows[sample[rows] > 0]  # a batch of nothing else would have nothing to learn from
        if not len(rows):
            raise DataError(
                "sample_weight is 0 for each example that is trained on, so there is nothing to learn from."
            )
    by_class = None
    if class_weight is not None:
        if meaning != "classes":
            raise TrainingError(
                "class_weight is for targets that name one class for each example, and these do not. Weigh examples "
                "with sample_weight."
            )
        by_class = _of_classes(class_weight, examples, rows, classes, names)
    return Weighing(sample, by_class), rows


def _of_examples(given: npt.ArrayLike, examples: Examples) -> Weights:
    if not examples.ordered:
        raise TrainingError("sample_weight can't be told apart in a stream, whose examples have no positions.")
    weights = np.asarray(real_array("training data", "sample_weight", given, DataError), np.float64)
    if weights.shape != (len(examples),):
        raise DataError(
            f"sample_weight has shape {weights.shape}, but there are {len(examples)} examples. Give a number for each."
        )
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        index = int(wrong.argmax())
        raise DataError(f"sample_weight of example {index} is {weights[index]}, but weights are numbers of at least 0.")
    return weights


def _of_classes(
    given: ClassWeight, examples: Examples, rows: npt.NDArray[np.int64], classes: int, names: Sequence[str]
) -> Weights:
    if isinstance(given, str):
        if given != BALANCED:
            raise TrainingError(f"class_weight is 'balanced', or a weight for each class, not {given!r}.")
        if examples.targets is None:
            raise TrainingError(
                "class_weight='balanced' counts the classes, but these are known only as they are read. Give a weight "
                "for each class."
            )
        counts = np.bincount(true_labels(examples.targets[rows]), minlength=classes)
        return np.asarray(len(rows) / (np.count_nonzero(counts) * np.maximum(counts, 1.0)))
    weights = np.ones(classes)
    if isinstance(given, Mapping):
        for key, value in given.items():
            weights[_class(key, classes, names)] = _number(key, value)
        return weights
    if not isinstance(given, (Sequence, np.ndarray)) or len(given) != classes:
        raise TrainingError(
            f"class_weight is 'balanced', a table from classes to weights, or {classes} weights, not {shown(given)}."
        )
    return np.array([_number(key, value) for key, value in enumerate(given)])


def _class(key: Any, classes: int, names: Sequence[str]) -> int:
    if isinstance(key, str):
        if key not in names:
            raise TrainingError(f"class_weight: there is no class {key!r}.{suggestion(key, names)}")
        return list(names).index(key)
    if isinstance(key, bool) or not isinstance(key, (int, np.integer)) or not 0 <= key < classes:
        raise TrainingError(f"class_weight: there is no class {key!r}. Classes are 0 to {classes - 1}.")
    return int(key)


def _number(key: Any, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 < number < float("inf"):
        raise TrainingError(
            f"class_weight of {key!r} is {shown(value)}, but must be a number above 0. To learn nothing from a class, "
            "leave its examples out."
        )
    return number
