"""Examples held out to validate with: drawn apart from the order, and never ones that the network was trained on."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.data import stratified_split
from convgrad.errors import TrainingError
from convgrad.network.past import Examples
from convgrad.network.plain import PlainNetwork
from convgrad.training.advice import TrainingWarning
from convgrad.training.metrics import are_one_hot, true_labels

Rows = npt.NDArray[np.int64]


def split_rows(y: Any, fraction: float, split_seed: int) -> tuple[Rows, Rows]:
    """Positions to train on and to validate with, of every class alike where y holds labels or one-hot rows.

    They follow from y, the fraction and `split_seed` alone, so that another training with the same data validates
    with the same examples. A smaller fraction takes some of those that a larger one takes.

    Raises:
        DataError: no fraction between 0 and 1, a class with a single example.
    """
    targets = np.asarray(y)
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    is_class = targets.ndim == 1 and targets.dtype.kind in "iu" and (targets.size == 0 or targets.min() >= 0)
    if is_class or are_one_hot(targets):
        return stratified_split(true_labels(targets), fraction, split_seed)
    return stratified_split(np.zeros(len(targets), np.int64), fraction, split_seed)


def check_unseen(network: PlainNetwork, inputs: Examples, held_out: Rows) -> None:
    """Refuse to validate with examples that the network was trained on.

    Raises:
        TrainingError: it was, with some of `inputs[held_out]`.
    """
    trained = network.past.trained_on(inputs)
    seen = 0 if trained is None else int(trained[held_out].sum())
    if seen:
        raise TrainingError(
            f"{seen} of the {len(held_out)} examples that validation_split would hold out were trained on before, so "
            "their figures would be too good. Hold out the same ones as before (the same split_seed, and the same "
            "validation_split or a smaller one), give validation_data, or start again with network.initialize(seed)."
        )


def warn_of_held_out(network: PlainNetwork, inputs: Examples, rows: Rows, stacklevel: int = 2) -> None:
    """Warn where training takes examples that were held out before."""
    trained = network.past.trained_on(inputs)
    if trained is None:
        return
    new = len(rows) - int(trained[rows].sum())
    if new:
        warnings.warn(
            f"This training takes {new} examples that were held out so far, so they can no longer show how good the "
            "network is on new ones. To keep holding them out, give the same validation_split and split_seed again.",
            TrainingWarning,
            stacklevel=stacklevel + 1,
        )
