"""A convolution's backward pass place by place, so that each axis and each edge can go wrong by itself. Plain NumPy."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

Array = np.ndarray
Pair = tuple[int, int]


def backward(
    planted: Collection[str], strides: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1)
) -> Callable[..., tuple[Array, ...]]:
    """Arrays NCHW, kernel [out,in,h,w]. A switch's words after its name say where it is made."""

    def conv_backward(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
        (down, right), (top, left), (apart, aside) = strides, padding, dilation
        if "stride-not-dilated along the rows" in planted:
            down = 1
        if "stride-not-dilated along the columns" in planted:
            right = 1
        if "dilation-ignored along the rows" in planted:
            apart = 1
        if "dilation-ignored along the columns" in planted:
            aside = 1
        if "padding-ignored along the rows" in planted:
            top = 0
        if "padding-ignored along the columns" in planted:
            left = 0
        if "padding-off-by-one, too small" in planted:
            top, left = top - 1, left - 1
        if "padding-off-by-one, too small along the rows" in planted:
            top -= 1
        if "padding-off-by-one, too small along the columns" in planted:
            left -= 1
        if "padding-off-by-one, too large along the columns" in planted:
            left += 1
        if "padding-wrong-side at the start" in planted:
            top, left = 2 * top, 2 * left
        seen, delta = x, dout.copy()
        if "stride-far-edge along the columns" in planted or "stride-far-edge along both" in planted:
            delta[:, :, :, -1] = 0
        if "stride-far-edge along both" in planted:
            delta[:, :, -1] = 0
        if "height-width-swapped in the input" in planted:
            seen = x.swapaxes(2, 3)
        used = delta.swapaxes(2, 3) if "height-width-swapped in the delta" in planted else delta
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i, j, m, n in np.ndindex(*dout.shape[2:], *w.shape[2:]):
            row, column = down * i + apart * m - top, right * j + aside * n - left
            if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                dx[:, :, row, column] += delta[:, :, i, j] @ w[:, :, m, n]
                if row < seen.shape[2] and column < seen.shape[3] and i < used.shape[2] and j < used.shape[3]:
                    dw[:, :, m, n] += used[:, :, i, j].T @ seen[:, :, row, column]
        return _at_the_far_edge(dx, x, w, strides, padding, dilation, planted), dw, dout.sum(axis=(0, 2, 3))

    return conv_backward


def _at_the_far_edge(
    dx: Array, x: Array, w: Array, strides: Pair, padding: Pair, dilation: Pair, planted: Collection[str]
) -> Array:
    """Rows and columns that are left over because the stride does not divide."""
    rest = tuple(
        (x.shape[2 + a] + 2 * padding[a] - dilation[a] * (w.shape[2 + a] - 1) - 1) % strides[a] for a in (0, 1)
    )
    rows, columns = x.shape[2] - rest[0], x.shape[3] - rest[1]
    if "stride-far-edge, moved" in planted:
        return np.roll(dx, rest, (2, 3))
    if "stride-far-edge, short" in planted:
        return dx[:, :, :rows, :columns]
    if "stride-far-edge, zeros" in planted:
        dx[:, :, rows:] = 0
        dx[:, :, :, columns:] = 0
    return dx


def relu_backward(planted: Collection[str]) -> Callable[..., Array]:
    """The derivative at 0 is 0, or by choice 1."""
    return lambda dout, x: dout * (x >= 0 if "kink" in planted else x > 0)
