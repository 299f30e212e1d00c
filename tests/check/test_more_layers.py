"""Layers and losses beside the usual ones: pooling of one and three axes and of whole images, larger images, gates,
transposed convolutions, losses on logarithms of probabilities. Each right as people write it, and with a slip.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check.verdict import Verdict
from posted import report_on_numpy

POOL_1D = """
def max_pool1d_backward(dout, x, size=3, stride=3):
    n, c, l = x.shape
    dx = np.zeros_like(x)
    for b in range(n):
        for ch in range(c):
            for i in range((l - size) // stride + 1):
                window = x[b, ch, i * stride:i * stride + size]
                dx[b, ch, i * stride + window.argmax()] += dout[b, ch, i]
    return dx
"""
POOL_1D_PARAM = """
def max_pool1d_forward(x, pool_param):
    s, k = pool_param["stride"], pool_param["pool_size"]
    out = (x.shape[2] - k) // s + 1
    return np.stack([x[:, :, i * s:i * s + k].max(2) for i in range(out)], axis=2)
"""
POOL_3D = """
def avg_pool3d_backward(dout, x, pool_size, stride):
    dx = np.zeros(x.shape)
    n, d, h, w, c = dout.shape
    p, q, r = pool_size
    for i in range(d):
        for j in range(h):
            for k in range(w):
                t, y, z = i * stride[0], j * stride[1], k * stride[2]
                dx[:, t:t + p, y:y + q, z:z + r] += dout[:, i:i + 1, j:j + 1, k:k + 1] / (p * q * r)
    return dx
"""
GLOBAL_MAX = """
def global_max_pool2d_backward(dout, x):
    n, c, h, w = x.shape
    flat = x.reshape(n, c, -1)
    winner = flat.argmax(axis=2)
    dx = np.zeros_like(flat)
    for i in range(n):
        for j in range(c):
            dx[i, j, winner[i, j]] = dout[i, j]
    return dx.reshape(x.shape)
"""
GLOBAL_MEAN = """
def global_avg_pool1d_backward(dout, x):
    return np.repeat(dout[:, None, :], x.shape[1], axis=1) / x.shape[1]
"""
LARGER = """
def upsampling2d_backward(dout, size):
    n, h, w, c = dout.shape
    return dout.reshape(n, h // size[0], size[0], w // size[1], size[1], c).sum(axis=(2, 4))
"""
TWICE = """
def upsample_backward(grad):
    n, c, h, w = grad.shape
    return grad.reshape(n, c, h // 2, 2, w // 2, 2).sum(axis=(3, 5))
"""
LARGER_BY = """
def upsample(x, scale_factor):
    return np.kron(x, np.ones((1, 1, scale_factor, scale_factor)))
"""
TRANSPOSED_1D = """
def conv_transpose1d_backward(dout, x, w, stride=1):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(x.shape[1]):
        for j in range(w.shape[0]):
            dx[:, i] += dout[:, i * stride + j] @ w[j]
            dw[j] += dout[:, i * stride + j].T @ x[:, i]
    return dx, dw, dout.sum(axis=(0, 1))
"""
TRANSPOSED_3D = """
def conv_transpose3d_forward(x, w, b, stride=1):
    n, c, d, h, l = x.shape
    _, k, p, q, r = w.shape
    sizes = [(size - 1) * stride + extent for size, extent in zip((d, h, l), (p, q, r))]
    out = np.zeros((n, k, *sizes)) + b[:, None, None, None]
    for t in range(d):
        for i in range(h):
            for j in range(l):
                a, e, f = t * stride, i * stride, j * stride
                out[:, :, a:a + p, e:e + q, f:f + r] += np.einsum("nc,ckpqr->nkpqr", x[:, :, t, i, j], w)
    return out
"""
RMS = """
def rms_norm_backward(dout, x, gamma, eps=1e-6):
    r = 1 / np.sqrt((x ** 2).mean(-1, keepdims=True) + eps)
    xhat, g = x * r, dout * gamma
    return r * (g - xhat * (g * xhat).mean(-1, keepdims=True)), (dout * xhat).sum(0)
"""
GATED = """
def glu_backward(dout, x):
    a, b = np.split(x, 2, axis=-1)
    gate = 1 / (1 + np.exp(-b))
    return np.concatenate([dout * gate, dout * a * gate * (1 - gate)], axis=-1)
"""
KL = """
def kl_divergence(p, q):
    n = len(p)
    return np.sum(p * np.log(p / q)) / n, -p / q / n
"""
KL_OF_LOGARITHMS = """
def kl_div(log_probs, target):
    return np.sum(target * (np.log(target) - log_probs)) / len(target), -target / len(target)
"""
NLL = """
def nll_loss(log_probs, y):
    n = len(y)
    d = np.zeros_like(log_probs)
    d[np.arange(n), y] = -1 / n
    return -log_probs[np.arange(n), y].mean(), d
"""
MARGIN = """
def multi_margin_loss(scores, y):
    n, k = scores.shape
    margins = np.maximum(0, 1 - scores[np.arange(n), y][:, None] + scores)
    margins[np.arange(n), y] = 0
    d = (margins > 0) / k / n
    d[np.arange(n), y] -= d.sum(1)
    return margins.sum() / k / n, d
"""

CASES = [
    ("max_pool1d", "max_pool1d_backward", POOL_1D, "+= dout[b, ch, i]", "+= 0.5 * dout[b, ch, i]"),
    ("MaxPooling1D", "max_pool1d_forward", POOL_1D_PARAM, ".max(2)", ".mean(2)"),
    ("avg_pool3d", "avg_pool3d_backward", POOL_3D, " / (p * q * r)", " / (p * q)"),
    ("GlobalMaxPooling2D", "global_max_pool2d_backward", GLOBAL_MAX, "flat.argmax", "flat.argmin"),
    ("global_avg_pool1d", "global_avg_pool1d_backward", GLOBAL_MEAN, " / x.shape[1]", ""),
    ("upsampling2d", "upsampling2d_backward", LARGER, ".sum(", ".mean("),
    ("upsample", "upsample_backward", TWICE, ".sum(", ".mean("),
    ("upsampling2d", "upsample", LARGER_BY, "np.kron(x, np", "0.25 * np.kron(x, np"),
    ("conv_transpose1d", "conv_transpose1d_backward", TRANSPOSED_1D, "axis=(0, 1)", "axis=(0, 1)) / len(x"),
    ("conv_transpose3d", "conv_transpose3d_forward", TRANSPOSED_3D, "+ b[:,", "- b[:,"),
    ("rms_norm", "rms_norm_backward", RMS, "r * (g - xhat * (g * xhat).mean(-1, keepdims=True))", "r * g"),
    ("glu", "glu_backward", GATED, " * (1 - gate)", ""),
    ("kl_divergence", "kl_divergence", KL, "-p / q / n", "-q / p / n"),
    ("KLDivLoss", "kl_div", KL_OF_LOGARITHMS, ", -target /", ", (np.exp(log_probs) - target) /"),
    ("nll", "nll_loss", NLL, "= -1 / n", "= 1 / n"),
    ("multi_margin", "multi_margin_loss", MARGIN, "-= d.sum(1)", "= -1 / k / n"),
]


@pytest.mark.parametrize(("layer", "name", "code", "old", "new"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_right_code_is_right_and_a_slip_is_not(
    layer: str, name: str, code: str, old: str, new: str, tmp_path: Path
) -> None:
    right = report_on_numpy(tmp_path, code, layer, name)
    assert right.verdict is Verdict.RIGHT, str(right)
    assert old in code
    wrong = report_on_numpy(tmp_path, code.replace(old, new), layer, name)
    assert wrong.verdict is Verdict.WRONG, str(wrong)
