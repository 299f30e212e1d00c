"""Attention, the hinge of two classes, and further activations under the names that people have for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import posted
from convgrad.check import Report, check
from convgrad.check.verdict import Verdict
from convgrad.errors import ModelError

A = npt.NDArray[np.float64]

ATTENTION = """
import numpy as np

def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

def attend(query, key, value):
    weights = softmax(query @ np.swapaxes(key, 1, 2) / np.sqrt(query.shape[-1]))
    return weights @ value, weights

def attend_backward(dout, Q, K, V):
    scale = np.sqrt(Q.shape[-1])
    p = softmax(np.einsum("bid,bjd->bij", Q, K) / scale)
    dp = np.einsum("bic,bjc->bij", dout, V)
    ds = p * (dp - np.sum(p * dp, axis=-1, keepdims=True)) / scale
    return np.einsum("bij,bjd->bid", ds, K), np.einsum("bij,bid->bjd", ds, Q), np.einsum("bij,bic->bjc", p, dout)

def attention_forward(q, k, v):
    p = softmax(q @ k.T / np.sqrt(q.shape[1]))
    return p @ v, (q, k, v, p)

def attention_backward(dout, cache):
    q, k, v, p = cache
    dp = dout @ v.T
    ds = p * (dp - (p * dp).sum(1)[:, None]) / k.shape[1] ** 0.5
    return ds @ k, ds.T @ q, p.T @ dout
"""
NAMES = ("attend", "attend_backward", "attention_forward", "attention_backward")


def report_on(folder: Path, name: str, old: str = "", new: str = "") -> Report:
    """The report on a function of attention, with a part of the text exchanged."""
    return posted.report_on(folder, ATTENTION, "attention", name, old, new)


@pytest.mark.parametrize("name", NAMES)
def test_attention(name: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, name)
    assert report.ok, report


SLIPS = [
    ("attend_backward", "Q, K) / scale", "Q, K)", None),
    ("attend_backward", "Q.shape[-1])\n    p", "1)\n    p", "scale-missing"),
    ("attend_backward", "scale = np.sqrt(Q.shape[-1])", "scale = Q.shape[-1]", "scale-of-another-kind"),
    (
        "attend_backward",
        "p * (dp - np.sum(p * dp, axis=-1, keepdims=True))",
        "p * (1 - p) * dp",
        "softmax-diagonal",
    ),
    ("attend_backward", "(dp - np.sum(p * dp, axis=-1, keepdims=True))", "dp", "softmax-sum-missing"),
    ("attend_backward", "p * (dp - np.sum(p * dp, axis=-1, keepdims=True))", "dp", "softmax-left-out"),
    ("attend", "axis=-1", "axis=-2", "softmax-over-wrong-axis"),
    ("attention_backward", " / k.shape[1] ** 0.5", "", "constant-factor"),
    ("attention_backward", "ds.T @ q", "ds.T @ q * 2", "factor-2"),
]


@pytest.mark.parametrize(("name", "old", "new", "cause"), SLIPS)
def test_a_slip_in_attention_is_named(name: str, old: str, new: str, cause: str | None, tmp_path: Path) -> None:
    report = report_on(tmp_path, name, old, new)
    assert report.verdict is Verdict.WRONG
    if cause is not None:
        assert report.causes[0] == cause, report


def test_the_hinge_of_two_classes() -> None:
    def loss(y_pred: A, y_true: A) -> float:
        return float(np.maximum(0.0, 1 - y_pred * y_true).mean())

    def of_zeros_and_ones(scores: A, labels: A) -> tuple[float, A]:
        sign = 2 * labels - 1
        return float(np.maximum(0, 1 - sign * scores).sum()), np.where(sign * scores < 1, -sign, 0.0)

    def forgets_the_target(y_pred: A, y_true: A) -> A:
        return np.where(y_pred * y_true < 1, -1.0, 0.0) / len(y_pred)

    assert check(loss, "hinge").ok
    assert check(of_zeros_and_ones, "hinge_loss").ok
    assert check(forgets_the_target, "hinge_loss").verdict is not Verdict.RIGHT


def _sigmoid(x: A) -> A:
    return np.asarray(1 / (1 + np.exp(-x)))


def _mish(dy: A, x: A) -> A:
    t = np.tanh(np.logaddexp(0, x))
    return np.asarray(dy * (t + x * _sigmoid(x) * (1 - t * t)))


def _log_softmax(dy: A, x: A) -> A:
    p = np.exp(x - x.max(1, keepdims=True))
    return np.asarray(dy - p / p.sum(1, keepdims=True) * dy.sum(1, keepdims=True))


SLOPES = {
    "softplus": (lambda dy, x: dy * _sigmoid(x), lambda dy, x: dy * (1 - _sigmoid(x))),
    "softsign": (lambda dy, x: dy / (1 + abs(x)) ** 2, lambda dy, x: dy / (1 + abs(x))),
    "mish": (_mish, lambda dy, x: dy * np.tanh(np.logaddexp(0, x))),
    "relu6": (lambda dy, x: dy * ((x > 0) & (x < 6)), lambda dy, x: dy * (x > 0)),
    "hard_sigmoid": (lambda dy, x: dy * (abs(x) < 3) / 6, lambda dy, x: dy * (abs(x) < 3) / 5),
    "h_swish": (
        lambda dy, x: dy * np.where(abs(x) < 3, x / 3 + 0.5, x > 0),
        lambda dy, x: dy * np.where(abs(x) < 3, x / 3 + 0.5, 0),
    ),
    "selu": (
        lambda dy, x: dy * 1.0507009873554805 * np.where(x > 0, 1, 1.6732632423543772 * np.exp(x)),
        lambda dy, x: dy * np.where(x > 0, 1.0507009873554805, 1.6732632423543772 * np.exp(x)),
    ),
    "log_softmax": (_log_softmax, lambda dy, x: dy * (1 - np.exp(x) / np.exp(x).sum(1, keepdims=True))),
}


@pytest.mark.parametrize("name", SLOPES)
def test_further_activations(name: str) -> None:
    right, wrong = SLOPES[name]
    assert check(right, name).ok
    assert check(wrong, name).verdict is Verdict.WRONG


@pytest.mark.parametrize("name", ["affine_relu", "DenseReLU", "linear_relu"])
def test_a_layer_and_its_activation_in_one_name(name: str) -> None:
    def backward(dout: A, x: A, w: A, b: A) -> tuple[A, A, A]:
        da = dout * (x @ w + b > 0)
        return da @ w.T, x.T @ da, da.sum(0)

    report = check(backward, name)
    assert report.ok, report
    assert report.against == "Dense(5) then ReLU()"


@pytest.mark.parametrize(
    ("name", "words"),
    [("focal_loss", "Or give its equation in place of a name"), ("dropout", "Check a function that gets the mask")],
)
def test_what_can_be_written_where_there_is_no_such_layer(name: str, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check(lambda x: x, name)


def test_dropout_by_its_mask() -> None:
    def right(dout: A, mask: A) -> A:
        return dout * mask

    def wrong(dout: A, mask: A) -> A:
        return dout * mask * mask

    equation = "y[n,k] = x[n,k] * mask[n,k]"
    assert check(right, equation, roles={"dout": "dy"}).ok
    assert check(wrong, equation, roles={"dout": "dy"}).verdict is Verdict.WRONG
