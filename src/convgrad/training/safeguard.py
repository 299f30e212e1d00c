"""Keeping the last good weights, and noticing when training has come apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from convgrad.errors import TrainingError
from convgrad.network.plain import PlainNetwork
from convgrad.training.history import History

CHECK_EVERY = 100
"""Batches between two copies of the weights: at 1 GB/s a copy of a million weights takes 4 ms."""
BLOWN_UP = 100.0
"""A loss this many times the first batch's is on its way to infinity: such weights are not good ones."""


class Diverged(TrainingError):
    """The loss or the weights became NaN or infinite. The network has its last good weights again.

    Attributes:
        history: figures of the epochs before.
        epoch, batch: where it happened, counted from 0.
    """

    def __init__(self, what: str, epoch: int, batch: int, learning_rate: float, history: History):
        self.history, self.epoch, self.batch = history, epoch, batch
        self._made_of = (what, epoch, batch, learning_rate, history)
        super().__init__(
            f"Training diverged: the {what} became NaN or infinite in epoch {epoch + 1}, batch {batch + 1}. The last "
            f"good weights were kept. Use a learning rate below {learning_rate:.3g}, such as {learning_rate / 10:.1g}."
        )

    def __reduce__(self) -> tuple[type[Diverged], tuple[Any, ...]]:
        return Diverged, self._made_of


class WeightKeeper:
    """Holds a copy of the last weights under which the loss was sound."""

    def __init__(self, network: PlainNetwork):
        self._network = network
        self._good = network.get_weights()
        self._limit: float | None = None
        self._sound = True
        self._batches = 0

    def check(self, loss: float) -> bool:
        """Take note of the loss of one batch; False where training came apart, and then the good weights are back."""
        if not math.isfinite(loss):
            self._network.set_weights(self._good)
            return False
        if self._limit is None:
            self._limit = BLOWN_UP * max(abs(loss), 1e-3)
        self._sound = abs(loss) <= self._limit
        self._batches += 1
        return self._batches % CHECK_EVERY != 0 or self.keep()

    def keep(self) -> bool:
        """Copy the weights, if the last loss was sound; False where some are not finite: the good ones are back."""
        weights = self._network.get_weights()
        if not all(np.isfinite(array).all() for array in weights.values()):
            self._network.set_weights(self._good)
            return False
        if self._sound:
            self._good = weights
        return True

    def state(self) -> dict[str, Any]:
        """All that is needed to go on: arrays, and values that JSON can hold."""
        return {"good": self._good, "limit": self._limit, "sound": self._sound, "batches": self._batches}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._good, self._limit = dict(state["good"]), state["limit"]
        self._sound, self._batches = bool(state["sound"]), int(state["batches"])
