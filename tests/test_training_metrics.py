"""Metrics: exact values on small arrays, weights, ties, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad.errors import DataError, TrainingError
from convgrad.training.metrics import (
    Metric,
    RunningMeans,
    accuracy,
    confusion_matrix,
    mean_squared_error,
    metrics_from,
    predicted_labels,
    top_k,
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
