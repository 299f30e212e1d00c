"""Networks as estimators: scikit-learn's own checks of them, and what those leave out."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from convgrad import Network
from convgrad.errors import DataError, EstimatorError
from convgrad.estimators import ConvgradClassifier, ConvgradRegressor
from convgrad.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU
from convgrad.training import Diverged, EarlyStopping

# A list of our own: scikit-learn's decorator hands pytest a generator before 1.8, which pytest 9.1 and later warn of.
SCIKIT_LEARNS = [
    pair for estimator in (ConvgradClassifier(), ConvgradRegressor()) for pair in estimator_checks_generator(estimator)
]


@pytest.mark.parametrize(
    ("estimator", "check"),
    SCIKIT_LEARNS,
    ids=[f"{type(estimator).__name__}-{check.func.__name__}" for estimator, check in SCIKIT_LEARNS],
)
def test_scikit_learns_own_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def digits(count: int = 400) -> tuple[Any, Any]:
    x, y = load_digits(return_X_y=True)
    return x[:count] / 16, y[:count]


def small(input_shape: tuple[int, ...], outputs: int) -> Network:
    return Network(Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(outputs), input_shape=input_shape)


def test_a_grid_of_twelve_points_in_two_processes() -> None:
    x, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), ConvgradClassifier(epochs=15, random_state=3, engine="oracle"))
    grid = {
        "convgradclassifier__learning_rate": [0.001, 0.01, 0.03],
        "convgradclassifier__hidden_layer_sizes": [(5,), (11, 7)],
        "convgradclassifier__optimizer": ["adam", "momentum"],
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(x, y)
    alone = GridSearchCV(pipeline, grid, cv=2, n_jobs=1, error_score="raise").fit(x, y)
    assert len(search.cv_results_["params"]) == 12
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert search.best_score_ > 0.9


def test_rows_become_images_of_a_shape_and_a_network_of_ones_own() -> None:
    x, y = digits()
    arguments: dict[str, Any] = {"epochs": 20, "learning_rate": 0.01, "random_state": 0}
    model = ConvgradClassifier(small, input_shape=(8, 8, 1), **arguments).fit(x, y)
    assert model.network_.input_shape == (8, 8, 1)
    assert model.score(x, y) > 0.95
    again = ConvgradClassifier(small, **arguments).fit(x.reshape(-1, 8, 8, 1), y)
    np.testing.assert_array_equal(model.predict_proba(x), again.predict_proba(x.reshape(-1, 8, 8, 1)))


def test_names_of_models_and_of_classes() -> None:
    x, y = digits(60)
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    model = ConvgradClassifier("lenet5", input_shape=(8, 8, 1), epochs=1, random_state=0).fit(x, names[y])
    assert set(model.predict(x)) <= set(names)
    assert list(model.classes_) == sorted(names)


def test_what_is_pickled_predicts_the_same_and_is_trained_on() -> None:
    x, y = digits(150)
    model = ConvgradClassifier(random_state=1).partial_fit(x, y, classes=np.arange(10))
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(x), model.predict_proba(x))
    before = copy.score(x, y)
    for _ in range(20):
        copy.partial_fit(x, y)
    assert copy.score(x, y) > max(before, 0.9)


def test_passes_one_by_one_are_one_training() -> None:
    """The optimizer's memory lasts from call to call: Adam's bias correction and means are those of one training."""
    x, y = digits(96)
    whole = ConvgradClassifier(epochs=4, random_state=7, engine="oracle").fit(x, y)
    parts = ConvgradClassifier(random_state=7, engine="oracle")
    for _ in range(4):
        parts.partial_fit(x, y, classes=np.arange(10))
    for name, weights in whole.network_.get_weights().items():
        np.testing.assert_array_equal(parts.network_.get_weights()[name], weights)


def test_a_warm_start_goes_on_and_a_cold_one_does_not() -> None:
    x, y = digits(120)
    cold = ConvgradClassifier(epochs=2, random_state=0)
    first = cold.fit(x, y).history_.figures["loss"][0]
    assert cold.fit(x, y).history_.figures["loss"][0] == first
    warm = clone(cold).set_params(warm_start=True)
    last = warm.fit(x, y).history_.figures["loss"][-1]
    assert warm.fit(x, y).history_.figures["loss"][0] < last


def test_several_labels_for_a_row() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 6))
    y = np.stack([x[:, 0] > 0, x[:, 1] + x[:, 2] > 0, x[:, 3] < 0.5], axis=1).astype(int)
    model = ConvgradClassifier(random_state=0).fit(x, y)
    assert model.predict(x).shape == (300, 3)
    assert (model.predict(x) == y).mean() > 0.95
    assert not np.allclose(model.predict_proba(x).sum(axis=1), 1)  # each label by itself


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mse", "multi_margin"])
def test_the_class_is_that_of_the_greatest_output(loss: str) -> None:
    x, y = digits(100)
    model = ConvgradClassifier(loss=loss, epochs=30, random_state=0, engine="oracle").fit(x, y)
    assert model.score(x, y) > 0.9
    if loss == "multi_margin":
        with pytest.raises(DataError, match="no probability of it"):
            model.predict_proba(x)
    else:
        np.testing.assert_array_equal(model.predict_proba(x).argmax(axis=1), model.predict(x))


def test_callbacks_of_one_training_are_not_those_of_the_next() -> None:
    x, y = digits(80)
    stopping = EarlyStopping("loss", patience=1)
    model = ConvgradClassifier(epochs=3, callbacks=[stopping], random_state=0)
    first = model.fit(x, y).history_.figures
    assert clone(model).fit(x, y).history_.figures == first
    assert model.callbacks[0] is stopping


def test_a_column_is_one_number_and_rows_are_several() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 4))
    model = ConvgradRegressor(epochs=2, random_state=0, engine="oracle")
    assert model.fit(x, x[:, 0]).predict(x).shape == (60,)
    assert model.fit(x, x[:, :3]).predict(x).shape == (60, 3)
    with pytest.warns(Warning, match="column-vector"):
        assert model.fit(x, x[:, :1]).predict(x).shape == (60,)
    assert model.partial_fit(x, x[:, 0]).predict(x).shape == (60,)


def no_network(input_shape: tuple[int, ...], outputs: int) -> Any:
    return "network"


def too_narrow(input_shape: tuple[int, ...], outputs: int) -> Network:
    return Network(Dense(outputs - 1), input_shape=input_shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (8, 9, 1)}, "input_shape is (8, 9, 1), which is 72 numbers, but an example of X has 64."),
        ({"network": "lenett"}, "not 'lenett'. Did you mean 'lenet'?"),
        ({"network": no_network}, "a Network from (64,) to (10,), but returned a str."),
        ({"network": too_narrow}, "a Network from (64,) to (10,), but returned one from (64,) to (9,)."),
    ],
)
def test_arguments_that_do_not_fit_the_data(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(EstimatorError, match=re.escape(message)):
        ConvgradClassifier(**arguments).fit(*digits(60))


def test_classes_that_can_not_be() -> None:
    x, y = digits(60)
    with pytest.raises(EstimatorError, match="one class only"):
        ConvgradClassifier().fit(x, np.zeros(60, int))
    with pytest.raises(EstimatorError, match="the first call has to say all classes"):
        ConvgradClassifier().partial_fit(x, y)
    model = ConvgradClassifier(engine="oracle").partial_fit(x, y, classes=np.arange(10))
    with pytest.raises(EstimatorError, match=r"classes are \[0 1\], but were \[0 1 2"):
        model.partial_fit(x, y, classes=[0, 1])
    with pytest.raises(EstimatorError, match="y holds 77, which is none of the classes"):
        model.partial_fit(x, np.where(y == 3, 77, y))


def test_a_loss_that_is_infinite_is_said() -> None:
    x, _ = digits(1600)  # fifty batches, and each makes the weights larger
    model = ConvgradRegressor(optimizer="sgd", learning_rate=1e6, engine="oracle")
    with np.errstate(all="ignore"), pytest.raises(Diverged, match="the loss became NaN or infinite"):
        model.partial_fit(x, x[:, 20] * 1e6)


def test_without_scikit_learn_its_name_is_told() -> None:
    program = "import sys; sys.modules['sklearn'] = None; import convgrad.estimators"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "scikit-learn is not installed" in done.stderr
    assert "pip install 'convgrad[sklearn]'" in done.stderr


def test_classes_that_count_more() -> None:
    """A rare class is named more often where it is balanced; a table says the same by name, in `partial_fit`, too."""
    rng = np.random.default_rng(5)
    y = np.repeat(["many", "few"], [70, 10])
    x = rng.normal(size=(80, 4)) + (y == "few")[:, None]
    options: dict[str, Any] = {
        "hidden_layer_sizes": (),
        "epochs": 30,
        "learning_rate": 0.05,
        "random_state": 1,
        "engine": "oracle",
    }
    plain, balanced = (
        ConvgradClassifier(**options).fit(x, y),
        ConvgradClassifier(class_weight="balanced", **options).fit(x, y),
    )
    table = ConvgradClassifier(class_weight={"many": 80 / 140, "few": 80 / 20}, **options).fit(x, y)
    assert (plain.predict(x) == "few").sum() < (balanced.predict(x) == "few").sum()
    np.testing.assert_array_equal(table.predict_proba(x), balanced.predict_proba(x))
    options["epochs"] = 1
    whole = ConvgradClassifier(class_weight={"few": 7}, **options).fit(x, y)
    part = ConvgradClassifier(class_weight={"few": 7}, **options).partial_fit(x, y, classes=["few", "many"])
    np.testing.assert_array_equal(part.predict_proba(x), whole.predict_proba(x))
    weights: Any
    for weights, words in (
        ({"fwe": 2}, "class_weight has 'fwe', which is none of the classes"),
        ({"few": 0}, "class_weight of 'few' is 0, but weights are above 0"),
        ([1, 2], "class_weight is 'balanced', or a table from classes to weights, not"),
    ):
        with pytest.raises(EstimatorError, match=words):
            ConvgradClassifier(class_weight=weights, **options).fit(x, y)
    with pytest.raises(EstimatorError, match="partial_fit: class_weight='balanced' would count the classes"):
        ConvgradClassifier(class_weight="balanced", **options).partial_fit(x, y, classes=["few", "many"])
    with pytest.raises(EstimatorError, match="class_weight is of one class a row, not"):
        ConvgradClassifier(class_weight={0: 1}, **options).fit(x, np.eye(2, dtype=int)[[0, 1] * 40])
