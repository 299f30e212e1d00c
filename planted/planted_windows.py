"""Windows with sides, strides by axis and groups; transposed convolution. Plain NumPy, with mistakes to plant."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

Array = np.ndarray
Sides = tuple[tuple[int, int], tuple[int, int]]


def sided_backward(
    planted: Collection[str], strides: tuple[int, int] = (2, 1), sides: Sides = ((2, 2), (1, 1))
) -> Callable[..., tuple[Array, ...]]:
    """A convolution with padding (before, after) by axis. Arrays NCHW, kernel [out,in,h,w]."""

    def conv_backward(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
        (rows, columns), (height, width) = strides, w.shape[2:]
        (top, bottom), (left, right) = sides
        if "axes-swapped" in planted:
            top, bottom, left, right = left, right, top, bottom
        if "padding-wrong-side" in planted:
            top, bottom, left, right = bottom, top, right, left
        if "padding-off-by-one" in planted or "padding-off-by-one on both axes" in planted:
            top, bottom = top + 1, bottom - 1
        if "padding-off-by-one on both axes" in planted:
            left, right = left + 1, right - 1
        used = w[:, :, ::-1, ::-1] if "convolution-for-correlation" in planted else w
        if "input-rotated" in planted:
            padded = np.pad(x[:, :, ::-1, ::-1], ((0, 0), (0, 0), *sides))
        else:
            padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
        dpadded, dw = np.zeros((*x.shape[:2], x.shape[2] + sum(sides[0]) + 2, x.shape[3] + sum(sides[1]) + 2)), 0 * w
        source = padded if padded.shape == dpadded.shape else np.zeros_like(dpadded)
        source[:, :, : padded.shape[2], : padded.shape[3]] = padded
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                at = np.s_[:, :, i * rows : i * rows + height, j * columns : j * columns + width]
                mine = np.einsum("nk,ncab->kcab", dout[:, :, i, j], source[at])
                dw = mine if "last-place-only" in planted else dw + mine
                passed = np.einsum("nk,kcab->ncab", dout[:, :, i, j], used)
                dpadded[at] = passed if "overlaps-overwritten" in planted else dpadded[at] + passed
        dx = dpadded[:, :, top : top + x.shape[2], left : left + x.shape[3]]
        if "convolution-for-correlation" in planted:
            dw = dw[:, :, ::-1, ::-1]
        places = dout.shape[2] * dout.shape[3]
        if "mean-over-places" in planted:
            dw = dw / places
        if "factor-half" in planted:
            dx = dx / 2
        if "divided-by-window" in planted:
            dx = dx / (height * width)
        db = dout[0].sum(axis=(1, 2)) if "first-example-only" in planted else dout.sum(axis=(0, 2, 3))
        return dx, dw, dout.mean(axis=(0, 2, 3)) if "mean-over-batch-and-places" in planted else db

    return conv_backward


def grouped_backward(planted: Collection[str]) -> Callable[..., tuple[Array, ...]]:
    """Three groups, no padding. Arrays NHWC, kernel [h,w,in,out]."""

    def conv_backward(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
        height, width, within, filters = w.shape
        groups = x.shape[-1] // within
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for g in range(groups):
            mine = np.s_[g::groups] if "groups-interleaved" in planted else np.s_[g * within : (g + 1) * within]
            if "groups-ignored" in planted:
                mine = np.s_[:within]
            out = np.s_[g * filters // groups : (g + 1) * filters // groups]
            for m in range(height):
                for n in range(width):
                    at = np.s_[:, m : m + dout.shape[1], n : n + dout.shape[2], mine]
                    dw[m, n, :, out] = np.einsum("nijc,nijk->ck", x[at], dout[..., out])
                    dx[at] += np.einsum("nijk,ck->nijc", dout[..., out], w[m, n, :, out])
        return dx, dw

    return conv_backward


def padded_average_backward(planted: Collection[str]) -> Callable[..., Array]:
    """Average pooling, window 3, stride 2, padding 1, which does not count. Arrays NHWC."""

    def pool_backward(dout: Array, x: Array) -> Array:
        dpadded = np.zeros((x.shape[0], x.shape[1] + 4, x.shape[2] + 4, x.shape[3]))
        inside = np.zeros(dpadded.shape[1:3])
        inside[1 : 1 + x.shape[1], 1 : 1 + x.shape[2]] = 1
        for i in range(dout.shape[1]):
            for j in range(dout.shape[2]):
                at = np.s_[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
                count = 9 if "average-counts-padding" in planted else inside[at].sum()
                dpadded[:, at[0], at[1]] += dout[:, i : i + 1, j : j + 1] / count
        return dpadded[:, 1 : 1 + x.shape[1], 1 : 1 + x.shape[2]]

    return pool_backward


def transposed_backward(
    planted: Collection[str], stride: int = 2, padding: int = 1
) -> Callable[..., tuple[Array, ...]]:
    """A transposed convolution. Arrays NCHW, kernel [in,out,h,w]."""

    def deconv_backward(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
        step = 1 if "stride-not-dilated" in planted else stride
        before = 0 if "padding-ignored" in planted else padding
        kernel = w[:, :, ::-1, ::-1] if "kernel-rotated" in planted else w
        if "channels-swapped" in planted:
            kernel = kernel.swapaxes(0, 1)
        height, width = w.shape[2:]
        room = stride * max(x.shape[2:]) + max(height, width)
        wide = np.pad(dout, ((0, 0), (0, 0), (before, room), (before, room)))
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for h in range(x.shape[2]):
            for v in range(x.shape[3]):
                seen = wide[:, :, step * h : step * h + height, step * v : step * v + width]
                dx[:, :, h, v] = np.einsum("nkab,ckab->nc", seen, kernel)
                dw += np.einsum("nc,nkab->ckab", x[:, :, h, v], seen)
        if "gradient-rotated" in planted:
            dw = dw[:, :, ::-1, ::-1]
        db = dout.sum(axis=(2, 3)) if "bias-not-summed" in planted else dout.sum(axis=(0, 2, 3))
        return dx, dw, db

    return deconv_backward
