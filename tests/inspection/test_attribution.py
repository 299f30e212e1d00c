"""Saliency and Grad-CAM, beside differences and a loop."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from convgrad import Network
from convgrad.errors import DataError
from convgrad.inspection import grad_cam, saliency
from convgrad.layers import BatchNorm, Conv1D, Conv2D, Dense, Dropout, Flatten, MaxPool2D, Tanh
from convgrad.network.plan import Plan
from convgrad.network.step import run_once

ENGINES = ("oracle", "halide")
IMAGES = np.random.default_rng(5).normal(size=(3, 7, 6, 2))


def network() -> Network:
    made = Network(
        Conv2D(4, (3, 2), name="conv"),
        BatchNorm(name="norm"),
        Tanh(name="tanh"),
        MaxPool2D(2, name="pool"),
        Flatten(name="flat"),
        Dropout(0.5, name="drop"),
        Dense(5, name="dense"),
        input_shape=(7, 6, 2),
        dtype="float64",
    )
    made.initialize(seed=2)
    return made


def score(made: Network, x: Any, k: int) -> float:
    return float(made.predict(x[None], engine="oracle")[0, k])


@pytest.mark.parametrize("engine", ENGINES)
def test_saliency_is_how_the_score_changes(engine: str) -> None:
    made, classes = network(), np.array([4, 0, 2])
    found = saliency(made, IMAGES, classes, engine=engine)
    assert found.shape == (3, 7, 6)
    step = 1e-6
    for example, k in enumerate(classes):
        for place in np.ndindex(7, 6):
            slopes = []
            for channel in range(2):
                up, down = IMAGES[example].copy(), IMAGES[example].copy()
                element = (*place, channel)
                up[element] += step
                down[element] -= step
                slopes.append(abs(score(made, up, k) - score(made, down, k)) / (2 * step))
            assert found[example][place] == pytest.approx(max(slopes), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("engine", ENGINES)
def test_grad_cam_by_a_loop(engine: str) -> None:
    made, k = network(), 3
    found = grad_cam(made, IMAGES, k, layer="tanh", engine=engine)
    assert found.shape == (3, 5, 5)
    results = made.activations(IMAGES, "tanh", engine="oracle")["tanh.x"]
    dense = made.parameters["dense.w"].reshape(2, 2, 4, 5)
    expected = np.zeros((3, 5, 5))
    for e in range(3):
        alpha = np.zeros(4)
        for c in range(4):
            for i in range(2):  # the gradient of a score goes to the maximum of each window
                for j in range(2):
                    alpha[c] += dense[i, j, c, k] / 25
            expected[e] += alpha[c] * results[e, :, :, c]
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-9, atol=1e-12)


def test_the_class_is_the_greatest_output_and_the_layer_the_last_with_places_that_is_no_pooling() -> None:
    made = network()
    best = made.predict(IMAGES).argmax(axis=1)
    np.testing.assert_array_equal(saliency(made, IMAGES), saliency(made, IMAGES, best))
    np.testing.assert_array_equal(grad_cam(made, IMAGES), grad_cam(made, IMAGES, best, layer="tanh"))


@pytest.mark.parametrize("maps", [saliency, grad_cam])
def test_examples_one_by_one_and_many(maps: Any) -> None:
    made = network()
    many = np.random.default_rng(7).normal(size=(70, 7, 6, 2))
    found = maps(made, many, 1)
    for example in (0, 63, 64, 69):
        np.testing.assert_allclose(
            found[example], maps(made, many[example : example + 1], 1)[0], rtol=1e-12, atol=1e-15
        )


def test_signals_and_rows() -> None:
    signal = Network(Conv1D(3, 4, name="c"), Flatten(), Dense(2), input_shape=(11, 2))
    signal.initialize(seed=0)
    x = np.random.default_rng(1).normal(size=(5, 11, 2))
    assert saliency(signal, x).shape == (5, 11)
    assert grad_cam(signal, x).shape == (5, 8)
    row = Network(Dense(3), input_shape=(4,), dtype="float64")
    row.initialize(seed=0)
    np.testing.assert_allclose(saliency(row, np.ones((1, 4)), 2)[0], abs(row.parameters["dense1.w"][:, 2]))
    with pytest.raises(
        DataError, match=re.escape("no layer of the network has a result with several places. Take saliency")
    ):
        grad_cam(row, np.ones((1, 4)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 5}, "saliency: there is no class 5; the network has 5, 0..4."),
        ({"classes": [0, 1, -2]}, "saliency: there is no class -2; the network has 5, 0..4."),
        ({"classes": [0, 1]}, "one for each of the 3 examples or one for all, but have shape (2,) and dtype int64."),
        ({"classes": 1.5}, "but have shape () and dtype float64."),
        ({"x": IMAGES[0]}, "saliency: x must have shape (N, 7, 6, 2), N at least 1, but has (7, 6, 2)."),
        ({"x": IMAGES[:0]}, "saliency: x must have shape (N, 7, 6, 2), N at least 1, but has (0, 7, 6, 2)."),
    ],
)
def test_what_does_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        saliency(network(), **{"x": IMAGES, **arguments})


def test_a_layer_without_places_and_one_that_is_not_there() -> None:
    with pytest.raises(DataError, match=re.escape("grad_cam: dense returns shape (5,), which has no places with chan")):
        grad_cam(network(), IMAGES, layer="dense")
    with pytest.raises(DataError, match=re.escape("The network has no layer 'convo'. Did you mean 'conv'?")):
        grad_cam(network(), IMAGES, layer="convo")


def test_a_network_that_returns_an_image() -> None:
    made = Network(Conv2D(1, 2), input_shape=(4, 5, 1))
    made.initialize(seed=0)
    with pytest.raises(DataError, match=re.escape("grad_cam: the network returns shape (3, 4, 1), not one row of")):
        grad_cam(made, np.ones((1, 4, 5, 1)))


def test_one_program_says_the_class_and_what_speaks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Network(Conv2D(2, 2), Flatten(), Dense(3), input_shape=(3, 4, 1), dtype="float64")
    x = np.random.default_rng(1).standard_normal((5, 3, 4, 1))
    made.initialize(1)
    named = made.predict(x, engine="oracle").argmax(axis=1)
    expected = [saliency(made, x, named, engine="oracle"), grad_cam(made, x, named, engine="oracle")]
    asked = set()

    def counted(network: Network, plan: Plan, given: object, wanted: list[str], *others: object) -> object:
        asked.add((str(plan.equation), tuple(wanted)))
        return run_once(network, plan, given, wanted, *others)  # type: ignore[arg-type]

    monkeypatch.setattr("convgrad.network.step.run_once", counted)
    monkeypatch.setattr("convgrad.models.network.Network.predict", None)
    for maps, values in zip((saliency, grad_cam), expected, strict=True):
        asked.clear()
        np.testing.assert_array_equal(maps(made, x, engine="oracle"), values)
        assert len(asked) == 1
