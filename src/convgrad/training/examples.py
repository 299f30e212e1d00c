"""Checks of the arrays that a network is trained or evaluated on, before anything is compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import real_array
from convgrad.errors import DataError
from convgrad.training.metrics import one_hot, true_labels

Array = npt.NDArray[Any]
BLOCK = 1 << 24
"""Numbers looked at in one go, so that no mask as large as the data is made."""


def checked_inputs(x: Any, input_shape: tuple[int, ...], where: str) -> npt.NDArray[np.float32]:
    """Examples (N, *input_shape) as float32.

    Args:
        where: what a message calls them, such as `training data`.

    Raises:
        DataError: none at all, integers, another size than the network takes, or NaN or infinity in one of them.
    """
    inputs = real_array(where, "x", x, DataError)
    if inputs.dtype.kind != "f":
        remedy = " Bytes of 0..255 become floats of 0..1 by `x.astype(np.float32) / 255`."
        raise DataError(
            f"{where}: x has dtype {inputs.dtype}, but must hold floats.{remedy if inputs.dtype.kind in 'iu' else ''}"
        )
    if inputs.ndim == 0 or len(inputs) == 0:
        raise DataError(f"{where}: x is empty (shape {inputs.shape}). There must be at least one example.")
    if inputs.shape[1:] != tuple(input_shape):
        raise DataError(
            f"{where}: examples have shape {inputs.shape[1:]}, but the network takes {tuple(input_shape)}."
            f"{_shape_remedy(inputs, tuple(input_shape))}"
        )
    with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite and is named below
        inputs = np.ascontiguousarray(inputs, dtype=np.float32)
    index = first_not_finite(inputs)
    if index is not None:
        raise DataError(f"{where}: image {index} holds NaN or infinity. Remove it (x and y alike) or mend its source.")
    return inputs


def _shape_remedy(inputs: Array, input_shape: tuple[int, ...]) -> str:
    if inputs.shape == input_shape:
        return " That is one example without the batch axis: pass x[np.newaxis]."
    if (*inputs.shape[1:], 1) == input_shape:
        return " Add the channel axis: x[..., np.newaxis]."
    if len(input_shape) == 3 and (*inputs.shape[2:], *inputs.shape[1:2]) == input_shape:
        return " Channels come last: x.transpose(0, 2, 3, 1)."
    return " Resize the images, or build the network with their shape."


def checked_targets(y: Any, count: int, output_shape: tuple[int, ...], labels: bool, where: str) -> Array:
    """Targets of `count` examples: labels (N,) as int64, or arrays (N, *output_shape) as float32.

    Args:
        labels: whether the loss takes labels. Then one-hot rows become labels; else labels become one-hot rows.

    Raises:
        DataError: another count or shape, labels that name no class, NaN or infinity.
    """
    targets = real_array(where, "y", y, DataError)
    if targets.dtype.kind not in "iufb":
        raise DataError(f"{where}: y has dtype {targets.dtype}, but must hold labels (whole numbers) or floats.")
    if targets.ndim == 0 or len(targets) != count:
        found = "one number" if targets.ndim == 0 else f"{len(targets)} targets"
        raise DataError(f"{where}: x has {count} examples, but y {found}. Each example needs one, in the same order.")
    whole = targets.dtype.kind in "iub"
    if targets.ndim == 2 and targets.shape[1] == 1 and whole:
        targets = targets[:, 0]
    classes = max(2, output_shape[-1]) if len(output_shape) == 1 else 0
    if targets.ndim == 1 and classes and (whole or labels):
        numbers = _checked_labels(targets, classes, where)
        return numbers if labels else one_hot(numbers, output_shape[-1]).astype(np.float32)
    if targets.shape[1:] != tuple(output_shape):
        raise DataError(
            f"{where}: targets have shape {targets.shape[1:]}, but the network's output {tuple(output_shape)}."
        )
    index = first_not_finite(targets)
    if index is not None:
        raise DataError(f"{where}: target {index} holds NaN or infinity.")
    if labels and len(output_shape) == 1:
        return _labels_of_rows(targets, where)
    return np.ascontiguousarray(targets, dtype=np.float32)


def _labels_of_rows(rows: Array, where: str) -> npt.NDArray[np.int64]:
    """Labels (N,) of one-hot rows (N, K)."""
    wrong = ~(((rows == 0) | (rows == 1)).all(axis=1) & (rows.sum(axis=1) == 1))
    if wrong.any():
        raise DataError(
            f"{where}: target {int(wrong.argmax())} is no one-hot row (a single 1, else 0), but the loss takes labels."
        )
    return true_labels(rows)


def _checked_labels(targets: Array, classes: int, where: str) -> npt.NDArray[np.int64]:
    if targets.dtype.kind == "f":
        fraction = ~(targets == np.floor(targets))
        if fraction.any():
            index = int(fraction.argmax())
            raise DataError(f"{where}: target {index} is {targets[index]}, but labels are whole numbers.")
    wrong = (targets < 0) | (targets >= classes)
    if wrong.any():
        index = int(wrong.argmax())
        raise DataError(
            f"{where}: label {targets[index]} of example {index} is out of range: the network has {classes} classes, "
            f"so labels are 0 to {classes - 1}."
        )
    return np.asarray(targets, dtype=np.int64)


def first_not_finite(examples: Array) -> int | None:
    """The first example that holds NaN or infinity."""
    if examples.dtype.kind != "f":
        return None
    step = max(1, BLOCK // max(1, examples[0].size))
    for start in range(0, len(examples), step):
        finite = np.isfinite(examples[start : start + step])
        if not finite.all():
            return start + int((~finite).reshape(len(finite), -1).any(axis=1).argmax())
    return None
