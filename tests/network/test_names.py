"""A layer's equation may use any letters: names of the network's tensors are asked of layers and plan."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad import Network
from convgrad.errors import ModelError
from convgrad.explain.words.walk import walk
from convgrad.layers import Dense, Equation, Flatten, Input, ReLU, Sigmoid

CASES = {
    "result": ("y[i,j] = 2 * o[i,j]", ("o",)),
    "input": ("y[i,j] = 2 * p[i,j]", ("p",)),
    "parameters": ("z[i,j] = p[i,j] * decay[j] + dropped[i]", ("p",)),
    "result that begins with d": ("dx[i,j] = o[i,j] * w[j]", ("o",)),
    "several": ("h[i,j] = v[j] * p[i,j]\ny_next[i,j] = h[i,j]^2\nz[i,j] = y_next[i,j] + s[i]", ("p",)),
    "two inputs": ("z[i,j] = p[i,j] * q[i,j] * v[j]", ("p", "q")),
}


def _network(text: str, inputs: tuple[str, ...]) -> Network:
    image = Input((3, 4))
    before = [Sigmoid(name="before1")(image), Sigmoid(name="before2")(ReLU()(image))][: len(inputs)]
    own = Equation(text, inputs=inputs, name="own")(*before)
    network = Network(inputs=image, outputs=Dense(2)(Flatten()(own)), dtype="float64")
    network.initialize(5)
    return network


@pytest.mark.parametrize("case", CASES)
def test_every_letter_is_explained_and_trained(case: str) -> None:
    network = _network(*CASES[case])
    own = next(placed for placed in network.layers if placed.name == "own")
    x, target = np.random.default_rng(0).normal(size=(3, 4)), [1.0, -1.0]
    trace = network.trace(x, target, loss="half_squared_error")
    told = str(trace)
    assert f"Forward through own\n{'-' * 19}" in told
    assert f"Back through own\n{'-' * 16}" in told
    titles = {section.title: section for section in walk(trace).sections}
    shown = [item.tensor.name for item in titles["Back through own"].items if hasattr(item, "tensor")]
    wanted = [own.tensor(f"d{name}") for name in own.built.parameters]
    assert shown == [*wanted, "before1.dx", "before2.dx"][: len(wanted) + len(own.built.inputs)]
    assert trace[own.delta].values.shape == own.built.output_shape
    # The numbers are those of differences: of what the walk calls the delta, and of what passed through the layer.
    deltas = trace[own.delta].values
    for given in ({"own": deltas}, {own.output: deltas}):
        again = network.trace(x, deltas=given)
        for name in shown:
            np.testing.assert_array_equal(again[name].values, trace[name].values)

    def loss(image: np.ndarray) -> float:
        found = network.trace(image, target, loss="half_squared_error").loss
        assert found is not None
        return found

    step = 1e-6
    for place in ((0, 1), (2, 3)):
        ahead, back = x.copy(), x.copy()
        ahead[place] += step
        back[place] -= step
        assert trace["dinput"].values[place] == pytest.approx((loss(ahead) - loss(back)) / (2 * step), rel=1e-6)


@pytest.mark.parametrize(
    ("text", "name", "optimizer", "tensor", "whose"),
    [
        ("y[k] = o[k] * w[k] + w_next[k]", "own", "sgd", "own.w_next", "optimizer"),
        ("y[k] = o[k] * w[k] + w_m[k]", "own", "adam", "own.w_m", "optimizer"),
        ("x[k] = o[k] * eta[k]", "optimizer", "sgd", "optimizer.eta", "optimizer"),
        ("E[k] = o[k] * v[k]", "loss", "sgd", "loss.E", "loss"),
    ],
)
def test_a_name_stands_for_one_thing(text: str, name: str, optimizer: str, tensor: str, whose: str) -> None:
    """With Adam, a parameter w_m would have been the first moment of w."""
    network = Network(Equation(text, name=name), input_shape=(3,))
    told = rf"^`{tensor}` is one of the network's tensors, and the {whose} needs a tensor of that name, too\. Give the "
    with pytest.raises(ModelError, match=told):
        network.trace(np.ones(3), np.zeros(3), loss="half_squared_error", optimizer=optimizer)
    with pytest.raises(ModelError, match=told):
        network.training_step("half_squared_error", optimizer, batch_size=2, engine="oracle")
    assert network.predict(np.ones((1, 3)), engine="oracle").shape == (1, 3)


def test_names_that_only_look_alike_are_free() -> None:
    network = Network(Equation("y[k] = o[k] * w[k] + w_m[k]", name="own"), Dense(3, name="loss"), input_shape=(3,))
    network.initialize(0)
    trace = network.trace(np.ones(3), np.zeros(3), loss="half_squared_error", optimizer="sgd")
    assert {"own.w_m_next", "loss.w_next", "loss.x", "loss.E"} <= {*trace}
