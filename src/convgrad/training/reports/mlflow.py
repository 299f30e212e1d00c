"""Trainings told to an MLflow server, whose package is imported when a training begins, and only then."""

from __future__ import annotations

import sys
from typing import Any

from convgrad.arguments import TEXT, optional, takes
from convgrad.errors import TrainingError
from convgrad.training.events import Callback, Training
from convgrad.training.reports.needed import needed


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
        module = needed("mlflow", "mlflow", "MLflow")
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
