"""Figures of all outputs together: values by hand, against scikit-learn, in a training, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

from convgrad.data import Data
from convgrad.errors import DataError, TrainingError
from convgrad.layers import Conv2D, Dense
from convgrad.losses import BinaryCrossEntropy, Dice, Loss, MeanSquaredError, PixelCrossEntropy, SoftmaxCrossEntropy
from convgrad.models.network import Network
from convgrad.training.advice import TrainingWarning
from convgrad.training.chosen_metrics import metrics_from
from convgrad.training.events import EarlyStopping
from convgrad.training.metrics import Meaning, better_of, meaning_of
from convgrad.training.whole_metrics import NAMES, MetricOf, WholeMetric

CLASSES = SoftmaxCrossEntropy()


def value(name: str, outputs: np.ndarray, targets: np.ndarray, meaning: Meaning, loss: Loss | None = None) -> float:
    (metric,) = metrics_from(name, loss, meaning)
    return metric(outputs, targets)


def test_fractions_of_two_classes_by_hand() -> None:
    """Three are right among four that were named, of six that were there; one of the two classes is asked for."""
    guessed = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    labels = np.array([1, 1, 1, 0, 1, 1, 1, 0])
    outputs = np.stack([-guessed, guessed], axis=1) * 1.0
    expected = {"precision": 3 / 4, "recall": 3 / 6, "f1": 6 / 10, "iou": 3 / 7}
    assert {n: value(n, outputs, labels, "classes", CLASSES) for n in expected} == pytest.approx(expected)
    # One logit an example, with the loss that takes it, and a probability without it.
    column = guessed[:, None] - 0.5
    assert value("f1", column, labels, "classes", BinaryCrossEntropy()) == pytest.approx(0.6)
    assert value("f1", guessed[:, None] * 0.9, labels, "classes", MeanSquaredError()) == pytest.approx(0.6)


def test_area_counts_pairs_and_halves_of_equal_ones() -> None:
    outputs = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 2.0], [0.0, 3.0]])
    # Of the pairs (2, 1), (2, 2), (3, 1), (3, 2) the second one is a draw.
    assert value("auc", outputs, np.array([0, 1, 0, 1]), "classes", CLASSES) == pytest.approx(3.5 / 4)


def test_nothing_named_is_0_and_what_never_occurs_does_not_count() -> None:
    outputs = np.array([[1.0, 0.0], [1.0, 0.0]])
    for name in ("precision", "recall", "f1", "iou"):
        assert value(name, outputs, np.array([1, 1]), "classes", CLASSES) == 0
    three = np.eye(4)[[0, 1, 1]]
    assert value("recall", three, np.array([0, 1, 0]), "classes", CLASSES) == pytest.approx((1 / 2 + 1) / 2)


def test_places_that_do_not_count_are_left_out() -> None:
    loss = PixelCrossEntropy(ignore=255)
    outputs = np.eye(3)[np.array([[[0, 1], [1, 2]], [[2, 2], [0, 0]]])]
    targets = np.array([[[0, 1], [2, 255]], [[2, 255], [255, 255]]])
    assert meaning_of(targets, loss, (2, 2, 3)) == "places"
    assert value("accuracy", outputs, targets, "places", loss) == pytest.approx((2 / 3 + 1) / 2)
    # Classes 0, 1, 2: right 1, 1, 1; named 1, 2, 1; there 1, 1, 2.
    assert value("iou", outputs, targets, "places", loss) == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)


@pytest.mark.parametrize("classes", [2, 5])
def test_classes_as_in_scikit_learn(classes: int, rng: np.random.Generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    outputs, labels = rng.normal(size=(83, classes)).round(1), rng.integers(0, classes, 83)
    guessed = outputs.argmax(axis=1)
    average: dict[str, Any] = {"average": "binary" if classes == 2 else "macro", "zero_division": 0}
    p = special.softmax(outputs, axis=1)
    area = metrics.roc_auc_score(labels, p[:, 1] if classes == 2 else p, multi_class="ovr")
    expected = {
        "precision": metrics.precision_score(labels, guessed, **average),
        "recall": metrics.recall_score(labels, guessed, **average),
        "f1": metrics.f1_score(labels, guessed, **average),
        "iou": metrics.jaccard_score(labels, guessed, **average),
        "auc": area,
    }
    found = {name: value(name, outputs, labels, "classes", CLASSES) for name in expected}
    assert found == pytest.approx(expected, rel=1e-12)
    assert value("f1", outputs, np.eye(classes)[labels], "classes", CLASSES) == pytest.approx(expected["f1"])
    balanced, scored = metrics_from(
        [metrics.balanced_accuracy_score, MetricOf(metrics.log_loss, of="scores")], CLASSES, "classes"
    )
    assert (balanced.name, balanced.better, scored.better) == ("balanced_accuracy_score", "more", "less")
    assert balanced(outputs, labels) == metrics.balanced_accuracy_score(labels, guessed)
    probabilities = p[:, 1] if classes == 2 else p
    assert scored(outputs, labels) == pytest.approx(metrics.log_loss(labels, probabilities), rel=1e-12)


@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), Dice()])
def test_answers_as_in_scikit_learn(loss: Loss, rng: np.random.Generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    outputs, answers = rng.normal(size=(41, 3)).round(1), rng.integers(0, 2, (41, 3)).astype(float)
    answers[0] = [1, 1, 0]
    assert meaning_of(answers, loss, (3,)) == "answers"
    named, every = outputs.ravel() > 0, answers.ravel()
    expected = {
        "accuracy": (named == every).mean(),
        "f1": metrics.f1_score(every, named),
        "iou": metrics.jaccard_score(every, named),
        "auc": metrics.roc_auc_score(every, outputs.ravel()),
    }
    assert {n: value(n, outputs, answers, "answers", loss) for n in expected} == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(41,), (41, 1), (41, 3, 2)])
def test_r2_as_in_scikit_learn(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    targets = rng.normal(size=shape)
    outputs = targets + 0.3 * rng.normal(size=shape)
    if len(shape) == 3:  # constant targets, one predicted and one not
        targets[:, 0], outputs[:, 0, 0] = 2, 2
    expected = metrics.r2_score(targets.reshape(41, -1), outputs.reshape(41, -1))
    assert value("r2", outputs, targets, "numbers") == pytest.approx(expected, rel=1e-12)
    (absolute,) = metrics_from(metrics.median_absolute_error, MeanSquaredError(), "numbers")
    rows = outputs.reshape(41, -1), targets.reshape(41, -1)
    assert absolute(*rows) == pytest.approx(metrics.median_absolute_error(rows[1], rows[0]))


def test_the_history_has_them_of_validation_examples() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(60, 4))
    y = (x[:, 0] > 0).astype(int)
    network = Network(Dense(2), input_shape=(4,))
    stop = EarlyStopping("val_f1", patience=5)
    history = network.fit(
        x, y, epochs=3, validation_split=0.25, metrics=["accuracy", "f1"], callbacks=[stop], verbose=False
    )
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "val_f1"}
    assert better_of("val_f1") == "more"
    assert network.evaluate(x, y, metrics=["f1"])["f1"] == pytest.approx(
        value("f1", network.predict(x), y, "classes", CLASSES)
    )


def test_a_training_by_places() -> None:
    """An image whose bright places are one class and whose dark ones another; a border does not count."""
    x = np.random.default_rng(3).uniform(size=(40, 6, 5, 1))
    y = (x[..., 0] > 0.5).astype(int)
    y[:, 0] = 255
    network = Network(Conv2D(2, 1), input_shape=(6, 5, 1))
    loss = PixelCrossEntropy(ignore=255)
    history = network.fit(
        x, y, loss=loss, epochs=40, learning_rate=1, validation_split=0.25, metrics=["accuracy", "iou"], verbose=False
    )
    assert history["val_iou"][-1] > 0.9
    assert history["val_accuracy"][-1] > 0.9
    with pytest.raises(DataError, match=r"target 0 holds 255, but the labels of places are whole numbers from 0 to 1"):
        network.evaluate(x, y, loss="pixel_cross_entropy")
    with pytest.raises(DataError, match=r"target 3 holds 7, .* 2 channels, or 255 where a place does not count"):
        network.evaluate(x, np.where(np.arange(40)[:, None, None] == 3, 7, y), loss=loss)


def test_an_area_of_one_class_is_found_before_a_training_or_is_no_number() -> None:
    """Where labels are known only as they are read, the training goes on, and its other figures are kept."""
    words = r"auc: all targets are of one class, .* Give examples of both."
    with pytest.warns(TrainingWarning, match=rf"{words} The figure is NaN."):
        assert np.isnan(value("auc", np.eye(2), np.array([1, 1]), "classes", CLASSES))
    network = Network(Dense(2), input_shape=(3,))
    x, y, one = np.ones((8, 3)), np.arange(8) % 2, np.ones(8, np.int64)
    options: dict[str, Any] = {"metrics": "auc", "epochs": 2, "verbose": False, "engine": "oracle"}
    with pytest.raises(DataError, match=f"validation data: {words}"):
        network.fit(x, y, validation_data=(x, one), **options)
    assert network.past.updates == 0
    answers = Network(Dense(4), input_shape=(3,))
    options |= {"loss": "binary_cross_entropy"}
    with pytest.raises(DataError, match=f"validation data: {words}"):
        answers.fit(x, np.eye(4)[y * 2], validation_data=(x, np.zeros((8, 4))), **options)
    del options["loss"]
    unknown = Data.items(list(zip(x, one, strict=True)))
    with pytest.warns(TrainingWarning, match=words):
        history = network.fit(x, y, validation_data=unknown, **options)
    assert np.isnan(history["val_auc"]).all()
    assert len(history["val_loss"]) == 2


def test_refuses() -> None:
    labels = np.array([1, 1])
    with pytest.raises(DataError, match=r"r2: outputs have shape \(2, 3\), but targets \(2,\)"):
        value("r2", np.zeros((2, 3)), np.zeros(2), "numbers")
    with pytest.raises(TrainingError, match=r"The metric 'r2' is for numbers .* but these targets are classes .* 'f1'"):
        value("r2", np.eye(2), labels, "classes")
    for name in NAMES[:-1]:
        with pytest.raises(TrainingError, match=rf"metric '{name}' is for classes, .* are numbers. Use 'mae' or 'r2'"):
            value(name, np.eye(2), labels, "numbers")
    with pytest.raises(TrainingError, match=r"metric 'top3' is for one class an example, .* Use 'accuracy', the share"):
        metrics_from("top3", PixelCrossEntropy(), "places")
    with pytest.raises(TrainingError, match=r"There is no metric 'f2'. Available: accuracy, auc, f1, iou"):
        metrics_from("f2")
    whole = WholeMetric("spread", lambda outputs, targets: 0.0)
    with pytest.raises(TrainingError, match=r"spread is of all examples together, so they can't have weights"):
        whole(np.eye(2), labels, weights=labels)
    network = Network(Dense(2), input_shape=(4,))
    with pytest.raises(TrainingError, match=r"'f1' is of all outputs of the same weights, .* Give validation_split"):
        network.fit(np.zeros((2, 4)), labels, metrics=["f1"])
    with pytest.raises(TrainingError, match=r"of must be 'labels' or 'scores' or 'outputs', or None, not 'rows'"):
        MetricOf(max, of="rows")
