"""Each network that has a name, trained for a while on data that come with convgrad: what it reaches and takes.

.venv/bin/python -m benchmarks.named [NAME ...]     a line of docs/training.md for each; half an hour for all
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.data import load_digits
from convgrad.examples import made_shapes, made_waves
from convgrad.models import NAMED, load_model

Array = npt.NDArray[Any]
Pair = tuple[Array, Array]
CODE = 16
"""Numbers that the autoencoder has for an image of a digit."""


@dataclass(frozen=True)
class Task:
    """Data to train on and others to test on, how to train, and what is told.

    make: images and targets, to train on and to test on. classes: as `build` takes them. metric: its name in
    `evaluate`. options: of `fit`.
    """

    told: str
    make: Callable[[], tuple[Pair, Pair]]
    classes: int
    metric: str = "accuracy"
    options: dict[str, Any] = field(default_factory=dict)


def _digits() -> tuple[Pair, Pair]:
    found = load_digits()
    assert found.test_images is not None
    assert found.test_labels is not None
    return (found.train_images, found.train_labels), (found.test_images, found.test_labels)


def _framed_digits() -> tuple[Pair, Pair]:
    """With a border of 2, since five poolings need 32 rows and columns."""
    around = ((0, 0), (2, 2), (2, 2), (0, 0))
    (x, y), (xt, yt) = _digits()
    return (np.pad(x, around), y), (np.pad(xt, around), yt)


def _images_as_targets() -> tuple[Pair, Pair]:
    (x, _), (other, _) = _digits()
    return (x, x), (other, other)


def _shapes() -> tuple[Pair, Pair]:
    return made_shapes(600, seed=1), made_shapes(100, seed=2)


def _waves() -> tuple[Pair, Pair]:
    return made_waves(800, seed=1), made_waves(400, seed=2)


DIGITS = Task("digits", _digits, 10, options={"epochs": 5})
LARGE = Task("digits", _digits, 10, options={"epochs": 2})
BY_FORMULA: dict[str, Any] = {"epochs": 6, "optimizer": "adam", "learning_rate": 0.005}
TASKS = dict.fromkeys(NAMED, DIGITS) | dict.fromkeys(("resnet18", "resnet34"), LARGE)
TASKS |= {
    "vgg16": Task("digits, in 32x32", _framed_digits, 10, options={"epochs": 2}),
    "autoencoder": Task("digits, as targets too", _images_as_targets, CODE, "mean_squared_error", {"epochs": 5}),
    "unet": Task("`made_shapes(600, seed=1)`", _shapes, 4, "iou", {**BY_FORMULA, "batch_size": 16}),
    "signal": Task(
        "`made_waves(800, seed=1)`", _waves, 4, options={**BY_FORMULA, "learning_rate": 0.003, "batch_size": 32}
    ),
}
HEAD = "| network | parameters | trained on | epochs | on data not trained on | processor time |\n" + "| --- " * 6 + "|"


def main(names: Sequence[str]) -> None:
    """Print the table of these networks, or of all."""
    print(HEAD, flush=True)
    for line in lines(names or [*NAMED]):
        print(line, flush=True)


def lines(names: Sequence[str], tasks: dict[str, Task] = TASKS) -> Iterator[str]:
    """A line of the table for each network, trained with its own optimizer, rate, schedule and loss, and seed 0."""
    for name in names:
        task = tasks[name]
        (x, y), (xt, yt) = task.make()
        model = load_model(name, x.shape[1:], task.classes)
        options: dict[str, Any] = {
            "optimizer": model.optimizer,
            "learning_rate": model.learning_rate,
            "schedule": model.schedule,
            **task.options,
        }
        network = model.network
        began = time.process_time()
        network.fit(x, y, loss=model.loss, verbose=False, seed=0, **options)
        seconds = time.process_time() - began
        found = network.evaluate(xt, yt, loss=model.loss, metrics=task.metric)[task.metric]
        shown = f"{task.metric} {found:.4f}" if task.metric != "accuracy" else f"accuracy {found:.1%}"
        told = [f"`{name}`", f"{network.parameter_count:,}", task.told, options["epochs"], shown, f"{seconds:.0f} s"]
        yield f"| {' | '.join(map(str, told))} |"


if __name__ == "__main__":
    main(sys.argv[1:])
