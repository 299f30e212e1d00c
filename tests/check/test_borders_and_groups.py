"""Borders that are not of zeros, groups that are dealt out in turn, and sums divided by another number."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

from convgrad.check import Report, check
from convgrad.check.verdict import Verdict

A = npt.NDArray[np.float64]
Mode = Literal["constant", "edge", "reflect", "symmetric", "wrap"]


def _views(x: A, w: A, stride: int, padding: int, mode: Mode) -> Any:
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    seen = np.lib.stride_tricks.sliding_window_view(np.pad(x, around, mode=mode), w.shape[2:], (2, 3))
    return seen[:, :, ::stride, ::stride]


def _convolution(mode: Mode) -> Any:
    def forward(x: A, w: A, b: A, stride: int = 1, padding: int = 0) -> A:
        out = np.einsum("nchwij,fcij->nfhw", _views(x, w, stride, padding, mode), w)
        return np.asarray(out + b[:, None, None])

    return forward


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric", "wrap"])
def test_a_border_that_is_not_of_zeros_is_named(mode: Mode) -> None:
    report = check(_convolution(mode), "conv2d")
    assert report.verdict is Verdict.WRONG
    assert report.causes == ("padding-of-another-kind",)
    assert check(_convolution("constant"), "conv2d").ok


def test_a_kernel_gradient_with_such_a_border() -> None:
    def backward(dout: A, x: A, w: A, stride: int = 1, padding: int = 0) -> A:
        return np.asarray(np.einsum("nchwij,nfhw->fcij", _views(x, w, stride, padding, "edge"), dout))

    report = check(backward, "conv2d")
    assert report.verdict is Verdict.WRONG
    assert report.causes == ("padding-of-another-kind",)


def _grouped(way: str) -> Any:
    def backward(dout: A, x: A, w: A, groups: int = 1, stride: int = 1) -> tuple[A, A]:
        filters, channels, rows, columns = w.shape
        each = filters // groups
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for g in range(groups):
            own = slice(g * each, (g + 1) * each)
            above = dout[:, g::groups] if way == "results in turn" else dout[:, own]
            into = slice(g, None, groups) if way == "channels in turn" else slice(g * channels, (g + 1) * channels)
            for i, j in np.ndindex(*dout.shape[2:]):
                window = np.s_[:, into, i * stride : i * stride + rows, j * stride : j * stride + columns]
                dw[own] += np.einsum("nf,nchw->fchw", above[:, :, i, j], x[window])
                dx[window] += np.einsum("nf,fchw->nchw", above[:, :, i, j], w[own])
        return dx, dw

    return backward


def _on_groups(function: Any) -> Report:
    return check(function, "conv2d", groups=2, filters=6)


@pytest.mark.parametrize(
    ("way", "cause"), [("results in turn", "results-interleaved"), ("channels in turn", "groups-interleaved")]
)
def test_groups_that_are_dealt_out_in_turn(way: str, cause: str) -> None:
    assert _on_groups(_grouped("in blocks")).ok
    report = _on_groups(_grouped(way))
    assert report.verdict is Verdict.WRONG
    assert report.causes == (cause,)


def test_the_same_of_a_forward_pass() -> None:
    def shuffled(x: A, w: A, b: A, groups: int = 1) -> A:
        channels, each = w.shape[1], len(w) // groups
        parts = []
        for g in range(groups):
            own = slice(g * each, (g + 1) * each)
            seen = _views(x[:, g * channels : (g + 1) * channels], w, 1, 0, "constant")
            parts.append(np.einsum("nchwij,fcij->nfhw", seen, w[own]) + b[own, None, None])
        mixed = np.stack(parts, axis=2)
        return np.asarray(mixed.reshape(len(x), len(w), *mixed.shape[3:]))

    report = _on_groups(shuffled)
    assert report.causes == ("results-interleaved",)


def _normalized(dout: A, x: A, gamma: A, groups: int, eps: float, blocks: bool, part: float) -> A:
    n, channels, *places = x.shape
    shape = (n, groups, channels // groups) if blocks else (n, channels // groups, groups)
    over = (2, 3, 4) if blocks else (1, 3, 4)
    split = x.reshape(*shape, *places)
    r = 1 / np.sqrt(split.var(over, keepdims=True) + eps)
    normal = (split - split.mean(over, keepdims=True)) * r
    g = (dout * gamma[:, None, None]).reshape(split.shape)
    along = (g * normal).mean(over, keepdims=True) * part
    return np.asarray((r * (g - g.mean(over, keepdims=True) - normal * along)).reshape(x.shape))


def test_a_group_normalization_with_groups_in_turn() -> None:
    def right(dout: A, x: A, gamma: A, groups: int = 2, eps: float = 1e-3) -> A:
        return _normalized(dout, x, gamma, groups, eps, True, 1.0)

    def in_turn(dout: A, x: A, gamma: A, groups: int = 2, eps: float = 1e-3) -> A:
        return _normalized(dout, x, gamma, groups, eps, False, 1.0)

    def counted(dout: A, x: A, gamma: A, groups: int = 2, eps: float = 1e-3) -> A:
        """One of the means divided by the places alone."""
        return _normalized(dout, x, gamma, groups, eps, True, x.shape[1] / groups)

    assert check(right, "group_norm").ok
    assert check(in_turn, "group_norm").causes == ("groups-interleaved",)
    report = check(counted, "group_norm")
    assert report.causes == ("another-count",)
    assert "the sum of gradient times normalized input is divided" in " ".join(str(report).split())
