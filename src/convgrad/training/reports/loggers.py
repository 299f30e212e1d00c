"""Trainings told to other tools: TensorBoard and MLflow, which are imported when a training begins, and only then."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from convgrad.arguments import FLAG, PATH, TEXT, optional, takes
from convgrad.errors import TrainingError
from convgrad.training.events import Callback, Training

VALIDATION, TRAINING = "validation", "training"


def _needed(name: str, package: str, what: str) -> ModuleType:
    """A module of a package that may be missing. Raises: TrainingError where it is."""
    try:
        return import_module(name)
    except ImportError as error:
        raise TrainingError(f"{what} needs the package {package}: pip install {package}. ({error})") from error


class TensorBoard(Callback):
    """Write event files that `tensorboard --logdir FOLDER` shows: figures and the learning rate, and weights.

    After each epoch: `loss`, `accuracy` and so on of `training` and `validation` beside one another, and where
    `histograms` is true, the values of each weight as a histogram. A training that is resumed goes on in a new file;
    what the first one had written after the checkpoint is not shown any more.

    Args:
        folder: of the event files, made if need be.
        histograms: whether weights are told.
    """

    writes = True

    @takes(TrainingError, folder=PATH, histograms=FLAG)
    def __init__(self, folder: str | Path, histograms: bool = True):
        self.folder, self.histograms = Path(folder), histograms
        self._writers: dict[str, Any] = {}

    def on_train_begin(self, training: Training) -> None:
        parts = ("summary.writer.event_file_writer", "compat.proto.event_pb2")
        shown = ("plugins.scalar.summary_v2", "plugins.histogram.summary_v2")
        found = (_needed(f"tensorboard.{part}", "tensorboard", "TensorBoard") for part in (*parts, *shown))
        writer, self._events, scalar, histogram = found
        self._open, self._scalar, self._histogram = writer.EventFileWriter, scalar.scalar_pb, histogram.histogram_pb
        self._writers = {}

    def on_epoch_end(self, training: Training) -> None:
        step = training.epoch + 1
        for name, value in {**training.logs, "learning_rate": training.learning_rate}.items():
            part = VALIDATION if name.startswith("val_") else TRAINING
            self._add(part, self._scalar(name.removeprefix("val_"), value), step)
        if self.histograms:
            for name, array in training.network.get_weights().items():
                self._add(TRAINING, self._histogram(name, np.asarray(array, np.float64)), step)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, training: Training) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _add(self, part: str, summary: Any, step: int) -> None:
        if part not in self._writers:
            self._writers[part] = self._open(str(self.folder / part))
            start = self._events.SessionLog(status=self._events.SessionLog.START)
            self._tell(part, step, session_log=start)
        self._tell(part, step, summary=summary)

    def _tell(self, part: str, step: int, **content: Any) -> None:
        self._writers[part].add_event(self._events.Event(step=step, wall_time=time.time(), **content))


class MLflow(Callback):
    """Tell an MLflow server, or a folder of it, of a training: its sizes, and the figures of each epoch.

    A training that is resumed goes on in the same run. The run ends as finished, as killed where the training was
    interrupted, or as failed where an error ended it.

    Args:
        experiment: it is made if need be.
        address: of the server, or `file:FOLDER`; by default what MLflow's own settings say.
        name: of the run; by default the network's.

    Attributes:
        run: the run's id; empty before the first epoch is over.
    """

    writes = True

    @takes(TrainingError, experiment=TEXT, address=optional(TEXT), name=optional(TEXT))
    def __init__(self, experiment: str = "convgrad", address: str | None = None, name: str | None = None):
        self.experiment, self.address, self.name = experiment, address, name
        self.run = ""
        self._handled: Any = None

    def on_train_begin(self, training: Training) -> None:
        module = _needed("mlflow", "mlflow", "MLflow")
        self._client: Any = module.MlflowClient(tracking_uri=self.address)
        self.run = ""
        self._handled = sys.exc_info()[1]

    def on_epoch_end(self, training: Training) -> None:
        if not self.run:
            self._begin(training)
        for name, value in {**training.logs, "learning_rate": training.learning_rate}.items():
            self._client.log_metric(self.run, name, float(value), step=training.epoch + 1)

    def on_train_end(self, training: Training) -> None:
        if self.run:
            failed = sys.exc_info()[1] is not self._handled
            status = "KILLED" if training.history.interrupted else "FAILED" if failed else "FINISHED"
            self._client.set_terminated(self.run, status)

    def state(self) -> dict[str, Any]:
        return {"run": self.run}

    def restore(self, state: dict[str, Any]) -> None:
        self.run = state["run"]
        if self.run:
            self._client.update_run(self.run, status="RUNNING")

    def _begin(self, training: Training) -> None:
        found = self._client.get_experiment_by_name(self.experiment)
        number = self._client.create_experiment(self.experiment) if found is None else found.experiment_id
        name = self.name or training.network.name or "network"
        self.run = self._client.create_run(number, run_name=name).info.run_id
        sizes = {"epochs": training.epochs, "batch_size": training.batch_size, "images": training.images}
        for key, value in {**sizes, "parameters": training.network.parameter_count}.items():
            self._client.log_param(self.run, key, value)
