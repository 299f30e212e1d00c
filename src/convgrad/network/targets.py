"""Targets as a loss takes them, from what people have: labels, one-hot rows, arrays like the network's results."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import real_array
from convgrad.compute.several import Several, named
from convgrad.errors import DataError, ModelError
from convgrad.losses import Loss
from convgrad.network.losses import Losses

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
BLOCK = 1 << 24
"""Numbers looked at in one go, so that no mask as large as the data is made."""
LABEL = np.dtype(np.int64)
FEW = 64
"""Numbers that Python's own loops see through as quickly as NumPy's."""


class Targets:
    """What a loss takes beside results of one shape; every way to train, evaluate or explain asks it.

    labels: whether that is a label of each example, 0..classes-1, and not an array.
    label_maps: whether it is an array with a label for each place.
    ignored: the label that does not count; of examples where they have one each, else of places.

    >>> from convgrad.losses import loss_from
    >>> Targets(loss_from("softmax_cross_entropy"), (3,)).of([[0, 0, 1], [1, 0, 0]], 2, "data")
    array([2, 0])
    >>> Targets(loss_from("mse"), (3,)).of([2, 0], 2, "data")
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """

    def __init__(self, loss: Loss, output_shape: Shape):
        """Raises: ModelError where the loss has no meaning for results of this shape."""
        self.output_shape = tuple(output_shape)
        taken = loss.build(self.output_shape).target_shape
        self.label_maps, self.ignored = loss.takes_label_maps, loss.ignored_label
        if self.label_maps:
            taken = self.output_shape[:-1]
        self.labels = taken == ()
        is_like_results = self.labels or prod(taken) == prod(self.output_shape)
        self.shape: Shape = self.output_shape if is_like_results else taken
        self.limits = loss.target_limits
        self.classes = self.output_shape[-1] if len(self.output_shape) == 1 or self.label_maps else 0

    def of(self, y: Any, count: int, where: str, dtype: npt.DTypeLike | None = None, name: str = "y") -> Array:
        """The targets of `count` examples: labels (N,) as int64, or arrays (N, *shape).

        Args:
            y: labels (N,) or (N, 1), one-hot rows (N, classes), or an array like the results, of which axes of length 1
                need not be there, or whose elements stand in a row. Labels become rows for a loss that takes arrays of
                several numbers, and one-hot rows labels for one that takes labels.
            where: what a message calls them, such as `training data`. name: what it calls y.
            dtype: of arrays; as they are where None.

        Raises:
            DataError: another count or shape, labels that name no class, NaN, infinity, or answers beyond 0..1.
        """
        if type(y) is np.ndarray and dtype is None and y.size <= FEW and self._are_so(y, count):
            return y
        targets = real_array(where, name, y, DataError)
        if targets.ndim == 0 or len(targets) != count:
            found = "one number" if targets.ndim == 0 else f"{len(targets)} targets"
            raise DataError(
                f"{where}: x has {count} examples, but {name} {found}. Each example needs one, in the same order."
            )
        whole = targets.dtype.kind in "iub"
        if whole and targets.ndim == 2 and targets.shape[1] == 1:
            targets = targets[:, 0]
        if targets.ndim == 1 and not self.label_maps and (self.labels or (whole and self.classes > 1)):
            numbers = self._labels(targets, where)
            return numbers if self.labels else one_hot(numbers, self.classes).astype(dtype or np.float64)
        targets = self._like_results(targets, where)
        if dtype is not None and not self.labels:
            with np.errstate(over="ignore"):  # what the type can't hold becomes infinite and is named below
                targets = np.ascontiguousarray(targets, dtype)
        index = first_not_finite(targets)
        if index is not None:
            raise DataError(f"{where}: target {index} holds NaN or infinity{_beyond(dtype)}.")
        if self.labels:
            return _labels_of_rows(targets, where)
        if self.label_maps:
            self._check_label_maps(targets, where)
        if self.limits is not None:
            self._check_limits(targets, where)
        return targets

    def _are_so(self, targets: Array, count: int) -> bool:
        """Whether a few targets are what `of` makes of them, by numbers of Python: calls of NumPy take a microsecond
        each, as a small network's step does. False where it takes a closer look to tell.
        """
        if self.labels:
            labels = targets.tolist() if targets.dtype == LABEL and targets.shape == (count,) else []
            return bool(labels) and min(labels) >= 0 and max(labels) < max(2, self.classes)
        if targets.dtype.kind != "f" or targets.shape != (count, *self.shape):
            return False
        return self.limits is None and not self.label_maps and isfinite(sum(targets.ravel().tolist()))

    def counts(self, targets: Any) -> npt.NDArray[np.bool_]:
        """(N,): which examples count, of targets that `of` gave; those do not whose label is the ignored one."""
        if self.ignored is None or not self.labels:
            return np.ones(len(targets), bool)
        return np.asarray(targets != self.ignored)

    def shares(self, targets: Any) -> npt.NDArray[np.float64]:
        """(N,): each example's share of the mean, equal for all that count; 0 for all where none does."""
        counts = self.counts(targets)
        return counts / max(1, int(counts.sum()))

    def _check_label_maps(self, targets: Array, where: str) -> None:
        counts = targets == np.floor(targets)
        wrong = ~(counts & (targets >= 0) & (targets < self.classes))
        if self.ignored is not None:
            wrong &= targets != self.ignored
        if wrong.any():
            index = int(wrong.reshape(len(wrong), -1).any(axis=1).argmax())
            value = targets[index].reshape(-1)[int(wrong[index].reshape(-1).argmax())]
            besides = "" if self.ignored is None else f", or {self.ignored} where a place does not count"
            raise DataError(
                f"{where}: target {index} holds {value:g}, but the labels of places are whole numbers from 0 to "
                f"{self.classes - 1}, as the network has {self.classes} channels{besides}."
            )

    def _labels(self, targets: Array, where: str) -> npt.NDArray[np.int64]:
        classes = max(2, self.classes)
        if targets.dtype.kind == "f":
            fraction = ~(targets == np.floor(targets))
            if fraction.any():
                index = int(fraction.argmax())
                raise DataError(f"{where}: target {index} is {targets[index]}, but labels are whole numbers.")
        if len(targets) and not (targets.min() >= 0 and targets.max() < classes):
            wrong = (targets < 0) | (targets >= classes)
            if self.ignored is not None:
                wrong &= targets != self.ignored
            if not wrong.any():
                return targets.astype(np.int64, copy=False)
            index = int(wrong.argmax())
            besides = "" if self.ignored is None else f", or {self.ignored} where an example does not count"
            raise DataError(
                f"{where}: label {targets[index]} of example {index} is out of range: the network has {classes} "
                f"classes, so labels are 0 to {classes - 1}{besides}."
            )
        return targets.astype(np.int64, copy=False)

    def _like_results(self, targets: Array, where: str) -> Array:
        shape = targets.shape[1:]
        if shape == self.shape:
            return targets
        if shape == (prod(self.shape),) or _without_ones(shape) == _without_ones(self.shape):
            return targets.reshape(len(targets), *self.shape)
        raise DataError(f"{where}: targets have shape {shape}, but the network's output {self.shape}.")

    def _check_limits(self, targets: Array, where: str) -> None:
        assert self.limits is not None
        low, high = self.limits
        if targets.size and not (targets.min() >= low and targets.max() <= high):
            wrong = ((targets < low) | (targets > high)).reshape(len(targets), -1)
            index = int(wrong.any(axis=1).argmax())
            value = targets[index].reshape(-1)[int(wrong[index].argmax())]
            raise DataError(
                f"{where}: target {index} holds {value}, but the loss takes numbers from {low:g} (no) to {high:g} "
                "(yes)."
            )


class SeveralTargets:
    """What the losses of several outputs take beside their results: a table by name, or a list in the outputs' order.

    parts: output's name -> its `Targets`.
    ignored: nothing; an example counts for all outputs or for none.
    """

    ignored = None

    def __init__(self, losses: Losses, output_shapes: Mapping[str, Shape]):
        """Raises: ModelError where a loss has no meaning for the results of its output."""
        self.parts: dict[str, Targets] = {}
        for name, loss in losses.of.items():
            try:
                self.parts[name] = Targets(loss, output_shapes[name])
            except ModelError as error:
                raise ModelError(f"Output `{name}`: {error}") from error
            if self.parts[name].labels and self.parts[name].ignored is not None:
                raise ModelError(
                    f"Output `{name}`: a loss beside others can't ignore a label, since each example counts for all "
                    "outputs. Leave `ignore` out, and leave out these examples."
                )

    def counts(self, targets: Any) -> npt.NDArray[np.bool_]:
        """(N,) of True, as `Targets.counts` where nothing is ignored."""
        return np.ones(len(targets), bool)

    def shares(self, targets: Any) -> npt.NDArray[np.float64]:
        """(N,): equal shares of the mean."""
        return np.full(len(targets), 1 / len(targets))

    def of(self, y: Any, count: int, where: str, dtype: npt.DTypeLike | None = None, name: str = "y") -> Several:
        """As `Targets.of`, for each output. Raises: DataError, which names the output."""
        given = named(y, [*self.parts], where, name, "outputs")
        return Several(
            {
                output: targets.of(given.parts[output], count, f"{where}, output `{output}`", dtype, name)
                for output, targets in self.parts.items()
            }
        )


def targets_for(loss: Loss | Losses, output_shapes: Mapping[str, Shape]) -> Targets | SeveralTargets:
    """What a loss takes, of one output, called "", or of several."""
    return SeveralTargets(loss, output_shapes) if isinstance(loss, Losses) else Targets(loss, output_shapes[""])


def one_hot(labels: Array, classes: int) -> npt.NDArray[np.float64]:
    """Rows (N, K) that are 1 at the label and 0 elsewhere; with one class, the label itself as a column (N, 1).

    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    if classes == 1:
        return np.asarray(labels, dtype=np.float64).reshape(-1, 1)
    return np.eye(classes)[labels.astype(np.int64)]


def first_not_finite(examples: Array) -> int | None:
    """The first example that holds NaN or infinity."""
    if examples.dtype.kind != "f" or not examples.size:
        return None
    step = max(1, BLOCK // max(1, examples[0].size))
    for start in range(0, len(examples), step):
        finite = np.isfinite(examples[start : start + step])
        if not finite.all():
            return start + int((~finite).reshape(len(finite), -1).any(axis=1).argmax())
    return None


def _labels_of_rows(rows: Array, where: str) -> npt.NDArray[np.int64]:
    """Labels (N,) of one-hot rows (N, K)."""
    ones = rows == 1
    wrong = ~((ones | (rows == 0)).all(axis=1) & (ones.sum(axis=1) == 1))
    if wrong.any():
        raise DataError(
            f"{where}: target {int(wrong.argmax())} is not a one-hot row (a 1, else 0), but the loss takes labels."
        )
    return np.asarray(rows.argmax(axis=1), np.int64)


def _without_ones(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def _beyond(dtype: npt.DTypeLike | None) -> str:
    return "" if dtype is None or np.dtype(dtype) == np.float64 else f", or what {np.dtype(dtype)} can't hold"
