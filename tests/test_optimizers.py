"""Optimizers against PyTorch's over several steps, with gradients of a curved function."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ModelError
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.printing.latex import latex
from convgrad.optimizers import SGD, Adam, AdamW, Optimizer, optimizer_from, registry
from layer_runs import close, normal

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
]


@pytest.mark.complete
def test_every_optimizer_is_compared() -> None:
    compared = {type(optimizer) for optimizer, _, _ in AS_IN_TORCH}
    assert compared == {type(make()) for make in registry.values()}, "add each optimizer to AS_IN_TORCH"


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
    assert expected == set(optimizer.equation.defined)
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
        (lambda: AdamW(eps=0), r"AdamW: eps must be a number above 0, not 0"),
        (lambda: AdamW(weight_decay=-1), r"AdamW: weight_decay must be a number of at least 0, not -1"),
    ],
)
def test_refuses(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()
