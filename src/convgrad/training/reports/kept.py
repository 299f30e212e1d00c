"""The weights of the best epoch and of the last one, and the lines of results.csv."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from convgrad.training.events import CSVLogger, Monitoring, Training


class BestWeights(Monitoring):
    """Remembers the weights of the best epoch and of the last one, and ends nothing.

    Args:
        monitor: the figure; by default `val_loss`, or `loss` where nothing is validated with.

    Attributes:
        best: the weights of the best epoch; empty before the first is over.
        last: the weights at the end, before other callbacks put the best ones back.
    """

    def __init__(self, monitor: str | None = None):
        super().__init__(monitor, patience=0, min_delta=0.0, mode="auto")
        self.last: dict[str, np.ndarray[Any, Any]] = {}

    def _begin(self) -> None:
        super()._begin()
        self.best: dict[str, np.ndarray[Any, Any]] = {}

    def on_epoch_end(self, training: Training) -> None:
        if self._got_better(training):
            self.best = training.network.get_weights()

    def state(self) -> dict[str, Any]:
        return {**super().state(), "weights": self.best, "last": self.last}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.best, self.last = dict(state["weights"]), dict(state["last"])

    def on_train_end(self, training: Training) -> None:
        self.last = training.network.get_weights()


class Results(CSVLogger):
    """`CSVLogger` that writes while the training goes on only where there is nothing of another training."""

    def __init__(self, path: Path, live: bool):
        super().__init__(path)
        self._live = live

    def write(self) -> None:
        if self._live:
            super().write()
