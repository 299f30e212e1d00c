"""Examples and classes that count more or less than others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convgrad import DataError, Network, TrainingError
from convgrad.data import Data
from convgrad.layers import BatchNorm, Dense, Tanh
from convgrad.losses import SoftmaxCrossEntropy
from convgrad.training import Callback, Training

COUNT, FEATURES, CLASSES = 14, 4, 3
RNG = np.random.default_rng(4)
X = RNG.normal(size=(COUNT, FEATURES))
Y = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
OPTIONS: dict[str, Any] = {"verbose": False, "engine": "oracle", "optimizer": "sgd", "learning_rate": 0.3}
EPS = np.finfo(np.float64).eps


def network(*layers: Any, outputs: int = CLASSES) -> Network:
    return Network(*(layers or (Dense(5), Tanh())), Dense(outputs), input_shape=(FEATURES,), dtype="float64")


def trained(x: Any, y: Any, **options: Any) -> tuple[dict[str, Any], float]:
    """Weights after two steps on everything at once, and the loss of the second."""
    net = network()
    history = net.fit(x, y, epochs=2, batch_size=len(x), shuffle=False, **OPTIONS, **options)
    return net.get_weights(), history.figures["loss"][-1]


def assert_same(found: tuple[dict[str, Any], float], expected: tuple[dict[str, Any], float]) -> None:
    """But for the order of sums of at most 28 examples and a few layers."""
    for name, array in expected[0].items():
        np.testing.assert_allclose(found[0][name], array, rtol=0, atol=256 * EPS, err_msg=name)
    assert found[1] == pytest.approx(expected[1], abs=256 * EPS)


def test_a_weight_of_three_is_the_example_three_times() -> None:
    weights = np.array([1, 3, 1, 2, 1, 1, 1, 1, 2, 1, 1, 3, 1, 1])
    assert_same(trained(X, Y, sample_weight=weights), trained(np.repeat(X, weights, axis=0), np.repeat(Y, weights)))


def test_only_how_much_more_one_counts_matters() -> None:
    weights = RNG.uniform(0.5, 2, COUNT)
    assert_same(trained(X, Y, sample_weight=8 * weights), trained(X, Y, sample_weight=weights))


def test_a_weight_of_zero_is_no_example() -> None:
    kept = Y != 1
    assert_same(trained(X, Y, sample_weight=kept.astype(float)), trained(X[kept], Y[kept]))


def with_unknown(label: int) -> np.ndarray:
    """The labels, two of them that one."""
    return np.where((np.arange(COUNT) == 3) | (np.arange(COUNT) == 9), label, Y)


@pytest.mark.parametrize("label", [-100, 255, 1])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_label_that_the_loss_ignores_is_no_example(label: int, smoothing: float) -> None:
    """Also where it is the number of a class."""
    loss, plain = SoftmaxCrossEntropy(smoothing, ignore=label), SoftmaxCrossEntropy(smoothing)
    y = with_unknown(label)
    kept = y != label
    for weights in (None, {2: 5}, "balanced"):
        expected = trained(X[kept], y[kept], loss=plain, class_weight=weights)
        assert_same(trained(X, y, loss=loss, class_weight=weights), expected)
        stream = Data.items([(x, one) for x, one in zip(X, y, strict=True)], threads=1)
        if weights != "balanced":  # which has to know the labels
            assert_same(trained_on(stream, loss=loss, class_weight=weights), expected)


def trained_on(data: Data, **options: Any) -> tuple[dict[str, Any], float]:
    net = network()
    history = net.fit(data, epochs=2, batch_size=COUNT, shuffle=False, **OPTIONS, **options)
    assert list(history.figures) == ["loss", "accuracy"]
    return net.get_weights(), history.figures["loss"][-1]


def test_batches_of_normalized_examples_leave_those_out_whose_label_is_ignored() -> None:
    y = with_unknown(-1)
    stream = Data.items([(x, one) for x, one in zip(X, y, strict=True)], threads=1)
    nets = [network(Dense(5), BatchNorm(), Tanh()) for _ in range(2)]
    nets[0].fit(stream, epochs=2, batch_size=COUNT, shuffle=False, loss=SoftmaxCrossEntropy(ignore=-1), **OPTIONS)
    nets[1].fit(X[y >= 0], y[y >= 0], epochs=2, batch_size=COUNT, shuffle=False, **OPTIONS)
    expected = nets[1].get_weights()
    for name, array in nets[0].get_weights().items():
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=256 * EPS, err_msg=name)


def test_figures_of_validation_and_of_evaluate_leave_them_out() -> None:
    y, loss = with_unknown(-1), SoftmaxCrossEntropy(ignore=-1)
    kept = y >= 0
    nets = [network() for _ in range(2)]
    metrics = ["accuracy", "f1", "top3"]
    options = {"epochs": 1, "batch_size": 5, "shuffle": False, "metrics": metrics, **OPTIONS}
    found = nets[0].fit(X[kept], y[kept], loss=loss, validation_data=(X, y), **options)
    expected = nets[1].fit(X[kept], y[kept], validation_data=(X[kept], y[kept]), **options)
    assert found.figures.keys() == expected.figures.keys()
    for name, values in expected.figures.items():
        assert found[name] == pytest.approx(values, abs=256 * EPS), name
    whole = nets[0].evaluate(X, y, metrics=metrics)
    assert whole == pytest.approx(nets[1].evaluate(X[kept], y[kept], metrics=metrics), abs=256 * EPS)
    streamed = nets[0].evaluate(Data.items(list(zip(X, y, strict=True))), metrics=metrics, batch_size=3)
    assert streamed == pytest.approx(whole, abs=256 * EPS)


def test_gradients_and_explanations_leave_them_out() -> None:
    y, loss = with_unknown(-1), SoftmaxCrossEntropy(ignore=-1)
    kept = y >= 0
    net = network()
    net.initialize(1)
    found, expected = net.gradients(X, y, loss), net.gradients(X[kept], y[kept], "softmax_cross_entropy")
    traced = net.trace(X, y, loss=loss)
    for name in ("dense1.dw", "dense2.db"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=64 * EPS)
        np.testing.assert_allclose(traced[name].values, expected[name], rtol=0, atol=64 * EPS)
    assert not net.gradients(X, np.full(COUNT, -1), loss)["dense1.dw"].any()


def test_refuses_examples_of_which_none_counts() -> None:
    loss, unknown = SoftmaxCrossEntropy(ignore=-1), np.full(COUNT, -1)
    net = network()
    message = "training data: each label is -1, which the loss ignores, so nothing is left. Give some examples other"
    with pytest.raises(DataError, match=message):
        net.fit(X, unknown, loss=loss, **OPTIONS)
    with pytest.raises(DataError, match="validation data: each label is -1"):
        net.fit(X, Y, loss=loss, validation_data=(X, unknown), **OPTIONS)
    net.initialize()
    with pytest.raises(DataError, match="test data: each label is -1"):
        net.evaluate(Data.items([(x, -1) for x in X]), loss=loss)
    with pytest.raises(DataError, match=r"label -2 of example 0 .* labels are 0 to 2, or -1 where an example does not"):
        net.evaluate(X, np.where(Y, Y, -2), loss=loss)


def test_balanced_classes_count_alike() -> None:
    by_class = COUNT / (CLASSES * np.array([7, 4, 3]))
    assert_same(trained(X, Y, class_weight="balanced"), trained(X, Y, sample_weight=by_class[Y]))
    assert_same(trained(X, Y, class_weight=list(by_class)), trained(X, Y, sample_weight=by_class[Y]))


def test_both_are_multiplied_and_a_class_that_is_not_said_counts_once() -> None:
    weights = RNG.uniform(0.5, 2, COUNT)
    expected = trained(X, Y, sample_weight=np.where(Y == 2, 5 * weights, weights))
    assert_same(trained(X, Y, sample_weight=weights, class_weight={2: 5}), expected)


def test_names_of_classes() -> None:
    names = np.array(["cat", "dog", "owl"])[Y]
    assert_same(trained(X, names, class_weight={"owl": 5}), trained(X, Y, class_weight={2: 5}))


def test_classes_of_one_output_and_of_rows() -> None:
    y = (Y > 0).astype(int)

    def loss(**options: Any) -> float:
        net = network(outputs=1)
        history = net.fit(X, y, epochs=1, batch_size=COUNT, loss="binary_cross_entropy", **OPTIONS, **options)
        return history.figures["loss"][-1]

    assert loss(class_weight={1: 4}) == pytest.approx(loss(sample_weight=1 + 3.0 * y), abs=256 * EPS)
    rows = np.eye(CLASSES)[Y]
    assert_same(
        trained(X, rows, loss="mse", class_weight={1: 2}), trained(X, rows, loss="mse", sample_weight=1.0 + (Y == 1))
    )


def test_the_loss_of_an_epoch_is_the_weighted_mean_over_its_batches() -> None:
    weights = RNG.uniform(0.5, 2, COUNT)
    net = network()
    net.initialize(3)
    each = [net.evaluate(X[n : n + 1], Y[n : n + 1], engine="oracle")["loss"] for n in range(COUNT)]
    options = {**OPTIONS, "learning_rate": 1e-300}
    history = net.fit(X, Y, epochs=1, batch_size=5, sample_weight=weights, **options)
    # The weights of a batch are float32.
    assert history.figures["loss"][0] == pytest.approx(np.average(each, weights=weights), rel=1e-6)


def test_a_batch_norm_sees_all_that_count() -> None:
    net = network(Dense(5), BatchNorm())
    net.fit(X, Y, epochs=3, batch_size=4, class_weight="balanced", **OPTIONS)
    assert all(np.isfinite(array).all() for array in net.get_weights().values())


def test_a_split_is_counted_without_what_it_holds_out() -> None:
    net = network()
    history = net.fit(X, Y, epochs=1, validation_split=0.3, class_weight="balanced", **OPTIONS)
    assert history.images < COUNT


class Stop(Callback):
    def on_batch_end(self, training: Training) -> None:
        if training.epoch == 1:
            raise KeyboardInterrupt


def test_weights_are_resumed_with_and_others_are_another_training(tmp_path: Path) -> None:
    weights = RNG.uniform(0.5, 2, COUNT)
    options = {**OPTIONS, "epochs": 3, "batch_size": 4, "class_weight": {1: 2.0}, "sample_weight": weights}
    whole = network()
    whole.fit(X, Y, **options)
    network().fit(X, Y, checkpoint=tmp_path / "run", callbacks=[Stop()], **options)
    with pytest.raises(TrainingError, match="class_weight"):
        network().fit(X, Y, checkpoint=tmp_path / "run", resume=True, **{**options, "class_weight": {1: 3.0}})
    again = network()
    again.fit(X, Y, checkpoint=tmp_path / "run", resume=True, **options)
    for name, array in whole.get_weights().items():
        np.testing.assert_array_equal(again.get_weights()[name], array)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sample_weight": [1.0]}, DataError, "sample_weight has shape (1,), but there are 14 examples."),
        (
            {"sample_weight": [1.0] * 13 + [-1]},
            DataError,
            "sample_weight of example 13 is -1.0, but weights are numbers",
        ),
        ({"sample_weight": [0] * COUNT}, DataError, "sample_weight is 0 for each example that is trained on"),
        (
            {"class_weight": "equal"},
            TrainingError,
            "class_weight is 'balanced', or a weight for each class, not 'equal'.",
        ),
        ({"class_weight": [1, 2]}, TrainingError, "a table from classes to weights, or 3 weights, not [1, 2]."),
        ({"class_weight": {3: 1}}, TrainingError, "there is no class 3. Classes are 0 to 2."),
        ({"class_weight": {"a": 1}}, TrainingError, "there is no class 'a'."),
        ({"class_weight": {1: 0}}, TrainingError, "class_weight of 1 is 0, but must be a number above 0."),
        ({"class_weight": {1: "much"}}, TrainingError, "class_weight of 1 is 'much', but must be a number above 0."),
    ],
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        network().fit(X, Y, **OPTIONS, **options)


def test_what_has_no_classes_has_no_weights_of_them() -> None:
    with pytest.raises(TrainingError, match="class_weight is for targets that name one class for each example"):
        network().fit(X, X[:, :3], loss="mse", class_weight={0: 2}, **OPTIONS)


def test_sources_that_do_not_know() -> None:
    stream = Data.stream(lambda: zip(X, Y, strict=True), COUNT)
    with pytest.raises(TrainingError, match="sample_weight can't be told apart in a stream"):
        network().fit(stream, sample_weight=np.ones(COUNT), **OPTIONS)
    with pytest.raises(TrainingError, match="class_weight='balanced' counts the classes, but these are known only as"):
        network().fit(stream, class_weight="balanced", **OPTIONS)
    network().fit(stream, class_weight={1: 2}, epochs=1, **OPTIONS)
