"""Layers of several inputs and layers that only arrange, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convgrad.errors import ModelError, ShapeError
from convgrad.layers import (
    Add,
    Concatenate,
    Flatten,
    Multiply,
    Padding1D,
    Padding2D,
    Padding3D,
    Permute,
    Reshape,
    Subtract,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
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


@pytest.mark.parametrize(
    "shapes",
    [
        [(3, 7, 5), (5,)],
        [(7, 1), (7, 5)],
        [(3, 7, 5), (3, 1, 5)],
        [(3, 1, 5), (1, 7, 1)],
        [(1, 1), (3, 5)],
        [(1, 1), (1,)],
        [(2, 3, 1, 5, 7), (3, 4, 1, 7)],
    ],
    ids=repr,
)
def test_shapes_that_go_together(shapes: list[tuple[int, ...]]) -> None:
    inputs = [normal(2, *shape) + n for n, shape in enumerate(shapes)]
    rank = max(map(len, shapes))
    aligned = [o.reshape(2, *(1,) * (rank + 1 - o.ndim), *o.shape[1:]) for o in inputs]
    for layer, function in ((Add(), np.add), (Subtract(), np.subtract), (Multiply(), np.multiply)):
        close(Run(layer, *inputs).x, function(*aligned))


def test_three_inputs_of_three_shapes() -> None:
    a, b, c = normal(2, 3, 5, 7), normal(2, 5, 1), normal(2, 7)
    close(Run(Add(), a, b, c).x, a + b[:, None] + c[:, None, None])


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


IMAGES = {1: (5, 2), 2: (5, 7, 2), 3: (4, 5, 7, 2)}
BORDERS = {1: ((3, 2),), 2: ((2, 1), (0, 3)), 3: ((1, 2), (0, 0), (3, 1))}


@pytest.mark.parametrize("kind", [ZeroPadding1D, ZeroPadding3D, Padding1D, Padding2D, Padding3D])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_borders(kind: Any, mode: str) -> None:
    o, pairs = normal(2, *IMAGES[kind.axes]), BORDERS[kind.axes]
    layer = kind(pairs) if kind.__name__.startswith("Zero") else kind(pairs, mode)
    close(Run(layer, o).x, np.pad(o, ((0, 0), *pairs, (0, 0)), mode=getattr(layer, "mode", "constant")))


def test_a_border_of_a_number_and_none_at_all() -> None:
    o = normal(2, 3, 5, 2)
    padded = np.pad(o, ((0, 0), (1, 1), (2, 2), (0, 0)), constant_values=-1.5)
    close(Run(Padding2D((1, 2), value=-1.5), o).x, padded)
    close(Run(Padding2D(0, mode="edge"), o).x, o)


@pytest.mark.parametrize("dims", [(1,), (2, 1), (3, 1, 2), (2, 4, 3, 1)])
def test_permute(dims: tuple[int, ...]) -> None:
    o = normal(2, *(3, 5, 7, 4)[: len(dims)])
    close(Run(Permute(dims), o).x, np.transpose(o, (0, *dims)))


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
            [(3, 5), (3, 2)],
            ShapeError,
            r"different shapes, \(3, 5\) and \(3, 2\).\nWhere .* Only an axis of length 1 may stand for a longer one.",
        ),
        (Multiply(), [(3, 5), (5,), (3,)], ShapeError, r"Multiply\(\): its inputs have different shapes"),
        (Add(), [(2, 1) * 4, (1, 2) * 4], ShapeError, r"Add\(\): its inputs take turns with their axes too often"),
        (Subtract(), [(3,)] * 3, ModelError, r"Subtract\(\) takes two inputs, but got 3. Add up the others before."),
        (
            Permute((2, 1)),
            [(3, 5, 2)],
            ShapeError,
            r"Permute\(\(2, 1\)\) takes 2 axes, but its input has shape \(3, 5, 2\).\nName each of \(1, 2, 3\) once.",
        ),
        (
            Padding2D((1, 5), mode="reflect"),
            [(3, 5, 2)],
            ShapeError,
            r"along axis 1 5 columns are to be mirrored, but the image has 5, .*\nAdd at most 4, or take mode='edge'",
        ),
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
        (lambda: Permute((1, 3)), r"Permute\(.*\): dims must be a tuple that has each axis once, .* not \(1, 3\)"),
        (lambda: Permute(2), r"such as \(2, 1\), not 2"),  # type: ignore[arg-type]
        (lambda: Padding2D(1, mode="wrap"), r"mode must be 'constant' or 'edge' or 'reflect', not 'wrap'"),
        (lambda: Padding2D(1, mode="edge", value=2), r"a value is for mode='constant' only"),
        (lambda: Padding1D(1, value=float("inf")), r"value must be a finite number, not inf"),
        (lambda: Padding3D("same"), r"Padding3D\(.*\): padding must be given in numbers, not 'same'"),
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
