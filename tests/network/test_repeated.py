"""Calls one after the other: what was looked at once is looked at again where it can have changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convgrad import Network
from convgrad.compute.halide import available
from convgrad.errors import DataError, EngineError
from convgrad.layers import Conv2D, Dense, Flatten, ReLU
from convgrad.losses import loss_from
from convgrad.network import targets
from convgrad.network.targets import Targets

ENGINES = ["oracle", pytest.param("halide", marks=pytest.mark.skipif(not available()[0], reason=available()[1]))]
engines = pytest.mark.parametrize("engine", ENGINES)
SHAPE = (5, 4, 2)


def network(outputs: int = 3) -> Network:
    made = Network(Conv2D(2, (3, 2)), ReLU(), Flatten(), Dense(outputs), input_shape=SHAPE)
    made.initialize(1)
    return made


def images(count: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *SHAPE)).astype(np.float32)


@engines
def test_predictions_follow_the_weights(engine: str) -> None:
    net, x = network(), images()
    before = net.predict(x, engine=engine)
    np.testing.assert_array_equal(net.predict(x, engine=engine), before)
    net.parameters["dense1.w"][...] *= 2
    assert abs(net.predict(x, engine=engine) - before).max() > 0.1
    net.set_weights(network().get_weights())
    np.testing.assert_array_equal(net.predict(x, engine=engine), before)
    net.training_step("mse", "sgd", 1, engine=engine).run(x, np.ones((1, 3), np.float32), 1.0)
    assert abs(net.predict(x, engine=engine) - before).max() > 0.1


@engines
def test_predictions_are_arrays_of_their_own(engine: str) -> None:
    net = network()
    found = [net.predict(images(seed=seed), engine=engine) for seed in (0, 1, 2)]
    expected = network().predict(np.concatenate([images(seed=seed) for seed in (0, 1, 2)]), engine=engine)
    np.testing.assert_array_equal(np.concatenate(found), expected)


@engines
def test_predictions_after_others_take_what_the_first_takes(engine: str) -> None:
    net, x = network(), images(4)
    whole = (x * 20).astype(np.uint8)
    for _ in range(2):
        floats = net.predict(x, engine=engine)
        np.testing.assert_array_equal(net.predict(x.astype(np.float64), engine=engine), floats)
        np.testing.assert_array_equal(net.predict(x.tolist(), engine=engine), floats)
        np.testing.assert_array_equal(net.predict(np.asfortranarray(x), engine=engine), floats)
        np.testing.assert_array_equal(net.predict(x, batch_size=3, engine=engine), floats)
        np.testing.assert_array_equal(
            net.predict(whole, engine=engine), net.predict(whole / np.float32(255), engine=engine)
        )
        assert net.predict(x[:0], engine=engine).shape == (0, 3)
        with pytest.raises(DataError, match=r"an array of shape \(N, 5, 4, 2\), but got \(4, 5, 4\)"):
            net.predict(x[..., 0], engine=engine)
        with pytest.raises(DataError, match="batch_size must be a whole number of at least 1, not 0"):
            net.predict(x, batch_size=0, engine=engine)
        with pytest.raises(EngineError, match=r"There is no engine \['auto'\]"):
            net.predict(x, engine=["auto"])  # type: ignore[arg-type]


RATES: list[Any] = [0.1, 0.1, np.float32(0.7), 0.1, 1, 0.1, np.float64(0.5), 0.5, None, 0.1]


@engines
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamax"])
def test_each_step_has_its_own_learning_rate(optimizer: str, engine: str) -> None:
    together = network().training_step("mse", optimizer, 2, engine=engine)
    apart = network().training_step("mse", optimizer, 2, engine=engine)
    for number, rate in enumerate(RATES):
        batch = images(2, number), np.ones((2, 3), np.float32) * number
        together.run(*batch, rate)
        apart._scalars, apart._rate = {}, None  # so that it works all of them out
        apart.run(*batch, rate)
    for name, array in together.network.parameters.items():
        np.testing.assert_array_equal(array, apart.network.parameters[name])


def test_each_step_has_its_own_batch() -> None:
    step, other = (network().training_step("mse", "sgd", 2) for _ in range(2))
    y = np.arange(6, dtype=np.float32).reshape(2, 3) / 8
    bytes_of = (images(2) * 20).astype(np.uint8)
    batches = [(images(2), y), (bytes_of, y), (images(2, 1), y.astype(np.float64)), (images(2, 2), y.tolist())]
    for x, t in batches:
        step.run(x, t)
        floats = x / np.float32(255) if x.dtype == np.uint8 else x
        other.run(floats.astype(np.float64).tolist(), np.asarray(t).astype(np.float32))
    for name, array in step.network.parameters.items():
        np.testing.assert_array_equal(array, other.network.parameters[name])


@pytest.mark.parametrize("loss", ["mse", "softmax_cross_entropy", "binary_cross_entropy", "half_squared_error"])
def test_few_targets_are_taken_as_many_are(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    taken = Targets(loss_from(loss), (3,))
    given: list[Any] = [
        np.array([0, 2]),
        np.array([0, 3]),
        np.array([-1, 2]),
        np.array([0, 2], np.int32),
        np.array([0, 2], np.uint8),
        np.array([0.0, 2.0]),
        np.array([[0], [2]]),
        np.eye(3)[[0, 2]],
        np.eye(3, dtype=bool)[[0, 2]],
        rng.normal(size=(2, 3)),
        rng.random((2, 3), np.float32),
        rng.random((2, 3)).astype(np.float16),
        rng.random((2, 3))[:, ::-1],
        rng.random((2, 1, 3)),
        rng.random((3, 2)),
        np.array([[1, np.nan, 0], [0, 0, 1]]),
        np.array([[np.inf, -np.inf, 0], [0, 0, 1]]),
        np.full((2, 3), 1e308),
        np.float32(1),
    ]

    def outcome(y: Any) -> tuple[str, Any]:
        try:
            found = taken.of(y, 2, "data")
        except DataError as error:
            return str(error), None
        return str(found.dtype), found.tolist()

    few = [outcome(y) for y in given]
    monkeypatch.setattr(targets, "FEW", -1)
    assert few == [outcome(y) for y in given]
    assert {"int64", "float64"} & {kind for kind, _ in few}
    assert any("data: " in kind for kind, _ in few)


def test_a_refused_batch_leaves_the_next_one_right() -> None:
    step, other = (network().training_step("softmax_cross_entropy", "momentum", 2) for _ in range(2))
    for label in (0, 2):
        step.run(images(2), np.array([1, label]))
        other.run(images(2), np.array([1, label]))
        with pytest.raises(DataError, match="label 3 of example 1 is out of range"):
            step.run(images(2, 5), np.array([0, 3]))
        with pytest.raises(DataError, match="label -1 of example 0 is out of range"):
            step.run(images(2, 5), np.array([-1, 0]))
        with pytest.raises(DataError, match=r"x has shape \(2, 5, 4, 2\), the array given for it \(2, 4, 5, 2\)"):
            step.run(images(2).transpose(0, 2, 1, 3), np.array([1, 0]))
    for name, array in step.network.parameters.items():
        np.testing.assert_array_equal(array, other.network.parameters[name])
