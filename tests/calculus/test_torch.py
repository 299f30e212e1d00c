"""Derived gradients, evaluated by the oracle, beside those that PyTorch finds in float64 by its own means.

Both add the same products in other orders; 1e-9 of the largest element leaves a factor of 1e4 above that.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from calculus_cases import CASES
from gradient_checks import derived

pytestmark = pytest.mark.torch

Tensors = dict[str, Any]


def _nchw(image: Any) -> Any:
    return image.permute(2, 0, 1)[None]


def _nhwc(images: Any) -> Any:
    return images[0].permute(1, 2, 0)


def _conv2d_padded(torch: ModuleType, t: Tensors) -> Any:
    """o[3*i+2*m-2,3*j+2*n-2 else 0] with more zeros behind than PyTorch's padding would have."""
    image = torch.nn.functional.pad(_nchw(t["o"]), (2, 20, 2, 20))
    x = torch.nn.functional.conv2d(image, t["w"].permute(3, 2, 0, 1), stride=3, dilation=2)
    return _nhwc(x)[:3, :4] + t["b"]


def _conv2d_in_groups(torch: ModuleType, t: Tensors) -> Any:
    """Kernel [m,n,c,g,k] and image [i,j,g,c] as PyTorch has them: [g*k,c,m,n] and [1,g*c,i,j]."""
    w = t["w"].permute(3, 4, 2, 0, 1).reshape(12, 2, 2, 3)
    x = torch.nn.functional.conv2d(_nchw(t["o"].reshape(4, 5, 6)), w, groups=3)
    return _nhwc(x).reshape(3, 3, 3, 4) + t["b"]


def _conv3d(torch: ModuleType, t: Tensors) -> Any:
    x = torch.nn.functional.conv3d(t["o"].permute(3, 0, 1, 2)[None], t["w"].permute(4, 3, 0, 1, 2), stride=(2, 1, 1))
    return x[0].permute(1, 2, 3, 0)


def _conv_transposed(torch: ModuleType, t: Tensors) -> Any:
    """Rows and columns from p on; those that no kernel reaches hold the bias."""
    x = torch.nn.functional.conv_transpose2d(_nchw(t["o"]), t["w"].permute(3, 2, 0, 1), stride=2)
    return _nhwc(torch.nn.functional.pad(x, (0, 9, 0, 9)))[1:8, 1:10] + t["b"]


def _max_pool(torch: ModuleType, t: Tensors) -> Any:
    image = torch.nn.functional.pad(_nchw(t["o"]), (1, 9, 1, 9), value=-torch.inf)
    return _nhwc(torch.nn.functional.max_pool2d(image, 3, 2))[:4, :3]


def _cross_entropy(torch: ModuleType, t: Tensors) -> Any:
    return torch.nn.functional.cross_entropy(t["y"][None], t["t"].long()[None], label_smoothing=0.1)


def _batch_norm(torch: ModuleType, t: Tensors) -> Any:
    o = t["o"].permute(0, 2, 1)
    x = torch.nn.functional.batch_norm(o, None, None, t["gamma"], t["beta"], training=True, eps=0.1)
    return x.permute(0, 2, 1)


def _group_norm(torch: ModuleType, t: Tensors) -> Any:
    image = _nchw(t["o"].reshape(2, 3, 6))
    x = torch.nn.functional.group_norm(image, 2, t["gamma"].reshape(6), t["beta"].reshape(6), 0.1)
    return _nhwc(x).reshape(2, 3, 2, 3)


THEIRS: dict[str, Callable[[ModuleType, Tensors], Any]] = {
    "conv1d": lambda torch, t: (
        torch.nn.functional.conv1d(t["o"].T[None], t["w"].permute(2, 1, 0), stride=2, padding=2, dilation=2)[0].T[:5]
        + t["b"]
    ),
    "conv2d": lambda torch, t: (
        _nhwc(torch.nn.functional.conv2d(_nchw(t["o"]), t["w"].permute(3, 2, 0, 1), t["b"]))
    ),
    "conv2d strided and padded": _conv2d_padded,
    "conv2d in groups": _conv2d_in_groups,
    "conv3d": _conv3d,
    "depthwise": lambda torch, t: (
        _nhwc(torch.nn.functional.conv2d(_nchw(t["o"]), t["w"].permute(2, 0, 1)[:, None], t["b"], groups=5))
    ),
    "transposed": _conv_transposed,
    "max pooling": lambda torch, t: _nhwc(torch.nn.functional.max_pool2d(_nchw(t["o"]), 2))[:3, :2],
    "max pooling, overlapping and padded": _max_pool,
    "max pooling with gaps": lambda torch, t: torch.nn.functional.max_pool1d(t["o"][None, None], 2, 3)[0, 0][:4],
    "average pooling": lambda torch, t: _nhwc(torch.nn.functional.avg_pool2d(_nchw(t["o"]), (2, 3), (2, 3)))[:2, :2],
    "dense": lambda torch, t: t["o"] @ t["w"] + t["b"],
    "softmax": lambda torch, t: torch.softmax(t["o"], 0),
    "half squared error": lambda torch, t: ((t["t"] - t["y"]) ** 2).sum() / 2,
    "mean squared error": lambda torch, t: torch.nn.functional.mse_loss(t["y"], t["t"]),
    "cross-entropy with smoothing": _cross_entropy,
    "binary cross-entropy": lambda torch, t: (
        torch.nn.functional.binary_cross_entropy_with_logits(t["y"], t["t"])
    ),
    "batch normalization": _batch_norm,
    "layer normalization": lambda torch, t: (
        torch.nn.functional.layer_norm(t["o"], (5,), t["gamma"], t["beta"], eps=0.1)
    ),
    "group normalization": _group_norm,
    "activation gelu": lambda torch, t: torch.nn.functional.gelu(t["o"]),
    "activation silu": lambda torch, t: torch.nn.functional.silu(t["o"]),
    "activation elu": lambda torch, t: torch.nn.functional.elu(t["o"], 0.7),
    "activation leaky relu": lambda torch, t: torch.nn.functional.leaky_relu(t["o"], 0.1),
    "attention": lambda torch, t: torch.softmax(t["q"] @ t["k"].T, 1) @ t["v"],
}  # fmt: skip


@pytest.mark.parametrize("name", THEIRS)
def test_gradients_are_those_of_pytorch(name: str, torch: ModuleType) -> None:
    equation, arrays = CASES[name].bound()
    if name == "binary cross-entropy":
        arrays["t"] = 1 / (1 + np.exp(-arrays["t"]))  # theirs asks for targets in 0..1
    wrt = CASES[name].differentiable
    upstream = np.random.default_rng(5).standard_normal(equation.result.shape)
    ours, _ = derived(equation, arrays, wrt, upstream)
    tensors = {n: torch.tensor(a, requires_grad=n in wrt) for n, a in arrays.items()}
    result = THEIRS[name](torch, tensors)
    assert tuple(result.shape) == equation.result.shape
    (result * torch.tensor(upstream)).sum().backward()
    for n in wrt:
        theirs = tensors[n].grad.numpy()
        np.testing.assert_allclose(ours[n], theirs, rtol=0, atol=1e-9 * np.abs(theirs).max(), err_msg=f"d{n}")
