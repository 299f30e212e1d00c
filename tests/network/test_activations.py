"""Results of layers by name."""

from __future__ import annotations

import re

import numpy as np
import pytest

from convgrad import Network
from convgrad.errors import DataError, ModelError
from convgrad.layers import Add, BatchNorm, Conv2D, Dense, Dropout, Flatten, Input, MaxPool2D, ReLU

ENGINES = ("oracle", "halide")
EPSILON = 1e-3  # of BatchNorm, beside variances of about 1
RNG = np.random.default_rng(3)
IMAGES = RNG.normal(size=(7, 9, 6, 2))


def network() -> Network:
    made = Network(
        Conv2D(3, (3, 2)),
        BatchNorm(),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dropout(0.5),
        Dense(4),
        input_shape=(9, 6, 2),
        dtype="float64",
    )
    made.initialize(seed=1)
    for name, array in made.state.items():
        array[...] = np.random.default_rng(len(name)).uniform(0.5, 1.5, array.shape)
    return made


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_computed_on_the_way_to_a_prediction(engine: str) -> None:
    made = network()
    found = made.activations(IMAGES, engine=engine)
    assert [*found] == [layer.output for layer in made.layers]
    assert {name: array.shape[1:] for name, array in found.items()} == {
        layer.output: layer.built.output_shape for layer in made.layers
    }
    np.testing.assert_allclose(found["dense1.x"], made.predict(IMAGES, engine=engine), rtol=1e-12)
    np.testing.assert_array_equal(found["relu1.x"], np.maximum(found["batchnorm1.x"], 0))
    np.testing.assert_array_equal(found["dropout1.x"], found["flatten1.x"])
    moved = (found["conv1.x"] - made.state["batchnorm1.moving_mean"]) / np.sqrt(
        made.state["batchnorm1.moving_variance"] + EPSILON
    )
    np.testing.assert_allclose(found["batchnorm1.x"], moved, rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_training_step_computes(engine: str) -> None:
    made = network()
    found = made.activations(IMAGES, "batchnorm1", "dropout1", "flatten1", training=True, engine=engine)
    np.testing.assert_allclose(found["batchnorm1.x"].mean((0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(found["batchnorm1.x"].var((0, 1, 2)), 1, rtol=2 * EPSILON)
    kept = found["dropout1.x"] != 0
    np.testing.assert_allclose(found["dropout1.x"][kept], 2 * found["flatten1.x"][kept])
    assert 0.2 < kept[found["flatten1.x"] != 0].mean() < 0.8
    again = made.activations(IMAGES, "dropout1", training=True, engine=engine)
    np.testing.assert_array_equal(again["dropout1.x"], found["dropout1.x"])


def test_batches_change_nothing() -> None:
    made = network()
    whole, parts = made.activations(IMAGES), made.activations(IMAGES, batch_size=3)
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name])


def test_names_of_layers_of_results_and_patterns() -> None:
    made = network()
    assert [*made.activations(IMAGES, "dense1.x", "conv*")] == ["conv1.x", "dense1.x"]


def test_a_graph() -> None:
    image = Input((5, 3))
    doubled = Add(name="sum")(image, ReLU(name="r")(image))
    made = Network(inputs=image, outputs=Dense(2, name="d")(Flatten(name="f")(doubled)))
    made.initialize(seed=0)
    x = RNG.normal(size=(4, 5, 3)).astype(np.float32)
    np.testing.assert_array_equal(made.activations(x, "sum")["sum.x"], x + np.maximum(x, 0))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("conv2",),
            "The network has no layer 'conv2'. Available: batchnorm1, conv1, dense1, dropout1, ",
        ),
        ((3,), "The network has no layer 3."),
    ],
)
def test_a_name_that_no_layer_has(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        network().activations(IMAGES, *names)


def test_inputs_that_do_not_fit() -> None:
    message = "activations: x must have shape (N, 9, 6, 2), N at least 1, but has (7, 6, 9, 2)."
    with pytest.raises(DataError, match=re.escape(message)):
        network().activations(IMAGES.swapaxes(1, 2))


def test_before_there_are_weights() -> None:
    with pytest.raises(ModelError, match="The network has no weights yet"):
        Network(Dense(3), input_shape=(2,)).activations(np.ones((1, 2)))
