"""One training from dataset to folder: fit, test, and files that tell everything about it.

A run folder holds `config.json` (network, dataset, settings), `weights.safetensors`, `metrics.json` (the report and
figures per epoch) and `curves.png`.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from convgrad.data import Augment, Dataset
from convgrad.network import Network
from convgrad.training.checkpoint import save, write_file
from convgrad.training.evaluate import evaluate
from convgrad.training.fit import fit
from convgrad.training.history import History
from convgrad.training.progress import ProgressTable
from convgrad.training.safeguard import Diverged

METRICS_FILE, CURVES_FILE = "metrics.json", "curves.png"


@dataclass(frozen=True)
class Settings:
    """How a run trains: the arguments of `fit` as values that JSON can hold."""

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

    def __str__(self) -> str:
        rate = "" if self.learning_rate is None else f" {self.learning_rate:g}"
        return f"{self.optimizer}{rate}, {self.schedule}, batch {self.batch_size}, seed {self.seed}"


def run(
    network: Network,
    dataset: Dataset,
    settings: Settings,
    folder: Path,
    *,
    console: Console | None = None,
    began: float | None = None,
) -> dict[str, Any]:
    """Train `network` on a dataset with a test part, test it, and write `folder`.

    Args:
        console: where progress is shown; None for none.
        began: when the whole command began, by `time.perf_counter`.

    Returns:
        The report: `dataset`, `train_images`, `test_images`, `epochs`, `test_accuracy`, `test_loss`, `seconds`,
        `compile_seconds`, `total_seconds`, `images_per_second`, `parameters`, `run_dir`, `interrupted` and more. After
        Ctrl-C nothing is tested.

    Raises:
        Diverged: the loss became NaN or infinite; the folder was written with the last good weights.
        DataError: the folder can't be written.
    """
    began = time.perf_counter() if began is None else began
    problem: Diverged | None = None
    try:
        history = _fit(network, dataset, settings, console)
    except Diverged as error:
        history, problem = error.history, error
    report = _report(network, dataset, settings, history)
    if problem is None and not history.interrupted:
        tested = evaluate(network, dataset.test_images, dataset.test_labels, loss=settings.loss, engine=settings.engine)
        report |= {"test_accuracy": tested["accuracy"], "test_loss": tested["loss"]}
    report |= {"total_seconds": round(time.perf_counter() - began, 3), "run_dir": str(folder)}
    _write(network, dataset, settings, history, report, folder)
    if problem is not None:
        raise problem
    return report


def _fit(network: Network, dataset: Dataset, settings: Settings, console: Console | None) -> History:
    rows, columns, channels = dataset.image_shape
    shift = max(1, min(rows, columns) // 8)  # 4 for 32 x 32, as is usual; digits are not mirrored
    return fit(
        network,
        dataset.train_images,
        dataset.train_labels,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=settings.optimizer,
        loss=settings.loss,
        learning_rate=settings.learning_rate,
        schedule=settings.schedule,
        validation_split=settings.validation_split,
        augment=Augment(flip=channels == 3, shift=shift) if settings.augment else None,
        seed=settings.seed,
        callbacks=() if console is None else (ProgressTable(console),),
        verbose=False,
        engine=settings.engine,
    )


def _report(network: Network, dataset: Dataset, settings: Settings, history: History) -> dict[str, Any]:
    held_out = len(dataset.train_images) - history.images
    return {
        "dataset": dataset.name,
        "model": network.name,
        "classes": dataset.class_count,
        "train_images": history.images,
        "validation_images": held_out,
        "test_images": 0 if dataset.test_images is None else len(dataset.test_images),
        "parameters": network.parameter_count,
        "epochs": history.epochs,
        "test_accuracy": None,
        "test_loss": None,
        "seconds": round(sum(history.epoch_seconds), 3),
        "compile_seconds": round(history.compile_seconds, 3),
        "images_per_second": round(history.images_per_second, 1),
        "interrupted": history.interrupted,
    }


def _write(
    network: Network, dataset: Dataset, settings: Settings, history: History, report: dict[str, Any], folder: Path
) -> None:
    about = {
        "convgrad": version("convgrad"),
        "dataset": {
            "name": dataset.name,
            "image_shape": list(dataset.image_shape),
            "class_names": list(dataset.class_names),
        },
        "training": asdict(settings),
    }
    save(network, folder, about)
    metrics = {**report, "history": history.figures, "epoch_seconds": history.epoch_seconds}
    write_file(folder / METRICS_FILE, (json.dumps(metrics, indent=2) + "\n").encode())
    if history.epochs:
        picture = io.BytesIO()
        history.plot().savefig(picture, format="png", dpi=150)
        write_file(folder / CURVES_FILE, picture.getvalue())
