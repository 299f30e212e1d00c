"""Backward passes as people write them, each with one slip: in loops, axes, types, masks, statistics. Plain NumPy.

`SLIPS` says what each is checked against, what it has to be called, and words of the report that say so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray


def convolved(dout: Array, x: Array, w: Array, stride: int = 1, pad: int = 0) -> tuple[Array, Array, Array]:
    """The right one. Arrays NCHW, kernel [out,in,h,w]."""
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dx, dw = np.zeros_like(padded), np.zeros_like(w)
    rows, columns = dout.shape[2:]
    for m, n in np.ndindex(*w.shape[2:]):
        at = np.s_[:, :, m : m + stride * rows : stride, n : n + stride * columns : stride]
        dx[at] += np.einsum("efij,fc->ecij", dout, w[:, :, m, n])
        dw[:, :, m, n] = np.einsum("efij,ecij->fc", dout, padded[at])
    return dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], dw, dout.sum((0, 2, 3))


def columns_of(x: Array, high: int, wide: int) -> Array:
    """Windows as columns, in the order (C, kh, kw) down and (N, I, J) across."""
    rows, columns = x.shape[2] - high + 1, x.shape[3] - wide + 1
    seen = np.stack([x[:, :, m : m + rows, n : n + columns] for m in range(high) for n in range(wide)], axis=2)
    return np.asarray(seen.transpose(1, 2, 0, 3, 4).reshape(x.shape[1] * high * wide, -1))


def reshaped_delta(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    """The delta goes to (F, N*I*J) by reshape alone."""
    dw = dout.reshape(len(w), -1) @ columns_of(x, *w.shape[2:]).T
    return convolved(dout, x, w)[0], dw.reshape(w.shape), dout.sum((0, 2, 3))


def returns_early(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    """return stands in the loop over the examples."""
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(len(w))
    for e in range(len(x)):
        one = convolved(dout[e : e + 1], x[e : e + 1], w)
        dx[e] = one[0][0]
        dw += one[1]
        db += one[2]
        return dx, dw, db
    return dx, dw, db


def unpadded(dout: Array, x: Array, w: Array, pad: int = 1) -> tuple[Array, ...]:
    """dw is taken from x, where the padded x is meant."""
    dx, dw, db = convolved(dout, x, w, 1, pad)
    dw = np.zeros_like(w)
    for i, j, m, n in np.ndindex(*dout.shape[2:], *w.shape[2:]):
        if i + m < x.shape[2] and j + n < x.shape[3]:
            dw[:, :, m, n] += dout[:, :, i, j].T @ x[:, :, i + m, j + n]
    return dx, dw, db


def rows_for_columns(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    """Both loops run over the columns."""
    dw = np.zeros_like(w)
    high, wide = w.shape[2:]
    for i in range(dout.shape[3]):
        for j in range(dout.shape[3]):
            dw += np.einsum("ef,echw->fchw", dout[:, :, i, j], x[:, :, i : i + high, j : j + wide])
    dx, _, db = convolved(dout, x, w)
    return dx, dw, db


def decayed(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    dx, dw, db = convolved(dout, x, w)
    return dx, dw + 5e-4 * w, db


def clips(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    return tuple(np.clip(g, -5, 5) for g in convolved(dout, x, w))


def saturates(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    dx, dw, db = convolved(dout, x, w)
    return dx, np.clip(np.rint(dw * 16), -128, 127) / 16, db


def other_sum(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    """NCHW summed as NHWC is."""
    dx, dw, _ = convolved(dout, x, w)
    return dx, dw, dout.sum(axis=(0, 1, 2))


def first_filter(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    """The loop over the filters ends after the first, in dx."""
    dx = np.zeros_like(x)
    for f in range(len(w)):
        for i, j in np.ndindex(*dout.shape[2:]):
            dx[:, :, i : i + w.shape[2], j : j + w.shape[3]] += dout[:, f, i, j][:, None, None, None] * w[f]
        break
    return dx, *convolved(dout, x, w)[1:]


def half_sums(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    dx, dw, db = convolved(dout, x, w)
    return dx, dw.astype(np.float16).astype(np.float64), db


def ints(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    """db is an array of whole numbers."""
    db = np.zeros(len(w), dtype=np.int64)
    for e, f, i, j in np.ndindex(*dout.shape):
        db[f] += int(dout[e, f, i, j])
    dx, dw, _ = convolved(dout, x, w)
    return dx, dw, db


def leftovers(dout: Array, x: Array) -> Array:
    """The mean over windows of 2 x 3, into memory that nobody has set."""
    dx = np.empty(x.shape)
    for i, j in np.ndindex(*dout.shape[2:]):
        dx[:, :, 2 * i : 2 * i + 2, 3 * j : 3 * j + 3] = dout[:, :, i : i + 1, j : j + 1] / 6
    return dx


def transposed_result(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    return dout @ w.T, dout.T @ x, dout.sum(0)


def flattened(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    """dw has the right numbers, column by column."""
    return dout @ w.T, (dout.T @ x).reshape(w.shape), dout.sum(0)


def absolute_mask(dout: Array, x: Array) -> Array:
    return np.asarray(dout * (np.abs(x) > 0))


def mask_of_delta(dout: Array, x: Array, w: Array, b: Array) -> tuple[Array, ...]:
    delta = dout * (dout > 0)
    return delta @ w.T, x.T @ delta, delta.sum(0)


def relu_for_leaky(dout: Array, x: Array) -> Array:
    return dout * (x > 0)


def sigmoid_for_silu(dout: Array, x: Array) -> Array:
    s = 1 / (1 + np.exp(-x))
    return np.asarray(dout * s * (1 - s))


def elu_from_above(dout: Array, x: Array) -> Array:
    """exp(x) - 1 in place of exp(x)."""
    return dout * np.where(x > 0, 1, np.exp(x) - 1)


def no_variance(dout: Array, x: Array, gamma: Array, beta: Array) -> tuple[Array, ...]:
    mean, root = x.mean(1, keepdims=True), np.sqrt(x.var(1, keepdims=True) + 1e-3)
    normed, scaled = (x - mean) / root, dout * gamma
    return (scaled - scaled.mean(1, keepdims=True)) / root, (dout * normed).sum(0), dout.sum(0)


def one_less(dout: Array, x: Array, gamma: Array, beta: Array) -> tuple[Array, ...]:
    root = np.sqrt(x.var(0, ddof=1) + 1e-3)
    normed, scaled = (x - x.mean(0)) / root, dout * gamma
    dx = (scaled - scaled.mean(0) - normed * (scaled * normed).mean(0)) / root
    return dx, (dout * normed).sum(0), dout.sum(0)


def root_and_epsilon(dout: Array, x: Array, gamma: Array) -> tuple[Array, ...]:
    """Images, by channel."""
    axes = (0, 2, 3)
    root = np.sqrt(x.var(axes, keepdims=True)) + 1e-3
    normed, scaled = (x - x.mean(axes, keepdims=True)) / root, dout * gamma[:, None, None]
    mean, along = scaled.mean(axes, keepdims=True), (scaled * normed).mean(axes, keepdims=True)
    return (scaled - mean - normed * along) / root, (dout * normed).sum(axes), dout.sum(axes)


def no_scale(dout: Array, x: Array, gamma: Array) -> tuple[Array, ...]:
    shape = (len(x), 2, -1)
    grouped = x.reshape(shape)
    root = np.sqrt(grouped.var(2, keepdims=True) + 1e-3)
    normed, delta = (grouped - grouped.mean(2, keepdims=True)) / root, dout.reshape(shape)
    dx = (delta - delta.mean(2, keepdims=True) - normed * (delta * normed).mean(2, keepdims=True)) / root
    return dx.reshape(x.shape), (dout * normed.reshape(x.shape)).sum((0, 2, 3)), dout.sum((0, 2, 3))


def by_rows(dout: Array, x: Array) -> Array:
    """Windows of 3 x 2, side by side; the index of the greatest is divided by 3."""
    dx = np.zeros_like(x)
    for e, c, i, j in np.ndindex(*dout.shape):
        place = int(x[e, c, 3 * i : 3 * i + 3, 2 * j : 2 * j + 2].argmax())
        if 2 * j + place % 3 < x.shape[3]:
            dx[e, c, 3 * i + place // 3, 2 * j + place % 3] += dout[e, c, i, j]
    return dx


def zeros_around(dout: Array, x: Array, pad: int = 1) -> Array:
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dx = np.zeros_like(padded)
    for e, c, i, j in np.ndindex(*dout.shape):
        window = padded[e, c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        a, b = np.unravel_index(window.argmax(), window.shape)
        dx[e, c, 2 * i + a, 2 * j + b] += dout[e, c, i, j]
    return dx[:, :, pad:-pad, pad:-pad]


def no_margin(dout: Array, x: Array, pad: int = 0) -> Array:
    """[pad:-pad] with pad = 0."""
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dx = np.zeros_like(padded)
    for i, j in np.ndindex(*dout.shape[2:]):
        dx[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += dout[:, :, i : i + 1, j : j + 1] / 4
    return dx[:, :, pad:-pad, pad:-pad]


def last_channel(dout: Array, x: Array) -> Array:
    dx = np.zeros_like(x)
    dx[:, -1] = dout[:, -1, None, None] / (x.shape[2] * x.shape[3])
    return dx


def diagonal(dout: Array, x: Array) -> Array:
    """Class by class, as a Jacobian that has a diagonal only."""
    s = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return np.stack([np.diag(np.diag(np.outer(r, 1 - r))) @ d for r, d in zip(s, dout, strict=True)])


def kernel_of_another_layout(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    """The kernel comes as [out,in,h,w], and its gradient goes as [h,w,in,out]."""
    dx, dw, db = convolved(dout, x, w)
    return dx, dw.transpose(2, 3, 1, 0), db


def stepped(scores: Array, labels: Array) -> tuple[float, Array]:
    """The loss is right, its gradient has the learning rate."""
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    delta = p.copy()
    delta[np.arange(len(scores)), labels] -= 1
    return -np.log(p[np.arange(len(scores)), labels]).mean(), 0.05 * delta / len(scores)


def rounds(y: Array, t: Array) -> Array:
    return np.asarray(np.round((y - t) / len(y), 3))


def loses_the_sign(y: Array, t: Array) -> Array:
    return np.asarray(np.abs(y - t))


def signs_alone(y: Array, t: Array) -> Array:
    return np.asarray(np.sign(y - t))


def one_tap_less(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    """Along one axis, NCL: the loop over the kernel ends one too early in dx."""
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    length = dout.shape[2]
    for m in range(w.shape[2]):
        if m < w.shape[2] - 1:
            dx[:, :, m : m + length] += np.einsum("efi,fc->eci", dout, w[:, :, m])
        dw[:, :, m] = np.einsum("efi,eci->fc", dout, x[:, :, m : m + length])
    return dx, dw, dout.sum((0, 2))


def one_group_alone(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    """Depthwise, NCHW, kernel [h,w,channel]: only the first channel of dw."""
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for m, n in np.ndindex(*w.shape[:2]):
        at = np.s_[:, :, m : m + dout.shape[2], n : n + dout.shape[3]]
        dx[at] += dout * w[m, n][:, None, None]
        dw[m, n, 0] = (dout * x[at])[:, 0].sum()
    return dx, dw, dout.sum((0, 2, 3))


POOL = {"pool_size": (3, 2), "strides": (3, 2)}
SLIPS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "reshaped_delta": ("conv2d", {}, "order-mixed", "reshape(F, -1) takes it from (N, F, H, W) without a transpose"),
    "returns_early": ("conv2d", {}, "first-example-only", "right for the first example only"),
    "unpadded": ("conv2d", {"padding": 1}, "padding-ignored", "in dw the padding is left out"),
    "rows_for_columns": ("conv2d", {}, "height-width-swapped", "in dw only as many rows count as there are columns"),
    "decayed": ("conv2d", {}, "weight-decay", "0.0005 * w beside the gradient: weight decay"),
    "clips": ("conv2d", {}, "clipped", "at most 5 and at least -5"),
    "saturates": ("conv2d", {}, "saturation", "saturated at 8 bits: nothing is greater than 7.9375"),
    "other_sum": (
        "conv2d",
        {},
        "sum-over-wrong-axes",
        "dx summed over axes (0, 1, 2); it has to be summed over (0, 2, 3)",
    ),
    "first_filter": ("conv2d", {}, "first-filter-only", "only the first of the filters counts"),
    "half_sums": ("conv2d", {}, "half-precision", "half precision (float16)"),
    "ints": ("conv2d", {}, "whole-numbers", "whole numbers"),
    "leftovers": ("avg_pool2d", {}, "not-initialized", "what memory held before"),
    "transposed_result": ("dense", {}, "channels-swapped", "with input and output channels swapped"),
    "kernel_of_another_layout": ("conv2d", {}, "axes-exchanged", "with its axes in the order (2, 3, 1, 0)"),
    "flattened": ("dense", {}, "order-mixed", "reshape where a transpose is meant"),
    "absolute_mask": ("relu", {}, "mask-of-wrong-tensor", "z != 0, as |z| > 0 is"),
    "mask_of_delta": ("dense+relu", {}, "mask-of-wrong-tensor", "of the gradient from above, dx > 0"),
    "relu_for_leaky": ("leaky_relu", {}, "derivative-of-another", "the derivative is that of relu"),
    "sigmoid_for_silu": ("silu", {}, "derivative-of-another", "the derivative is that of sigmoid"),
    "elu_from_above": ("elu", {}, "derivative-in-part", "such as exp(z) - 1 for elu"),
    "no_variance": ("layer_norm", {}, "path-missing", "the path through the variance is missing"),
    "one_less": ("batch_norm", {}, "count-less-one", "divided by N-1"),
    "root_and_epsilon": ("batch_norm2d", {}, "epsilon-outside-root", "sqrt(v) + eps"),
    "no_scale": ("group_norm", {}, "scale-missing", "the factor gamma is missing"),
    "by_rows": ("max_pool2d", POOL, "pool-index-by-rows", "divided by the window's rows"),
    "zeros_around": ("max_pool2d", {"pool_size": 2, "padding": 1}, "pool-padded-with-zeros", "padded with zeros"),
    "no_margin": ("avg_pool2d", {"pool_size": 2}, "empty-slice", "[p:-p] gives it where p is 0"),
    "last_channel": ("global_avg_pool2d", {}, "part-missing", "for the last channel only"),
    "diagonal": ("softmax", {}, "softmax-diagonal", "only the diagonal"),
    "stepped": ("softmax_cross_entropy", {}, "learning-rate", "the factor 0.05, as of a learning rate"),
    "rounds": ("half_squared_error", {}, "decimals", "rounded to 3 decimals"),
    "loses_the_sign": ("half_squared_error", {}, "sign-lost", "the sign is lost"),
    "signs_alone": ("half_squared_error", {}, "sign-only", "only the sign"),
    "one_tap_less": ("conv1d", {}, "all-but-last-kernel-row", "all but the last of the rows of the kernel"),
    "one_group_alone": ("depthwise_conv2d", {}, "part-missing", "for the first channel only"),
}
"""Function -> layer, its arguments, the name of the cause, words of the report."""
