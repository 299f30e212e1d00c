"""Metrics: exact values on small arrays, weights, ties, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convgrad.errors import DataError, TrainingError
from convgrad.layers import Conv2D, Dense
from convgrad.losses import BinaryCrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy
from convgrad.models.network import Network
from convgrad.training.chosen_metrics import metrics_from
from convgrad.training.metrics import (
    Metric,
    RunningMeans,
    accuracy,
    better_of,
    confusion_matrix,
    mean_squared_error,
    meaning_of,
    predicted_labels,
    top_k,
    true_labels,
)

LOGITS = np.array(
    [[0.1, 2.0, -1.0], [3.0, 0.0, 1.0], [0.0, 0.5, 0.25], [1.0, 1.0, 1.0], [-2.0, -1.0, -3.0]], np.float32
)


def test_accuracy_of_labels_and_one_hot_rows_agree() -> None:
    labels = np.array([1, 0, 2, 0, 1])
    assert accuracy(LOGITS, labels) == pytest.approx(4 / 5)
    assert accuracy(LOGITS, np.eye(3)[labels]) == pytest.approx(4 / 5)


def test_weights_leave_rows_out() -> None:
    labels = np.array([1, 0, 2, 0, 1])
    assert accuracy(LOGITS, labels, weights=np.array([1, 1, 1, 0, 0])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("shape", [(5, 1), (5,)])
def test_accuracy_of_one_output_compares_with_a_half(shape: tuple[int, ...]) -> None:
    outputs = np.array([0.9, 0.2, 0.5, 0.51, 0.0]).reshape(shape)
    assert accuracy(outputs, np.array([1, 0, 1, 1, 1])) == pytest.approx(3 / 5)
    assert predicted_labels(outputs, threshold=0.0).tolist() == [1, 1, 1, 1, 0]


def test_of_equal_outputs_the_first_is_meant() -> None:
    assert predicted_labels(np.array([[1.0, 1.0], [0.0, 0.0]])).tolist() == [0, 0]
    assert top_k(1)(np.array([[1.0, 1.0]]), np.array([1])) == 0.0
    assert top_k(2)(np.array([[1.0, 1.0, 1.0]]), np.array([1])) == 1.0


def test_top_k_counts_what_sorting_counts() -> None:
    rng = np.random.default_rng(3)
    outputs, labels = rng.normal(size=(41, 7)), rng.integers(0, 7, 41)
    order = np.argsort(-outputs, axis=1)
    for k in (1, 2, 5, 7):
        expected = np.mean([labels[n] in order[n, :k] for n in range(41)])
        assert top_k(k)(outputs, labels) == pytest.approx(expected)
    assert top_k(1)(outputs, labels) == accuracy(outputs, labels)


def test_mean_squared_error_of_arrays_and_labels() -> None:
    outputs = np.array([[1.0, 2.0], [0.0, -1.0]])
    assert mean_squared_error(outputs, np.array([[0.0, 0.0], [0.0, 1.0]])) == pytest.approx((1 + 4 + 0 + 4) / 4)
    assert mean_squared_error(outputs, np.array([1, 0])) == pytest.approx((1 + 1 + 1 + 1) / 4)
    with pytest.raises(DataError, match=r"outputs have shape \(2, 2\), but targets \(2, 3\)"):
        mean_squared_error(outputs, np.zeros((2, 3)))


def test_confusion_matrix_counts_pairs() -> None:
    labels = np.array([1, 0, 2, 0, 1])
    matrix = confusion_matrix(LOGITS, labels)
    assert matrix.tolist() == [[2, 0, 0], [0, 2, 0], [0, 1, 0]]
    assert np.trace(matrix) / matrix.sum() == pytest.approx(accuracy(LOGITS, labels))
    assert confusion_matrix(np.array([1, 0]), np.array([1, 1]), classes=4).shape == (4, 4)


def test_metrics_are_found_by_name() -> None:
    own = Metric("own", lambda outputs, targets: np.ones(len(outputs)))
    assert metrics_from(["accuracy", own, "top5"])[1] is own
    assert metrics_from("accuracy") == (accuracy,)
    with pytest.raises(TrainingError, match=r"There is no metric 'acuracy'. Did you mean 'accuracy'\?"):
        metrics_from(["acuracy"])


def test_top_k_refuses_impossible_k() -> None:
    with pytest.raises(TrainingError, match="top_k: k must be a whole number of at least 1, not 0"):
        top_k(0)
    with pytest.raises(DataError, match="top5: there are only 3 classes"):
        top_k(5)(LOGITS, np.zeros(5, np.int64))


def test_running_means_weigh_batches_by_their_size() -> None:
    means = RunningMeans()
    means.add("loss", 1.0, 3)
    means.add("loss", 5.0, 1)
    assert means.values() == {"loss": pytest.approx(2.0)}


MULTI = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], np.float32)


def one_row_network(loss: str = "binary_cross_entropy") -> tuple[Network, Any]:
    """A network that gives back what it gets, (1, 3, 1), and its evaluation."""
    net = Network(Conv2D(1, 1), input_shape=(1, 3, 1))
    net.initialize(0)
    net.parameters["conv1.w"][...] = 1

    def evaluated(outputs: Any, targets: Any, **options: Any) -> dict[str, float]:
        x, y = (np.asarray(values, np.float32).reshape(-1, 1, 3, 1) for values in (outputs, targets))
        return net.evaluate(x, y, loss=loss, engine="oracle", **options)

    return net, evaluated


def test_accuracy_of_answers_is_the_share_of_right_ones() -> None:
    _, evaluated = one_row_network()
    assert evaluated([[3, 5, -3], [-3, 3, 5], [2, -4, 6]], MULTI)["accuracy"] == 1.0
    assert evaluated([[3, -5, -3], [-3, 3, -5], [4, 2, -6]], MULTI)["accuracy"] == pytest.approx(5 / 9)
    assert evaluated([[0.3, 0.4, -3], [-3, 0.1, 0.2], [0.3, -4, 0.1]], MULTI)["accuracy"] == 1.0  # yes is above 0
    assert evaluated([[3, 5, -3]], [[0.9, 0.8, 0.1]])["accuracy"] == 1.0  # answers that are not quite sure


def test_accuracy_of_numbers_is_refused_and_not_the_default() -> None:
    _, evaluated = one_row_network("mse")
    found = evaluated([[3, 5, -3], [0, 0, 0]], [[3, 5, 0], [3, 0, 0]])
    assert found == {"loss": pytest.approx((9 / 3 + 9 / 3) / 2), "mae": pytest.approx(1.0)}
    for name in ("accuracy", "top3"):
        with pytest.raises(
            TrainingError, match=rf"'{name}' counts right classes, but these targets are numbers. Use 'mae'"
        ):
            evaluated(MULTI, MULTI, metrics=[name])
    assert evaluated(MULTI, MULTI, metrics="mean_squared_error")["mean_squared_error"] == 0
    _, answers = one_row_network()
    with pytest.raises(
        TrainingError, match=r"'top3' is for one class of several, but these targets are answers of yes"
    ):
        answers(MULTI, MULTI, metrics=["top3"])


@pytest.mark.parametrize(
    ("y", "loss", "output_shape", "meaning"),
    [
        (np.array([2, 0]), SoftmaxCrossEntropy(), (3,), "classes"),
        (np.eye(3)[[2, 0]], SoftmaxCrossEntropy(), (3,), "classes"),
        (np.array([2, 0]), MeanSquaredError(), (3,), "classes"),
        (np.eye(3)[[2, 0]], MeanSquaredError(), (3,), "classes"),
        (np.array([[2], [0]]), MeanSquaredError(), (3,), "classes"),
        (np.array([2, 0]), BinaryCrossEntropy(), (3,), "classes"),
        (np.array([1, 0]), BinaryCrossEntropy(), (1,), "classes"),
        (np.eye(3)[[2, 0]], BinaryCrossEntropy(), (3,), "answers"),
        (MULTI, BinaryCrossEntropy(), (3,), "answers"),
        (np.zeros((2, 4, 5, 1), bool), BinaryCrossEntropy(), (4, 5, 1), "answers"),
        (MULTI, MeanSquaredError(), (3,), "numbers"),
        (np.array([7, 0]), MeanSquaredError(), (1,), "numbers"),
        (np.array([0.5, 0.1]), MeanSquaredError(), (1,), "numbers"),
        (np.array([[0.0], [1.0]]), MeanSquaredError(), (1,), "numbers"),
        (np.zeros((2, 4, 5, 1)), MeanSquaredError(), (4, 5, 1), "numbers"),
    ],
)  # fmt: skip
def test_what_targets_mean(y: np.ndarray, loss: Loss, output_shape: tuple[int, ...], meaning: str) -> None:
    assert meaning_of(y, loss, output_shape) == meaning


def test_labels_with_a_loss_of_answers_name_classes() -> None:
    """One-versus-rest: always saying no would be right for 2 of 3 outputs, and names no class."""
    net = Network(Dense(3, bias=None), input_shape=(3,))
    net.initialize(0)
    net.parameters["dense1.w"][...] = np.eye(3)
    logits = np.array([[-1, -2, -3], [-3, -1, -2], [-1, -2, -3]], np.float32)
    options: dict[str, Any] = {"loss": "binary_cross_entropy", "engine": "oracle"}
    assert net.evaluate(logits, np.array([0, 1, 2]), **options)["accuracy"] == pytest.approx(2 / 3)
    assert net.evaluate(logits, np.eye(3), **options)["accuracy"] == pytest.approx(6 / 9)


def test_one_logit_is_yes_above_0() -> None:
    (metric,) = metrics_from("accuracy", BinaryCrossEntropy(), "classes")
    assert metric(np.array([[0.2], [-0.2], [0.4]]), np.array([1, 0, 0])) == pytest.approx(2 / 3)
    assert confusion_matrix(np.array([[0.2], [-0.2]]), np.array([1, 0]), threshold=0.0).tolist() == [[1, 0], [0, 1]]


def test_rows_that_name_no_class_are_refused_by_metrics_of_classes() -> None:
    for metric in (accuracy, top_k(2)):
        with pytest.raises(DataError, match=r"targets of shape \(3, 3\) do not name a class for each example"):
            metric(LOGITS[:3], MULTI)
    with pytest.raises(DataError, match=r"targets of shape \(2, 3, 1\) do not name a class"):
        true_labels(np.zeros((2, 3, 1)))


def test_each_metric_knows_what_is_better() -> None:
    known = {
        "loss": "less",
        "val_mae": "less",
        "val_mean_squared_error": "less",
        "accuracy": "more",
        "val_top7": "more",
    }
    known |= {"val_rmse": "less", "val_iou": "more", "error": "less"}
    assert {name: better_of(name) for name in known} == known
    own = Metric("wobble", lambda outputs, targets: outputs, "less")
    assert better_of("val_wobble", [own]) == "less"
    assert better_of("val_wobble") is None
    assert better_of("topping") is None
    with pytest.raises(TrainingError, match="better is 'less' or 'more', not 'lower': which of own is wanted"):
        Metric("own", lambda outputs, targets: outputs, "lower")  # type: ignore[arg-type]
