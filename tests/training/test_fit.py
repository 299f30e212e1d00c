"""The training loop on tiny networks, computed by the oracle: it learns, repeats, stops, and refuses bad data."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable as Function
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from convgrad.data import Augment
from convgrad.errors import DataError, TrainingError
from convgrad.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sigmoid, Softmax
from convgrad.models.network import Network
from convgrad.training import Callback, CSVLogger, Diverged, EarlyStopping, History, ProgressTable, Training
from convgrad.training.advice import TrainingWarning
from convgrad.training.evaluate import evaluate
from convgrad.training.fit import fit
from convgrad.training.metrics import Metric
from convgrad.training.splitting import split_rows


def network(outputs: int = 3) -> Network:
    return Network(Conv2D(2, (3, 2)), ReLU(), MaxPool2D(2), Flatten(), Dense(outputs), input_shape=(7, 5, 1))


def examples(count: int = 66) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 7, 5, 1) whose class is the third of the rows that is bright."""
    rng = np.random.default_rng(11)
    labels = np.arange(count) % 3
    images = 0.2 * rng.random((count, 7, 5, 1), dtype=np.float32)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] += 1
    return images, labels


def trained(net: Network | None = None, **options: Any) -> tuple[Network, History]:
    net = net or network()
    usual: dict[str, Any] = {"epochs": 3, "batch_size": 11, "learning_rate": 0.2, "verbose": False, "engine": "oracle"}
    return net, fit(net, *examples(), **(usual | options))


class Recorder(Callback):
    """Writes down what it is told, and does `act` at each batch."""

    def __init__(self, act: Function[[Training], None] = lambda training: None):
        self.events: list[tuple[str, int, int]] = []
        self.rates: list[float] = []
        self.act = act

    def on_train_begin(self, training: Training) -> None:
        self.events.append(("train_begin", training.epoch, training.batch))

    def on_epoch_begin(self, training: Training) -> None:
        self.events.append(("epoch_begin", training.epoch, training.batch))

    def on_batch_end(self, training: Training) -> None:
        self.events.append(("batch_end", training.epoch, training.batch))
        self.rates.append(training.learning_rate)
        self.act(training)

    def on_epoch_end(self, training: Training) -> None:
        self.events.append(("epoch_end", training.epoch, training.batch))

    def on_train_end(self, training: Training) -> None:
        self.events.append(("train_end", training.epoch, training.batch))


def test_it_learns_and_reports() -> None:
    net, history = trained(epochs=8, validation_split=0.5)
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epochs == 8
    assert history.images == 33
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["val_accuracy"][-1] > 0.95
    assert not history.interrupted
    figures = evaluate(net, *examples(), engine="oracle")
    assert figures["accuracy"] > 0.95
    assert net.evaluate(*examples(), engine="oracle", batch_size=7)["loss"] == pytest.approx(figures["loss"], rel=1e-5)


def test_the_same_seed_gives_the_same_bits() -> None:
    first, other = trained(seed=5)[0].get_weights(), trained(seed=5)[0].get_weights()
    assert all((first[name] == other[name]).all() for name in first)
    different = trained(seed=6)[0].get_weights()
    assert any((first[name] != different[name]).any() for name in first)


def test_training_goes_on_from_the_weights_there_are() -> None:
    net, first = trained(epochs=4)
    _, second = trained(net, epochs=1)
    assert second["loss"][0] < first["loss"][0]


def test_figures_of_an_epoch_count_every_example_once() -> None:
    """With a learning rate of next to nothing the running averages are those of the initial weights."""
    net, history = trained(epochs=1, learning_rate=1e-12, batch_size=13)
    figures = evaluate(net, *examples(), engine="oracle")
    assert history["loss"][0] == pytest.approx(figures["loss"], rel=1e-5)
    assert history["accuracy"][0] == pytest.approx(figures["accuracy"])


def test_a_batch_larger_than_the_data() -> None:
    assert trained(batch_size=100, epochs=2)[1].epochs == 2


def test_losses_that_compare_arrays_take_labels_and_one_hot_rows() -> None:
    def net() -> Network:
        return Network(Flatten(), Dense(3), Sigmoid(), input_shape=(7, 5, 1))

    images, labels = examples()
    options: dict[str, Any] = {"loss": "half_squared_error", "epochs": 2, "verbose": False, "engine": "oracle"}
    by_label, by_row = net(), net()
    figures = fit(by_label, images, labels, **options)
    rows = fit(by_row, images, np.eye(3)[labels], **options, validation_split=0.5)
    assert figures["loss"][1] < figures["loss"][0]
    assert rows.images == 33
    expected = 0.5 * ((by_label.predict(images, engine="oracle") - np.eye(3)[labels]) ** 2).sum(axis=1).mean()
    found = evaluate(by_label, images, labels, loss="half_squared_error", engine="oracle")
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_labels_and_one_hot_rows_are_the_same_to_a_loss_of_labels() -> None:
    images, labels = examples()
    by_label = evaluate(trained()[0], images, labels, engine="oracle")
    assert evaluate(trained()[0], images, np.eye(3)[labels], engine="oracle") == by_label


def test_validation_split_takes_a_share_of_every_class() -> None:
    """Sorted labels: the last rows would all be of one class, and training would never see it."""
    images, labels = examples()
    order = np.argsort(labels, kind="stable")
    net = network()
    history = fit(
        net, images[order], labels[order], epochs=8, learning_rate=0.2, batch_size=11, validation_split=0.3,
        verbose=False, engine="oracle",
    )  # fmt: skip
    assert history["val_accuracy"][-1] > 0.95


def test_events_come_in_order() -> None:
    recorder = Recorder()
    trained(epochs=2, batch_size=40, callbacks=[recorder])
    assert recorder.events == [
        ("train_begin", 0, 0),
        ("epoch_begin", 0, 0),
        ("batch_end", 0, 0),
        ("batch_end", 0, 1),
        ("epoch_end", 0, 1),
        ("epoch_begin", 1, 1),
        ("batch_end", 1, 0),
        ("batch_end", 1, 1),
        ("epoch_end", 1, 1),
        ("train_end", 1, 1),
    ]


def test_the_schedule_gets_the_fraction_done() -> None:
    recorder = Recorder()
    trained(epochs=2, batch_size=33, learning_rate=0.5, schedule=lambda f: f, callbacks=[recorder])
    assert recorder.rates == pytest.approx([0.0, 0.125, 0.25, 0.375])


def test_the_same_schedule_by_name_and_by_function() -> None:
    recorder = Recorder()
    trained(epochs=1, batch_size=33, learning_rate=0.5, schedule="steps", callbacks=[recorder])
    assert recorder.rates == pytest.approx([0.5, 0.05])


def test_a_callback_stops_the_training() -> None:
    def stop(training: Training) -> None:
        training.stop = training.batch == 1

    _, history = trained(epochs=5, callbacks=[Recorder(stop)])
    assert history.epochs == 1
    assert not history.interrupted


def test_early_stopping_restores_the_best_weights() -> None:
    """A learning rate that jumps after two epochs spoils the weights; those of the best epoch come back."""
    stopping = EarlyStopping(patience=2)
    net, history = trained(
        epochs=20, learning_rate=1.0, schedule=lambda f: 0.2 if f < 0.1 else 8.0, validation_split=0.3,
        callbacks=[stopping], seed=1,
    )  # fmt: skip
    best = int(np.argmin(history["val_loss"]))
    assert stopping.best_epoch == best
    assert history.epochs == best + 3
    images, labels = examples()
    held_out = split_rows(labels, 0.3, 0)[1]
    restored = evaluate(net, images[held_out], labels[held_out], engine="oracle")
    assert restored["loss"] == pytest.approx(history["val_loss"][best], rel=1e-4)


def test_early_stopping_needs_a_figure_that_is_recorded() -> None:
    with pytest.raises(
        TrainingError, match="monitors 'val_top5', which this training does not record; it records loss"
    ):
        trained(callbacks=[EarlyStopping(monitor="val_top5")])


def test_early_stopping_refuses_bad_arguments() -> None:
    with pytest.raises(TrainingError, match="EarlyStopping: patience must be a whole number of at least 0, not -1"):
        EarlyStopping(patience=-1)
    with pytest.raises(TrainingError, match="mode must be 'auto' or 'min' or 'max', not 'least'"):
        EarlyStopping(mode="least")  # type: ignore[arg-type]


def stopped_by(values: list[float], monitor: str | None = None, **options: Any) -> tuple[EarlyStopping, int]:
    """Hand the figures of one epoch after another to EarlyStopping; returns it and how many epochs it let pass."""
    stopping = EarlyStopping(monitor, restore_best=False, **options)
    name = monitor or "loss"
    training = Training(network(), len(values), 1, 1, 1, History())
    stopping.on_train_begin(training)
    for epoch, value in enumerate(values):
        training.epoch, training.logs = epoch, {name: value}
        stopping.on_epoch_end(training)
        if training.stop:
            return stopping, epoch + 1
    return stopping, len(values)


NAN = float("nan")


@pytest.mark.parametrize(
    ("monitor", "values", "best", "epochs"),
    [
        ("val_mae", [0.165, 0.175, 0.177, 0.178, 0.1], 0, 4),
        ("val_loss", [NAN, 1.0, 0.5, 0.2], 3, 4),
        ("val_accuracy", [0.9, 0.7, NAN, 0.8, 0.95], 0, 4),
        ("val_accuracy", [NAN, NAN, 0.8, 0.9], 3, 4),
        ("loss", [NAN, NAN, NAN, 0.1], None, 3),
        ("top5", [0.5, 0.6, 0.6, 0.6, 0.6, 0.9], 1, 5),
    ],
)
def test_early_stopping_knows_what_is_better(monitor: str, values: list[float], best: int | None, epochs: int) -> None:
    stopping, passed = stopped_by(values, monitor)
    assert (stopping.best_epoch, passed) == (best, epochs)
    assert stopping.best_value == pytest.approx(NAN if best is None else values[best], nan_ok=True)


def test_early_stopping_asks_where_nobody_said_what_is_better() -> None:
    with pytest.raises(
        TrainingError, match=r"monitors 'val_wobble', but it is not known .* Write mode='min' or mode='max'"
    ):
        stopped_by([0.5], "val_wobble")
    assert stopped_by([0.5, 0.4], "val_wobble", mode="min")[0].best_epoch == 1
    assert stopped_by([0.5, 0.4], "val_wobble", mode="max")[0].best_epoch == 0
    own = Metric("wobble", lambda outputs, targets: np.arange(len(outputs)), "less")
    stopping = EarlyStopping("wobble")
    trained(epochs=2, metrics=["accuracy", own], callbacks=[stopping])
    assert stopping.best_epoch == 0
    with pytest.raises(TrainingError, match="it is not known whether less or more"):  # before anything is trained
        trained(net := network(), metrics=[Metric("own", own.each)], callbacks=[EarlyStopping("val_own")])
    assert net.past.updates == 0


@pytest.mark.parametrize(
    ("last", "loss", "message"),
    [
        (
            Sigmoid(),
            "binary_cross_entropy",
            r"ends with Sigmoid \(layer `sigmoid1`\).*binary_cross_entropy contains the",
        ),
        (
            Softmax(),
            "softmax_cross_entropy",
            r"ends with Softmax \(layer `softmax1`\).*probabilities are softmax of the",
        ),
        (Sigmoid(), "softmax_cross_entropy", r"ends with Sigmoid .*softmax_cross_entropy contains the softmax"),
        (Softmax(), "binary_cross_entropy", r"ends with Softmax .*binary_cross_entropy contains the sigmoid"),
    ],
)
def test_probabilities_before_a_loss_of_logits_are_said(last: Any, loss: str, message: str) -> None:
    for more in ((), (Flatten(),)):
        net = Network(Flatten(), Dense(3), type(last)(), *more, input_shape=(7, 5, 1))
        with pytest.warns(TrainingWarning, match=message):
            trained(net, epochs=1, loss=loss)
    trained(Network(Flatten(), Dense(3), type(last)(), input_shape=(7, 5, 1)), epochs=1, loss="half_squared_error")
    trained(Network(Flatten(), Dense(3), type(last)(), Dense(3), input_shape=(7, 5, 1)), epochs=1, loss=loss)


def test_figures_of_a_regression_are_errors() -> None:
    images, _ = examples()
    net = Network(Flatten(), Dense(2), input_shape=(7, 5, 1))
    y = images.reshape(66, -1)[:, :2]
    history = fit(net, images, y, loss="mse", epochs=1, validation_split=0.5, verbose=False, engine="oracle")
    assert list(history) == ["loss", "mae", "val_loss", "val_mae"]


def test_a_loss_that_is_no_number_stops_and_keeps_good_weights() -> None:
    net = Network(Flatten(), Dense(3), input_shape=(7, 5, 1))
    message = r"loss became NaN or infinite in epoch \d, batch \d.*Use a learning rate below 1e\+03, such as 1e\+02"
    with pytest.raises(Diverged, match=message) as caught:
        trained(net, loss="half_squared_error", learning_rate=1000.0)
    assert isinstance(caught.value.history, History)
    assert all(np.isfinite(array).all() for array in net.get_weights().values())
    assert np.isfinite(evaluate(net, *examples(), engine="oracle")["loss"])


def test_weights_that_only_the_last_update_spoiled_are_noticed() -> None:
    net = Network(Flatten(), Dense(3), input_shape=(7, 5, 1))
    with pytest.raises(Diverged, match=r"the weights became NaN or infinite in epoch 1, batch 2"):
        trained(net, epochs=1, batch_size=33, schedule=lambda f: 1.0 if f < 0.5 else float("inf"))
    assert all(np.isfinite(array).all() for array in net.get_weights().values())


def test_ctrl_c_in_the_last_batch_counts() -> None:
    def press(training: Training) -> None:
        if training.batch + 1 == training.batches:
            os.kill(os.getpid(), signal.SIGINT)

    _, history = trained(epochs=1, callbacks=[Recorder(press)])
    assert history.interrupted
    assert history.epochs == 1


def test_divergence_after_good_epochs_keeps_the_last_epoch() -> None:
    net = network()
    with pytest.raises(Diverged) as caught:
        trained(net, epochs=4, learning_rate=1.0, schedule=lambda f: 0.2 if f < 0.5 else 1e30)
    assert caught.value.history.epochs == 2
    same_until_then, _ = trained(epochs=2, learning_rate=0.2)
    good = same_until_then.get_weights()
    assert all((good[name] == array).all() for name, array in net.get_weights().items())


def test_ctrl_c_ends_after_the_batch_with_weights_and_history() -> None:
    def press(training: Training) -> None:
        if training.epoch == 1 and training.batch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    recorder = Recorder(press)
    net, history = trained(epochs=5, callbacks=[recorder])
    assert history.interrupted
    assert history.epochs == 1
    assert recorder.events[-2:] == [("batch_end", 1, 2), ("train_end", 1, 2)]
    assert net.initialized
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait() -> None:
    def press_twice(training: Training) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second one should have interrupted")

    _, history = trained(callbacks=[Recorder(press_twice)])
    assert history.interrupted


def test_the_table_in_a_file_is_plain_and_narrow() -> None:
    file = io.StringIO()
    table = ProgressTable(Console(file=file, width=200))
    trained(epochs=2, validation_split=0.3, callbacks=[table])
    lines = file.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ["epoch", "loss", "accuracy", "val", "loss", "val", "accuracy", "images/s"]
    assert [line.split()[0] for line in lines[1:]] == ["1/2", "2/2"]
    assert all(len(line) <= 80 for line in lines)
    assert "\x1b" not in file.getvalue()


def test_figures_too_many_for_a_row_become_running_text() -> None:
    file = io.StringIO()
    table = ProgressTable(Console(file=file, width=200))
    trained(epochs=1, metrics=["accuracy", "top3", "mean_squared_error"], validation_split=0.3, callbacks=[table])
    lines = file.getvalue().splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 80 for line in lines)
    assert lines[0].startswith("epoch 1/1, loss ")


def test_the_bar_on_a_terminal_fits_and_goes_away() -> None:
    file = io.StringIO()
    table = ProgressTable(Console(file=file, width=80, force_terminal=True))
    trained(epochs=1, callbacks=[table])
    assert "\x1b" in file.getvalue()
    assert "images/s" in file.getvalue()


def test_csv_logger_writes_a_line_an_epoch(tmp_path: Any) -> None:
    trained(epochs=2, callbacks=[CSVLogger(tmp_path / "log.csv")])
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,learning_rate,loss,accuracy"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]


IMAGES, LABELS = examples()


def with_nan(index: int) -> np.ndarray:
    images: np.ndarray = IMAGES.copy()
    images[index, 3, 2, 0] = np.nan
    return images


def with_label(index: int, label: int) -> np.ndarray:
    labels: np.ndarray = LABELS.copy()
    labels[index] = label
    return labels


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (with_nan(17), LABELS, "training data: image 17 holds NaN or infinity"),
        (IMAGES.astype(np.float64) * 1e60, LABELS, "image 0 holds NaN or infinity"),
        (IMAGES[:, :6], LABELS, r"have shape \(6, 5, 1\), but the network takes \(7, 5, 1\). Resize the images"),
        (IMAGES[..., 0], LABELS, r"takes \(7, 5, 1\). Add the channel axis: x\[..., np.newaxis\]"),
        (IMAGES.transpose(0, 3, 1, 2), LABELS, r"Channels come last: x.transpose\(0, 2, 3, 1\)"),
        (IMAGES[0], LABELS, r"one example without the batch axis: pass x\[np.newaxis\]"),
        (IMAGES, with_label(5, 3), "label 3 of example 5 is out of range: .* 3 classes, so labels are 0 to 2"),
        (IMAGES, with_label(7, -1), "label -1 of example 7 is out of range"),
        (IMAGES, LABELS + 0.5, "target 0 is 0.5, but labels are whole numbers"),
        (IMAGES, LABELS[:-1], "x has 66 examples, but y 65 targets"),
        (IMAGES, 3, "x has 66 examples, but y one number"),
        (IMAGES[:0], LABELS[:0], "training data: x is empty"),
        (IMAGES, np.array([b"a"] * 66), r"training data: y must be an array of real numbers.*\|S1"),
        (IMAGES, np.zeros((66, 2, 2)), r"targets have shape \(2, 2\), but the network's output \(3,\)"),
        (IMAGES, np.full((66, 3), np.nan), "target 0 holds NaN or infinity"),
        (IMAGES, np.full((66, 3), 1.0), r"target 0 is not a one-hot row \(a 1, else 0\)"),
        ((IMAGES * 255).astype(np.int64), LABELS, r"dtype int64, but must hold floats or bytes .*`x.astype\(np"),
        (np.full((66, 7, 5, 1), "a"), LABELS, r"x must be an array of real numbers"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_meant_is_refused(x: Any, y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit(network(), x, y, engine="oracle", verbose=False)


def test_validation_data_is_checked_too() -> None:
    with pytest.raises(DataError, match="validation data: image 2 holds NaN"):
        trained(validation_data=(with_nan(2), LABELS))
    with pytest.raises(DataError, match="test data: image 2 holds NaN"):
        evaluate(network(), with_nan(2), LABELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "fit: epochs must be a whole number of at least 1, not 0"),
        ({"batch_size": 0}, "fit: batch_size must be a whole number of at least 1, not 0"),
        ({"learning_rate": -0.1}, "learning_rate must be a number above 0, or None, not -0.1"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number above 0, or None, not nan"),
        ({"metrics": ["precise"]}, "There is no metric 'precise'"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"callbacks": [print]}, "callbacks holds <built-in function print>, which is not a Callback"),
        ({"validation_split": 0.2, "validation_data": (IMAGES, LABELS)}, "Give one of them"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        trained(**options)


def test_a_network_that_gives_back_its_images_learns_to_with_augmentation() -> None:
    images, _ = examples()
    net = Network(Conv2D(1, 1), input_shape=(7, 5, 1))
    options: dict[str, Any] = {"loss": "mse", "optimizer": "adam", "learning_rate": 0.1}
    options |= {"verbose": False, "engine": "oracle"}
    history = fit(net, images, images, epochs=80, augment=Augment(flip=True, shift=2), **options)
    assert history["loss"][-1] < 1e-4
    assert net.parameters["conv1.w"].item() == pytest.approx(1, abs=0.02)
    numbers = Network(Flatten(), Dense(2), input_shape=(7, 5, 1))
    y = images.reshape(66, -1)[:, :2]
    with pytest.raises(DataError, match=r"whether targets of shape .* must move with them is not known"):
        fit(numbers, images, y, augment=Augment(shift=2), **options)
    fit(numbers, images, y, epochs=1, augment=Augment(shift=2, targets="keep"), **options)
