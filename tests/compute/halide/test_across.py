"""Vectors along examples or positions where there are few channels, against the oracle."""

from __future__ import annotations

import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.passes.atoms import split
from convgrad.compute.halide.schedules.across import vector_index
from convgrad.compute.halide.target import machine
from engine_runs import PLAIN, STRIDED, gradient
from engine_support import bound, compare


@pytest.mark.parametrize(
    ("text", "sizes", "index"),  # sizes: batch, rows, columns, channels, kernels
    [
        (PLAIN, (32, 7, 9, 3, 20), "e"),
        (PLAIN, (19, 15, 5, 1, 24), "p"),
        (PLAIN, (3, 7, 33, 2, 40), "q"),
        (PLAIN, (2, 34, 7, 2, 36), "p"),
        (STRIDED, (3, 10, 64, 3, 48), "q"),
        (STRIDED, (16, 6, 10, 5, 30), "e"),
        (PLAIN, (6, 7, 9, 32, 20), None),
    ],
    ids=lambda value: "strided" if value == STRIDED else None,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors_across(text: str, sizes: tuple[int, ...], index: str | None, dtype: str) -> None:
    equation = gradient(text, *sizes)
    (atom,) = split(equation.definitions[0])
    if dtype == "float32" and machine().lanes(4) == 16:  # what shorter vectors run along is another question
        assert vector_index(atom, 4) == index
    with scheduling(winograd=False, reduction="tiled"):
        compare(equation, dtype)


def test_few_channels_of_a_dense_layer_stay_as_they_are() -> None:
    (atom,) = split(bound("x[e,k] = sum[c](w[c,k] * o[e,c])", shapes={"w": (400, 10), "o": (64, 400)}).definitions[0])
    assert vector_index(atom, 4) is None
