"""PyTorch's side of the layers: the calls that its autograd makes, in both memory formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from benchmarks.cases import POOLS, LayerCase
from benchmarks.timing import Call
from benchmarks.verify import Array

FORMATS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
without_autograd: Callable[[], AbstractContextManager[object]] = torch.inference_mode
"""What calls are timed in: autograd's bookkeeping costs time, and so does entering this, so it is not done in each."""
MASKS = {"input gradient": (0, [True, False, False]), "weight gradient": (1, [False, True, False])}


def contenders(case: LayerCase, arrays: Mapping[str, Array], part: str) -> dict[str, Call]:
    """What PyTorch can do the pass with: name -> call, which returns the result as a tensor.

    arrays: `o`, `w`, `dx` in convgrad's order of axes.
    """
    if case.kind == "dense":
        return _dense_calls(arrays, part)
    make = _pool_call if case.kind in POOLS else _conv_call
    return {name: make(case, arrays, part, torch.float32, fmt) for name, fmt in FORMATS.items()}


def reference(case: LayerCase, arrays: Mapping[str, Array], part: str) -> Array:
    """The result of the pass in float64, in convgrad's order of axes."""
    doubles = {name: array.astype(np.float64) for name, array in arrays.items()}
    if case.kind == "dense":
        result: Array = _dense_calls(doubles, part)["linear"]().detach().numpy()  # type: ignore[attr-defined]
        return result.T if part == "weight gradient" else result
    make = _pool_call if case.kind in POOLS else _conv_call
    return in_our_order(case, part, make(case, doubles, part, torch.float64, torch.contiguous_format)())


def in_our_order(case: LayerCase, part: str, result: Any) -> Array:
    """The result of a convolution or a pooling: (N, C, H, W) -> (N, H, W, C), (K, C, M, N) -> (M, N, C, K), with the
    channels of groups as two axes."""
    if part != "weight gradient":
        channels = case.channels if part == "input gradient" else case.filters
        grouped = (case.groups, channels // case.groups) if case.groups > 1 else (channels,)
        images = np.ascontiguousarray(result.permute(0, 2, 3, 1).numpy())
        return images.reshape(*images.shape[:-1], *grouped)
    if case.kind == "depthwise":
        return np.ascontiguousarray(result[:, 0].permute(1, 2, 0).numpy())
    return np.ascontiguousarray(result.permute(2, 3, 1, 0).numpy()).reshape(case.weight_shape)


def _image(array: Array, channels: int, dtype: torch.dtype, fmt: Any) -> torch.Tensor:
    """(N, H, W, C) or, with groups, (N, H, W, G, C/G) -> (N, C, H, W)."""
    image = torch.tensor(array, dtype=dtype).reshape(*array.shape[:3], channels)
    return image.permute(0, 3, 1, 2).contiguous(memory_format=fmt)


def _pool_call(case: LayerCase, arrays: Mapping[str, Array], part: str, dtype: torch.dtype, fmt: Any) -> Call:
    """The mean is over what lies in the image, as ours is."""
    o, dx = (_image(arrays[name], case.channels, dtype, fmt) for name in ("o", "dx"))
    window = [case.kernel] * 2, [case.stride] * 2, [case.padding] * 2
    if case.kind == "average":
        if part == "forward":
            return lambda: torch.nn.functional.avg_pool2d(o, *window, False, False)
        mean_backward = torch.ops.aten.avg_pool2d_backward.default
        return lambda: mean_backward(dx, o, *window, False, False, None)
    if part == "forward":
        return lambda: torch.nn.functional.max_pool2d(o, *window)
    _, places = torch.nn.functional.max_pool2d(o, *window, return_indices=True)
    backward = torch.ops.aten.max_pool2d_with_indices_backward.default
    return lambda: backward(dx, o, *window, [1, 1], False, places)


def _conv_call(case: LayerCase, arrays: Mapping[str, Array], part: str, dtype: torch.dtype, fmt: Any) -> Call:
    w = torch.tensor(arrays["w"], dtype=dtype)
    if case.kind == "depthwise":
        w = w.permute(2, 0, 1).unsqueeze(1)
    else:
        w = w.reshape(case.kernel, case.kernel, -1, case.filters).permute(3, 2, 0, 1)
    w, o = w.contiguous(memory_format=fmt), _image(arrays["o"], case.channels, dtype, fmt)
    stride, padding = [case.stride] * 2, [case.padding] * 2
    groups = case.channels if case.kind == "depthwise" else case.groups
    if part == "forward":
        return lambda: torch.conv2d(o, w, None, stride, padding, 1, groups)
    place, mask = MASKS[part]
    dx, backward = _image(arrays["dx"], case.filters, dtype, fmt), torch.ops.aten.convolution_backward.default
    return lambda: backward(dx, o, w, None, stride, padding, [1, 1], False, [0, 0], groups, mask)[place]


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
    return calls[part]
