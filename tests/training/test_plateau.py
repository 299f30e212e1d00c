"""The learning rate that falls when a figure no longer gets better: as PyTorch's does, and after a crash."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.errors import TrainingError
from convgrad.layers import Dense
from convgrad.models.network import Network
from convgrad.training import Callback, Checkpoint, History, Metric, ReduceLROnPlateau, Training
from killed import Killed, Killer

FIGURES = [
    5.0,
    4.0,
    4.0,
    4.2,
    3.99,
    3.995,
    4.0,
    4.0,
    3.0,
    3.0,
    3.0,
    3.0,
    math.nan,
    3.0,
    2.9997,
    2.5,
    2.5,
    2.5,
    2.5,
    2.5,
]
SETTINGS: list[dict[str, Any]] = [
    {"patience": 2, "factor": 0.5},
    {"patience": 1, "factor": 0.1, "cooldown": 2},
    {"patience": 2, "factor": 0.3, "min_delta": 0.05, "cooldown": 1},
    {"patience": 1, "factor": 0.5, "min_lr": 0.02},
    {"patience": 2, "factor": 0.5, "mode": "max"},
]


def factors(settings: dict[str, Any]) -> list[float]:
    """The learning rate after each of FIGURES, of 0.1 at first."""
    network = Network(Dense(1), input_shape=(2,))
    training = Training(network, len(FIGURES), 1, 1, 1, History(), learning_rate=0.1)
    callback, found = ReduceLROnPlateau("loss", **settings), []
    callback.on_train_begin(training)
    for training.epoch, value in enumerate(FIGURES):
        training.logs = {"loss": value}
        callback.on_epoch_end(training)
        training.learning_rate = 0.1 * training.factor
        found.append(training.learning_rate)
    return found


@pytest.mark.torch
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_as_in_torch(settings: dict[str, Any], torch: ModuleType) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    given = {**settings, "patience": settings["patience"] - 1, "threshold": settings.get("min_delta", 1e-4)}
    given.pop("min_delta", None)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, threshold_mode="abs", eps=0, **given)
    expected = []
    for value in FIGURES:
        theirs.step(value)
        expected.append(optimizer.param_groups[0]["lr"])
    assert factors(settings) == pytest.approx(expected, rel=1e-12)
    assert len(set(expected)) > 1


class Rates(Callback):
    """The learning rate of each batch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_batch_end(self, training: Training) -> None:
        self.seen.append(training.learning_rate)


def test_it_multiplies_what_a_schedule_says() -> None:
    network, rates = Network(Dense(1), input_shape=(2,)), Rates()
    worse = Metric("worse", lambda outputs, targets: np.ones(len(outputs)), better="less")
    network.fit(
        np.ones((4, 2)), np.ones((4, 1)), loss="mse", epochs=4, batch_size=4, learning_rate=0.1, verbose=False,
        engine="oracle", schedule=lambda done: 1 - done, metrics=worse,
        callbacks=[rates, ReduceLROnPlateau("worse", factor=0.5, patience=1)],
    )  # fmt: skip
    assert rates.seen == pytest.approx([0.1, 0.075, 0.05 / 2, 0.025 / 4])


@pytest.mark.parametrize("after", [3, 8, 13])
def test_killed_and_resumed(after: int, tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).random((12, 3)), np.random.default_rng(1).random((12, 2))
    options: dict[str, Any] = {"epochs": 6, "batch_size": 4, "loss": "mse", "learning_rate": 0.5, "verbose": False}

    def run(*callbacks: Callback, **more: Any) -> tuple[Network, list[float]]:
        made, rates = Network(Dense(2), input_shape=(3,)), Rates()
        plateau = ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.02)
        made.fit(x, y, **options, **more, callbacks=[rates, plateau, *callbacks])
        return made, rates.seen

    whole, rates = run()
    place: dict[str, Any] = {"checkpoint": Checkpoint(tmp_path, seconds=0), "resume": True}
    with pytest.raises(Killed):
        run(Killer(after), **place)
    again, rest = run(**place)
    assert rest == rates[-len(rest) :]
    assert min(rates) < 0.3
    for name, array in whole.get_weights().items():
        assert array.tobytes() == again.get_weights()[name].tobytes(), name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"factor": 1}, "factor must be a number above 0 and below 1, not 1"),
        ({"patience": 0}, "patience must be a whole number of at least 1, not 0"),
        ({"cooldown": -1}, "cooldown must be a whole number of at least 0, not -1"),
        ({"min_lr": -1}, "min_lr must be a number of at least 0, not -1"),
        ({"mode": "less"}, "mode must be"),
    ],
)
def test_refuses(options: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=f"ReduceLROnPlateau: {words}"):
        ReduceLROnPlateau(**options)


def test_a_figure_that_is_not_recorded() -> None:
    network = Network(Dense(1), input_shape=(2,))
    for name, words in (
        ("val_f1", "ReduceLROnPlateau monitors 'val_f1', "),
        ("mine", "ReduceLROnPlateau monitors 'mine', but it is not known whether less or more"),
    ):
        with pytest.raises(TrainingError, match=words):
            network.fit(
                np.ones((4, 2)), np.ones((4, 1)), loss="mse", epochs=1, verbose=False, engine="oracle",
                callbacks=[ReduceLROnPlateau(name)],
            )  # fmt: skip
