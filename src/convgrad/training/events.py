"""What happens while a network is trained, and who is told: progress bars, loggers, early stopping.

A `Callback` overrides the events it cares about. Each event hands it the `Training` under way, which it may read, and
stop by setting `training.stop`.
"""

from __future__ import annotations

import csv
import inspect
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from convgrad.arguments import FLAG, NOT_NEGATIVE, PATH, TEXT, at_least, one_of, optional, shown, takes
from convgrad.errors import TrainingError
from convgrad.network.plain import PlainNetwork
from convgrad.system.files import write_file
from convgrad.training.history import History
from convgrad.training.metrics import Better, Metric, better_of
from convgrad.training.schedules import INSIDE


@dataclass
class Training:
    """A training under way, as callbacks see it.

    Attributes:
        network: the network; its weights are the current ones.
        epochs: epochs to run; `epoch` is the current one, counted from 0.
        batches: batches in an epoch; `batch` is the current one, counted from 0.
        batch_size: images in a batch (the last batch of an epoch may hold fewer).
        images: training images.
        seconds: since the epoch began, validation not included; `waited` of them for data.
        learning_rate: that of the last batch.
        factor: what callbacks multiply the learning rate of all further batches by.
        logs: running averages within an epoch (`loss`, `accuracy`); at its end with `val_loss` and so on.
        history: what the epochs so far gave.
        stop: set it to end the training after the current batch or epoch.
        metrics: what is recorded beside the loss.
        held: whether all examples are in memory, and none is read meanwhile.
        leads: whether this process is the one that writes, of several that train together (`fit(parallel=...)`);
            `writing`: the callbacks that it has told of the beginning.
    """

    network: PlainNetwork
    epochs: int
    batches: int
    batch_size: int
    images: int
    history: History
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    learning_rate: float = 0.0
    logs: dict[str, float] = field(default_factory=dict)
    stop: bool = False
    metrics: tuple[Metric, ...] = ()
    waited: float = 0.0
    held: bool = True
    factor: float = 1.0
    leads: bool = True
    writing: list[Callback] = field(default_factory=list, repr=False)


class Callback:
    """Base of all listeners; each event does nothing unless overridden.

    Where several processes train together, each tells its own callbacks, and all must decide the same. `writes` says
    that a callback only writes or shows something: then the one process that leads tells it, and no other.
    """

    writes: ClassVar[bool] = False

    def on_train_begin(self, training: Training) -> None:
        """The step is compiled; the first epoch is about to begin."""

    def on_epoch_begin(self, training: Training) -> None:
        """Epoch `training.epoch` is about to begin."""

    def on_batch_end(self, training: Training) -> None:
        """The weights were updated with batch `training.batch`."""

    def on_epoch_end(self, training: Training) -> None:
        """The epoch, its validation included, is over; `training.logs` holds its figures."""

    def on_train_end(self, training: Training) -> None:
        """No more epochs: all done, stopped or interrupted. The weights may still be changed (restored)."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback: values that JSON can hold, and arrays, in tables. Empty for one
        that begins anew where a training is resumed; else never empty.
        """
        return {}

    def described(self) -> Any:
        """What a checkpoint knows this callback by, as JSON holds it."""
        return type(self).__name__

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave; told after `on_train_begin`, where a training is resumed."""


Event = Literal["on_train_begin", "on_epoch_begin", "on_batch_end", "on_epoch_end", "on_train_end"]


def checked_callbacks(callbacks: Iterable[Callback]) -> tuple[Callback, ...]:
    """The callbacks as a tuple. Raises: TrainingError where one is something else."""
    try:
        listeners = tuple(callbacks)
    except TypeError:
        raise TrainingError(f"callbacks must be a list of Callback objects, not {shown(callbacks)}.") from None
    for listener in listeners:
        if not isinstance(listener, Callback):
            raise TrainingError(
                f"callbacks holds {shown(listener)}, which is not a Callback. Derive its class from "
                "convgrad.training.Callback and pass an object of it."
            )
    return listeners


def tell(listeners: Iterable[Callback], event: Event, training: Training) -> None:
    """Hand `event` to all listeners, in order; those that write, where this process leads. One that leads from now on
    lets its own begin.
    """
    for listener in listeners:
        if listener.writes:
            if not training.leads:
                continue
            if event == "on_train_begin":
                training.writing.append(listener)
            elif listener not in training.writing:
                training.writing.append(listener)
                listener.on_train_begin(training)
        getattr(listener, event)(training)


class Monitoring(Callback):
    """Base of those that ask after each epoch whether a figure has got better. NaN is never better.

    Attributes:
        best_epoch, best_value: the best so far, the epoch counted from 0; None and NaN before there is one.
    """

    def __init__(self, monitor: str | None, patience: int, min_delta: float, mode: Literal["auto", "min", "max"]):
        if not (patience >= 0 and min_delta >= 0):
            raise TrainingError(
                f"patience and min_delta must not be negative; here they are {patience} and {min_delta}."
            )
        if mode not in ("auto", "min", "max"):
            raise TrainingError(f"mode is `auto`, `min` or `max`, not {mode!r}.")
        self.monitor, self.patience, self.min_delta, self.mode = monitor, patience, min_delta, mode
        self._begin()

    def described(self) -> dict[str, Any]:
        """Its name and its arguments, those that it keeps under their own names and that JSON can hold."""
        kept = {name: getattr(self, name, None) for name in inspect.signature(type(self).__init__).parameters}
        plain = {name: value for name, value in kept.items() if isinstance(value, (bool, int, float, str))}
        return {"name": type(self).__name__, **plain}

    def _begin(self) -> None:
        self.best_epoch: int | None = None
        self.best_value = math.nan
        self._waited = 0

    def on_train_begin(self, training: Training) -> None:
        self._begin()
        if self.monitor is not None:  # known before the first epoch, whether it can be told what is better
            self._wants(self.monitor, getattr(training, "metrics", ()))

    def _got_better(self, training: Training) -> bool:
        """Whether it did in this epoch; counts those in a row in which it did not."""
        name = self.monitor or ("val_loss" if "val_loss" in training.logs else "loss")
        if name not in training.logs:
            raise TrainingError(
                f"{type(self).__name__} monitors {name!r}, which this training does not record; it records "
                f"{', '.join(training.logs)}."
            )
        value = training.logs[name]
        gain = self.best_value - value if self._wants(name, training.metrics) == "less" else value - self.best_value
        if not math.isnan(value) and (self.best_epoch is None or gain > self.min_delta):
            self.best_epoch, self.best_value, self._waited = training.epoch, value, 0
            return True
        self._waited += 1
        return False

    def state(self) -> dict[str, Any]:
        return {"best": {"epoch": self.best_epoch, "value": self.best_value}, "waited": self._waited}

    def restore(self, state: dict[str, Any]) -> None:
        best = state["best"]
        self.best_epoch, self.best_value, self._waited = best["epoch"], best["value"], state["waited"]

    def _wants(self, name: str, metrics: Iterable[Metric]) -> Better:
        """Whether less or more of a figure is better."""
        if self.mode != "auto":
            return "less" if self.mode == "min" else "more"
        better = better_of(name, metrics)
        if better is None:
            plain = name.removeprefix("val_")
            raise TrainingError(
                f"{type(self).__name__} monitors {name!r}, but it is not known whether less or more of it is better. "
                f"Write mode='min' or mode='max', or Metric({plain!r}, ..., better='less')."
            )
        return better


class EarlyStopping(Monitoring):
    """Stop when a figure has not got better for `patience` epochs in a row. NaN is never better.

    Args:
        monitor: name of the figure; by default `val_loss`, or `loss` where there is no validation.
        patience: epochs without improvement that are accepted.
        min_delta: the least change that counts as better.
        mode: whether less (`min`) or more (`max`) is better; `auto`: as the metric says, and less of a loss. A figure
            of which nobody said it needs `min` or `max`.
        restore_best: put the weights of the best epoch back at the end.

    Attributes:
        best_epoch, best_value: the best so far, the epoch counted from 0; None and NaN before there is one.
    """

    @takes(
        TrainingError,
        monitor=optional(TEXT),
        patience=at_least(0),
        min_delta=NOT_NEGATIVE,
        mode=one_of("auto", "min", "max"),
        restore_best=FLAG,
    )
    def __init__(
        self,
        monitor: str | None = None,
        patience: int = 3,
        min_delta: float = 0.0,
        mode: Literal["auto", "min", "max"] = "auto",
        restore_best: bool = True,
    ):
        self.restore_best = restore_best
        super().__init__(monitor, patience, min_delta, mode)

    def _begin(self) -> None:
        super()._begin()
        self._best_weights: dict[str, np.ndarray] = {}

    def on_epoch_end(self, training: Training) -> None:
        if self._got_better(training):
            if self.restore_best:
                self._best_weights = training.network.get_weights()
        elif self._waited >= self.patience:
            training.stop = True

    def on_train_end(self, training: Training) -> None:
        if self._best_weights:
            training.network.set_weights(self._best_weights)

    def state(self) -> dict[str, Any]:
        kept = super().state()
        return {**kept, "best": {**kept["best"], "weights": self._best_weights}}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._best_weights = dict(state["best"]["weights"])


class ReduceLROnPlateau(Monitoring):
    """Multiply the learning rate by `factor` when a figure has not got better for `patience` epochs in a row.

    What a schedule says is multiplied by the same.

    Args:
        monitor, min_delta, mode: as for `EarlyStopping`.
        factor: above 0 and below 1. patience: at least 1, as in Keras; PyTorch waits for one epoch more.
        cooldown: epochs after a reduction in which none is counted.
        min_lr: no reduction below this learning rate.
    """

    @takes(
        TrainingError,
        monitor=optional(TEXT),
        factor=INSIDE,
        patience=at_least(1),
        min_delta=NOT_NEGATIVE,
        mode=one_of("auto", "min", "max"),
        cooldown=at_least(0),
        min_lr=NOT_NEGATIVE,
    )
    def __init__(
        self,
        monitor: str | None = None,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 0.0001,
        mode: Literal["auto", "min", "max"] = "auto",
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        self.factor, self.cooldown, self.min_lr = factor, cooldown, min_lr
        super().__init__(monitor, patience, min_delta, mode)

    def _begin(self) -> None:
        super()._begin()
        self._resting = 0

    def on_epoch_end(self, training: Training) -> None:
        self._got_better(training)
        if self._resting:
            self._resting -= 1
            self._waited = 0
        if self._waited >= self.patience:
            least = self.min_lr / training.learning_rate if training.learning_rate else 0.0
            training.factor *= min(1.0, max(self.factor, least))
            self._resting, self._waited = self.cooldown, 0

    def state(self) -> dict[str, Any]:
        return {**super().state(), "resting": self._resting}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._resting = state["resting"]


class CSVLogger(Callback):
    """Write the figures of each epoch as one line of a CSV file, which is whole after each, whenever a crash comes.

    A training that is resumed goes on with the lines up to its checkpoint.

    Attributes:
        written: the content so far.
    """

    @takes(TrainingError, path=PATH)
    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.written = b""

    def on_train_begin(self, training: Training) -> None:
        self.written = b""

    def on_epoch_end(self, training: Training) -> None:
        row = {"epoch": training.epoch + 1, "learning_rate": training.learning_rate, **training.logs}
        lines = io.StringIO(newline="")
        writer = csv.DictWriter(lines, fieldnames=list(row))
        if not self.written:
            writer.writeheader()
        writer.writerow(row)
        self.written += lines.getvalue().encode()
        if training.leads:
            self.write()

    def write(self) -> None:
        """Bring the file up to date."""
        write_file(self.path, self.written)

    def state(self) -> dict[str, Any]:
        return {"written": self.written.decode()}

    def restore(self, state: dict[str, Any]) -> None:
        self.written = state["written"].encode()
