"""How near counts as equal: bounds from the arithmetic, which let no wrong result pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from convgrad.check import check
from convgrad.check.verdict import Verdict

Array = np.ndarray
Three = tuple[Array, Array, Array]


def batch_norm(inverse: Callable[[Array], Array], dtype: type = np.float64) -> Callable[..., Three]:
    """Of rows; `inverse` makes 1/deviation of the variance."""

    def backward(dout: Array, x: Array, gamma: Array, beta: Array) -> Three:
        dout, x, gamma = (a.astype(dtype) for a in (dout, x, gamma))
        r: Array = inverse(x.var(axis=0)).astype(dtype)
        normal: Array = (x - x.mean(axis=0)) * r
        scaled: Array = dout * gamma
        dx = r * (scaled - scaled.mean(axis=0) - normal * (scaled * normal).mean(axis=0))
        return dx, (dout * normal).sum(axis=0), dout.sum(axis=0)

    return backward


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("epsilon", [1e-3, 1e-5])
def test_an_epsilon_outside_the_root_is_wrong(epsilon: float, dtype: str) -> None:
    outside = batch_norm(lambda v: 1 / (np.sqrt(v) + epsilon))
    report = check(outside, "batch_norm", epsilon=epsilon, dtype=dtype)
    assert report.verdict is Verdict.WRONG
    assert report.diagnosis is not None
    assert not report.diagnosis.comparisons["do"].right
    assert not report.diagnosis.comparisons["dgamma"].right
    inside = batch_norm(lambda v: 1 / np.sqrt(v + epsilon))
    assert check(inside, "batch_norm", epsilon=epsilon, dtype=dtype).verdict is Verdict.RIGHT


def test_single_precision_inside_is_right_and_told() -> None:
    report = check(batch_norm(lambda v: 1 / np.sqrt(v + np.float32(1e-3)), np.float32), "batch_norm", dtype="float64")
    assert report.verdict is Verdict.RIGHT, str(report)

    def in_doubles(dout: Array, x: Array, gamma: Array, beta: Array) -> tuple[Array, ...]:
        results = batch_norm(lambda v: 1 / np.sqrt(v + np.float32(1e-3)), np.float32)(dout, x, gamma, beta)
        return tuple(a.astype(np.float64) for a in results)

    told = check(in_doubles, "batch_norm")
    assert told.verdict is Verdict.RIGHT, str(told)
    assert "right to single precision only" in str(told)


def test_what_is_small_and_systematic_is_not_called_rounding() -> None:
    report = check(batch_norm(lambda v: (1 + 1e-8) / np.sqrt(v + 1e-3)), "batch_norm")
    assert report.verdict is Verdict.RIGHT
    assert report.diagnosis is not None
    assert report.diagnosis.comparisons["dgamma"].single == "equal to single precision"
    larger = check(batch_norm(lambda v: (1 + 2e-6) / np.sqrt(v + 1e-3)), "batch_norm")
    assert larger.verdict is Verdict.WRONG


def test_one_entry_off_by_more_than_rounding() -> None:
    def backward(dout: Array, x: Array, w: Array) -> Three:
        dw = x.T @ dout
        dw[1, 2] += 1e-6
        return dout @ w.T, dw, dout.sum(0)

    report = check(backward, "dense")
    assert report.verdict is Verdict.WRONG


@pytest.mark.parametrize("back", [np.float16, np.float32, np.float64])
def test_half_precision_is_wrong(back: type) -> None:
    def backward(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
        dout, x, w = (a.astype(np.float16) for a in (dout, x, w))
        return tuple(a.astype(back) for a in (dout @ w.T, x.T @ dout, dout.sum(0)))

    report = check(backward, "dense")
    assert report.verdict is Verdict.WRONG
    assert report.causes == ("half-precision",)
    assert "half precision" in " ".join(str(report).split())
    unexplained = check(backward, "dense", explain=False)
    assert unexplained.verdict is Verdict.WRONG
    if back is np.float16:
        assert "come back in half precision (float16)" in " ".join(str(unexplained).split())


def test_half_precision_where_nothing_is_rounded() -> None:
    def forward(x: Array) -> Array:
        return (x > 0).astype(np.float16)

    report = check(forward, "x[i] = where(o[i] > 0, 1, 0)", roles={"x": "o"})
    assert report.verdict is Verdict.RIGHT, str(report)
