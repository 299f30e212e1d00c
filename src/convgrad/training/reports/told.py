"""All that a run folder tells beside config.json, weights and metrics.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.numpy import save as bytes_from_tensors

from convgrad.data.data import Data
from convgrad.network.plain import PlainNetwork
from convgrad.network.summary import network_html
from convgrad.training.checkpoint import (
    BEST_FILE,
    CONFUSION_FILE,
    CURVES_FILE,
    LAST_FILE,
    METRICS_FILE,
    OPTIONS_FILE,
    PAGE_FILE,
    RESULTS_FILE,
)
from convgrad.training.chosen_metrics import Chosen
from convgrad.training.evaluate import evaluate
from convgrad.training.events import Callback
from convgrad.training.history import History, picture_of
from convgrad.training.reports.confusion import Counted, picture
from convgrad.training.reports.kept import BestWeights, Results
from convgrad.training.reports.page import page
from convgrad.training.resuming import read
from convgrad.training.settings import Settings


class Telling:
    """What a run remembers for its folder, and the files that it makes of it.

    keeps: False for a run that goes on from a checkpoint which knows nothing of it.
    """

    def __init__(self, folder: Path, settings: Settings, classes: int, keeps: bool):
        self._folder, self._settings = folder, settings
        self.callbacks: tuple[Callback, ...] = ()
        if keeps:
            self._weights = BestWeights(settings.monitor)
            self._results = Results(folder / RESULTS_FILE, live=not (folder / METRICS_FILE).exists())
            self.callbacks = (self._weights, self._results)
        self.counted = Counted(classes, settings.chosen_loss())

    def tested(self, network: PlainNetwork, data: Data, part: str) -> dict[str, float]:
        """The figures on a part, called after it; which class is taken for which is counted meanwhile."""
        chosen: tuple[Chosen, ...] = (*self._settings.all_metrics(), self.counted.metric)
        found = evaluate(
            network,
            data,
            loss=self._settings.chosen_loss(),
            metrics=chosen,
            engine=self._settings.engine,
            precision=self._settings.precision,
        )
        return {f"{part}_{name}": value for name, value in found.items() if name != self.counted.metric.name}

    def recall(self) -> None:
        """Know again what a training knew that had ended, and was killed before its folder was written."""
        if self.callbacks and not self._weights.last:
            for callback, own in zip(self.callbacks, read(self._folder)["state"]["callbacks"], strict=False):
                callback.restore(own)

    @property
    def best_epoch(self) -> int | None:
        """Counted from 1; None before there is one, and where nobody kept it."""
        found = self._weights.best_epoch if self.callbacks else None
        return None if found is None else found + 1

    def files(
        self, network: PlainNetwork, report: Mapping[str, Any], history: History, beside: Mapping[str, bytes]
    ) -> dict[str, bytes]:
        """The files by their names."""
        found: dict[str, bytes] = {}
        if self.callbacks:
            weights = {BEST_FILE: self._weights.best, LAST_FILE: self._weights.last}
            found |= {name: bytes_from_tensors(arrays) for name, arrays in weights.items() if arrays}
            if self._results.written:
                found[RESULTS_FILE] = self._results.written
        if history.epochs:
            found[CURVES_FILE] = picture_of(history.plot())
        names = network.preparation.class_names or tuple(str(n) for n in range(len(self.counted.counts)))
        counts = self.counted.counts if self.counted.counts.any() else None
        if counts is not None:
            found[CONFUSION_FILE] = picture(counts, names)
        options = beside.get(OPTIONS_FILE, b"").decode()
        return {
            **found,
            PAGE_FILE: page(report, history.figures, options, network_html(network), counts, names),
            **beside,
        }
