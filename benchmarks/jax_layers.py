"""JAX's side of the layers: compiled by XLA, in both orders of axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from benchmarks.cases import LayerCase
from benchmarks.timing import Call
from benchmarks.verify import Array

ORDERS = {"NHWC": ("NHWC", "HWIO", "NHWC"), "NCHW": ("NCHW", "OIHW", "NCHW")}


def contenders(case: LayerCase, arrays: Mapping[str, Array], part: str) -> dict[str, Call]:
    """What JAX can do the pass with: name -> call, which waits for the result.

    arrays: `o`, `w`, `dx` in convgrad's order of axes.
    """
    if case.kind == "dense":
        return {"jax": _call(lambda o, w: o @ w, part, arrays["o"], arrays["w"], arrays["dx"])}
    return {f"jax {order}": _conv(case, arrays, part, order) for order in ORDERS}


def convolution(o: Any, w: Any, stride: int, padding: int, groups: int, order: str = "NHWC") -> Any:
    """JAX's convolution with padding on both sides alike."""
    return jax.lax.conv_general_dilated(
        o, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=ORDERS[order], feature_group_count=groups
    )


def _conv(case: LayerCase, arrays: Mapping[str, Array], part: str, order: str) -> Call:
    groups = case.channels if case.kind == "depthwise" else 1
    o, w, dx = arrays["o"], arrays["w"], arrays["dx"]
    w = w[:, :, None] if case.kind == "depthwise" else w
    if order == "NCHW":
        o, dx, w = (np.ascontiguousarray(a.transpose(axes)) for a, axes in ((o, TO_NCHW), (dx, TO_NCHW), (w, TO_OIHW)))
    return _call(lambda o, w: convolution(o, w, case.stride, case.padding, groups, order), part, o, w, dx)


TO_NCHW, TO_OIHW = (0, 3, 1, 2), (3, 2, 0, 1)


def _call(forward: Callable[[Any, Any], Any], part: str, *given: Array) -> Call:
    functions: dict[str, Callable[[Any, Any, Any], Any]] = {
        "forward": lambda o, w, dx: forward(o, w),
        "input gradient": lambda o, w, dx: jax.vjp(lambda o: forward(o, w), o)[1](dx)[0],
        "weight gradient": lambda o, w, dx: jax.vjp(lambda w: forward(o, w), w)[1](dx)[0],
    }
    compiled, arrays = jax.jit(functions[part]), [jax.device_put(array) for array in given]
    return lambda: compiled(*arrays).block_until_ready()
