"""Networks of several inputs, outputs and places of layers, trained some steps beside the same ones in PyTorch.

In float64 weights and losses agree to 1e-12, compiled or not; in float32 to what five steps of rounding make of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad import Network
from convgrad.compute.halide import available
from convgrad.losses import Loss
from convgrad.network.losses import AnyLoss, Losses
from convgrad.optimizers import SGD
from several_networks import examples, siamese, two_heads, two_inputs

pytestmark = pytest.mark.torch
HALIDE = pytest.mark.skipif(not available()[0], reason=available()[1])
STEPS, BATCH = 5, 6
Tensors = dict[str, Any]


class Contrastive(Loss):
    """E = t * y^2 / 2 + (1 - t) * max(margin - y, 0)^2 / 2, for a distance y of two that belong together (t = 1) or not

    Reference: Hadsell, Chopra and LeCun, Dimensionality reduction by learning an invariant mapping, 2006, eq. 4.
    """

    @property
    def text(self) -> str:
        return "E = sum[k](t[k] * y[k]^2 / 2 + (1 - t[k]) * max(1.5 - y[k], 0)^2 / 2)"


def convolved(torch: ModuleType, w: Tensors, x: Any) -> Any:
    """Of an image with its channels last, in a row, as here."""
    kernel = w["conv.w"].permute(3, 2, 0, 1)
    made = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), kernel, w["conv.b"]).relu()
    return made.permute(0, 2, 3, 1).flatten(1)


def heads(torch: ModuleType, w: Tensors, x: Any, t: Tensors) -> Any:
    hidden = convolved(torch, w, x) @ w["hidden.w"] + w["hidden.b"]
    scores, box = hidden.relu() @ w["scores.w"] + w["scores.b"], hidden @ w["corners.w"] + w["corners.b"]
    functions = torch.nn.functional
    return functions.cross_entropy(scores, t["class"]) + 0.5 * functions.mse_loss(box, t["box"])


def inputs(torch: ModuleType, w: Tensors, x: Tensors, t: Any) -> Any:
    about = (x["meta"] @ w["about.w"] + w["about.b"]).relu()
    scores = torch.cat([convolved(torch, w, x["image"]), about], 1) @ w["scores.w"] + w["scores.b"]
    return torch.nn.functional.cross_entropy(scores, t)


def distance(torch: ModuleType, w: Tensors, x: Tensors, t: Any) -> Any:
    left, right = (convolved(torch, w, x[name]) @ w["code.w"] + w["code.b"] for name in ("left", "right"))
    y = (((left - right) ** 2).sum(1, keepdim=True) + w["far.a"]).sqrt()
    return (t * y**2 / 2 + (1 - t) * (1.5 - y).clamp(min=0) ** 2 / 2).sum() / BATCH


@dataclass(frozen=True)
class Case:
    name: str
    make: Callable[[str], Network]
    loss: AnyLoss
    theirs: Callable[[ModuleType, Tensors, Any, Any], Any]

    def data(self) -> tuple[Any, Any]:
        x, y = examples(BATCH, seed=7)
        if self.name == "two-heads":
            return x["image"], y
        if self.name == "two-inputs":
            return x, y["class"]
        rng = np.random.default_rng(8)
        pair = {name: rng.random((BATCH, 6, 5, 1)) for name in ("left", "right")}
        return pair, np.array([1.0, 0, 1, 0, 0, 1])[:, np.newaxis]


CASES = [
    Case("two-heads", two_heads, Losses({"class": "softmax_cross_entropy", "box": "mse"}, {"box": 0.5}), heads),
    Case("two-inputs", two_inputs, "softmax_cross_entropy", inputs),
    Case("siamese", siamese, Contrastive(), distance),
]


@pytest.mark.parametrize(
    ("engine", "dtype", "tolerance"),
    [
        pytest.param("oracle", "float64", 1e-12, id="oracle"),
        pytest.param("halide", "float64", 1e-12, id="compiled", marks=HALIDE),
        pytest.param("halide", "float32", 2e-5, id="compiled-float32", marks=HALIDE),
    ],
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_trained_beside_pytorch(case: Case, engine: str, dtype: str, tolerance: float, torch: ModuleType) -> None:
    network = case.make(dtype)
    network.initialize(3)
    if "far.a" in network.parameters:
        network.parameters["far.a"][...] = 0.1
    theirs = {
        name: torch.tensor(array.astype(np.float64), requires_grad=True) for name, array in network.parameters.items()
    }
    optimizer = torch.optim.SGD([*theirs.values()], lr=0.1, momentum=0.9)
    begun = network.parameters["conv.w"].copy()
    x, t = case.data()
    given = {name: torch.tensor(array) for name, array in x.items()} if isinstance(x, dict) else torch.tensor(x)
    targets = {name: torch.tensor(array) for name, array in t.items()} if isinstance(t, dict) else torch.tensor(t)
    step = network.training_step(case.loss, SGD(0.1, momentum=0.9), BATCH, engine=engine)
    for _ in range(STEPS):
        optimizer.zero_grad()
        wanted = case.theirs(torch, theirs, given, targets)
        wanted.backward()
        step.run(x, t)
        assert step.loss == pytest.approx(wanted.item(), rel=tolerance, abs=tolerance)
        optimizer.step()
    assert np.abs(network.parameters["conv.w"] - begun).max() > 0.01
    for name, array in network.parameters.items():
        expected = theirs[name].detach().numpy()
        np.testing.assert_allclose(array, expected, rtol=tolerance, atol=tolerance, err_msg=name)
