"""Dense layers, activations, softmax and dropout against closed forms and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from scipy import special

from convgrad.errors import ModelError, ShapeError
from convgrad.layers import (
    ELU,
    GELU,
    GLU,
    SELU,
    Dense,
    Dropout,
    HardSigmoid,
    HardSwish,
    Layer,
    LeakyReLU,
    LogSoftmax,
    Mish,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
)
from convgrad.layers.activation import Elementwise
from layer_runs import Run, close, normal


def test_dense_on_a_row() -> None:
    o = normal(3, 5)
    run = Run(Dense(7), o)
    close(run.x, o @ run.parameters["w"] + run.parameters["b"])


def test_dense_works_along_the_last_axis() -> None:
    o = normal(3, 5, 2, 7)
    run = Run(Dense(4, bias=None), o)
    assert "b" not in run.parameters
    close(run.x, o @ run.parameters["w"])


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (ReLU(), lambda o: np.maximum(o, 0)),
        (LeakyReLU(0.2), lambda o: np.where(o > 0, o, 0.2 * o)),
        (ELU(), lambda o: np.where(o > 0, o, np.expm1(o))),
        (ELU(0.5), lambda o: np.where(o > 0, o, 0.5 * np.expm1(o))),
        (Sigmoid(), special.expit),
        (Tanh(), np.tanh),
        (GELU(), lambda o: o * special.ndtr(o)),
        (GELU(approximate=True), lambda o: o * (1 + np.tanh(np.sqrt(2 / np.pi) * (o + 0.044715 * o**3))) / 2),
        (SiLU(), lambda o: o * special.expit(o)),
        (ReLU6(), lambda o: np.clip(o, 0, 6)),
        (SELU(), lambda o: 1.0507009873554805 * np.where(o > 0, o, 1.6732632423543772 * np.expm1(o))),
        (Softplus(), lambda o: np.logaddexp(o, 0)),
        (Softsign(), lambda o: o / (1 + np.abs(o))),
        (Mish(), lambda o: o * np.tanh(np.logaddexp(o, 0))),
        (HardSigmoid(), lambda o: np.clip(o / 6 + 0.5, 0, 1)),
        (HardSwish(), lambda o: o * np.clip(o / 6 + 0.5, 0, 1)),
        (LogSoftmax(), lambda o: special.log_softmax(o, axis=-1)),
        (Softmax(), lambda o: special.softmax(o, axis=-1)),
    ],
    ids=lambda value: repr(value) if isinstance(value, Layer) else None,
)
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (3, 5, 7, 2)])
def test_activation(layer: Layer, function: Callable[..., np.ndarray], shape: tuple[int, ...]) -> None:
    o = 3 * normal(*shape)
    close(Run(layer, o).x, function(o))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("layer", "name", "arguments"),
    [
        (LeakyReLU(), "leaky_relu", {"negative_slope": 0.3}),
        (ELU(2.0), "elu", {"alpha": 2.0}),
        (GELU(), "gelu", {}),
        (GELU(approximate=True), "gelu", {"approximate": "tanh"}),
        (SiLU(), "silu", {}),
    ],
    ids=repr,
)
def test_activation_as_in_torch(layer: Elementwise, name: str, arguments: dict[str, object], torch: ModuleType) -> None:
    o = 3 * normal(2, 3, 5)
    expected = getattr(torch.nn.functional, name)(torch.tensor(o), **arguments)
    close(Run(layer, o).x, expected.numpy())


def test_extreme_values() -> None:
    o = np.array([[1000.0, -1000.0, 999.0]])
    close(Run(Softmax(), o).x, special.softmax(o, axis=-1))
    close(Run(ELU(), o).x, np.array([[1000.0, -1.0, 999.0]]))
    close(Run(Sigmoid(), o).x, np.array([[1.0, 0.0, 1.0]]))
    close(Run(LogSoftmax(), o).x, np.array([[0.0, -2000.0, -1.0]]) + np.log(1 / (1 + np.exp(-1))))
    close(Run(SELU(), o).x, np.array([[1050.7009873554805, -1.7580993408473766, 1049.6502863681251]]))
    close(Run(Softplus(), o).x, np.array([[1000.0, 0.0, 999.0]]))
    close(Run(Mish(), o).x, np.array([[1000.0, 0.0, 999.0]]))
    close(Run(Softsign(), 1e300 * o[:, :2]).x, np.array([[1.0, -1.0]]))


def test_slopes_are_trained_for_each_channel() -> None:
    run = Run(PReLU(), o := normal(2, 3, 5, 7))
    close(run.x, np.where(o > 0, o, run.parameters["alpha"] * o))
    (alpha,) = PReLU(0.1).build((3, 5)).parameters.values()
    assert alpha.initial(np.random.default_rng(0)).tolist() == [0.1] * 5


def test_half_of_the_channels_is_a_gate() -> None:
    o = normal(2, 3, 5, 6)
    close(Run(GLU(), o).x, o[..., :3] * special.expit(o[..., 3:]))
    with pytest.raises(ShapeError, match=r"GLU\(\): the 7 channels of its input have no two halves.\nMake .* return 8"):
        GLU().build((5, 7))


def test_dropout_leaves_out_its_rate_and_keeps_the_mean() -> None:
    o = np.ones((64, 11, 7))
    x = Run(Dropout(0.25), o).x
    assert set(np.unique(x)) == {0, 1 / 0.75}
    kept = np.count_nonzero(x) / x.size
    assert abs(kept - 0.75) < 4 * np.sqrt(0.25 * 0.75 / x.size)  # four standard deviations


def test_dropout_differs_by_example_and_by_seed() -> None:
    o = np.ones((5, 77))
    x = Run(Dropout(0.5), o).x
    assert len(np.unique(x, axis=0)) == 5
    close(Run(Dropout(0.5), o).x, x)
    assert (Run(Dropout(0.5), o, given={"seed": 6.0}).x != x).any()


def test_dropout_by_channel_leaves_out_whole_channels() -> None:
    o = np.ones((40, 3, 5, 7))
    x = Run(Dropout(0.25, by="channel"), o).x
    assert set(np.unique(x)) == {0, 1 / 0.75}
    assert (x == x[:, :1, :1]).all()
    kept = (x[:, 0, 0] > 0).mean()
    assert abs(kept - 0.75) < 4 * np.sqrt(0.25 * 0.75 / 280)  # four standard deviations
    close(Run(Dropout(0.9, by="channel"), o, predict=True).x, o)


def test_dropout_does_nothing_when_predicting() -> None:
    o = normal(3, 5, 7)
    close(Run(Dropout(0.9), o, predict=True).x, o)
    close(Run(Dropout(0), o).x, o)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(-1), r"Dense\(-1\): units must be a whole number of at least 1, not -1"),
        (lambda: Dense(3, bias="position"), r"bias must be 'channel' or None, not 'position'"),
        (lambda: Dense(3, kernel_initializer=3), r"An initializer is a name or a function .* not 3"),  # type: ignore[arg-type]
        (lambda: Dropout(1), r"Dropout\(1\): rate must be a number of at least 0 and below 1, not 1"),
        (lambda: Dropout(0.5, by="row"), r"by must be 'element' or 'channel', not 'row'"),
        (lambda: Dropout("half"), r"rate must be a number of at least 0 and below 1, not 'half'"),  # type: ignore[arg-type]
        (lambda: LeakyReLU(-0.1), r"negative_slope must be a number of at least 0, not -0.1"),
        (lambda: PReLU(float("inf")), r"PReLU.*: initial must be a finite number, not inf"),
        (lambda: ELU(float("nan")), r"alpha must be a number of at least 0, not nan"),
    ],
)
def test_refuses_arguments(make: Callable[..., np.ndarray], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()
