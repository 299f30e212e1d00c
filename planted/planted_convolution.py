"""The backward pass of a convolution as textbooks write it, in plain NumPy, with mistakes to plant by name.

Arrays are NCHW, the kernel is [out, in, h, w]. `planted` holds names of mistakes; each is one wrong line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

Array = np.ndarray


def spread(array: Array, step: int) -> Array:
    """`step - 1` zeros between neighbours along the last two axes."""
    *front, rows, columns = array.shape
    wide = np.zeros((*front, (rows - 1) * step + 1, (columns - 1) * step + 1), array.dtype)
    wide[..., ::step, ::step] = array
    return wide


def correlate(image: Array, kernel: Array) -> Array:
    """sum[k,a,b](image[n,k,r+a,c+b] * kernel[k,c,a,b])"""
    height, width = kernel.shape[2:]
    rows, columns = image.shape[2] - height + 1, image.shape[3] - width + 1
    result = np.zeros((image.shape[0], kernel.shape[1], rows, columns), image.dtype)
    for r in range(rows):
        for c in range(columns):
            result[:, :, r, c] = np.einsum("nkab,kcab->nc", image[:, :, r : r + height, c : c + width], kernel)
    return result


def input_gradient(
    delta: Array, kernel: Array, size: tuple[int, int], stride: int, pad: int, dilation: int, planted: Collection[str]
) -> Array:
    step = 1 if "stride-not-dilated" in planted else stride + 1 if "stride-off-by-one" in planted else stride
    if "delta-rotated in do" in planted:
        delta = delta[:, :, ::-1, ::-1]
    if "stride-far-edge" in planted:
        delta = delta.copy()
        delta[:, :, -1] = 0
    wide = spread(delta, step)
    wide_kernel = spread(kernel, 1 if "dilation-ignored" in planted else dilation)
    if "kernel-not-rotated" in planted:
        turned = wide_kernel
    elif "transposed-instead-of-rotated" in planted:
        turned = wide_kernel.swapaxes(2, 3)
    else:
        turned = wide_kernel[:, :, ::-1, ::-1]
    if "height-width-swapped in do" in planted:
        turned = turned.swapaxes(2, 3)
    if "channels-swapped" in planted:
        turned = turned.swapaxes(0, 1)
    height, width = turned.shape[2:]
    around = ((0, 0), (0, 0), (height - 1, height - 1), (width - 1, width - 1))
    full = correlate(np.pad(wide, around), turned)
    rows, columns = size[0] + 2 * pad, size[1] + 2 * pad
    padded = np.zeros((*full.shape[:2], rows, columns), full.dtype)
    full = full[:, :, :rows, :columns]
    padded[:, :, : full.shape[2], : full.shape[3]] = full
    before = 0 if "padding-wrong-side" in planted else pad
    result = (
        padded
        if "padding-not-cropped" in planted
        else padded[:, :, before : before + size[0], before : before + size[1]]
    )
    if "gradient-rotated in do" in planted:
        result = result[:, :, ::-1, ::-1]
    return -result if "sign in do" in planted else result


def kernel_gradient(
    delta: Array, image: Array, kernel: Array, stride: int, pad: int, dilation: int, planted: Collection[str]
) -> Array:
    step = 1 if "stride-not-dilated in dw" in planted else stride
    apart = 1 if "dilation-ignored in dw" in planted else dilation
    (rows, columns), batch = delta.shape[2:], len(delta)
    if "delta-rotated" in planted:
        delta = delta[:, :, ::-1, ::-1]
    if "last-example-only" in planted:
        delta, image = delta[-1:], image[-1:]
    before = 0 if "padding-ignored" in planted else pad
    room = ((0, 0), (0, 0), (before, pad + pad - before), (before, pad + pad - before))
    padded = np.pad(image, room)
    result = np.zeros_like(kernel)
    for m in range(kernel.shape[2]):
        for n in range(kernel.shape[3]):
            top, left = m * apart, n * apart
            seen = padded[:, :, top : top + step * (rows - 1) + 1 : step, left : left + step * (columns - 1) + 1 : step]
            result[:, :, m, n] = np.einsum("nkij,ncij->kc", delta, seen)
    if "gradient-rotated" in planted:
        result = result[:, :, ::-1, ::-1]
    if "height-width-swapped" in planted:
        result = result.swapaxes(2, 3)
    if "channels-swapped in dw" in planted:
        result = result.swapaxes(0, 1)
    if "mean-over-batch" in planted:
        result = result / batch
    if "factor-2" in planted:
        result = 2 * result
    return -result if "sign" in planted else result


def bias_gradient(delta: Array, planted: Collection[str]) -> Array:
    if "bias-not-summed over batch" in planted:
        return np.asarray(delta.sum(axis=(2, 3)))
    if "bias-not-summed over space" in planted:
        return np.asarray(delta.sum(axis=0))
    if "bias-not-summed" in planted:
        return delta
    if "mean-over-batch in db" in planted:
        return np.asarray(delta.mean(axis=0).sum(axis=(1, 2)))
    return np.asarray(delta.sum(axis=(0, 2, 3)))


def backward(
    planted: Collection[str], strides: int = 2, padding: int = 1, dilation: int = 2, groups: int = 1
) -> Callable[..., tuple[Array, ...]]:
    """A backward pass with these mistakes."""

    def conv_backward(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
        size = x.shape[2:]
        inputs, kernels, deltas = (np.split(a, groups, axis) for a, axis in ((x, 1), (w, 0), (dout, 1)))
        parts = [
            input_gradient(d, k, size, strides, padding, dilation, planted)
            for d, k in zip(deltas, kernels, strict=True)
        ]
        if "groups-ignored" in planted:
            parts = [np.sum(parts, axis=0), *(np.zeros_like(p) for p in parts[1:])]
            inputs = [inputs[0]] * groups
        weights = [
            kernel_gradient(d, o, k, strides, padding, dilation, planted)
            for d, o, k in zip(deltas, inputs, kernels, strict=True)
        ]
        return np.concatenate(parts, axis=1), np.concatenate(weights), bias_gradient(dout, planted)

    return conv_backward
