"""The backward pass of a convolution in ten styles, all right: none may ever be called wrong."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, cast

import numpy as np

Array = np.ndarray
Three = tuple[Array, Array, Array]
Backward = Callable[..., object]


def nested_loops(strides: int, padding: int, dilation: int, groups: int) -> Backward:
    """NCHW, one number at a time."""

    def backward(dy: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
        dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(len(w), w.dtype)
        (out_group, in_group), height, width = (len(w) // groups, w.shape[1]), x.shape[2], x.shape[3]
        for n, k, i, j in product(*map(range, dy.shape)):
            db[k] += dy[n, k, i, j]
            for c, m, q in product(*map(range, w.shape[1:])):
                row, column = i * strides + m * dilation - padding, j * strides + q * dilation - padding
                if 0 <= row < height and 0 <= column < width:
                    channel = k // out_group * in_group + c
                    dx[n, channel, row, column] += dy[n, k, i, j] * w[k, c, m, q]
                    dw[k, c, m, q] += dy[n, k, i, j] * x[n, channel, row, column]
        return dx, dw, db

    return backward


def by_windows(strides: int, padding: int, dilation: int, groups: int) -> Backward:
    """NHWC, kernel [h,w,in,out], a loop over the places of the result; returns a dict."""

    def backward(inputs: Array, kernel: Array, grad_output: Array) -> dict[str, Array]:
        around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        padded = np.pad(inputs, around)
        dpadded, dkernel = np.zeros_like(padded), np.zeros_like(kernel)
        height, width, within, filters = kernel.shape
        share = filters // groups
        for i, j in product(range(grad_output.shape[1]), range(grad_output.shape[2])):
            rows = slice(i * strides, i * strides + dilation * (height - 1) + 1, dilation)
            columns = slice(j * strides, j * strides + dilation * (width - 1) + 1, dilation)
            for g in range(groups):
                channels, own = slice(g * within, (g + 1) * within), slice(g * share, (g + 1) * share)
                delta = grad_output[:, i, j, own]
                dkernel[..., own] += np.tensordot(padded[:, rows, columns, channels], delta, (0, 0))
                dpadded[:, rows, columns, channels] += np.tensordot(delta, kernel[..., own], (1, 3))
        size = inputs.shape
        cropped = dpadded[:, padding : padding + size[1], padding : padding + size[2]]
        return {"grad_kernel": dkernel, "grad_input": cropped, "grad_bias": grad_output.sum(axis=(0, 1, 2))}

    return backward


def with_im2col(strides: int, padding: int, dilation: int, groups: int) -> Backward:
    """NCHW, all windows as columns of one matrix, `add.at` on the way back."""

    def backward(dout: Array, cache: tuple[Array, ...]) -> tuple[Array, Array, Array]:
        x, w = cache[:2]
        batch, channels, height, width = x.shape
        filters, _, kernel_height, kernel_width = w.shape
        c, m, n = (a.ravel() for a in np.indices((channels, kernel_height, kernel_width)))
        i, j = (a.ravel() for a in np.indices(dout.shape[2:]))
        rows, columns = m[:, None] * dilation + i * strides, n[:, None] * dilation + j * strides
        padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        matrix = padded[:, c[:, None], rows, columns]
        delta = dout.reshape(batch, groups, filters // groups, -1)
        split = matrix.reshape(batch, groups, -1, matrix.shape[-1])
        dw = np.einsum("ngkp,ngqp->gkq", delta, split).reshape(w.shape)
        back = np.einsum("gkq,ngkp->ngqp", w.reshape(groups, filters // groups, -1), delta).reshape(matrix.shape)
        dpadded = np.zeros_like(padded)
        np.add.at(dpadded, (slice(None), c[:, None], rows, columns), back)  # type: ignore[arg-type]  # NumPy's types lack slices
        dx = dpadded[:, :, padding : padding + height, padding : padding + width]
        return dx, dw, dout.sum(axis=(0, 2, 3))

    return backward


def with_strided_views(strides: int, padding: int, dilation: int, groups: int) -> Backward:
    """NHWC, kernel [h,w,in,out]; windows as a view, the input's gradient by a window over the spread-out delta."""

    def windows(array: Array, height: int, width: int, apart: int, step: int) -> Array:
        view = np.lib.stride_tricks.sliding_window_view(
            array, (apart * (height - 1) + 1, apart * (width - 1) + 1), (1, 2)
        )
        return view[:, ::step, ::step, :, ::apart, ::apart]

    def backward(delta: Array, image: Array, kernel: Array) -> list[Array]:
        batch, rows, columns, channels = image.shape
        height, width, within, filters = kernel.shape
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        seen = windows(padded, height, width, dilation, strides)
        seen = seen[:, : delta.shape[1], : delta.shape[2]]
        seen = seen.reshape(*seen.shape[:3], groups, within, height, width)
        grouped = delta.reshape(*delta.shape[:3], groups, filters // groups)
        dkernel = np.einsum("nijgcab,nijgk->abcgk", seen, grouped).reshape(kernel.shape)
        extent = dilation * (height - 1), dilation * (width - 1)
        wide = np.zeros(
            (batch, rows + 2 * padding + extent[0], columns + 2 * padding + extent[1], filters), delta.dtype
        )
        i, j = delta.shape[1:3]
        wide[:, extent[0] : extent[0] + strides * i : strides, extent[1] : extent[1] + strides * j : strides] = delta
        around = windows(wide, height, width, dilation, 1)
        around = around.reshape(*around.shape[:3], groups, filters // groups, height, width)
        turned = kernel[::-1, ::-1].reshape(height, width, within, groups, filters // groups)
        dpadded = np.einsum("nijgkab,abcgk->nijgc", around, turned).reshape(*around.shape[:3], channels)
        return [dpadded[:, padding : padding + rows, padding : padding + columns], dkernel, delta.sum((0, 1, 2))]

    return backward


def by_offsets(strides: int, padding: int, dilation: int, groups: int) -> Backward:
    """NCHW, kernel [out,h,w,in], a loop over the kernel's places, einsum in it; takes its settings as arguments."""

    def backward(
        dout: Array, x: Array, w: Array, b: Array, stride: int = strides, pad: int = padding
    ) -> tuple[Array, ...]:
        rows, columns = dout.shape[2:]
        padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
        filters, height, width, within = w.shape
        delta = dout.reshape(len(x), groups, filters // groups, rows, columns)
        grouped = w.reshape(groups, filters // groups, height, width, within)
        for m, n in product(range(height), range(width)):
            top, left = m * dilation, n * dilation
            at = (
                slice(None),
                slice(None),
                slice(top, top + stride * (rows - 1) + 1, stride),
                slice(left, left + stride * (columns - 1) + 1, stride),
            )
            seen = padded[at]
            seen = seen.reshape(len(x), groups, within, rows, columns)
            dw[:, m, n] = np.einsum("ngkij,ngcij->gkc", delta, seen).reshape(filters, within)
            passed = np.einsum("ngkij,gkc->ngcij", delta, grouped[:, :, m, n])
            dpadded[at] += passed.reshape(len(x), groups * within, rows, columns)
        return dpadded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], dw, np.zeros_like(b) + dout.sum((0, 2, 3))

    return backward


def one_example(strides: int, padding: int, dilation: int, groups: int) -> Backward:
    """One image at a time, CHW, kernel [in,out,h,w]."""
    whole = by_offsets(strides, padding, dilation, groups)

    def backward(x: Array, w: Array, dout: Array) -> tuple[Array, ...]:
        ordered = np.ascontiguousarray(w.transpose(1, 2, 3, 0))
        dx, dw, db = cast(Three, whole(dout[None], x[None], ordered, np.zeros(len(ordered), w.dtype)))
        return dx[0], dw.transpose(3, 0, 1, 2), db

    return backward


def by_matrix(strides: int, padding: int, dilation: int, groups: int) -> Backward:
    """NCHW; the convolution as one matrix on the flattened image, whose transpose takes the delta back."""

    def backward(dy: Array, x: Array, weights: Array) -> Array:
        channels, height, width = x.shape[1:]
        filters, within = weights.shape[:2]
        matrix = np.zeros((*dy.shape[1:], channels, height, width), dy.dtype)
        for k, i, j in product(*map(range, dy.shape[1:])):
            for c, m, n in product(*map(range, weights.shape[1:])):
                row, column = i * strides + m * dilation - padding, j * strides + n * dilation - padding
                if 0 <= row < height and 0 <= column < width:
                    matrix[k, i, j, k // (filters // groups) * within + c, row, column] = weights[k, c, m, n]
        return (dy.reshape(len(x), -1) @ matrix.reshape(dy[0].size, -1)).reshape(x.shape)

    return backward


def in_single_precision(strides: int, padding: int, dilation: int, groups: int) -> Backward:
    """NHWC; works in float32 inside whatever it is given."""
    windows = by_windows(strides, padding, dilation, groups)

    def backward(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
        parts = windows(*(a.astype(np.float32) for a in (x, w, dout)))
        assert isinstance(parts, dict)
        return parts["grad_input"], parts["grad_kernel"], parts["grad_bias"]

    return backward


def with_a_bias_row(strides: int, padding: int, dilation: int, groups: int) -> Backward:
    """NCHW; the bias's gradient as a column, (K, 1)."""
    loops = with_im2col(strides, padding, dilation, groups)

    def backward(dZ: Array, A_prev: Array, W: Array) -> tuple[Array, ...]:
        dx, dw, db = cast(Three, loops(dZ, (A_prev, W)))
        return dx, dw, db[:, None]

    return backward


def input_only(strides: int, padding: int, dilation: int, groups: int) -> Backward:
    """NHWC; only the gradient of the input."""
    views = with_strided_views(strides, padding, dilation, groups)

    def backward(grad: Array, x: Array, f: Array) -> Array:
        return views(grad, x, f)[0]  # type: ignore[index, no-any-return]

    return backward


STYLES = (
    nested_loops,
    by_windows,
    with_im2col,
    with_strided_views,
    by_offsets,
    one_example,
    by_matrix,
    in_single_precision,
    with_a_bias_row,
    input_only,
)


def random_settings(rng: np.random.Generator) -> tuple[dict[str, Any], tuple[int, ...], str]:
    """How a style is called in one run: its settings, a kernel size and a type."""
    settings = {
        "strides": int(rng.integers(1, 4)),
        "padding": int(rng.integers(0, 3)),
        "dilation": int(rng.integers(1, 3)),
        "groups": int(rng.integers(1, 3)),
    }
    kernel = tuple(int(k) for k in rng.integers(2, 4, 2))
    return settings, kernel, ("float64", "float32")[rng.integers(2)]
