"""Convolutions by loops and by matrices, with loops that are too short and reshapes that mix axes. Arrays NCHW."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

Array = np.ndarray


def _kept(planted: Collection[str], one: str, count: int, other: int = 0) -> Sequence[int]:
    """The places along an axis that a loop comes to; `other`: the length that is taken for its own."""
    if f"height-width-swapped of each {one}" in planted:
        return range(min(count, other))
    for switch, part in (
        (f"first-{one}-only", slice(0, 1)),
        (f"last-{one}-only", slice(-1, None)),
        (f"all-but-last-{one}", slice(0, -1)),
        (f"all-but-first-{one}", slice(1, None)),
    ):
        if any(s.split(" ")[0] == switch for s in planted):
            return range(count)[part]
    return range(count)


def _within(planted: Collection[str], output: str) -> Collection[str]:
    """The switches that say nothing of where, or this output."""
    return [s for s in planted if " in " not in s or s.endswith(f" in {output}")]


def backward(planted: Collection[str]) -> Callable[..., tuple[Array, ...]]:
    """Each gradient in loops of its own. A switch's last word says in which."""

    def conv_backward(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
        dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(len(w))
        (examples, filters, rows, columns), (_, _, high, wide) = dout.shape, w.shape
        inside = _within(planted, "do")
        for f in _kept(inside, "filter", filters):
            for i in _kept(inside, "row", rows, columns):
                for j in _kept(inside, "column", columns, rows):
                    for m in _kept(inside, "kernel-row", high, wide):
                        for n in _kept(inside, "kernel-column", wide, high):
                            dx[:, :, i + m, j + n] += dout[:, f, i, j][:, None] * w[f, :, m, n]
        inside = _within(planted, "dw")
        for e in _kept(inside, "example", examples):
            for i in _kept(inside, "row", rows, columns):
                for j in _kept(inside, "column", columns, rows):
                    dw += dout[e, :, i, j][:, None, None, None] * x[e, :, i : i + high, j : j + wide]
        inside = _within(planted, "db")
        for e in _kept(inside, "example", examples):
            for i in _kept(inside, "row", rows, columns):
                for j in _kept(inside, "column", columns, rows):
                    db += dout[e, :, i, j]
        return dx, dw, db

    return conv_backward


def forward(planted: Collection[str]) -> Callable[..., Array]:
    """Channel by channel."""

    def conv_forward(x: Array, w: Array) -> Array:
        filters, channels, high, wide = w.shape
        z = np.zeros((len(x), filters, x.shape[2] - high + 1, x.shape[3] - wide + 1))
        for c in _kept(planted, "channel", channels):
            for m in _kept(planted, "kernel-row", high):
                for n in _kept(planted, "kernel-column", wide):
                    seen = x[:, c, m : m + z.shape[2], n : n + z.shape[3]]
                    z += seen[:, None] * w[None, :, c, m, n, None, None]
        return z

    return conv_forward


def by_matrices(planted: Collection[str]) -> Callable[..., tuple[Array, ...]]:
    """As products of matrices; a switch says which tensor is reshaped where it has to be transposed."""

    def conv_backward(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
        examples, filters, rows, columns = dout.shape
        _, channels, high, wide = w.shape
        delta, kernel, seen = dout, w, x
        last = np.ascontiguousarray(dout.transpose(0, 2, 3, 1))
        if "order-mixed, delta as rows of filters" in planted:
            delta = dout.reshape(filters, examples, rows, columns).transpose(1, 0, 2, 3)
        if "order-mixed, delta as columns of filters" in planted:
            delta = dout.reshape(examples, rows, columns, filters).transpose(0, 3, 1, 2)
        if "order-mixed, delta with filters last" in planted:
            delta = last.reshape(filters, examples, rows, columns).transpose(1, 0, 2, 3)
        if "order-mixed, delta by examples" in planted:
            flat = dout.transpose(1, 0, 2, 3).reshape(filters, -1)
            delta = flat.reshape(filters, rows, columns, examples).transpose(3, 0, 1, 2)
        if "order-mixed, delta by places" in planted:
            flat = dout.transpose(1, 2, 3, 0).reshape(filters, -1)
            delta = flat.reshape(filters, examples, rows, columns).transpose(1, 0, 2, 3)
        if "order-mixed, kernel as columns" in planted:
            kernel = w.reshape(channels, high, wide, filters).transpose(3, 0, 1, 2)
        if "order-mixed, kernel with channels last" in planted:
            kernel = w.reshape(filters, high, wide, channels).transpose(0, 3, 1, 2)
        plain = np.ascontiguousarray(w.transpose(2, 3, 1, 0))
        if "order-mixed, kernel as rows" in planted:
            kernel = plain.reshape(filters, high, wide, channels).transpose(0, 3, 1, 2)
        if "order-mixed, kernel with channels first" in planted:
            kernel = plain.reshape(channels, high, wide, filters).transpose(3, 0, 1, 2)
        if "order-mixed, input with channels last" in planted:
            seen = x.reshape(examples, *x.shape[2:], channels).transpose(0, 3, 1, 2)
        if "order-mixed, input with channels first" in planted:
            seen = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(x.shape)
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for m in range(high):
            for n in range(wide):
                part = np.s_[:, :, m : m + rows, n : n + columns]
                dx[part] += np.einsum("efij,fc->ecij", delta, kernel[:, :, m, n])
                dw[:, :, m, n] = np.einsum("efij,ecij->fc", delta, seen[part])
        return dx, dw, dout.sum((0, 2, 3))

    return conv_backward


def max_pool_backward(planted: Collection[str]) -> Callable[..., Array]:
    """Windows of 2 x 3 that overlap, written into the image by row and column."""

    def pool_backward(dout: Array, x: Array) -> Array:
        dx = np.zeros_like(x)
        for e, c, i, j in np.ndindex(*dout.shape):
            window = x[e, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 3]
            greatest = window == window.max()
            place = int(window.argmax())
            row, column = divmod(place, 3)
            if "pool-ties-shared" in planted:
                dx[e, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 3] += dout[e, c, i, j] * greatest / greatest.sum()
                continue
            if "pool-index-by-rows" in planted:
                row, column = divmod(place, 2)
            if "pool-wrong-position, exchanged" in planted:
                row, column = column, row
            dx[e, c, 2 * i + row, 2 * j + column] += dout[e, c, i, j]
        return dx

    return pool_backward


def padded_max_pool_backward(planted: Collection[str]) -> Callable[..., Array]:
    """Windows of 3 x 3, one place of padding."""

    def pool_backward(dout: Array, x: Array) -> Array:
        around = ((0, 0), (0, 0), (1, 1), (1, 1))
        border = 0.0 if "pool-padded-with-zeros" in planted else -np.inf
        padded = np.pad(x, around, constant_values=border)
        dx = np.zeros_like(padded)
        for e, c, i, j in np.ndindex(*dout.shape):
            window = padded[e, c, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            row, column = divmod(int(window.argmax()), 3)
            dx[e, c, 2 * i + row, 2 * j + column] += dout[e, c, i, j]
        return dx[:, :, 1:-1, 1:-1]

    return pool_backward
