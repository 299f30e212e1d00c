"""Optimizers against PyTorch's over several steps, with gradients of a curved function."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.compute.halide import available
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ModelError
from convgrad.layers import Conv2D
from convgrad.models.network import Network
from convgrad.network.step import TrainingStep, gradients
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.printing.latex import latex
from convgrad.optimizers import (
    LAMB,
    SGD,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    Optimizer,
    RMSprop,
    optimizer_from,
    registry,
)
from layer_runs import close, normal

HALIDE = pytest.mark.skipif(not available()[0], reason=available()[1])
RATES = [0.1, 0.1, 0.05, 0.2, 0.01, 0.1]


def gradient(w: Any) -> Any:
    """Of sum(w^4)/4 - sum(w), which is not a line anywhere."""
    return w**3 - 1


def run(optimizer: Optimizer, w: np.ndarray) -> np.ndarray:
    """w after a step at each of RATES."""
    state = {name: np.full(w.shape, value) for name, value in optimizer.state.items()}
    for step, rate in enumerate(RATES):
        inputs = {"w": w, "dw": gradient(w), **state, **optimizer.scalars(step, rate)}
        inputs = {name: np.asarray(value) for name, value in inputs.items()}
        bound = bind(optimizer.equation, {name: value.shape for name, value in inputs.items()})
        results = evaluate(bound, inputs)
        w = results["w_next"]
        state = {name: results[f"{name}_next"] for name in state}
    return w


AS_IN_TORCH: list[tuple[Optimizer, str, dict[str, Any]]] = [
    (SGD(), "SGD", {}),
    (SGD(weight_decay=0.1), "SGD", {"weight_decay": 0.1}),
    (SGD(momentum=0.9), "SGD", {"momentum": 0.9}),
    (SGD(momentum=0.8, weight_decay=0.01), "SGD", {"momentum": 0.8, "weight_decay": 0.01}),
    (SGD(momentum=0.9, nesterov=True), "SGD", {"momentum": 0.9, "nesterov": True}),
    (
        SGD(momentum=0.7, nesterov=True, weight_decay=0.1),
        "SGD",
        {"momentum": 0.7, "nesterov": True, "weight_decay": 0.1},
    ),
    (Adam(), "Adam", {}),
    (Adam(beta1=0.8, beta2=0.95, eps=1e-3), "Adam", {"betas": (0.8, 0.95), "eps": 1e-3}),
    (Adam(weight_decay=0.1), "Adam", {"weight_decay": 0.1}),
    (AdamW(), "AdamW", {}),
    (AdamW(weight_decay=0.3, beta1=0.7), "AdamW", {"betas": (0.7, 0.999), "weight_decay": 0.3}),
    (AdamW(weight_decay=0), "AdamW", {"weight_decay": 0}),
    (Adam(amsgrad=True, beta2=0.7), "Adam", {"amsgrad": True, "betas": (0.9, 0.7)}),
    (AdamW(amsgrad=True, beta2=0.7), "AdamW", {"amsgrad": True, "betas": (0.9, 0.7)}),
    (Adamax(), "Adamax", {}),
    (Adamax(beta1=0.8, beta2=0.7, weight_decay=0.1), "Adamax", {"betas": (0.8, 0.7), "weight_decay": 0.1}),
    (RMSprop(), "RMSprop", {}),
    (RMSprop(rho=0.8, eps=1e-3, weight_decay=0.1), "RMSprop", {"alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    (RMSprop(momentum=0.9, centered=True), "RMSprop", {"momentum": 0.9, "centered": True}),
    (
        RMSprop(centered=True, weight_decay=0.1, momentum=0.5),
        "RMSprop",
        {"centered": True, "weight_decay": 0.1, "momentum": 0.5},
    ),
    (Adagrad(), "Adagrad", {}),
    (
        Adagrad(rate_decay=0.2, initial=0.5, weight_decay=0.1),
        "Adagrad",
        {"lr_decay": 0.2, "initial_accumulator_value": 0.5, "weight_decay": 0.1},
    ),
]


def lion(w: np.ndarray, beta1: float, beta2: float, decay: float) -> np.ndarray:
    """The paper's algorithm 2, for which PyTorch has nothing."""
    m = np.zeros_like(w)
    for rate in RATES:
        g = gradient(w)
        w = w - rate * (np.sign(beta1 * m + (1 - beta1) * g) + decay * w)
        m = beta2 * m + (1 - beta2) * g
    return w


def lamb(w: np.ndarray, beta1: float, beta2: float, decay: float) -> np.ndarray:
    """The paper's algorithm 2 with lengths as they are; PyTorch has nothing for it."""
    m, s = np.zeros_like(w), np.zeros_like(w)
    for step, rate in enumerate(RATES, 1):
        g = gradient(w)
        m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g**2
        u = m / (1 - beta1**step) / (np.sqrt(s / (1 - beta2**step)) + 1e-6) + decay * w
        w = w - rate * np.linalg.norm(w) / np.linalg.norm(u) * u
    return w


AS_IN_PAPERS: list[tuple[Optimizer, Callable[..., np.ndarray], tuple[float, float, float]]] = [
    (Lion(), lion, (0.9, 0.99, 0.0)),
    (Lion(beta1=0.7, beta2=0.8, weight_decay=0.1), lion, (0.7, 0.8, 0.1)),
    (LAMB(), lamb, (0.9, 0.999, 0.0)),
    (LAMB(beta1=0.7, beta2=0.8, weight_decay=0.1), lamb, (0.7, 0.8, 0.1)),
]


@pytest.mark.parametrize(
    ("optimizer", "steps", "arguments"), AS_IN_PAPERS, ids=lambda v: getattr(v, "__name__", repr(v))
)
def test_as_in_papers(optimizer: Optimizer, steps: Callable[..., np.ndarray], arguments: tuple[float, ...]) -> None:
    start = normal(7)
    close(run(optimizer, start), steps(start, *arguments))


def test_a_parameter_of_zeros_has_no_length_to_keep() -> None:
    assert np.isfinite(run(LAMB(), np.zeros(3))).all()
    inputs: dict[str, Any] = {
        "w": np.ones(2),
        "dw": np.zeros(2),
        "m": np.zeros(2),
        "s": np.zeros(2),
        **LAMB().scalars(0, 0.1),
    }
    bound = bind(LAMB().equation, {name: np.shape(value) for name, value in inputs.items()})
    close(evaluate(bound, {name: np.asarray(value) for name, value in inputs.items()})["w_next"], np.ones(2))


@pytest.mark.parametrize("engine", ["oracle", pytest.param("halide", marks=HALIDE)])
@pytest.mark.parametrize("optimizer", [make() for make in registry.values()], ids=repr)
def test_steps_of_a_network_are_those_of_its_equation(optimizer: Optimizer, engine: str) -> None:
    """A kernel of five axes and a bias, each a parameter of its own, whatever the shape."""
    network = Network(Conv2D(6, (2, 3), groups=2), input_shape=(5, 4, 4), dtype="float64")
    network.initialize(2)
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(3, 5, 4, 4)), rng.normal(size=(3, *network.output_shape))
    state = {
        name: {own: np.full(array.size, value) for own, value in optimizer.state.items()}
        for name, array in network.parameters.items()
    }
    weights = {name: array.copy() for name, array in network.parameters.items()}
    step = TrainingStep(network, "mse", optimizer, 3, engine=engine)
    reference = Network.from_config(network.to_config())
    for number in range(3):
        reference.set_weights(weights)
        found = gradients(reference, x, y, "mse", engine="oracle")
        for name, array in weights.items():
            layer, _, own = name.rpartition(".")
            inputs = {"w": array.ravel(), "dw": found[f"{layer}.d{own}"].ravel(), **state[name]}
            inputs |= {n: np.asarray(v) for n, v in optimizer.scalars(number, 0.1).items()}
            results = evaluate(bind(optimizer.equation, {n: v.shape for n, v in inputs.items()}), inputs)
            weights[name] = results["w_next"].reshape(array.shape)
            state[name] = {own: results[f"{own}_next"] for own in state[name]}
        step.run(x, y, 0.1)
    for name, expected in weights.items():
        np.testing.assert_allclose(network.parameters[name], expected, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.complete
def test_every_optimizer_is_compared() -> None:
    compared = {type(optimizer) for optimizer, _, _ in [*AS_IN_TORCH, *AS_IN_PAPERS]}
    assert compared == {type(make()) for make in registry.values()}, "add each optimizer to AS_IN_TORCH or AS_IN_PAPERS"


@pytest.mark.torch
@pytest.mark.parametrize(("optimizer", "name", "arguments"), AS_IN_TORCH, ids=repr)
def test_as_in_torch(optimizer: Optimizer, name: str, arguments: dict[str, Any], torch: ModuleType) -> None:
    start = normal(7)
    w = torch.tensor(start)
    theirs = getattr(torch.optim, name)([w], lr=1.0, **arguments)
    for rate in RATES:
        theirs.param_groups[0]["lr"] = rate
        w.grad = gradient(w)
        theirs.step()
    close(run(optimizer, start), w.numpy())


def test_plain_descent_by_hand() -> None:
    w = np.array([0.5, -2.0])
    bound = bind(SGD().equation, {"w": (2,), "dw": (2,), "eta": ()})
    close(evaluate(bound, {"w": w, "dw": np.array([1.0, 4.0]), "eta": 0.25})["w_next"], np.array([0.25, -3.0]))


def test_corrections_are_computed_in_double_precision() -> None:
    scalars = Adam().scalars(step=0, learning_rate=0.1)
    assert scalars == pytest.approx({"eta": 0.1, "c1": 10.0, "c2": 1000.0}, rel=1e-12)
    late = Adam().scalars(step=100_000, learning_rate=0.1)
    assert (late["c1"], late["c2"]) == (1, 1)


@pytest.mark.parametrize("optimizer", [make() for make in registry.values()], ids=repr)
def test_equation_defines_what_it_says(optimizer: Optimizer) -> None:
    assert parse(str(optimizer)) == optimizer.equation
    assert latex(optimizer.equation) in optimizer._repr_latex_()
    expected = {"w_next", *(f"{name}_next" for name in optimizer.state)}
    assert expected == {name for name in optimizer.equation.defined if name.endswith("_next")}
    assert set(optimizer.equation.inputs) == {"w", "dw", *optimizer.state, *optimizer.scalars(0, 0.1)}


def test_by_name() -> None:
    assert optimizer_from("adam") == Adam()
    assert optimizer_from("momentum") == SGD(momentum=0.9)
    assert optimizer_from("nesterov") == SGD(momentum=0.9, nesterov=True)
    mine = SGD(0.5)
    assert optimizer_from(mine) is mine


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizer_from("adan"), r"There is no optimizer called 'adan'. Did you mean 'adam'\?"),
        (lambda: optimizer_from(0.1), r"An optimizer is a name or an object such as SGD\(0.1\), not 0.1"),  # type: ignore[arg-type]
        (lambda: SGD(0), r"SGD: learning_rate must be a number above 0, not 0"),
        (lambda: SGD("fast"), r"SGD: learning_rate must be a number above 0, not 'fast'"),  # type: ignore[arg-type]
        (lambda: SGD(momentum=1), r"SGD: momentum must be a number of at least 0 and below 1, not 1"),
        (lambda: SGD(weight_decay=-1), r"SGD: weight_decay must be a number of at least 0, not -1"),
        (lambda: SGD(nesterov=True), r"SGD: nesterov=True needs a momentum, such as momentum=0.9"),
        (lambda: Adam(beta1=1.0), r"Adam: beta1 must be a number of at least 0 and below 1, not 1.0"),
        (lambda: Adam(beta2=-0.1), r"Adam: beta2 must be a number of at least 0 and below 1, not -0.1"),
        (lambda: Adam(amsgrad=1), r"Adam: amsgrad must be True or False, not 1"),  # type: ignore[arg-type]
        (lambda: Adamax(amsgrad=True), r"Adamax: s is the greatest of late already. Leave amsgrad out."),
        (lambda: RMSprop(rho=1), r"RMSprop: rho must be a number of at least 0 and below 1, not 1"),
        (lambda: RMSprop(centered=2), r"RMSprop: centered must be True or False, not 2"),  # type: ignore[arg-type]
        (lambda: Adagrad(initial=-1), r"Adagrad: initial must be a number of at least 0, not -1"),
        (lambda: Adagrad(rate_decay=-1), r"Adagrad: rate_decay must be a number of at least 0, not -1"),
        (lambda: Lion(beta2=1), r"Lion: beta2 must be a number of at least 0 and below 1, not 1"),
        (lambda: LAMB(eps=0), r"LAMB: eps must be a number above 0, not 0"),
        (lambda: AdamW(eps=0), r"AdamW: eps must be a number above 0, not 0"),
        (lambda: AdamW(weight_decay=-1), r"AdamW: weight_decay must be a number of at least 0, not -1"),
    ],
)
def test_refuses(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()
