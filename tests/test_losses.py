"""Losses against PyTorch's, on batches, and with numbers that would overflow."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ModelError
from convgrad.losses import (
    BinaryCrossEntropy,
    HalfSquaredError,
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
    loss_from,
    registry,
)
from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.printing.latex import latex
from layer_runs import close, normal


def losses(loss: Loss, y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """E of each example of a batch."""
    built = loss.build(y.shape[1:])
    shapes = {"y": built.prediction_shape, "t": built.target_shape}
    bound = batched(bind(built.equation, shapes, built.sizes, built.integers, built.numbers), {"y", "t"}, len(y))
    y, t = y.reshape(len(y), *built.prediction_shape), t.reshape(len(y), *built.target_shape)
    return evaluate(bound, {"y": y, "t": t})["E"]


@pytest.mark.torch
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_softmax_cross_entropy_as_in_torch(smoothing: float, torch: ModuleType) -> None:
    y, t = 3 * normal(11, 7), np.arange(11) % 7
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(y), torch.tensor(t), reduction="none", label_smoothing=smoothing
    )
    close(losses(SoftmaxCrossEntropy(smoothing), y, t), expected.numpy())


@pytest.mark.torch
def test_binary_cross_entropy_as_in_torch(torch: ModuleType) -> None:
    y = 3 * normal(11, 7)
    t = np.random.default_rng(0).uniform(size=y.shape).round(1)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(y), torch.tensor(t), reduction="none")
    close(losses(BinaryCrossEntropy(), y, t), expected.numpy().mean(axis=1))


@pytest.mark.parametrize("shape", [(5,), (3, 5), (3, 5, 2)])
def test_squared_errors(shape: tuple[int, ...]) -> None:
    y, t = normal(7, *shape), normal(7, *shape) ** 2
    squares = ((y - t) ** 2).reshape(7, -1)
    close(losses(HalfSquaredError(), y, t), squares.sum(axis=1) / 2)
    close(losses(MeanSquaredError(), y, t), squares.mean(axis=1))


def test_nothing_overflows() -> None:
    y = np.array([[2000.0, -2000.0, 0.0], [2000.0, -2000.0, 0.0]])
    close(losses(SoftmaxCrossEntropy(), y, np.array([0, 1])), np.array([0.0, 4000.0]))
    y, t = np.array([[2000.0], [-2000.0], [2000.0]]), np.array([[1.0], [0.0], [0.0]])
    close(losses(BinaryCrossEntropy(), y, t), np.array([0.0, 0.0, 2000.0]))


def test_targets() -> None:
    assert SoftmaxCrossEntropy().takes_labels
    assert SoftmaxCrossEntropy().build((5,)).target_shape == ()
    for kind in (HalfSquaredError, MeanSquaredError, BinaryCrossEntropy):
        assert not kind().takes_labels
        assert kind().build((3, 5)).target_shape == (15,)


@pytest.mark.parametrize("name", registry)
def test_by_name(name: str) -> None:
    loss = loss_from(name)
    assert isinstance(loss, registry[name])
    assert loss_from(loss) is loss
    assert parse(str(loss)) == loss.equation
    assert loss.equation.result.name == "E"
    assert latex(loss.equation) in loss._repr_latex_()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: loss_from("cross_entropy"), r"no loss called 'cross_entropy'. Available: binary_cross"),
        (lambda: loss_from("l1"), r"no loss called 'l1'. Available: binary_cross_entropy, half_squared_error, mse"),
        (lambda: loss_from(SoftmaxCrossEntropy), r"A loss is a name or an object such as SoftmaxCrossEntropy\(\), not"),  # type: ignore[arg-type]
        (lambda: SoftmaxCrossEntropy(1), r"label_smoothing must be a number of at least 0 and below 1, not 1"),
        (
            lambda: SoftmaxCrossEntropy().build((7, 5, 10)),
            r"one row of numbers for each example, .* returns shape \(7, 5, 10\). End it with Flatten",
        ),
        (lambda: SoftmaxCrossEntropy().build((1,)), r"2 classes or more, .* End it with Dense\(2\), or use the loss"),
    ],
)
def test_refuses(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()
