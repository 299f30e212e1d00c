"""Targets: the same ones taken, and the same ones refused, by all that trains, evaluates or explains."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convgrad import Network
from convgrad.errors import DataError, TrainingError
from convgrad.layers import Conv2D, Dense
from convgrad.losses import Loss, loss_from
from convgrad.network.step import gradients, loss_value
from convgrad.network.targets import Targets

COUNT, INPUTS, CLASSES = 5, 4, 3
X = np.random.default_rng(0).normal(size=(COUNT, INPUTS))
LABELS = np.array([2, 0, 1, 1, 2])
ROWS = np.eye(CLASSES)[LABELS]


def network(outputs: int = CLASSES) -> Network:
    made = Network(Dense(outputs), input_shape=(INPUTS,), dtype="float64")
    made.initialize(0)
    return made


def stepped(made: Network, y: Any, loss: str) -> float:
    step = made.training_step(loss, "sgd", COUNT, engine="oracle")
    step.run(X, y, 1e-300)
    return step.loss


def traced(made: Network, y: Any, loss: str) -> float:
    found = made.trace(X, y, loss=loss).loss
    assert found is not None
    return found


def differentiated(made: Network, y: Any, loss: str) -> float:
    assert gradients(made, X, y, loss, engine="oracle")["dense1.dw"].any()
    return loss_value(made, X, y, loss, engine="oracle")


TAKERS: dict[str, Callable[[Network, Any, str], float]] = {
    "training data": lambda made, y, loss: made.fit(
        X, y, loss=loss, epochs=1, batch_size=COUNT, learning_rate=1e-300, metrics=(), verbose=False, engine="oracle"
    )["loss"][0],
    "test data": lambda made, y, loss: made.evaluate(X, y, loss=loss, metrics=(), engine="oracle")["loss"],
    "training step": stepped,
    "gradients": differentiated,
    "trace": traced,
}
takers = pytest.mark.parametrize("where", TAKERS)


@takers
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mse", "half_squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize(
    "y", [LABELS, LABELS[:, None], LABELS.astype(np.uint8), LABELS.tolist(), ROWS, ROWS.astype(bool), ROWS.tolist()]
)
def test_labels_and_one_hot_rows_are_the_same_everywhere(where: str, loss: str, y: Any) -> None:
    made = network()
    results = made.predict(X, engine="oracle")
    shifted = results - results.max(1, keepdims=True)
    expected = {
        "softmax_cross_entropy": np.log(np.exp(shifted).sum(1)) - (ROWS * shifted).sum(1),
        "mse": ((ROWS - results) ** 2).mean(1),
        "half_squared_error": 0.5 * ((ROWS - results) ** 2).sum(1),
        "binary_cross_entropy": (np.log1p(np.exp(results)) - ROWS * results).mean(1),
    }[loss].mean()
    assert TAKERS[where](made, y, loss) == pytest.approx(expected, rel=1e-13)


def changed(values: np.ndarray, place: Any, value: float) -> np.ndarray:
    found = values.astype(np.float64)
    found[place] = value
    return found


REFUSED = [
    ("softmax_cross_entropy", changed(LABELS, 1, 3).astype(int), r"label 3 of example 1 is out of range: .* 0 to 2"),
    ("softmax_cross_entropy", changed(LABELS, 4, -1).astype(int), r"label -1 of example 4 is out of range"),
    ("softmax_cross_entropy", changed(LABELS, 2, 3), r"label 3(\.0)? of example 2 is out of range"),
    ("softmax_cross_entropy", changed(LABELS, 3, 0.5), r"target 3 is 0\.5, but labels are whole numbers"),
    ("softmax_cross_entropy", changed(LABELS, 3, np.nan), r"target 3 is nan, but labels are whole numbers"),
    ("softmax_cross_entropy", changed(LABELS, 3, np.inf), r"label inf of example 3 is out of range"),
    ("softmax_cross_entropy", changed(ROWS, (2, 0), 1), r"target 2 is not a one-hot row \(a 1, else 0\)"),
    ("softmax_cross_entropy", changed(ROWS, (2, 0), np.nan), r"target 2 holds NaN or infinity"),
    ("mse", changed(LABELS, 1, 3).astype(int), r"label 3 of example 1 is out of range"),
    ("mse", changed(ROWS, (4, 1), np.nan), r"target 4 holds NaN or infinity"),
    ("mse", changed(ROWS, (0, 1), -np.inf), r"target 0 holds NaN or infinity"),
    (
        "binary_cross_entropy",
        changed(ROWS, (3, 2), 1.5),
        r"target 3 holds 1\.5, but the loss takes .* 0 .* to 1 \(yes\)",
    ),
    ("binary_cross_entropy", changed(ROWS, (1, 0), -0.25), r"target 1 holds -0\.25, but the loss takes"),
]


@takers
@pytest.mark.parametrize(("loss", "y", "message"), REFUSED)
def test_what_names_no_class_and_no_number_is_refused_everywhere(where: str, loss: str, y: Any, message: str) -> None:
    made = network()
    before = made.get_weights()
    with pytest.raises(DataError, match=f"{where}: {message}"):
        TAKERS[where](made, y, loss)
    for name, values in before.items():
        np.testing.assert_array_equal(made.parameters[name], values)


@pytest.mark.parametrize("where", [name for name in TAKERS if name != "trace"])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (LABELS[:4], r"x has 5 examples, but [yt] 4 targets\. Each example needs one"),
        ([*LABELS, 0], r"x has 5 examples, but [yt] 6 targets"),
        (1, r"x has 5 examples, but [yt] one number"),
        (ROWS[:, :2], r"targets have shape \(2,\), but the network's output \(3,\)"),
        (ROWS.T, r"x has 5 examples, but [yt] 3 targets"),
        ([[0, 1], [1]], r"[yt] must be an array of real numbers, or lists of one length"),
    ],
)
def test_too_few_too_many_and_none_at_all(where: str, y: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"{where}: {message}"):
        TAKERS[where](network(), y, "softmax_cross_entropy")


@takers
def test_whole_numbers_are_numbers_for_one_output(where: str) -> None:
    made = network(1)
    y = np.array([7, -3, 0, 5, 2])
    expected = ((y - made.predict(X, engine="oracle")[:, 0]) ** 2).mean()
    for given in (y, y[:, None], y.astype(np.float64)):
        assert TAKERS[where](network(1), given, "mse") == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("shape", [(5, 2, 3, 1), (5, 2, 3), (5, 6)])
def test_images_as_targets(shape: tuple[int, ...]) -> None:
    """As the results are, without the channel, or in a row; not in another order."""
    made = Network(Conv2D(1, 2, bias=None), input_shape=(3, 4, 1), dtype="float64")
    made.initialize(1)
    x = np.random.default_rng(1).normal(size=(5, 3, 4, 1))
    y = np.random.default_rng(2).normal(size=(5, 2, 3, 1))
    expected = ((y - made.predict(x, engine="oracle")) ** 2).mean()
    assert loss_value(made, x, y.reshape(shape), "mse", engine="oracle") == pytest.approx(expected, rel=1e-13)
    assert made.evaluate(x, y.reshape(shape), loss="mse", metrics=())["loss"] == pytest.approx(expected, rel=1e-13)
    with pytest.raises(
        DataError, match=r"gradients: targets have shape \(3, 2, 1\), but the network's output \(2, 3, 1\)"
    ):
        gradients(made, x, y.transpose(0, 2, 1, 3), "mse")


def test_a_label_of_one_example_is_explained_as_a_row_is() -> None:
    made = network()
    for loss in ("softmax_cross_entropy", "half_squared_error"):
        by_label, by_row = made.trace(X[0], 2, loss=loss), made.trace(X[0], [0, 0, 1], loss=loss)
        assert by_label.loss == by_row.loss
        np.testing.assert_array_equal(by_label["dense1.dw"].values, by_row["dense1.dw"].values)


def test_targets_that_float32_can_not_hold() -> None:
    made = Network(Dense(2), input_shape=(INPUTS,))
    y = np.ones((COUNT, 2))
    y[3, 1] = 1e39
    with pytest.raises(DataError, match=r"training data: target 3 holds NaN or infinity, or what float32 can't hold"):
        made.fit(X, y, loss="mse", verbose=False)
    with pytest.raises(DataError, match=r"t can't be set: its greatest magnitude, 1e\+39, is beyond"):
        made.training_step("mse", "sgd", COUNT, engine="oracle").run(X, y)


def test_a_loss_that_takes_other_arrays() -> None:
    class Total(Loss):
        """The squared distance of the sum from one number."""

        @property
        def text(self) -> str:
            return "E = (sum[k](y[k]) - sum[k](t[k]))^2"

    taken = Targets(Total(), (2, 3))
    assert taken.of(np.ones((7, 6)), 7, "data").shape == (7, 2, 3)
    assert not taken.labels


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1, 1, 1, -1], "must be numbers of at least 0, none of them infinite"),
        ([1, 1, np.nan, 1, 1], "must be numbers of at least 0, none of them infinite"),
        ([1, 1, np.inf, 1, 1], "must be numbers of at least 0, none of them infinite"),
        ([0, 0, 0, 0, 0], "add up to 0"),
    ],
)
def test_weights_of_a_batch(weights: list[float], message: str) -> None:
    step = network().training_step("mse", "sgd", COUNT, engine="oracle")
    with pytest.raises(TrainingError, match=re.escape("The weights of a batch ") + message):
        step.run(X, ROWS, 0.1, np.array(weights))


@pytest.mark.parametrize("x", [X[:, :3], X[0], X[:0]])
def test_inputs_of_gradients(x: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"gradients: x must have shape \(N, 4\), N at least 1, but has"):
        gradients(network(), x, LABELS[: len(x)], "mse")


# float64 is float64 all the way


def test_float64_training_is_float64_in_every_number() -> None:
    """Five epochs of gradient descent, with filler rows, by NumPy: shares, inputs and targets have all their digits."""
    made = Network(Dense(CLASSES), input_shape=(INPUTS,), dtype="float64")
    made.initialize(3)
    w, b = made.parameters["dense1.w"].copy(), made.parameters["dense1.b"].copy()
    y = np.random.default_rng(4).normal(size=(COUNT, CLASSES))
    history = made.fit(
        X, y, loss="mse", epochs=5, batch_size=3, learning_rate=0.3, shuffle=False, metrics=(), verbose=False,
        engine="oracle",
    )  # fmt: skip
    for _ in range(5):
        total = 0.0
        for rows in (slice(0, 3), slice(3, 5)):
            error = X[rows] @ w + b - y[rows]
            total += (error**2).mean(1).sum()
            delta = 2 * error / CLASSES / len(error)
            w, b = w - 0.3 * X[rows].T @ delta, b - 0.3 * delta.sum(0)
    np.testing.assert_allclose(made.parameters["dense1.w"], w, rtol=0, atol=1e-14)
    np.testing.assert_allclose(made.parameters["dense1.b"], b, rtol=0, atol=1e-14)
    assert history["loss"][-1] == pytest.approx(total / COUNT, rel=1e-13)
    found = made.evaluate(X, y, loss="mse", metrics=(), engine="oracle")["loss"]
    assert found == pytest.approx(((X @ w + b - y) ** 2).mean(), rel=1e-13)


def test_shares_of_float32_weights_are_float64() -> None:
    made = Network(Dense(1, bias=None), input_shape=(1,), dtype="float64")
    made.set_weights({"dense1.w": [[1.0]]})
    step = made.training_step("mse", "sgd", 50, engine="oracle")
    step.run(np.ones((50, 1)), np.zeros((50, 1)), 1e-300, np.ones(50, np.float32))
    assert step.loss == pytest.approx(1, abs=1e-15)


def test_names_of_losses_and_their_limits() -> None:
    limits = {name: loss_from(name).target_limits for name in ("mse", "softmax_cross_entropy", "binary_cross_entropy")}
    assert limits == {"mse": None, "softmax_cross_entropy": None, "binary_cross_entropy": (0, 1)}
