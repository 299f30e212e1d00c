"""What a person's own forward pass says of layouts and orders, a backward pass has to keep to; and other kinds that
strangers' code showed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import Report, check

STEP = """
import numpy as np


def s(x):
    return 1 / (1 + np.exp(-x))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    ai, af, ao, ag = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = s(ai), s(af), s(ao), np.tanh(ag)
    next_c = f * prev_c + i * g
    return o * np.tanh(next_c), next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - t**2)
    di, df = dc * g * i * (1 - i), dc * prev_c * f * (1 - f)
    do, dg = dnext_h * t * o * (1 - o), dc * i * (1 - g**2)
    da = np.hstack([di, df, do, dg])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)
"""
CLASSES = """
import numpy as np


class ELU:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * (np.exp(np.minimum(x, 0)) - 1))

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, self.alpha * np.exp(np.minimum(self.x, 0)))


class Dense:
    def __init__(self, units):
        self.units, self.W = units, None

    def initialize(self, inputs, optimizer):
        self.W, self.b = np.random.randn(inputs, self.units), np.zeros((1, self.units))

    def forward(self, x):
        if self.W is None:
            self.initialize(x.shape[1], None)
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        before = self.W
        self.W = self.W - 0.01 * self.x.T @ dout
        self.b = self.b - 0.01 * dout.sum(axis=0, keepdims=True)
        return dout @ before.T


class Embedding:
    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]

    def forward(self, idx):
        self.idx = idx
        return self.params[0][idx]

    def backward(self, dout):
        self.grads[0][...] = 0
        for place, word in enumerate(self.idx):
            self.grads[0][word] += dout[place]
"""
TRANSPOSED = """
import numpy as np


def forward(x, w, b, stride=1, padding=0):
    N, C, H, W = x.shape
    _, F, k, l = w.shape
    full = np.zeros((N, F, (H - 1) * stride + k, (W - 1) * stride + l))
    for i in range(H):
        for j in range(W):
            rows, columns = slice(i * stride, i * stride + k), slice(j * stride, j * stride + l)
            full[:, :, rows, columns] += np.tensordot(x[:, :, i, j], w, axes=(1, 0))
    cut = full[:, :, padding : full.shape[2] - padding, padding : full.shape[3] - padding]
    return cut + b[:, None, None]
"""
JACOBIAN = """
import numpy as np


def softmax_grad(x, dout):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    jacobian = p[:, :, None] * p[:, None, :]
    places = np.arange(x.shape[1])
    jacobian[:, places, places] = p * (1 - p)
    return np.einsum("nij,nj->ni", jacobian, dout)
"""


def _checked(folder: Path, text: str, target: str, layer: str) -> Report:
    file = folder / "person.py"
    file.write_text(text)
    return check(f"{file}:{target}", layer)


def test_gates_in_another_order_than_that_of_the_forward_pass(tmp_path: Path) -> None:
    assert _checked(tmp_path, STEP, "lstm_step_backward", "lstm_step").ok
    other = STEP.replace("[di, df, do, dg]", "[df, di, do, dg]")
    report = _checked(tmp_path, other, "lstm_step_backward", "lstm_step")
    assert not report.ok, str(report)
    assert "gates in the order i, f, o, g" in report.against


@pytest.mark.parametrize(
    ("name", "layer", "old", "new"),
    [
        ("ELU", "elu", "self.alpha * np.exp", "1.0 * np.exp"),
        ("Dense", "dense", "0.01 * dout.sum", "0.02 * dout.sum"),
        ("Embedding", "word_embedding", "] += dout[place]", "] = dout[place]"),
    ],
)
def test_classes(tmp_path: Path, name: str, layer: str, old: str, new: str) -> None:
    report = _checked(tmp_path, CLASSES, name, layer)
    assert report.ok, str(report)
    assert old in CLASSES
    report = _checked(tmp_path, CLASSES.replace(old, new), name, layer)
    assert not report.ok, str(report)


def test_a_transposed_convolution_with_any_stride_and_padding(tmp_path: Path) -> None:
    report = _checked(tmp_path, TRANSPOSED, "forward", "conv_transpose2d")
    assert report.ok, str(report)
    assert "stride 3 and padding 2" in str(report).replace("\n        ", " ")


def test_zeros_of_one_example_are_no_cause_where_a_batch_is_taken(tmp_path: Path) -> None:
    report = _checked(tmp_path, JACOBIAN, "softmax_grad", "softmax")
    assert report.causes == ("derivative-in-part",), str(report)
