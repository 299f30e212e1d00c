"""Networks: putting layers together, names, weights, descriptions, prediction and one training step."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from convgrad.compute.halide import available
from convgrad.errors import DataError, EngineError, ModelError, TrainingError
from convgrad.layers import (
    Add,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Equation,
    Flatten,
    Input,
    MaxPool2D,
    Multiply,
    ReLU,
    Sigmoid,
    Subtract,
)
from convgrad.layers.base import Node
from convgrad.models.network import Network
from convgrad.network.step import gradients
from convgrad.optimizers import SGD

ENGINES = ["oracle", pytest.param("halide", marks=pytest.mark.skipif(not available()[0], reason=available()[1]))]
engines = pytest.mark.parametrize("engine", ENGINES)


def small(dtype: str = "float64") -> Network:
    return Network(
        Conv2D(3, (2, 3)), ReLU(), MaxPool2D(2), Flatten(), Dense(4), input_shape=(7, 8, 2), dtype=dtype, name="small"
    )


def batch(network: Network, size: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((size, *network.input_shape)), rng.integers(0, network.output_shape[0], size)


# Putting together


def test_layers_get_names_that_differ() -> None:
    network = Network(Dense(3), ReLU(), Dense(2, name="dense1"), Dense(2), input_shape=(4,))
    assert [placed.name for placed in network.layers] == ["dense2", "relu1", "dense1", "dense3"]
    assert list(network.parameters) == ["dense2.w", "dense2.b", "dense1.w", "dense1.b", "dense3.w", "dense3.b"]


def test_parameter_count_and_shapes() -> None:
    network = small()
    assert network.parameter_count == 2 * 3 * 2 * 3 + 3 + 3 * 3 * 3 * 4 + 4
    assert network.output_shape == (4,)
    assert network.parameters["conv1.w"].shape == (2, 3, 2, 3)


def test_summary_is_plain_text_of_80_columns() -> None:
    text = str(small().summary())
    assert max(map(len, text.splitlines())) <= 80
    assert "6 x 6 x 3" in text
    assert "max(o[f], 0)" in text
    assert f"{small().parameter_count:,} parameters, float64" in text


def test_summary_of_a_graph_says_what_each_layer_reads() -> None:
    start = Input((4, 5, 2))
    network = Network(inputs=start, outputs=Add()(start, Conv2D(2, 3, padding="same")(start)))
    assert "input, conv1" in network.summary().text(100)
    narrow = network.summary().text(60).split("\n")
    assert max(map(len, narrow)) <= 60
    assert any(line.startswith("    reads input, conv1") for line in narrow)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network(input_shape=(3,)), r"needs at least one layer: Network\(Conv2D\(8, 3\)"),
        (lambda: Network(Dense(2)), r"Give the shape of one example: Network\(\.\.\., input_shape=\(28, 28, 1\)\)"),
        (lambda: Network(Dense(2), "relu", input_shape=(3,)), "A network is made of layers, but got 'relu'"),  # type: ignore[arg-type]
        (
            lambda: Network(Input((3,)), Dense(2)(Input((3,)))),  # type: ignore[arg-type]
            r"Write a graph as Network\(inputs=\.\.\., outputs=\.\.\.\)",
        ),
        (lambda: Network(inputs=Input((3,))), r"A graph needs both ends: Network\(inputs=image, outputs=last_node\)"),
        (
            lambda: Network(Dense(2), inputs=Input((3,)), outputs=Dense(2)(Input((3,)))),
            "Give either layers with input_shape, or inputs and outputs of a graph, not both",
        ),
        (
            lambda: Network(inputs=Input((3,)), outputs=Dense(2)(Input((3,)))),
            "reads an Input that is not the one given",
        ),
        (
            lambda: Network(Dense(2), input_shape=(3,), dtype="float16"),
            "'float32' or 'float64', not 'float16'",
        ),
        (
            lambda: Network(Dense(2, name="a"), Dense(2, name="a"), input_shape=(3,)),
            r"Two layers \(or a layer and the input\) are called `a`",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ModelError, match=message):
        make()


def test_a_layer_belongs_in_one_place() -> None:
    dense = Dense(3)
    with pytest.raises(ModelError, match="Layer `dense1` is used twice"):
        Network(dense, dense, input_shape=(3,))


# Weights and descriptions


def test_weights_go_out_and_in() -> None:
    network, other = small(), small()
    network.initialize(3)
    other.set_weights(network.get_weights())
    x, _ = batch(network)
    np.testing.assert_array_equal(network.predict(x, engine="oracle"), other.predict(x, engine="oracle"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w | {"conv9.w": 0}, "The network has no tensor `conv9.w`. Available: conv1.b, conv1.w"),
        (lambda w: {k: v for k, v in w.items() if k != "conv1.b"}, r"The weights lack `conv1.b`, of shape \(3,\)"),
        (
            lambda w: w | {"conv1.b": np.zeros(4)},
            r"`conv1.b` has shape \(3,\) in the network, but \(4,\) in",
        ),
    ],
)
def test_wrong_weights_are_refused_and_nothing_changes(change, message: str) -> None:  # type: ignore[no-untyped-def]
    network = small()
    network.initialize(0)
    before = network.get_weights()
    with pytest.raises(DataError, match=message):
        network.set_weights(change(network.get_weights()))
    for name, array in network.get_weights().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_description_builds_the_same_network_again() -> None:
    start = Input((6, 5, 2))
    hidden = BatchNorm()(Conv2D(3, 3, padding="same", bias=None)(start))
    last = Dense(3)(Flatten()(Concatenate()(hidden, start, Dropout(0.2)(hidden))))
    network = Network(inputs=start, outputs=last, name="joined", dtype="float64")
    network.initialize(1)
    again = Network.from_config(json.loads(json.dumps(network.to_config())))
    again.set_weights(network.get_weights())
    x, _ = batch(network)
    np.testing.assert_array_equal(again.predict(x, engine="oracle"), network.predict(x, engine="oracle"))
    assert again.to_config() == network.to_config()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"layers": [{"class": "Dens", "name": "a", "inputs": ["input"], "arguments": {}}]},
            "There is no layer `Dens`",
        ),
        ({"layers": []}, "This is not a description of a network: AssertionError"),
        ({"layers": [{"class": "ReLU", "name": "a", "inputs": ["b"], "arguments": {}}]}, "KeyError: 'b'"),
        ({"input_shape": None}, "This is not a description of a network: TypeError"),
    ],
)
def test_a_wrong_description_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Network.from_config(small().to_config() | change)


# Prediction


@engines
def test_predictions_do_not_depend_on_the_batch_size(engine: str) -> None:
    network = small()
    network.initialize(2)
    x, _ = batch(network, 7)
    whole = network.predict(x, engine=engine)
    np.testing.assert_allclose(network.predict(x, batch_size=3, engine=engine), whole, rtol=1e-13)
    np.testing.assert_allclose(network.predict(x[:1], engine=engine), whole[:1], rtol=1e-13)
    assert network.predict(x[:0], engine=engine).shape == (0, 4)


def test_prediction_needs_weights_and_the_right_shape() -> None:
    network = small()
    with pytest.raises(ModelError, match=r"The network has no weights yet. Train it \(fit\)"):
        network.predict(np.zeros((1, 7, 8, 2)))
    network.initialize()
    with pytest.raises(DataError, match=r"takes examples of shape \(7, 8, 2\).*but got \(7, 8, 2\)"):
        network.predict(np.zeros((7, 8, 2)))


def test_unknown_engines_are_refused() -> None:
    network = small()
    network.initialize()
    with pytest.raises(EngineError, match="There is no engine 'cuda'"):
        network.predict(np.zeros((1, 7, 8, 2)), engine="cuda")


def test_without_halide_the_oracle_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convgrad.compute.halide.available", lambda: (False, "there is no wheel."))
    network = small()
    network.initialize()
    with pytest.warns(UserWarning, match="NumPy computes the equations instead"):
        network.predict(np.zeros((1, 7, 8, 2)))
    with pytest.raises(EngineError, match="can't be used: there is no wheel"):
        network.predict(np.zeros((1, 7, 8, 2)), engine="halide")


# One step


@engines
def test_a_step_goes_down_the_gradient(engine: str) -> None:
    """w_next = w - eta dw, exactly: with eta a power of 2 the product is exact."""
    network = small()
    network.initialize(4)
    x, t = batch(network)
    before = network.get_weights()
    expected = gradients(network, x, t, "softmax_cross_entropy", engine=engine)
    network.training_step("softmax_cross_entropy", SGD(0.5), len(x), engine=engine).run(x, t)
    for name, old in before.items():
        layer, _, own = name.rpartition(".")
        change = 0.5 * expected[f"{layer}.d{own}"]
        np.testing.assert_allclose(
            network.parameters[name], old - change, rtol=0, atol=1e-14 * np.abs(old).max() + 1e-16
        )


@engines
def test_rows_of_weight_zero_only_fill_up(engine: str) -> None:
    """A batch of 5 with 3 real rows steps like those 3 alone."""
    alone, filled = small(), small()
    alone.initialize(1), filled.initialize(1)
    x, t = batch(alone)
    alone.training_step("softmax_cross_entropy", "momentum", 3, engine=engine).run(x[:3], t[:3], 0.1)
    step = filled.training_step("softmax_cross_entropy", "momentum", 5, engine=engine)
    step.run(x, t, 0.1, np.array([1.0, 1, 1, 0, 0]))
    for name, array in alone.parameters.items():
        np.testing.assert_allclose(filled.parameters[name], array, rtol=1e-12, atol=1e-15)
    with pytest.raises(TrainingError, match="The weights of a batch add up to 0"):
        step.run(x, t, 0.1, np.zeros(5))


def test_evaluation_takes_the_loss_of_the_training() -> None:
    network = small()
    x = batch(network)[0]
    t = np.zeros((len(x), 4))
    network.training_step("mse", SGD(1e-9), len(x), engine="oracle").run(x, t)
    expected = float((network.predict(x, engine="oracle") ** 2).mean())
    result = network.evaluate(x, t, metrics=(), engine="oracle")
    assert result["loss"] == pytest.approx(expected, rel=1e-6)


def test_a_batch_has_examples() -> None:
    with pytest.raises(TrainingError, match="batch_size must be a whole number of at least 1, not 0"):
        small().training_step("mse", "sgd", 0)


@engines
def test_running_statistics_follow_the_batches(engine: str) -> None:
    network = Network(BatchNorm(momentum=0.75), Flatten(), Dense(2), input_shape=(3, 4, 2), dtype="float64")
    x, t = batch(network)
    network.training_step("softmax_cross_entropy", "sgd", len(x), engine=engine).run(x, t)
    mean = network.state["batchnorm1.moving_mean"]
    np.testing.assert_allclose(mean, 0.25 * x.mean((0, 1, 2)), rtol=1e-12)


@engines
def test_dropout_draws_anew_at_each_step_and_repeats_with_the_seed(engine: str) -> None:
    def losses(seed: int) -> list[float]:
        network = Network(Dropout(0.5), Dense(3), input_shape=(20,), dtype="float64")
        network.initialize(0)
        step = network.training_step("softmax_cross_entropy", SGD(1e-12), 4, seed=seed, engine=engine)
        x, t = batch(network, 4)
        values = []
        for _ in range(3):
            step.run(x, t)
            values.append(step.loss)
        return values

    first = losses(1)
    assert len({round(value, 6) for value in first}) == 3
    assert losses(1) == first
    assert losses(2) != first


@engines
def test_the_classic_network_trains(engine: str) -> None:
    """5x5 input, convolution 2x2, max pooling 2x2, sigmoid, dense 2, half squared error."""
    network = Network(Conv2D(1, 2), MaxPool2D(2), Sigmoid(), Flatten(), Dense(2), input_shape=(5, 5, 1))
    rows = [[0.51, 0.9, 0.88, 0.84, 0.05], [0.4, 0.62, 0.22, 0.59, 0.1], [0.11, 0.2, 0.74, 0.33, 0.14]]
    rows += [[0.47, 0.01, 0.85, 0.7, 0.09], [0.76, 0.19, 0.72, 0.17, 0.57]]
    step = network.training_step("half_squared_error", SGD(0.5), 1, engine=engine)
    losses = []
    for _ in range(100):
        step.run(np.reshape(rows, (1, 5, 5, 1)), [[0.25, 0.75]])
        losses.append(step.loss)
    assert losses[-1] < 1e-6 < losses[0]


@engines
def test_a_layer_of_the_users_own_trains_inside_a_network(engine: str) -> None:
    """A depthwise-gated convolution: text only. It learns which of two stripes an image has."""
    gated = """
        g[i,j,c] = sigmoid(sum[m,n](v[m,n,c] * o[i+m,j+n,c]) + a[c])
        x[i,j,k] = sum[c](w[c,k] * g[i,j,c] * o[i+1,j+1,c]) + b[k]
    """
    sizes = {"I": 4, "J": 5, "M": 3, "N": 2, "K": 3}
    network = Network(Equation(gated, sizes=sizes), Flatten(), Dense(2), input_shape=(6, 6, 2))
    rng = np.random.default_rng(0)
    t = rng.integers(0, 2, 32)
    x = 0.3 * rng.standard_normal((32, 6, 6, 2))
    x[np.arange(32), 1 + 2 * t] += 1
    step = network.training_step("softmax_cross_entropy", SGD(0.2, momentum=0.9), 32, engine=engine)
    before = network.get_weights()
    for _ in range(30):
        step.run(x, t)
    assert (network.predict(x, engine=engine).argmax(1) == t).all()
    for name in ("equation1.v", "equation1.a", "equation1.w", "equation1.b"):
        assert np.abs(network.parameters[name] - before[name]).max() > 1e-3


@engines
@pytest.mark.parametrize(
    ("merged", "same"),
    [
        (lambda node: Multiply()(node, node), "x[f] = o[f]^2"),
        (lambda node: Multiply()(node, node, node), "x[f] = o[f]^3"),
        (lambda node: Subtract()(Multiply()(node, node), node), "x[f] = o[f]^2 - o[f]"),
        (lambda node: Add()(node, node), "x[f] = 2 * o[f]"),
    ],
)
def test_a_result_may_be_taken_twice(merged: Callable[[Node], Node], same: str, engine: str) -> None:
    """Each place sends a gradient of its own, and the layer before gets their sum."""
    losses = []
    for last in (merged, Equation(same)):
        image = Input((3,))
        network = Network(inputs=image, outputs=Dense(2)(last(Dense(4)(image))), dtype="float64")
        x, t = batch(network, 5)
        network.initialize()
        for number, array in enumerate(network.parameters.values()):  # which seed a layer has depends on those before
            array[...] = np.random.default_rng(number).uniform(-1, 1, array.shape)
        step = network.training_step("softmax_cross_entropy", SGD(0.1), 5, engine=engine)
        for _ in range(3):
            step.run(x, t)
        losses.append([step.loss, *network.predict(x, engine=engine).ravel()])
    # Three steps of at most 5 * 8 products each, of numbers below 100, whose sums differ in their order only.
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=3 * 40 * 2.0**-52 * 100)


TRAIN = """
import hashlib, numpy as np
from convgrad.layers import *
from convgrad.models.network import Network
network = Network(Conv2D(20, 3, padding="same"), BatchNorm(), ReLU(), MaxPool2D(2), Dropout(0.2), Conv2D(17, 3),
                  Flatten(), Dense(33), ReLU(), Dense(5), input_shape=(13, 11, 3))
rng = np.random.default_rng(0)
x, t = rng.standard_normal((19, 13, 11, 3)), rng.integers(0, 5, 19)
step = network.training_step("softmax_cross_entropy", "adam", 19, seed=3, engine="halide")
for filled in (19, 11, 19):
    step.run(x, t, weights=np.arange(19) < filled)
print(hashlib.sha256(b"".join(a.tobytes() for a in network.get_weights().values())).hexdigest())
"""


@pytest.mark.skipif(not available()[0], reason=available()[1])
def test_one_seed_gives_the_same_bits_on_any_number_of_threads() -> None:
    digests = set()
    for threads in ("1", "2", "4", "2"):
        environment = {**os.environ, "HL_NUM_THREADS": threads}
        run = subprocess.run([sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True, check=True)
        digests.add(run.stdout.strip())
    assert len(digests) == 1
    assert digests.pop() != hashlib.sha256(b"").hexdigest()
