"""Every layer and loss inside a network: gradients equal PyTorch's, in float64 to 1e-9 and in float32 to 1e-5.

The layers are in tests/support/torch_cases.py.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import convgrad.layers as L
from convgrad.compute.halide import available
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
    registry,
)
from convgrad.models.network import Network
from convgrad.network.step import gradients
from torch_cases import CASES, Case, Tensors, back, image, kernel

pytestmark = pytest.mark.torch

ENGINES = ["oracle", pytest.param("halide", marks=pytest.mark.skipif(not available()[0], reason=available()[1]))]
BATCH = 3
NOT_IN_CASES = {
    **dict.fromkeys(("Add", "Concatenate", "Multiply", "Subtract"), "several inputs: in `test_graph`"),
    "Dropout": "its random numbers are our own: tests/layers/test_elementwise.py",
}


@pytest.mark.complete
def test_every_layer_and_loss_is_compared() -> None:
    layers = {name for name, kind in L.registry.items() if kind.__module__.startswith("convgrad.")}
    assert layers == {type(case.layer).__name__ for case in CASES} | set(NOT_IN_CASES), "add a case for each layer"
    losses = {type(loss).__name__ for loss, _ in LOSSES.values()}
    assert losses == {kind.__name__ for kind in registry.values()}, "add each loss to LOSSES"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layer(case: Case, engine: str, torch: ModuleType, rng: np.random.Generator) -> None:
    network = Network(case.layer, input_shape=case.shape, dtype="float64")
    name = network.layers[0].name

    def half_squared_error(o: Any, parameters: Tensors, target: Any) -> Any:
        x = case.forward(torch, o, {key.removeprefix(f"{name}."): value for key, value in parameters.items()})
        return ((target - x) ** 2).sum() / (2 * BATCH)

    targets = rng.standard_normal((BATCH, *network.output_shape))
    assert_same(network, "half_squared_error", targets, half_squared_error, engine, torch, rng)


def torch_dice(p: Any, target: Any) -> Any:
    return (1 - (2 * (p * target).sum(1) + 1) / (p.sum(1) + target.sum(1) + 1)).mean()


LOSSES: dict[str, tuple[Loss, Callable[[ModuleType, Any, Any], Any]]] = {
    "softmax": (SoftmaxCrossEntropy(), lambda t, y, target: t.nn.functional.cross_entropy(y, target.long())),
    "softmax-smoothed": (
        SoftmaxCrossEntropy(label_smoothing=0.1),
        lambda t, y, target: t.nn.functional.cross_entropy(y, target.long(), label_smoothing=0.1),
    ),
    "binary": (
        BinaryCrossEntropy(),
        lambda t, y, target: t.nn.functional.binary_cross_entropy_with_logits(y, target),
    ),
    "half-squared": (HalfSquaredError(), lambda t, y, target: ((target - y) ** 2).sum() / (2 * BATCH)),
    "negative-log-likelihood": (
        NegativeLogLikelihood(),
        lambda t, y, target: t.nn.functional.nll_loss(y, target.long()),
    ),
    "negative-log-likelihood-ignored": (
        NegativeLogLikelihood(ignore=1),
        lambda t, y, target: t.nn.functional.nll_loss(y, target.long(), ignore_index=1),
    ),
    "softmax-ignored": (
        SoftmaxCrossEntropy(ignore=1),
        lambda t, y, target: t.nn.functional.cross_entropy(y, target.long(), ignore_index=1),
    ),
    "multi-margin": (
        MultiMargin(0.7),
        lambda t, y, target: t.nn.functional.multi_margin_loss(y, target.long(), margin=0.7),
    ),
    "mean-absolute": (MeanAbsoluteError(), lambda t, y, target: t.nn.functional.l1_loss(y, target)),
    "huber": (Huber(0.7), lambda t, y, target: t.nn.functional.huber_loss(y, target, delta=0.7)),
    "kl-divergence": (
        KLDivergence(),
        lambda t, y, target: t.nn.functional.kl_div(y, target, reduction="batchmean"),
    ),
    "dice": (Dice(), lambda t, y, target: torch_dice(y.sigmoid(), target)),
    "pixels": (PixelCrossEntropy(), lambda t, y, target: t.nn.functional.cross_entropy(image(y), target.long())),
    "pixels-ignored": (
        PixelCrossEntropy(ignore=1),
        # A mean for each example, then over the batch.
        lambda t, y, target: (
            t.nn.functional.cross_entropy(image(y), target.long(), ignore_index=1, reduction="none").sum(1)
            / (target != 1).sum(1).clamp(min=1)
        ).mean(),
    ),
    "mean-squared": (MeanSquaredError(), lambda t, y, target: t.nn.functional.mse_loss(y, target)),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", LOSSES)
def test_loss(loss: str, engine: str, torch: ModuleType, rng: np.random.Generator) -> None:
    ours, theirs = LOSSES[loss]
    before = (4,) if ours.takes_label_maps else ()
    network = Network(L.Dense(5), input_shape=(*before, 7), dtype="float64")
    has_labels = ours.takes_labels or ours.takes_label_maps
    targets = rng.integers(0, 5, (BATCH, *before)) if has_labels else rng.random((BATCH, 5))
    if ours.ignored_label is not None:
        targets.reshape(-1)[0] = ours.ignored_label
    assert_same(
        network,
        ours,
        targets,
        lambda o, p, target: theirs(torch, o @ p["dense1.w"] + p["dense1.b"], target),
        engine,
        torch,
        rng,
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_graph(engine: str, torch: ModuleType, rng: np.random.Generator) -> None:
    """Branches that meet: sums and joined channels, a result that is read three times."""
    start = L.Input((7, 5, 3))
    first = L.Conv2D(3, 3, padding="same", name="first")(start)
    second = L.Conv2D(3, (1, 3), padding="same", name="second")(L.ReLU()(first))
    narrow = L.Conv2D(1, 1, name="narrow")(second)
    gates = L.Multiply()(L.Subtract()(start, L.GlobalAvgPool2D()(first)), L.Reshape((7, 5, 1))(narrow), second)
    total = L.Concatenate()(L.Add()(first, second), first, gates)
    network = Network(inputs=start, outputs=total, dtype="float64")

    def theirs(o: Any, p: Tensors, target: Any) -> Any:
        conv2d = torch.nn.functional.conv2d
        a = back(conv2d(image(o), kernel(p["first.w"]), p["first.b"], padding=1))
        b = back(conv2d(image(a.relu()), kernel(p["second.w"]), p["second.b"], padding=(0, 1)))
        c = back(conv2d(image(b), kernel(p["narrow.w"]), p["narrow.b"]))
        x = torch.cat([a + b, a, (o - a.mean((1, 2), keepdim=True)) * c * b], -1)
        return ((target - x) ** 2).sum() / (2 * BATCH)

    targets = rng.standard_normal((BATCH, 7, 5, 9))
    assert_same(network, "half_squared_error", targets, theirs, engine, torch, rng)


def assert_same(
    network: Network,
    loss: str | Loss,
    targets: np.ndarray,
    theirs: Callable[[Any, Tensors, Any], Any],
    engine: str,
    torch: ModuleType,
    rng: np.random.Generator,
) -> None:
    """Gradients of all parameters and of the input: 1e-9 of the largest in float64, 1e-5 in float32."""
    network.initialize(1)
    x = rng.standard_normal((BATCH, *network.input_shape))
    for array in network.parameters.values():
        array += 0.3 * rng.standard_normal(array.shape)
    o = torch.tensor(x, requires_grad=True)
    parameters = {name: torch.tensor(array, requires_grad=True) for name, array in network.parameters.items()}
    theirs(o, parameters, torch.tensor(targets)).backward()
    expected = {"dinput": o.grad.numpy()}
    for name, tensor in parameters.items():
        layer, _, own = name.rpartition(".")
        expected[f"{layer}.d{own}"] = tensor.grad.numpy()
    single = Network.from_config({**network.to_config(), "dtype": "float32"})
    single.set_weights(network.get_weights())
    for version, tolerance in ((network, 1e-9), (single, 1e-5)):
        found = gradients(version, x, targets, loss, engine=engine)
        for name, gradient in expected.items():
            scale = np.abs(gradient).max()
            np.testing.assert_allclose(found[name], gradient, rtol=0, atol=tolerance * scale, err_msg=name)
