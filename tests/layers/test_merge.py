"""Layers of several inputs and layers that only arrange, against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from convgrad.errors import ModelError, ShapeError
from convgrad.layers import Add, Concatenate, Flatten, Multiply, Reshape, ZeroPadding2D
from convgrad.layers.base import Layer
from layer_runs import Run, close, normal


@pytest.mark.parametrize("count", [2, 3, 4])
def test_add_and_multiply(count: int) -> None:
    inputs = [normal(2, 3, 5, 7) + n for n in range(count)]
    close(Run(Add(), *inputs).x, np.sum(inputs, axis=0))
    close(Run(Multiply(), *inputs).x, np.prod(inputs, axis=0))


@pytest.mark.parametrize("gate", [(5,), (1, 1, 5)])
def test_gate_for_each_channel(gate: tuple[int, ...]) -> None:
    o, g = normal(2, 3, 7, 5), normal(2, *gate)
    close(Run(Multiply(), o, g).x, o * g.reshape(2, 1, 1, 5))


@pytest.mark.parametrize("channels", [(2, 3), (3, 1, 4), (1, 2, 1, 5)])
@pytest.mark.parametrize("before", [(), (3,), (3, 5)])
def test_concatenate(channels: tuple[int, ...], before: tuple[int, ...]) -> None:
    inputs = [normal(2, *before, c) for c in channels]
    close(Run(Concatenate(), *inputs).x, np.concatenate(inputs, axis=-1))


def test_flatten_and_reshape() -> None:
    o = normal(2, 3, 5, 7)
    close(Run(Flatten(), o).x, o.reshape(2, 105))
    close(Run(Reshape((5, 21)), o).x, o.reshape(2, 5, 21))
    close(Run(Reshape((7, -1, 3)), o).x, o.reshape(2, 7, 5, 3))


@pytest.mark.parametrize("padding", [1, (2, 0), (0, 3), ((0, 1), (2, 3)), ((0, 0), (0, 0))])
def test_zero_padding(padding: int | tuple[int | tuple[int, int], ...]) -> None:
    o = normal(2, 3, 5, 2)
    pairs = [(p, p) if isinstance(p, int) else p for p in (padding if isinstance(padding, tuple) else (padding,) * 2)]
    close(Run(ZeroPadding2D(padding), o).x, np.pad(o, ((0, 0), *pairs, (0, 0))))


@pytest.mark.parametrize(
    ("layer", "shapes", "error", "message"),
    [
        (Add(), [(3, 5)], ModelError, r"Add\(\) takes two inputs or more, but got 1. .* Add\(\)\(a, b\)"),
        (
            Add(),
            [(3, 5, 2), (3, 5, 2), (3, 5, 7)],
            ShapeError,
            r"different shapes, \(3, 5, 2\), \(3, 5, 2\) and \(3, 5, 7\).\nWhere the channels differ, put Conv2D",
        ),
        (
            Multiply(),
            [(3, 5), (3, 1)],
            ShapeError,
            r"different shapes, .*\nThey must be equal, or the second .* \(5,\)",
        ),
        (Multiply(), [(3, 5), (5,), (5,)], ShapeError, r"Multiply\(\): its inputs have different shapes"),
        (
            Concatenate(),
            [(3, 5, 2), (3, 7, 2)],
            ShapeError,
            r"may differ in their last axis only, but have \(3, 5, 2\) and \(3, 7, 2\).\nGive them images of one size",
        ),
        (
            Reshape((5, 4)),
            [(3, 5)],
            ShapeError,
            r"\(3, 5\) has 15 elements, which don't make up \(5, 4\).\nThe product",
        ),
        (Reshape((4, -1)), [(3, 5)], ShapeError, r"has 15 elements, which don't make up \(4, -1\)"),
    ],
)
def test_refuses_shapes(layer: Layer, shapes: list[tuple[int, ...]], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        layer.build(*shapes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Reshape((-1, -1)), r"Reshape\(\(-1, -1\)\): target_shape must be a tuple of sizes of at least 1"),
        (lambda: Reshape((3, 0)), r"not \(3, 0\)"),
        (lambda: Reshape(15), r"must be a tuple of sizes .* not 15"),  # type: ignore[arg-type]
        (lambda: Reshape(()), r"must be a tuple of sizes .* not \(\)"),
        (lambda: ZeroPadding2D("same"), r"padding must be given in numbers, not 'same'"),
        (lambda: ZeroPadding2D(-1), r"padding must be .* not -1"),
    ],
)
def test_refuses_arguments(make: Callable[..., np.ndarray], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()
