"""Losses against PyTorch's, on batches, and with numbers that would overflow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType

import numpy as np
import pytest

from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ModelError
from convgrad.layers import Dense
from convgrad.losses import (
    BinaryCrossEntropy,
    Dice,
    HalfSquaredError,
    Huber,
    KLDivergence,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    MultiMargin,
    NegativeLogLikelihood,
    PixelCrossEntropy,
    SoftmaxCrossEntropy,
    loss_from,
    registry,
)
from convgrad.models.network import Network
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
@pytest.mark.parametrize("ignore", [255, -1, 2])
@pytest.mark.parametrize("smoothing", [None, 0.0, 0.1])
def test_labels_that_do_not_count_as_in_torch(smoothing: float | None, ignore: int, torch: ModuleType) -> None:
    """E of each example, 0 for those; smoothing None: the log-likelihood."""
    y, t = 3 * normal(11, 7), np.arange(11) % 7
    t[3], t[8] = ignore, ignore
    ours: Loss
    if smoothing is None:
        ours, theirs = NegativeLogLikelihood(ignore), torch.nn.functional.nll_loss
    else:
        ours = SoftmaxCrossEntropy(smoothing, ignore)
        theirs = partial(torch.nn.functional.cross_entropy, label_smoothing=smoothing)
    each = losses(ours, y, t)
    close(each, theirs(torch.tensor(y), torch.tensor(t), reduction="none", ignore_index=ignore).numpy())
    assert each[3] == each[8] == 0


@pytest.mark.torch
def test_binary_cross_entropy_as_in_torch(torch: ModuleType) -> None:
    y = 3 * normal(11, 7)
    t = np.random.default_rng(0).uniform(size=y.shape).round(1)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(y), torch.tensor(t), reduction="none")
    close(losses(BinaryCrossEntropy(), y, t), expected.numpy().mean(axis=1))


@pytest.mark.torch
@pytest.mark.parametrize("ignore", [None, 255, -1, 2])
@pytest.mark.parametrize("places", [(3,), (3, 4), (2, 3, 4)])
def test_pixel_cross_entropy_as_in_torch(ignore: int | None, places: tuple[int, ...], torch: ModuleType) -> None:
    y = 3 * normal(5, *places, 7)
    t = np.random.default_rng(1).integers(0, 7, (5, *places))
    if ignore is not None:
        t[:, :1], t[4] = ignore, ignore
    each = torch.nn.functional.cross_entropy(
        torch.tensor(np.moveaxis(y, -1, 1).copy()), torch.tensor(t), reduction="none", ignore_index=ignore or -100
    ).numpy()
    counted = (t != ignore).reshape(5, -1).sum(axis=1)
    close(losses(PixelCrossEntropy(ignore), y, t), each.reshape(5, -1).sum(axis=1) / np.maximum(counted, 1))


@pytest.mark.torch
def test_losses_of_classes_as_in_torch(torch: ModuleType) -> None:
    y, t = 3 * normal(11, 7), np.arange(11) % 7
    functions, given = torch.nn.functional, (torch.tensor(y), torch.tensor(t))
    close(losses(NegativeLogLikelihood(), y, t), functions.nll_loss(*given, reduction="none").numpy())
    for margin in (1.0, 0.25):
        expected = functions.multi_margin_loss(*given, margin=margin, reduction="none")
        close(losses(MultiMargin(margin), y, t), expected.numpy())


@pytest.mark.torch
def test_losses_of_numbers_as_in_torch(torch: ModuleType) -> None:
    y, t = 3 * normal(11, 7), normal(11, 7) ** 2
    functions, given = torch.nn.functional, (torch.tensor(y), torch.tensor(t))
    expected = functions.l1_loss(*given, reduction="none")
    close(losses(MeanAbsoluteError(), y, t), expected.numpy().mean(axis=1))
    for delta in (1.0, 0.5, 4.0):
        expected = functions.huber_loss(*given, reduction="none", delta=delta)
        close(losses(Huber(delta), y, t), expected.numpy().mean(axis=1))


@pytest.mark.torch
def test_kl_divergence_as_in_torch(torch: ModuleType) -> None:
    y, t = torch.tensor(normal(11, 7)).log_softmax(-1), torch.tensor(3 * normal(7, 11).T.copy()).softmax(-1)
    t[:, 2] = 0
    expected = torch.nn.functional.kl_div(y, t, reduction="none").sum(-1)
    close(losses(KLDivergence(), y.numpy(), t.numpy()), expected.numpy())


def test_dice_is_1_minus_the_overlap() -> None:
    y, t = 3 * normal(11, 7), np.random.default_rng(0).uniform(size=(11, 7)).round()
    p = 1 / (1 + np.exp(-y))
    for smooth in (1.0, 0.01):
        expected = 1 - (2 * (p * t).sum(axis=1) + smooth) / (p.sum(axis=1) + t.sum(axis=1) + smooth)
        close(losses(Dice(smooth), y, t), expected)
    far = np.array([[-2000.0, -2000.0], [2000.0, -2000.0]])
    close(losses(Dice(), far, np.zeros((2, 2))), np.array([0.0, 0.5]))


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
        (lambda: loss_from("cross_entropy"), r"no loss called 'cross_entropy'. Available: .*binary_cross"),
        (lambda: loss_from("l1"), r"no loss called 'l1'. Did you mean 'mae'\?"),
        (lambda: loss_from(SoftmaxCrossEntropy), r"A loss is a name or an object such as SoftmaxCrossEntropy\(\), not"),  # type: ignore[arg-type]
        (lambda: SoftmaxCrossEntropy(1), r"label_smoothing must be a number of at least 0 and below 1, not 1"),
        (
            lambda: SoftmaxCrossEntropy().build((7, 5, 10)),
            r"one row of numbers for each example, .* returns shape \(7, 5, 10\). End it with .*'pixel_cross_entropy'",
        ),
        (lambda: MultiMargin(0), r"MultiMargin: margin must be a number above 0, not 0"),
        (lambda: Huber(-1), r"Huber: delta must be a number above 0, not -1"),
        (lambda: Dice(0), r"Dice: smooth must be a number above 0, not 0"),
        (lambda: SoftmaxCrossEntropy(ignore="no"), r"SoftmaxCrossEntropy: ignore must be a whole number .* not 'no'"),  # type: ignore[arg-type]
        (lambda: NegativeLogLikelihood(0.5), r"NegativeLogLikelihood: ignore must be a whole number .* not 0.5"),  # type: ignore[arg-type]
        (lambda: PixelCrossEntropy(0.5), r"PixelCrossEntropy: ignore must be a whole number .* not 0.5"),  # type: ignore[arg-type]
        (
            lambda: PixelCrossEntropy().build((7,)),
            r"pixel_cross_entropy takes an image with a channel for each of 2 classes or more, but the network returns "
            r"shape \(7,\). End it with Conv2D\(classes, 1\), or use 'softmax_cross_entropy' for one label an example",
        ),
        (lambda: PixelCrossEntropy().build((7, 5, 1)), r"pixel_cross_entropy takes an image .* shape \(7, 5, 1\)"),
        (lambda: MultiMargin().build((7, 5)), r"multi_margin takes one row of numbers for each example"),
        (lambda: NegativeLogLikelihood().build((1,)), r"negative_log_likelihood takes a number for each of 2 classes"),
        (lambda: SoftmaxCrossEntropy().build((1,)), r"2 classes or more, .* End it with Dense\(2\), or use the loss"),
    ],
)
def test_refuses(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()


def test_labels_of_the_places_of_a_sequence_some_of_which_do_not_count() -> None:
    """Padding with -100, as people do: what stands there changes neither the loss nor the accuracy."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 6, 4)), rng.integers(0, 3, (5, 6))
    y[:, 4:] = -100
    network = Network(Dense(3), input_shape=(6, 4), dtype="float64")
    network.initialize(1)
    whole = network.evaluate(x, y, loss=PixelCrossEntropy(ignore=-100), metrics="accuracy", engine="oracle")
    short = Network(Dense(3), input_shape=(4, 4), dtype="float64")
    short.set_weights(network.get_weights())
    expected = short.evaluate(x[:, :4], y[:, :4], loss="pixel_cross_entropy", metrics="accuracy", engine="oracle")
    assert whole == pytest.approx(expected, rel=1e-12)
