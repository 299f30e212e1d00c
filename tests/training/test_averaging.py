"""Means of the weights: by hand and as PyTorch makes them, what is validated and kept, killed and resumed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.errors import TrainingError
from convgrad.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, ReLU
from convgrad.models.network import Network
from convgrad.training import EMA, SWA, Callback, Checkpoint, Diverged, EarlyStopping, Training
from killed import Killed, Killer
from optional import engines

RNG = np.random.default_rng(7)
X, LABELS = RNG.normal(size=(23, 6, 5, 2)), RNG.integers(0, 3, 23)
OPTIONS: dict[str, Any] = {"epochs": 4, "batch_size": 6, "learning_rate": 0.1, "verbose": False, "seed": 1}
Weights = dict[str, np.ndarray]


def network(dtype: str = "float64", dropout: float = 0.3) -> Network:
    layers = [Conv2D(3, (3, 2)), BatchNorm(), ReLU(), Dropout(dropout), Flatten(), Dense(3), BatchNorm()]
    return Network(*layers, input_shape=(6, 5, 2), dtype=dtype)


class Watcher(Callback):
    """The weights after each update, after each epoch, and as callbacks see them at its end."""

    def __init__(self) -> None:
        self.updates: list[Weights] = []
        self.epochs: list[Weights] = []
        self.told: list[Weights] = []

    def on_batch_end(self, training: Training) -> None:
        self.updates.append(training.network.get_weights())

    def on_epoch_end(self, training: Training) -> None:
        self.epochs.append(self.updates[-1])
        self.told.append(training.network.get_weights())


@engines
def test_of_all_updates(engine: str) -> None:
    made, seen = network(), Watcher()
    made.fit(X, LABELS, **OPTIONS, average=EMA(0.8), callbacks=[seen], engine=engine)
    mean = {name: array.copy() for name, array in seen.updates[0].items()}
    for weights in seen.updates[1:]:
        mean = {name: 0.8 * array + 0.2 * weights[name] for name, array in mean.items()}
    found = made.get_weights()
    for name, array in mean.items():
        expected = seen.updates[-1][name] if name in made.state else array  # moving statistics are the network's
        np.testing.assert_allclose(found[name], expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(seen.told[-1][name], found[name])


@engines
def test_training_itself_is_not_changed(engine: str) -> None:
    """The weights that are trained are those of a training without a mean, to the bit; and figures of the loss."""
    options = {**OPTIONS, "epochs": 3, "engine": engine}
    plain, seen = network("float32"), Watcher()
    history = plain.fit(X, LABELS, **options, callbacks=[seen])
    for average in ("ema", SWA(0.3)):
        other, watched = network("float32"), Watcher()
        figures = other.fit(X, LABELS, **options, callbacks=[watched], average=average)
        assert figures["loss"] == history["loss"]
        for ours, theirs in zip(watched.updates, seen.updates, strict=True):
            assert all(ours[name].tobytes() == array.tobytes() for name, array in theirs.items())


def test_what_is_validated_is_what_the_network_has_at_the_end() -> None:
    for average in ("swa", "ema"):
        made = network()
        history = made.fit(X, LABELS, **OPTIONS, average=average, validation_data=(X[:9], LABELS[:9]))
        assert made.evaluate(X[:9], LABELS[:9])["loss"] == history["val_loss"][-1]


def test_the_best_mean_is_restored() -> None:
    made, seen, best = network(), Watcher(), EarlyStopping("loss", mode="max", patience=9)
    made.fit(X, LABELS, **OPTIONS, average="ema", callbacks=[seen, best])
    assert best.best_epoch is not None
    for name, array in made.get_weights().items():
        np.testing.assert_array_equal(array, seen.told[best.best_epoch][name])


def test_of_the_last_epochs() -> None:
    made, seen = network(), Watcher()
    made.fit(X, LABELS, **OPTIONS, average=SWA(0.5), callbacks=[seen])
    for name in made.parameters:
        expected = (seen.epochs[2][name] + seen.epochs[3][name]) / 2
        np.testing.assert_allclose(made.parameters[name], expected, rtol=1e-12, atol=1e-14)
    for name, array in seen.epochs[1].items():  # before there is a mean
        np.testing.assert_array_equal(seen.told[1][name], array)
    one, last = network(), Watcher()
    one.fit(X, LABELS, **{**OPTIONS, "epochs": 1}, average=SWA(0.99), callbacks=[last])
    for name in one.parameters:
        np.testing.assert_array_equal(one.parameters[name], last.epochs[0][name])


@engines
def test_what_is_frozen_stays_to_the_bit(engine: str) -> None:
    for average in ("ema", SWA(0.0)):
        made = network("float32")
        made.initialize(3)
        before = made.get_weights()
        options = {**OPTIONS, "epochs": 2}
        made.fit(X, LABELS, **options, average=average, frozen=("conv1", "batchnorm1"), engine=engine)
        for name, array in made.get_weights().items():
            assert (array.tobytes() == before[name].tobytes()) == name.startswith(("conv1", "batchnorm1")), name


@pytest.mark.parametrize("average", [EMA(0.9), SWA(0.4)], ids=repr)
@pytest.mark.parametrize("after", [3, 6, 9, 11])
def test_killed_and_resumed(average: Any, after: int, tmp_path: Path) -> None:
    options = {**OPTIONS, "average": average, "accumulate": 1, "validation_split": 0.2, "epochs": 4}
    whole = network("float32")
    expected = whole.fit(np.float32(X), LABELS, **options)
    place: dict[str, Any] = {"checkpoint": Checkpoint(tmp_path, seconds=0), "resume": True}
    with pytest.raises(Killed):
        network("float32").fit(np.float32(X), LABELS, **options, **place, callbacks=[Killer(after)])
    for _ in ("goes on", "has ended"):
        again = network("float32")
        history = again.fit(np.float32(X), LABELS, **options, **place)
        assert history.figures == expected.figures
        for name, array in whole.get_weights().items():
            assert array.tobytes() == again.get_weights()[name].tobytes(), name
    with pytest.raises(TrainingError, match=r"average is .* there and missing here"):
        network("float32").fit(np.float32(X), LABELS, **{**options, "average": None}, **place)


def test_one_that_comes_apart_leaves_the_good_weights() -> None:
    made = Network(Dense(3), input_shape=(4,), dtype="float64")
    made.initialize(0)
    with pytest.raises(Diverged):
        made.fit(
            np.ones((8, 4)), np.ones((8, 3)), loss="mse", learning_rate=1e200, epochs=9, average="ema", verbose=False
        )
    assert all(np.isfinite(array).all() for array in made.get_weights().values())


def test_refuses() -> None:
    made: Any = network()
    for average, words in (
        ("emma", r"average: there is no 'emma'. Did you mean 'ema'"),
        (0.9, r"average is 'ema', 'swa', EMA\(...\) or SWA\(...\), not 0.9"),
    ):
        with pytest.raises(TrainingError, match=words):
            made.fit(X, LABELS, average=average)
    with pytest.raises(TrainingError, match="EMA: decay must be a number of at least 0 and below 1, not 1"):
        EMA(1)
    with pytest.raises(TrainingError, match="SWA: start must be a number of at least 0 and below 1, not 2"):
        SWA(2)


@pytest.mark.torch
@engines
def test_as_in_torch(engine: str, torch: ModuleType) -> None:
    """PyTorch's averaged models of the weights that we had, and its statistics of a mean, without dropout."""
    utils = torch.optim.swa_utils
    nn = torch.nn

    def twin(weights: Weights) -> Any:
        model = nn.Sequential(nn.Linear(7, 5), nn.BatchNorm1d(5, eps=1e-3), nn.ReLU(), nn.Linear(5, 3)).double()
        with torch.no_grad():
            for place, name in ((0, "dense1"), (3, "dense2")):
                model[place].weight[:] = torch.tensor(weights[f"{name}.w"].T)
                model[place].bias[:] = torch.tensor(weights[f"{name}.b"])
            model[1].weight[:] = torch.tensor(weights["batchnorm1.gamma"])
            model[1].bias[:] = torch.tensor(weights["batchnorm1.beta"])
        return model

    x = X.reshape(len(X), -1)[:18, :7]
    options = {**OPTIONS, "shuffle": False, "engine": engine}
    for average in (EMA(0.9), SWA(0.5)):
        made, seen = Network(Dense(5), BatchNorm(), ReLU(), Dense(3), input_shape=(7,), dtype="float64"), Watcher()
        made.fit(x, LABELS[:18], **options, average=average, callbacks=[seen])
        ema = isinstance(average, EMA)
        models = [twin(weights) for weights in (seen.updates if ema else seen.epochs[2:])]
        mean = utils.AveragedModel(models[0], multi_avg_fn=utils.get_ema_multi_avg_fn(0.9) if ema else None)
        for model in models:
            mean.update_parameters(model)
        theirs = mean.module
        np.testing.assert_allclose(made.parameters["dense1.w"], theirs[0].weight.detach().numpy().T, rtol=1e-9)
        np.testing.assert_allclose(made.parameters["batchnorm1.gamma"], theirs[1].weight.detach().numpy(), rtol=1e-9)
        np.testing.assert_allclose(made.parameters["dense2.b"], theirs[3].bias.detach().numpy(), rtol=1e-9)
        if not ema:
            utils.update_bn([torch.tensor(x[start : start + 6]) for start in (0, 6, 12)], mean)
            state = made.state
            np.testing.assert_allclose(state["batchnorm1.moving_mean"], theirs[1].running_mean.numpy(), rtol=1e-9)
            biased = theirs[1].running_var.numpy() * 5 / 6  # PyTorch keeps n / (n - 1) times the variance
            np.testing.assert_allclose(state["batchnorm1.moving_variance"], biased, rtol=1e-9)
