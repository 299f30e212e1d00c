"""Where examples meet: fillers of a batch stay out of its statistics; gradients of prediction use moving ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convgrad import Network
from convgrad.compute.halide import available
from convgrad.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, LayerNorm, ReLU, Tanh
from convgrad.network.plan import examples_meet
from convgrad.network.step import loss_value
from convgrad.optimizers import SGD

engines = pytest.mark.parametrize(
    "engine", ["oracle", pytest.param("halide", marks=pytest.mark.skipif(not available()[0], reason=available()[1]))]
)
INPUTS, HIDDEN, OUTPUTS, COUNT, BATCH = 3, 5, 2, 17, 7
RATE, MOMENTUM, EPSILON, STAYS = 0.1, 0.9, 1e-3, 0.99


def network(dtype: str = "float64") -> Network:
    made = Network(Dense(HIDDEN), BatchNorm(), Tanh(), Dense(OUTPUTS), input_shape=(INPUTS,), dtype=dtype)
    made.initialize(5)
    return made


def data(count: int = COUNT) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(1, 2, (count, INPUTS)), rng.normal(size=(count, OUTPUTS))


def by_numpy(weights: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray, epochs: int) -> dict[str, np.ndarray]:
    """Training of `network()` by half squared error with momentum, the last batch as short as it is."""
    p = {name: array.astype(np.float64) for name, array in weights.items()}
    speed = {name: np.zeros_like(array) for name, array in p.items() if "moving" not in name}
    for start in list(range(0, len(x), BATCH)) * epochs:
        rows = slice(start, start + BATCH)
        o = x[rows] @ p["dense1.w"] + p["dense1.b"]
        mean, variance = o.mean(0), o.var(0)
        root = np.sqrt(variance + EPSILON)
        normal = (o - mean) / root
        h = np.tanh(p["batchnorm1.gamma"] * normal + p["batchnorm1.beta"])
        delta = (h @ p["dense2.w"] + p["dense2.b"] - y[rows]) / len(o)
        g = {"dense2.w": h.T @ delta, "dense2.b": delta.sum(0)}
        delta = delta @ p["dense2.w"].T * (1 - h * h)
        g |= {"batchnorm1.gamma": (delta * normal).sum(0), "batchnorm1.beta": delta.sum(0)}
        delta = delta * p["batchnorm1.gamma"]
        delta = (delta - delta.mean(0) - normal * (delta * normal).mean(0)) / root
        g |= {"dense1.w": x[rows].T @ delta, "dense1.b": delta.sum(0)}
        for name, gradient in g.items():
            speed[name] = MOMENTUM * speed[name] + gradient
            p[name] = p[name] - RATE * speed[name]
        p["batchnorm1.moving_mean"] = STAYS * p["batchnorm1.moving_mean"] + (1 - STAYS) * mean
        p["batchnorm1.moving_variance"] = STAYS * p["batchnorm1.moving_variance"] + (1 - STAYS) * variance
    return p


def fitted(made: Network, x: np.ndarray, y: np.ndarray, **options: Any) -> Any:
    return made.fit(
        x, y, loss="half_squared_error", optimizer=SGD(RATE, momentum=MOMENTUM), batch_size=BATCH, shuffle=False,
        metrics=(), verbose=False, **options,
    )  # fmt: skip


@engines
@pytest.mark.parametrize("count", [COUNT, 14, 5, 15])
def test_the_last_batch_is_as_short_as_it_is(engine: str, count: int) -> None:
    """17 = 7 + 7 + 3 examples, 14 whole batches, 5 fewer than a batch, 15 with one example left over."""
    made = network()
    x, y = data(count)
    expected = by_numpy(made.get_weights(), x, y, 3)
    fitted(made, x, y, epochs=3, engine=engine)
    for name, array in made.get_weights().items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-11, atol=1e-12, err_msg=name)


def test_figures_and_results_are_those_of_the_examples() -> None:
    made, alone = network(), network()
    x, y = data(BATCH)
    step = made.training_step("half_squared_error", "sgd", BATCH, engine="oracle")
    weights = np.array([1, 0, 2, 0, 1, 1, 0.5])
    step.run(x, y, RATE, weights)
    counted = weights > 0
    single = alone.training_step("half_squared_error", "sgd", 5, engine="oracle")
    single.run(x[counted], y[counted], RATE, weights[counted])
    assert step.loss == single.loss
    np.testing.assert_array_equal(step.output[counted], single.output)
    assert np.isnan(step.output[~counted]).all()
    for name, array in alone.get_weights().items():
        np.testing.assert_array_equal(made.get_weights()[name], array, err_msg=name)
    step.run(x, y, RATE)
    single_whole = alone.training_step("half_squared_error", "sgd", BATCH, engine="oracle")
    single_whole.run(x, y, RATE)
    np.testing.assert_array_equal(step.output, single_whole.output)


def test_the_optimizer_counts_every_step_once() -> None:
    """Adam's correction needs the number of steps, whole and partial batches together."""
    made, alone = network(), network()
    x, y = data(BATCH)
    weights = np.array([1.0, 1, 1, 1, 0, 0, 0])
    step = made.training_step("mse", "adam", BATCH, engine="oracle")
    other = alone.training_step("mse", "adam", 4, engine="oracle")
    for _ in range(3):
        step.run(x, y, RATE, weights)
        other.run(x[:4], y[:4], RATE)
    assert step.steps == other.steps == 3
    for name, array in alone.get_weights().items():
        np.testing.assert_array_equal(made.get_weights()[name], array, err_msg=name)


def test_programs_are_compiled_before_the_first_epoch_and_only_where_examples_meet() -> None:
    made = network()
    step = made.training_step("mse", "sgd", BATCH, engine="oracle")
    step.prepare(3)
    step.prepare(3)
    step.prepare(BATCH)
    assert list(step._parts) == [3]
    apart = Network(Dense(2), Dropout(0.5), input_shape=(INPUTS,)).training_step("mse", "sgd", BATCH, engine="oracle")
    apart.prepare(3)
    assert not apart._parts


def test_which_layers_let_examples_meet() -> None:
    shape = (4, 3, 2)
    assert examples_meet(BatchNorm().build(shape))
    for layer in (Dropout(0.5), LayerNorm(), ReLU(), Conv2D(2, 2)):
        assert not examples_meet(layer.build(shape)), layer


def test_one_example_left_over_has_no_variance() -> None:
    """As in Keras: the result is beta, and training goes on."""
    made = network()
    x, y = data(1)
    step = made.training_step("mse", "sgd", 1, engine="oracle")
    step.run(x, y, RATE)
    np.testing.assert_allclose(made.state["batchnorm1.moving_variance"], STAYS, rtol=1e-12)
    assert all(np.isfinite(array).all() for array in made.get_weights().values())


# Gradients of what predict computes


def evaluated() -> tuple[Network, np.ndarray, np.ndarray]:
    made = Network(
        Conv2D(2, (2, 3)),
        BatchNorm(),
        Tanh(),
        Dropout(0.4),
        Flatten(),
        Dense(3),
        input_shape=(4, 5, 2),
        dtype="float64",
    )
    made.initialize(2)
    rng = np.random.default_rng(3)
    for name, array in made.state.items():
        array[...] = rng.uniform(0.5, 2, array.shape) if "variance" in name else rng.normal(size=array.shape)
    return made, rng.normal(size=(2, 4, 5, 2)), rng.normal(size=(2, 3))


def predicted_loss(made: Network, x: np.ndarray, y: np.ndarray, engine: str) -> float:
    return float((0.5 * (made.predict(x, engine=engine) - y) ** 2).sum(1).mean())


@engines
def test_gradients_of_prediction_are_its_differences(engine: str) -> None:
    made, x, y = evaluated()
    found = made.gradients(x, y, "half_squared_error", training=False, engine=engine)
    step = 1e-6
    arrays = {
        "dinput": x,
        "conv1.dw": made.parameters["conv1.w"],
        "batchnorm1.dgamma": made.parameters["batchnorm1.gamma"],
    }
    for name, array in arrays.items():
        differences = np.empty(array.shape)
        for place in np.ndindex(array.shape):
            kept = array[place]
            ends = []
            for value in (kept + step, kept - step):
                array[place] = value
                ends.append(predicted_loss(made, x, y, engine))
            array[place] = kept
            differences[place] = (ends[0] - ends[1]) / (2 * step)
        # Rounding of the loss over 2e-6, and the third derivative times 1e-12.
        np.testing.assert_allclose(found[name], differences, rtol=0, atol=2e-8, err_msg=name)
    value = loss_value(made, x, y, "half_squared_error", training=False, engine=engine)
    assert value == pytest.approx(predicted_loss(made, x, y, engine), rel=1e-12)
    training = made.gradients(x, y, "half_squared_error", engine=engine)
    assert np.abs(training["dinput"] - found["dinput"]).max() > 1e-3


def test_an_example_s_saliency_does_not_depend_on_its_neighbours() -> None:
    made, x, y = evaluated()
    both = made.gradients(x, y, "mse", training=False, engine="oracle")["dinput"]
    alone = made.gradients(x[:1], y[:1], "mse", training=False, engine="oracle")["dinput"]
    np.testing.assert_allclose(both[0], alone[0] / 2, rtol=1e-13)
