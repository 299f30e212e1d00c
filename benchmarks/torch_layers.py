"""PyTorch's side of the layers: the calls that its autograd makes, in both memory formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.cases import LayerCase
from benchmarks.timing import Call
from benchmarks.verify import Array

FORMATS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
MASKS = {"input gradient": (0, [True, False, False]), "weight gradient": (1, [False, True, False])}


def contenders(case: LayerCase, arrays: Mapping[str, Array], part: str) -> dict[str, Call]:
    """What PyTorch can do the pass with: name -> call, which returns the result as a tensor.

    arrays: `o`, `w`, `dx` in convgrad's order of axes.
    """
    if case.kind == "dense":
        return _dense_calls(arrays, part)
    return {name: _conv_call(case, arrays, part, torch.float32, fmt) for name, fmt in FORMATS.items()}


def reference(case: LayerCase, arrays: Mapping[str, Array], part: str) -> Array:
    """The result of the pass in float64, in convgrad's order of axes."""
    doubles = {name: array.astype(np.float64) for name, array in arrays.items()}
    if case.kind == "dense":
        result: Array = _dense_calls(doubles, part)["linear"]().detach().numpy()  # type: ignore[attr-defined]
        return result.T if part == "weight gradient" else result
    return in_our_order(case, part, _conv_call(case, doubles, part, torch.float64, torch.contiguous_format)())


def in_our_order(case: LayerCase, part: str, result: Any) -> Array:
    """A convolution's result: (N, C, H, W) -> (N, H, W, C), (K, C, M, N) -> (M, N, C, K)."""
    if part != "weight gradient":
        return np.ascontiguousarray(result.permute(0, 2, 3, 1).numpy())
    if case.kind == "depthwise":
        return np.ascontiguousarray(result[:, 0].permute(1, 2, 0).numpy())
    return np.ascontiguousarray(result.permute(2, 3, 1, 0).numpy())


def _conv_call(case: LayerCase, arrays: Mapping[str, Array], part: str, dtype: torch.dtype, fmt: Any) -> Call:
    def image(array: Array) -> torch.Tensor:
        return torch.tensor(array, dtype=dtype).permute(0, 3, 1, 2).contiguous(memory_format=fmt)

    w = torch.tensor(arrays["w"], dtype=dtype)
    w = w.permute(2, 0, 1).unsqueeze(1) if case.kind == "depthwise" else w.permute(3, 2, 0, 1)
    w, o = w.contiguous(memory_format=fmt), image(arrays["o"])
    stride, padding = [case.stride] * 2, [case.padding] * 2
    groups = case.channels if case.kind == "depthwise" else 1
    if part == "forward":
        return _inference(lambda: torch.conv2d(o, w, None, stride, padding, 1, groups))
    place, mask = MASKS[part]
    dx, backward = image(arrays["dx"]), torch.ops.aten.convolution_backward.default
    return _inference(
        lambda: backward(dx, o, w, None, stride, padding, [1, 1], False, [0, 0], groups, mask)[place],
    )


def _dense_calls(arrays: Mapping[str, Array], part: str) -> dict[str, Call]:
    """With w as nn.Linear stores it, (K, C), and as convgrad does, (C, K)."""
    o, dx = torch.tensor(arrays["o"]), torch.tensor(arrays["dx"])
    w = torch.tensor(arrays["w"])
    linear = w.T.contiguous()
    calls: dict[str, dict[str, Call]] = {
        "forward": {"linear": lambda: torch.nn.functional.linear(o, linear), "matmul": lambda: o @ w},
        "input gradient": {"linear": lambda: dx @ linear, "matmul": lambda: dx @ w.T},
        "weight gradient": {"linear": lambda: dx.T @ o, "matmul": lambda: o.T @ dx},
    }
    return {name: _inference(call) for name, call in calls[part].items()}


def _inference(call: Call) -> Call:
    """The call without autograd's bookkeeping, which costs time."""
    without: Call = torch.inference_mode()(call)
    return without
