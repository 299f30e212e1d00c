"""Trainings of networks of several inputs and outputs: figures by output, sources, checkpoints, files, refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convgrad
from convgrad import DataError, ModelError, Network, TrainingError
from convgrad.data import Data, Flip
from convgrad.layers import Dense, Input, Softmax
from convgrad.losses import Loss
from convgrad.network.losses import Losses
from convgrad.training import Callback, EarlyStopping, Training
from convgrad.training.advice import TrainingWarning
from several_networks import both, examples, siamese, two_heads, two_inputs

LOSS = {"class": "softmax_cross_entropy", "box": "mse"}
QUICK: dict[str, Any] = {"epochs": 2, "batch_size": 8, "verbose": False, "loss": LOSS, "loss_weights": {"box": 0.5}}
X, Y = examples(22)


def trained(x: Any = X, y: Any = Y, **changed: Any) -> Network:
    network = both()
    network.fit(x, y, **{**QUICK, **changed})
    return network


def same(one: Network, other: Network) -> bool:
    weights = other.get_weights()
    return all((array == weights[name]).all() for name, array in one.get_weights().items())


def test_figures_are_called_after_their_outputs() -> None:
    network = both()
    history = network.fit(X, Y, validation_data=(X, Y), **QUICK)
    each = ["loss", "class_loss", "box_loss", "class_accuracy", "box_mae"]
    assert [*history.figures] == [*each, *(f"val_{name}" for name in each)]
    found = network.evaluate(X, Y)
    assert [*found] == each
    assert found["loss"] == pytest.approx(found["class_loss"] + 0.5 * found["box_loss"], rel=1e-12)
    assert history.figures["val_box_mae"][-1] == found["box_mae"]
    outputs = network.predict(X)
    assert found["class_accuracy"] == (outputs["class"].argmax(1) == Y["class"]).mean()
    assert found["box_mae"] == pytest.approx(np.abs(outputs["box"] - Y["box"]).mean(), rel=1e-6)


def test_the_loss_of_an_epoch_is_the_sum_of_the_outputs_losses() -> None:
    history = both().fit(X, Y, **QUICK)
    for total, scores, box in zip(*(history.figures[name] for name in ("loss", "class_loss", "box_loss")), strict=True):
        assert total == pytest.approx(scores + 0.5 * box, rel=1e-6)


def test_metrics_by_output() -> None:
    network = trained()
    found = network.evaluate(X, Y, metrics={"class": ["accuracy", "top3", "f1"], "box": "r2"})
    assert [*found][3:] == ["class_accuracy", "class_top3", "class_f1", "box_r2"]
    assert [*network.evaluate(X, Y, metrics={"box": "mae"})][3:] == ["box_mae"]


def test_lists_are_in_the_order_of_the_ends() -> None:
    lists = trained([X["image"], X["meta"]], [Y["class"], Y["box"]], loss=[*LOSS.values()], loss_weights=[1, 0.5])
    assert same(trained(), lists)


def test_one_loss_for_all_outputs() -> None:
    network = both()
    history = network.fit(X, {"class": np.eye(4)[Y["class"]], "box": Y["box"]}, loss="mse", epochs=1, verbose=False)
    assert "class_loss" in history.figures


class _Pairs:
    """Examples one by one, as a dataset of PyTorch gives them."""

    def __len__(self) -> int:
        return len(X["meta"])

    def __getitem__(self, n: int) -> tuple[dict[str, Any], dict[str, Any]]:
        return {name: array[n] for name, array in X.items()}, {name: array[n] for name, array in Y.items()}


class _Batches:
    """The same in batches of 6."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, b: int) -> tuple[dict[str, Any], dict[str, Any]]:
        rows = slice(6 * b, 6 * b + 6)
        return {name: array[rows] for name, array in X.items()}, {name: array[rows] for name, array in Y.items()}


def mapped(folder: Path) -> Data:
    found = {}
    for name, array in X.items():
        np.save(folder / f"{name}.npy", array)
        found[name] = np.load(folder / f"{name}.npy", mmap_mode="r")
    return Data(found, Y)


def test_sources_give_the_same_bits(tmp_path: Path) -> None:
    whole = trained()
    for data in (Data(X, Y), Data.items(_Pairs()), mapped(tmp_path)):
        assert same(whole, trained(data, None))
        assert (whole.predict(data)["class"] == whole.predict(X)["class"]).all()
    assert whole.evaluate(Data.items(_Batches(), batched=True)) == whole.evaluate(X, Y)
    shown = repr(Data(X, Y))
    assert shown == "Data: 22 examples of image 6x5x2, meta 3"


def test_batches_and_streams() -> None:
    batches = Data.items(_Batches(), batched=True)
    assert same(trained(batches, None), trained(Data.items(_Batches(), batched=True), None))
    stream = Data.stream(lambda: (_Pairs()[n] for n in range(22)), 22)
    assert same(trained(stream, None), trained(shuffle=False))
    of_batches = Data.stream(lambda: (_Batches()[b] for b in range(4)), 22, batched=True)
    assert same(trained(of_batches, None), trained(shuffle=False))


def test_a_part_is_held_out() -> None:
    history = both().fit(X, Y, validation_split=0.25, **QUICK)
    assert "val_box_loss" in history.figures
    with pytest.raises(TrainingError, match="both given"):
        both().fit(X, Y, validation_split=0.25, validation_data=(X, Y), **QUICK)


def test_weights_of_examples() -> None:
    weights = np.linspace(0, 1, 22)
    assert not same(trained(), trained(sample_weight=weights))
    rows = weights > 0
    one, other = ([part[rows] for part in given.values()] for given in (X, Y))
    assert same(trained(sample_weight=rows.astype(float), shuffle=False), trained(one, other, shuffle=False))


def test_early_stopping_by_the_figure_of_an_output() -> None:
    history = both().fit(X, Y, validation_data=(X, Y), callbacks=[EarlyStopping("val_box_mae", 1)], **QUICK)
    assert "val_box_mae" in history.figures


def test_averages_of_weights_have_statistics_of_their_own() -> None:
    assert not same(trained(), trained(average="ema"))


def test_shared_layers_are_trained_on_and_averaged() -> None:
    rng = np.random.default_rng(0)
    x, y = [rng.random((9, 6, 5, 1)) for _ in range(2)], rng.random((9, 1))
    network = siamese("float32")
    history = network.fit(x, y, loss="mse", epochs=30, batch_size=4, average="ema", optimizer="adam", verbose=False)
    assert history.figures["loss"][-1] < history.figures["loss"][0]


# Files


def test_saved_and_loaded(tmp_path: Path) -> None:
    network = trained()
    convgrad.save(network, tmp_path / "both")
    again = convgrad.load(tmp_path / "both")
    assert again.loss == Losses(LOSS, {"box": 0.5})
    assert again.evaluate(X, Y) == network.evaluate(X, Y)
    again.fit(X, Y, **QUICK)
    network.fit(X, Y, **QUICK)
    assert same(network, again)


def test_a_loss_of_ones_own_has_to_be_given_after_loading(tmp_path: Path) -> None:
    class Own(Loss):
        """E = sum[k]((t[k] - y[k])^2)"""

        @property
        def text(self) -> str:
            return "E = sum[k]((t[k] - y[k])^2)"

    loss: dict[str, str | Loss] = {"class": "softmax_cross_entropy", "box": Own()}
    convgrad.save(trained(loss=loss), tmp_path / "both")
    again = convgrad.load(tmp_path / "both")
    with pytest.raises(ModelError, match="There is no loss called 'Own'"):
        again.evaluate(X, Y)
    assert "box_loss" in again.evaluate(X, Y, loss=loss)


def test_a_saved_siamese_network_has_its_weights_once(tmp_path: Path) -> None:
    network = siamese("float32")
    network.initialize(0)
    convgrad.save(network, tmp_path / "pair")
    again = convgrad.load(tmp_path / "pair")
    images = [np.full((2, 6, 5, 1), value) for value in (0.2, 0.9)]
    np.testing.assert_array_equal(again.predict(images), network.predict(images))
    assert [*again.parameters] == [*network.parameters]


class _Killed(Exception):
    pass


class _Kill(Callback):
    """Ends a training at a batch, as a crash would."""

    def __init__(self, epoch: int, batch: int):
        self.at = (epoch, batch)

    def on_batch_end(self, training: Training) -> None:
        if (training.epoch, training.batch) == self.at:
            raise _Killed


@pytest.mark.parametrize("at", [(0, 0), (0, 2), (1, 1)], ids=str)
def test_resumed_after_a_crash_to_the_same_bits(at: tuple[int, int], tmp_path: Path) -> None:
    place = convgrad.training.Checkpoint(tmp_path / "run", seconds=0)
    quick: dict[str, Any] = {**QUICK, "optimizer": "adam", "validation_split": 0.2}
    whole = both()
    figures = whole.fit(X, Y, **quick).figures
    with pytest.raises(_Killed):
        both().fit(X, Y, checkpoint=place, callbacks=[_Kill(*at)], **quick)
    again = both()
    history = again.fit(X, Y, checkpoint=place, resume=True, **quick)
    assert same(whole, again)
    assert history.figures == figures


def test_a_checkpoint_of_other_weights_of_losses_is_refused(tmp_path: Path) -> None:
    trained(checkpoint=tmp_path / "run")
    with pytest.raises(TrainingError, match=r"loss\.weights\.box is 0\.5 there and 0\.75 here"):
        trained(checkpoint=tmp_path / "run", resume=True, loss_weights={"box": 0.75})


SCRIPT = """
import hashlib
from several_networks import both, examples, siamese
x, y = examples(22)
network = both()
network.fit(x, y, epochs=2, batch_size=8, loss=["softmax_cross_entropy", "mse"], verbose=False)
print(hashlib.sha256(b"".join(array.tobytes() for array in network.get_weights().values())).hexdigest())
"""


def test_the_same_bits_on_any_number_of_threads() -> None:
    found = set()
    for threads in ("1", "2", "3"):
        support = str(Path(__file__).parents[1] / "support")
        environment = {**os.environ, "HL_NUM_THREADS": threads, "PYTHONPATH": support}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


# Warnings and refusals


def test_two_activations_of_an_output_are_warned_of() -> None:
    image = Input((3,))
    code = Dense(2)(image)
    network = Network(inputs=image, outputs={"class": Softmax(name="shares")(code), "box": code})
    with pytest.warns(TrainingWarning, match="ends with Softmax.*`shares`"):
        network.fit(
            np.ones((4, 3)), {"class": [0, 1, 1, 0], "box": np.ones((4, 2))}, loss=LOSS, epochs=1, verbose=False
        )


LABELS = {"class": ["a"] * 22, "box": Y["box"]}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: trained(X["image"]),
            DataError,
            r"training data: the network's inputs are `image` and `meta`, but x is",
        ),
        (
            lambda: trained(y={"class": Y["class"]}),
            DataError,
            "training data: y lacks `box`; the network's outputs are",
        ),
        (
            lambda: trained(y=Y["class"]),
            DataError,
            r"Write y={'class': \.\.\., 'box': \.\.\.}, or a list in this order",
        ),
        (lambda: trained(y=LABELS), DataError, r"y\['class'\] must be an array of real numbers"),
        (lambda: trained(y={**Y, "class": Y["class"] + 1}), DataError, "output `class`: label 4 of example"),
        (lambda: trained(y={**Y, "box": X["meta"]}), DataError, "output `box`: targets have shape"),
        (lambda: trained({**X, "meta": X["meta"][:5]}), DataError, "x has `image` 22, `meta` 5 examples"),
        (lambda: trained(y={**Y, "box": Y["box"][:5]}), DataError, "y has `class` 22, `box` 5 examples"),
        (lambda: trained({**X, "meta": X["image"]}), DataError, r"examples have shape \(6, 5, 2\)\['meta'\]"),
        (lambda: trained({**X, "meta": X["meta"] + np.nan}), DataError, r"image 0\['meta'\] holds NaN or infinity"),
        (lambda: trained({**X, "meta": 5}), DataError, r"x\['meta'\] is one number"),
        (lambda: trained(Data(X, Y["class"]), None), DataError, "training data: the network's outputs are `class` and"),
        (lambda: Data({}, Y), DataError, "x is an empty table"),
        (lambda: Data(X, [1, 2]), DataError, "x has 22 examples, but y 2 targets"),
        (lambda: trained(loss={"class": "mse"}), ModelError, "loss lacks `box`"),
        (lambda: trained(loss_weights={"bux": 2}), ModelError, "loss_weights has 'bux', but the network's outputs"),
        (lambda: trained(metrics={"bux": "mae"}), TrainingError, "metrics has 'bux', but the network's outputs are"),
        (lambda: trained(metrics="accuracy"), TrainingError, "accuracy"),
        (lambda: trained(augment=Flip()), DataError, "augment must say which of the inputs `image` and `meta`"),
        (lambda: trained(class_weight="balanced"), TrainingError, "class_weight is for targets that name one class"),
        (
            lambda: two_inputs().fit(X, Y["class"], metrics={"class": "accuracy"}, epochs=1, verbose=False),
            TrainingError,
            "metrics is a table, but the network has one output",
        ),
        (
            lambda: two_heads("float32").fit(X, Y, epochs=1, verbose=False),
            DataError,
            r"x is a table, \['image', 'meta'\], but the network has no names for its inputs",
        ),
        (lambda: trained(Data.items([(5, 6)]), None), DataError, "inputs are `image` and `meta`, but x is"),
        (
            lambda: trained(Data.items(_Odd()), None),
            DataError,
            "example 1 has .*but the first one a table of class, box",
        ),
        (lambda: trained(Data.items([({"a": [1]}, 0), (5, 0)]), None), DataError, r"source\[1\] gives x of shape"),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


class _Odd(_Pairs):
    """Targets of other names at one place."""

    def __getitem__(self, n: int) -> tuple[dict[str, Any], dict[str, Any]]:
        x, y = super().__getitem__(n)
        return x, y if n != 1 else {"class": 0}
