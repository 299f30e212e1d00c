"""Slips in backward passes of many layers: each is called wrong, and named first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convgrad.check import check
from convgrad.check.structures.base import Array
from convgrad.check.verdict import Verdict
from slips import SLIPS, convolved


@pytest.mark.parametrize("function", SLIPS)
def test_a_slip_is_named_first(function: str, request: pytest.FixtureRequest) -> None:
    layer, settings, name, words = SLIPS[function]
    report = check(f"{request.config.rootpath}/planted/slips.py:{function}", layer, **settings)
    text = " ".join(str(report).split())
    assert report.verdict is Verdict.WRONG, text
    assert report.causes[:1] == (name,), text
    assert words in text
    assert "No known mistake" not in text


def _strange_kernel(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
    dx, dw, db = convolved(dout, x, w)
    return dw * np.cos(w), dx, db


def test_the_smallest_input_names_results_by_their_place() -> None:
    """Where the kernel covers the image, the two gradients have one shape."""
    text = str(check(_strange_kernel, "conv2d"))
    smallest = text[text.index("The smallest input") :]
    assert "o (1, 1, 3, 2)" in smallest
    assert "w (1, 1, 3, 2)" in smallest
    assert "dw expected" in smallest
    assert "dw got" in smallest
    assert "do " not in smallest


def test_what_nothing_explains_is_described() -> None:
    def one_filter_is_odd(dout: Array, x: Array, w: Array) -> tuple[Array, ...]:
        dx, dw, db = convolved(dout, x, w)
        dw[2] = dw[2] * np.cos(w[2])
        return dx, dw, db

    report = check(one_filter_is_odd, "conv2d")
    assert report.causes == ("unexplained",)
    assert "\n  In dw only filter 2 of 5 is wrong.\n" in str(report)
    assert report.to_json()["seen"] == {"dw": ["only filter 2 of 5 is wrong"]}


def _odd(dx: Array, places: list[int]) -> Array:
    dx[..., places] *= np.cos(np.arange(dx.size).reshape(dx.shape)[..., places])
    return dx


def _odd_units(dout: Array, x: Array, w: Array) -> tuple[Array, Array]:
    return dout @ w.T, _odd(x.T @ dout, [1, 3])


def _odd_classes(y: Array, t: Array) -> Array:
    p = np.exp(y) / np.exp(y).sum(1, keepdims=True)
    p[np.arange(len(y)), t] -= 1
    return _odd(p / len(y), [0, 2])


@pytest.mark.parametrize(
    ("function", "layer", "words"),
    [
        (_odd_units, "dense", "wrong are the units 1, 3 of 5"),
        (_odd_classes, "softmax_cross_entropy", "wrong are the classes 0, 2 of 5"),
    ],
)
def test_places_along_an_axis_have_their_names(function: Callable[..., Any], layer: str, words: str) -> None:
    assert words in " ".join(str(check(function, layer)).split())


@pytest.mark.parametrize(
    ("function", "layer", "note"),
    [
        (lambda dout, x: dout * (x >= 0), "relu", "your derivative of relu is 1; here it is 0"),
        (lambda dout, x: dout * np.heaviside(x, 0.5), "relu", "your derivative is 1/2"),
        (lambda dout, x, w: (dout @ w.T, x.T @ dout / len(x), dout.mean(0)), "dense", "are means over the batch"),
    ],
)
def test_a_convention_does_not_read_as_a_fault(function: Callable[..., Any], layer: str, note: str) -> None:
    report = check(function, layer)
    text = " ".join(str(report).split())
    assert report.verdict is Verdict.RIGHT, text
    assert report.causes == ()
    assert note in text
    assert "in another convention" in text
    for word in ("entries differ", "expected", "Cause", "Fault", "smallest input"):
        assert word not in text
    assert all(output["right"] for output in report.to_json()["outputs"])


def test_one_gradient_divided_by_the_batch_is_a_mistake() -> None:
    """And so are those of a normalization, which no course divides."""
    report = check(lambda dout, x, w: (dout @ w.T, x.T @ dout / len(x), dout.sum(0)), "dense")
    assert report.causes == ("mean-over-batch",)
    report = check(lambda dout, x, w: (dout @ w.T / len(x), x.T @ dout / len(x), dout.mean(0)), "dense")
    assert report.causes == ("mean-over-batch",)


def test_a_mistake_beside_a_convention_is_told_apart() -> None:
    report = check(lambda dout, x: -dout * (x >= 0), "relu")
    assert report.causes == ("sign",)
    assert [c["names"] for c in report.to_json()["conventions"]] == [["kink"]]
    assert "after changing the sign of your do and with the derivative 1 at 0 the largest" in " ".join(
        str(report).split()
    )
