"""Figures of layers, beside NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad import Network
from convgrad.inspection import health
from convgrad.layers import Conv2D, Dense, Flatten, ReLU, Tanh

X = np.random.default_rng(3).normal(size=(6, 5, 4, 2))
LABELS = np.array([0, 2, 1, 1, 0, 2])


def network() -> Network:
    layers = (Conv2D(3, (2, 3)), ReLU(), Flatten(), Dense(7), Tanh(), Dense(3))
    made = Network(*layers, input_shape=(5, 4, 2), dtype="float64")
    made.initialize(seed=4)
    made.parameters["conv1.w"][..., 1] = 0
    made.parameters["conv1.b"][1] = -0.5
    return made


@pytest.mark.parametrize("engine", ["oracle", "halide"])
def test_each_figure(engine: str) -> None:
    made = network()
    found = health(made, X, LABELS, engine=engine)
    layers = {layer.name: layer for layer in found}
    assert [*layers] == ["conv1", "relu1", "flatten1", "dense1", "tanh1", "dense2"]
    results = made.activations(X, engine="oracle")
    gradients = made.gradients(X, LABELS, "softmax_cross_entropy", engine="oracle")
    for name, layer in layers.items():
        assert layer.mean == pytest.approx(results[f"{name}.x"].mean())
        assert layer.deviation == pytest.approx(results[f"{name}.x"].std())
    own = np.concatenate([made.parameters["conv1.w"].ravel(), made.parameters["conv1.b"]])
    delta = np.concatenate([gradients["conv1.dw"].ravel(), gradients["conv1.db"]])
    assert layers["conv1"].weights == pytest.approx(np.linalg.norm(own))
    assert layers["conv1"].gradient == pytest.approx(np.linalg.norm(delta))
    assert layers["relu1"].weights is None
    scores = made.predict(X, engine="oracle")
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert found.loss == pytest.approx(-np.log(shares[np.arange(6), LABELS]).mean())
    assert found.examples == 6


def test_units_that_are_dead_are_those_of_activations() -> None:
    found = health(network(), X, LABELS)
    assert found.dead == {"relu1": 1}
    layers = {layer.name: layer for layer in found}
    assert (layers["relu1"].units, layers["tanh1"].units, layers["conv1"].units) == (3, 7, None)
