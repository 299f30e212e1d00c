"""How a run trains, as values that files and command lines can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, cast

from convgrad.data import Augment, Changes
from convgrad.data.called import changes_called
from convgrad.errors import TrainingError
from convgrad.losses import Loss, loss_from
from convgrad.losses import registry as losses
from convgrad.optimizers import Group, Optimizer, optimizer_from
from convgrad.optimizers import registry as optimizers
from convgrad.training.averaging import NAMED as AVERAGES
from convgrad.training.averaging import Average, average_from
from convgrad.training.events import Callback, EarlyStopping, ReduceLROnPlateau
from convgrad.training.schedules import Schedule, schedule_from, warm_up

ACCURACY = "accuracy"


@dataclass(frozen=True)
class Settings:
    """How a run trains: the arguments of `fit` as values that JSON can hold.

    weight_decay: of the optimizer; None for its own.
    metrics: names of figures beside loss and accuracy.
    patience: epochs without a better figure `monitor` (`val_loss`, or `loss` where nothing is validated with) after
        which the training ends, with the weights of the best one; None to go on.
    class_weight: "balanced", or weights by the classes' names.
    frozen: names of layers and weights that stay as they are.
    clip_norm: the optimizer's `global_clipnorm`.
    accumulate: batches in one update. average: "ema" or "swa", a mean of the weights; "ema=0.99" and "swa=0.5" say the
        decay and the start.
    changes: names of changes of training images, as `changes_called` takes them. augment: the usual ones in place.
    no_decay: names of layers and weights without weight decay. learning_rates, decays: of layers and weights by name.
    plateau: epochs without a better figure after which the learning rate becomes a tenth. warm_up: the share of the
        training in which it rises. shards: parts that each batch is cut into.
    label_smoothing: of the loss; None for its own. precision: as `fit` takes it.
    """

    epochs: int = 5
    batch_size: int = 64
    learning_rate: float | None = None
    optimizer: str = "sgd"
    loss: str = "softmax_cross_entropy"
    schedule: str = "constant"
    seed: int = 0
    validation_split: float = 0.0
    augment: bool = False
    engine: str = "auto"
    weight_decay: float | None = None
    metrics: tuple[str, ...] = ()
    patience: int | None = None
    monitor: str | None = None
    class_weight: str | Mapping[str, float] | None = None
    frozen: tuple[str, ...] = ()
    clip_norm: float | None = None
    accumulate: int = 1
    average: str | None = None
    changes: tuple[str, ...] = ()
    no_decay: tuple[str, ...] = ()
    learning_rates: Mapping[str, float] | None = None
    decays: Mapping[str, float] | None = None
    plateau: int | None = None
    warm_up: float | None = None
    shards: int | None = None
    label_smoothing: float | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        for name in LISTS:
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a list, where a file was read

    def __str__(self) -> str:
        rate = "" if self.learning_rate is None else f" {self.learning_rate:g}"
        return f"{self.optimizer}{rate}, {self.schedule}, batch {self.batch_size}, seed {self.seed}"

    def described(self) -> dict[str, Any]:
        """As config.json holds it; what came later than it, only where it is asked for, so that it stays the same."""
        kept = {**asdict(self), **{name: list(getattr(self, name)) for name in LISTS}}
        later = {field.name: field.default for field in fields(self)[LATER:]}
        return {name: value for name, value in kept.items() if name not in later or value not in (later[name], [])}

    def chosen_optimizer(self) -> Optimizer:
        """The optimizer with its weight decay, and what is other for some weights.

        Raises:
            ModelError: there is no such optimizer.
            TrainingError: it has no weight decay, and one is asked for.
        """
        found = optimizer_from(self.optimizer)
        if self.clip_norm is not None:
            found = replace(found, global_clipnorm=self.clip_norm)
        rates, decays = self.learning_rates or {}, self.decays or {}
        if rates and self.learning_rate is not None:  # theirs are said beside it
            found = replace(found, learning_rate=self.learning_rate)
        groups = [Group(name, rates.get(name), decays.get(name)) for name in {**rates, **decays}]
        found = self._decaying(found)
        return replace(found, no_decay=self.no_decay, groups=groups) if groups or self.no_decay else found

    def _decaying(self, found: Optimizer) -> Optimizer:
        if self.weight_decay is None:
            return found
        if not hasattr(found, DECAY):
            able = ", ".join(name for name, kind in sorted(optimizers.items()) if hasattr(optimizer_from(name), DECAY))
            raise TrainingError(f"The optimizer {self.optimizer} has no weight_decay. Those that have: {able}.")
        decayed: dict[str, Any] = {DECAY: self.weight_decay}
        return replace(found, **decayed)

    def chosen_loss(self) -> Loss:
        """The loss with its smoothing.

        Raises:
            ModelError: there is no such loss.
            TrainingError: it smooths no labels, and shall.
        """
        found = loss_from(self.loss)
        if self.label_smoothing is None:
            return found
        if not hasattr(found, SMOOTHING):
            able = ", ".join(name for name, kind in sorted(losses.items()) if hasattr(kind(), SMOOTHING))
            raise TrainingError(f"The loss {self.loss} has no label_smoothing. Those that have: {able}.")
        smoothed: Loss = replace(cast(Any, found), **{SMOOTHING: self.label_smoothing})
        return smoothed

    def all_metrics(self) -> tuple[str, ...]:
        """Accuracy, and what is asked for."""
        return (ACCURACY, *(name for name in self.metrics if name != ACCURACY))

    def callbacks(self) -> tuple[Callback, ...]:
        """What ends the training early, and what lowers the learning rate."""
        stopping = () if self.patience is None else (EarlyStopping(self.monitor, self.patience),)
        return stopping if self.plateau is None else (*stopping, ReduceLROnPlateau(self.monitor, patience=self.plateau))

    def chosen_schedule(self) -> str | Schedule:
        """The schedule, behind its warm-up."""
        return self.schedule if self.warm_up is None else warm_up(schedule_from(self.schedule), self.warm_up)

    def chosen_average(self) -> Average | None:
        """The mean of the weights. Raises: TrainingError where there is no such."""
        name, equals, number = (part.strip() for part in (self.average or "").partition("="))
        if not equals:
            return average_from(self.average)
        try:
            found = float(number)
        except ValueError:
            raise TrainingError(f"average: {self.average!r} has no number behind the =, such as ema=0.99.") from None
        average_from(name)
        return AVERAGES[name](found)

    def augmenting(self, image_shape: tuple[int, int, int]) -> Augment | Changes | None:
        """Shifts by an eighth, 4 for 32 x 32 as is usual; digits are not mirrored. Or what `changes` says."""
        if self.changes:
            return changes_called(self.changes, image_shape)
        rows, columns, channels = image_shape
        return Augment(flip=channels == 3, shift=max(1, min(rows, columns) // 8)) if self.augment else None


LATER = [field.name for field in fields(Settings)].index("weight_decay")
DECAY = "weight_decay"
SMOOTHING = "label_smoothing"
LISTS = ("metrics", "frozen", "changes", "no_decay")
