"""How a run trains, as values that files and command lines can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from convgrad.data import Augment
from convgrad.errors import TrainingError
from convgrad.optimizers import Optimizer, optimizer_from
from convgrad.optimizers import registry as optimizers
from convgrad.training.events import Callback, EarlyStopping

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
    accumulate: batches in one update. average: "ema" or "swa", a mean of the weights.
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

    def __post_init__(self) -> None:
        for name in ("metrics", "frozen"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # a list, where a file was read

    def __str__(self) -> str:
        rate = "" if self.learning_rate is None else f" {self.learning_rate:g}"
        return f"{self.optimizer}{rate}, {self.schedule}, batch {self.batch_size}, seed {self.seed}"

    def described(self) -> dict[str, Any]:
        """As config.json holds it; what came later than it, only where it is asked for, so that it stays the same."""
        kept = {**asdict(self), "metrics": list(self.metrics), "frozen": list(self.frozen)}
        later = {field.name: field.default for field in fields(self)[LATER:]}
        return {name: value for name, value in kept.items() if name not in later or value not in (later[name], [])}

    def chosen_optimizer(self) -> Optimizer:
        """The optimizer with its weight decay.

        Raises:
            ModelError: there is no such optimizer.
            TrainingError: it has no weight decay, and one is asked for.
        """
        found = optimizer_from(self.optimizer)
        if self.clip_norm is not None:
            found = replace(found, global_clipnorm=self.clip_norm)
        if self.weight_decay is None:
            return found
        if not hasattr(found, DECAY):
            able = ", ".join(name for name, kind in sorted(optimizers.items()) if hasattr(optimizer_from(name), DECAY))
            raise TrainingError(f"The optimizer {self.optimizer} has no weight_decay. Those that have: {able}.")
        decayed: dict[str, Any] = {DECAY: self.weight_decay}
        return replace(found, **decayed)

    def all_metrics(self) -> tuple[str, ...]:
        """Accuracy, and what is asked for."""
        return (ACCURACY, *(name for name in self.metrics if name != ACCURACY))

    def callbacks(self) -> tuple[Callback, ...]:
        """What ends the training early."""
        return () if self.patience is None else (EarlyStopping(self.monitor, self.patience),)

    def augmenting(self, image_shape: tuple[int, int, int]) -> Augment | None:
        """Shifts by an eighth, 4 for 32 x 32 as is usual; digits are not mirrored."""
        rows, columns, channels = image_shape
        return Augment(flip=channels == 3, shift=max(1, min(rows, columns) // 8)) if self.augment else None


LATER = [field.name for field in fields(Settings)].index("weight_decay")
DECAY = "weight_decay"
