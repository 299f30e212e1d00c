"""Gradients that are no functions of the inputs and the gradient from above: closures, contexts, f(x, deriv=True).

Each piece of code is right as it stands and wrong with one change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convgrad.check import Report, check
from convgrad.check.submissions import adapted
from convgrad.check.verdict import Verdict

CLOSURES = {
    "rows": (
        "dense",
        """
def affine(x, w, b):
    out = x @ w + b
    def backward(dout):
        dx = dout @ w.T
        return dx, x.T @ dout, dout.sum(axis=0)
    return out, backward
""",
        ("dout.sum(axis=0)", "dout.mean(axis=0)"),
    ),
    "gradients by name": (
        "dense",
        """
def affine(x, params):
    w, b = params["W"], params["b"]
    def bprop(g):
        return g @ w.T, {"W": x.T @ g, "b": g.sum(0)}
    return x @ w + b, bprop
""",
        ("x.T @ g", "2 * x.T @ g"),
    ),
    "a lambda": (
        "tanh",
        """
def squash(x):
    t = np.tanh(x)
    return t, lambda g: g * (1 - t ** 2)
""",
        ("t ** 2", "t"),
    ),
    "windows with settings": (
        "conv2d",
        """
def conv(x, w, stride=1, pad=0):
    big = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    rows, columns = w.shape[2:]
    high, wide = (big.shape[2] - rows) // stride + 1, (big.shape[3] - columns) // stride + 1
    places = [(i, j) for i in range(high) for j in range(wide)]
    def at(i, j):
        return slice(None), slice(None), slice(i * stride, i * stride + rows), slice(j * stride, j * stride + columns)
    out = np.zeros((len(x), len(w), high, wide))
    for i, j in places:
        out[:, :, i, j] = np.einsum("nchw,fchw->nf", big[at(i, j)], w)
    def back(dy):
        dbig, dw = np.zeros_like(big), np.zeros_like(w)
        for i, j in places:
            dbig[at(i, j)] += np.einsum("nf,fchw->nchw", dy[:, :, i, j], w)
            dw += np.einsum("nf,nchw->fchw", dy[:, :, i, j], big[at(i, j)])
        return dbig[:, :, pad:pad + x.shape[2], pad:pad + x.shape[3]], dw
    return out, back
""",
        ("pad:pad + x.shape[2]", ":x.shape[2]"),
    ),
    "a loss that hands on what it gets": (
        "mse",
        """
def loss(y_pred, y_true):
    diff = y_pred - y_true
    def back(g):
        return g * 2 * diff / diff.size
    return np.mean(diff ** 2), back
""",
        ("g * 2", "g"),
    ),
    "a loss whose backward pass takes nothing": (
        "softmax_cross_entropy",
        """
def loss(logits, y):
    e = np.exp(logits - logits.max(1, keepdims=True))
    p, n = e / e.sum(1, keepdims=True), np.arange(len(y))
    def back():
        d = p.copy()
        d[n, y] -= 1
        return d / len(y)
    return -np.log(p[n, y]).mean(), back
""",
        ("d / len(y)", "d"),
    ),
}
CONTEXTS = {
    "saved tensors": (
        "relu",
        """
class ReLU:
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return np.maximum(x, 0)
    @staticmethod
    def backward(ctx, grad_output):
        x, = ctx.saved_tensors
        return np.where(x > 0, grad_output, 0)
""",
        ("x > 0", "grad_output > 0"),
    ),
    "attributes, and no gradient for settings": (
        "leaky_relu",
        """
class Leaky:
    def forward(ctx, x, slope=0.01):
        ctx.x, ctx.slope = x, slope
        return np.where(x > 0, x, slope * x)
    def backward(ctx, g):
        return np.where(ctx.x > 0, g, ctx.slope * g), None
""",
        ("ctx.slope * g", "ctx.slope"),
    ),
    "a context of its own": (
        "y[i] = a[i] / b[i]",
        """
class Needs:
    def __init__(self, size):
        self.size = size
    def save(self):
        pass
class Notes:
    def __init__(self):
        self.held = []
    def save_all(self, *values):
        self.held += values
class Quotient:
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_all(a, b)
        return a / b
    @staticmethod
    def backward(ctx, g):
        a, b = ctx.held
        return g / b, -g * a / b ** 2
""",
        ("b ** 2", "b"),
    ),
    "the order of the inputs": (
        "dense",
        """
class Linear:
    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        return x @ w + b
    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_values
        return g @ w.T, x.T @ g, g.sum(0)
""",
        ("x.T @ g, g.sum(0)", "g.sum(0), x.T @ g"),
    ),
}
BRANCHES = {
    "of the result": (
        "sigmoid",
        """
def nonlin(x, deriv=False):
    if deriv == True:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))
""",
        ("x * (1 - x)", "x * (1 + x)"),
    ),
    "of the input": (
        "tanh",
        """
def act(z, derivative=False):
    return 1 - np.tanh(z) ** 2 if derivative else np.tanh(z)
""",
        ("** 2", ""),
    ),
    "the function wrong, its derivative right": (
        "sigmoid",
        """
def nonlin(x, deriv=False):
    return x * (1 - x) if deriv else 1 / (1 + np.exp(-x))
""",
        ("np.exp(-x)", "np.exp(x)"),
    ),
    "with a slope": (
        "leaky_relu",
        """
def leaky(x, alpha=0.01, deriv=False):
    return np.where(x > 0, 1.0, alpha) if deriv else np.where(x > 0, x, alpha * x)
""",
        ("1.0, alpha", "1.0, alpha * x"),
    ),
    "chosen without a default": (
        "relu",
        """
def act(x, deriv):
    if deriv:
        return 1.0 * (x > 0)
    return x * (x > 0)
""",
        ("1.0 * (x > 0)", "1.0 * (x < 0)"),
    ),
    "of a loss": (
        "mse",
        """
def loss(y_pred, y_true, grad=False):
    return 2 * (y_pred - y_true) / y_true.size if grad else np.mean((y_pred - y_true) ** 2)
""",
        ("2 * (y_pred", "-2 * (y_pred"),
    ),
}
ALL = {**CLOSURES, **CONTEXTS, **BRANCHES}


def report_on(folder: Path, code: str, layer: str) -> Report:
    file = folder / "posted.py"
    file.write_text(f"import numpy as np\n{code}")
    name = code.rpartition("\nclass ")[2] if "\nclass " in code else code.partition("\ndef ")[2]
    return check(f"{file}:{name.replace(':', '(').partition('(')[0]}", layer)


@pytest.mark.parametrize("name", ALL)
def test_right_code_is_right(name: str, tmp_path: Path) -> None:
    layer, code, _ = ALL[name]
    report = report_on(tmp_path, code, layer)
    assert report.verdict is Verdict.RIGHT, str(report)
    assert len(report.returned) > 1, report.returned


@pytest.mark.parametrize("name", ALL)
def test_with_one_change_it_is_wrong(name: str, tmp_path: Path) -> None:
    layer, code, (right, wrong) = ALL[name]
    assert right in code
    report = report_on(tmp_path, code.replace(right, wrong), layer)
    assert report.verdict is Verdict.WRONG, str(report)


def test_a_derivative_of_the_result_is_said_to_be_one(tmp_path: Path) -> None:
    layer, code, _ = BRANCHES["of the result"]
    words = " ".join(str(report_on(tmp_path, code, layer)).split())
    assert "Its x was read as the result x, and not as the input o" in words


def test_a_loss_is_told_that_nothing_comes_from_above(tmp_path: Path) -> None:
    layer, code, _ = CLOSURES["a loss that hands on what it gets"]
    assert "grad_output = 1" in str(report_on(tmp_path, code, layer))


def test_errors_point_into_the_backward_pass(tmp_path: Path) -> None:
    code = "def act(x):\n    def back(g):\n        return g / missing\n    return x, back\n"
    report = report_on(tmp_path, "\n" + code, "relu")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "NameError: name 'missing' is not defined (posted.py, line 5: return g / missing)" in " ".join(
        str(report).split()
    )


def test_one_that_returns_no_function_after_all_says_so(tmp_path: Path) -> None:
    code = "\ndef act(x):\n    def back(g):\n        return g\n    back = 3\n    return x, back\n"
    report = report_on(tmp_path, code, "relu")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "TypeError: act returns no function beside its result" in " ".join(str(report).split())


@pytest.mark.parametrize("thing", [np.tanh, len, threading.Lock, np.ndarray, 3])
def test_other_things_stay_as_they_are(thing: Callable[..., Any]) -> None:
    assert adapted.plain_function(thing) is thing


def test_arguments_that_only_look_like_a_switch() -> None:
    def back(x: Any, grad: Any) -> Any:
        return grad * (x > 0)

    def step(w: Any, d: float = 1.0) -> Any:
        return w * d

    assert adapted.plain_function(back) is back
    assert adapted.plain_function(step) is step
