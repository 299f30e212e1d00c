"""Code of many hands, as strangers post it: verdicts that used to be wrong, each with what is right beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import posted
from convgrad.check import Report, check
from convgrad.check.verdict import Verdict

A = npt.NDArray[np.float64]

CLASSES = """
import numpy as np

class GrayConv:
    def __init__(self, num_filters):
        self.count = num_filters
        self.filters = np.random.randn(num_filters, 3, 3)

    def forward(self, image):
        self.image = image
        rows, columns = image.shape[0] - 2, image.shape[1] - 2
        out = np.zeros((rows, columns, self.count))
        for i, j in np.ndindex(rows, columns):
            out[i, j] = (image[i:i + 3, j:j + 3] * self.filters).sum((1, 2))
        return out

    def backprop(self, d_out, learn_rate):
        found = np.zeros(self.filters.shape)
        for i, j in np.ndindex(*d_out.shape[:2]):
            for k in range(self.count):
                found[k] += d_out[i, j, k] * self.image[i:i + 3, j:j + 3]
        self.filters -= learn_rate * found

class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = np.sum(dout, axis=0)
        return dout @ self.W.T

class Silent(Affine):
    def backward(self, dout):
        self.x.T @ dout
"""


def report_on(folder: Path, layer: str, name: str, old: str = "", new: str = "") -> Report:
    """The report on a class of the file, with a part of the text exchanged."""
    return posted.report_on(folder, CLASSES, layer, name, old, new)


def test_a_filter_that_never_learns_shows_with_several_of_them(tmp_path: Path) -> None:
    """With a single filter the loop does nothing, and what is left, a right forward pass, says nothing of it."""
    assert report_on(tmp_path, "conv2d", "GrayConv").ok
    report = report_on(tmp_path, "conv2d", "GrayConv", "in range(self.count)", "in range(self.count - 1)")
    assert report.verdict is Verdict.WRONG
    assert "right for all filters but the last" in " ".join(str(report).split())


def test_a_sum_over_everything_is_a_gradient_of_the_wrong_shape(tmp_path: Path) -> None:
    assert report_on(tmp_path, "dense", "Affine").ok
    report = report_on(tmp_path, "dense", "Affine", "np.sum(dout, axis=0)", "np.sum(dout)")
    assert report.verdict is Verdict.WRONG
    assert report.causes == ("sum-over-wrong-axes",)


def test_an_object_that_gives_no_gradient_at_all_is_not_right(tmp_path: Path) -> None:
    report = report_on(tmp_path, "dense", "Silent")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "no gradient was found: backward returns none, and changes no parameter" in " ".join(str(report).split())


def _sigmoid(v: A) -> A:
    return np.asarray(1 / (1 + np.exp(-v)))


@pytest.mark.parametrize("swapped", [False, True])
def test_w_and_u_of_a_cell_are_taken_either_way(swapped: bool) -> None:
    def step(x: A, h_prev: A, c_prev: A, W: A, U: A, b: A) -> tuple[A, A]:
        into, state = (U, W) if swapped else (W, U)
        i, f, o, g = np.split(x @ into + h_prev @ state + b, 4, axis=1)
        c = _sigmoid(f) * c_prev + _sigmoid(i) * np.tanh(g)
        return np.asarray(_sigmoid(o) * np.tanh(c)), np.asarray(c)

    report = check(step, "lstm_step")
    assert report.ok, report


def test_residuals_of_both_signs_tell_a_sign_from_a_bound() -> None:
    """With all of them far below the target a missing sign beyond the bound looks like the sign of everything."""

    def right(y: A, t: A) -> A:
        r = y - t
        return np.where(abs(r) <= 1, r, np.sign(r)) / r.size

    def wrong(y: A, t: A) -> A:
        r = y - t
        return np.where(abs(r) <= 1, r, 1.0) / r.size

    assert check(right, "huber").ok
    report = check(wrong, "huber")
    assert report.verdict is Verdict.WRONG
    assert "sign" not in report.causes


@pytest.mark.parametrize("layer", ["relu", "leaky_relu", "sigmoid", "tanh"])
def test_the_gradient_from_above_left_out_is_named(layer: str) -> None:
    """The function gets it, and returns the derivative of the layer alone."""

    def slope(dA: A, Z: A) -> A:
        known = {
            "relu": np.where(Z > 0, 1.0, 0.0),
            "leaky_relu": np.where(Z > 0, 1.0, 0.01),
            "sigmoid": _sigmoid(Z) * (1 - _sigmoid(Z)),
            "tanh": 1 - np.tanh(Z) ** 2,
        }
        return np.asarray(known[layer])

    settings: dict[str, Any] = {"negative_slope": 0.01} if layer == "leaky_relu" else {}
    report = check(slope, layer, **settings)
    assert report.verdict is Verdict.WRONG
    assert report.causes == ("upstream-missing",)
    assert check(lambda dA, Z: dA * slope(dA, Z), layer, **settings).ok
