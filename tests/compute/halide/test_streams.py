"""Weights in the order of register tiles, copied once or in each call: p[k/W,m,n,c,k%W] = w[m,n,c,k]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.program import Program
from convgrad.compute.halide.schedules import staging, streams
from convgrad.compute.halide.schedules.streams import LONG_ROW, NEAREST, far_apart
from convgrad.compute.halide.target import Machine
from convgrad.notation import Equation
from engine_support import bound, compare

DENSE = "x[e,k] = max(sum[c](w[c,k] * o[e,c]) + b[k], 0)"
BACK = "do[e,c] = sum[k](w[c,k] * dx[e,k]) * y[e,c]"
WEIGHTS = "dw[c,k] = sum[e](dx[e,k] * o[e,c])"
CONV = "x[e,i,j,k] = max(sum[m,n,c](w[m,n,c,k] * o[e,{s}*i+m-1,{s}*j+n-1,c else 0]) + b[k], 0)"
GROUPS = "x[e,i,j,g,k] = max(sum[m,n,c](w[m,n,c,g,k] * o[e,i+m-1,j+n-1,g,c else 0]) + b[g,k], 0)"
GROUPS_BACK = "do[e,p,q,g,c] = sum[m,n,k](dx[e,p-m+1,q-n+1,g,k else 0] * w[m,n,c,g,k])"
STRIDED_BACK = "do[e,p,q,c] = sum[m,n,k](dx[e,(p-m+1)/2,(q-n+1)/2,k else 0] * w[m,n,c,k])"


def dense(batch: int, inputs: int, outputs: int) -> Equation:
    return bound(DENSE, shapes={"w": (inputs, outputs), "o": (batch, inputs), "b": (outputs,)})


def back(batch: int, inputs: int, outputs: int) -> Equation:
    return bound(BACK, shapes={"w": (inputs, outputs), "dx": (batch, outputs), "y": (batch, inputs)})


def convolution(batch: int, rows: int, columns: int, channels: int, kernels: int, stride: int) -> Equation:
    shapes = {"w": (3, 3, channels, kernels), "o": (batch, rows, columns, channels), "b": (kernels,)}
    sizes = {"I": (rows - 1) // stride + 1, "J": (columns - 1) // stride + 1}
    return bound(CONV.format(s=stride), shapes=shapes, sizes=sizes)


def groups(batch: int, rows: int, columns: int, channels: int, kernels: int, count: int) -> Equation:
    shapes = {
        "w": (3, 3, channels, count, kernels),
        "o": (batch, rows, columns, count, channels),
        "b": (count, kernels),
    }
    return bound(GROUPS, shapes=shapes, sizes={"I": rows, "J": columns})


def groups_back(batch: int, rows: int, columns: int, channels: int, kernels: int, count: int) -> Equation:
    shapes = {"w": (3, 3, channels, count, kernels), "dx": (batch, rows, columns, count, kernels)}
    return bound(GROUPS_BACK, shapes=shapes, sizes={"P": rows, "Q": columns})


def strided_back(batch: int, rows: int, columns: int, channels: int, kernels: int) -> Equation:
    shapes = {"w": (3, 3, channels, kernels), "dx": (batch, (rows + 1) // 2, (columns + 1) // 2, kernels)}
    return bound(STRIDED_BACK, shapes=shapes, sizes={"P": rows, "Q": columns})


IN_BLOCKS: dict[str, Equation] = {
    "rows that begin anywhere": dense(61, 351, 117),
    "long rows": dense(57, 67, 512),
    "long rows, uneven": dense(43, 53, 523),
    "turned": back(37, 523, 203),
    "few examples, many blocks": back(11, 2051, 37),
    "the gradient of weights": bound(WEIGHTS, shapes={"dx": (67, 301), "o": (67, 93)}),
    "a convolution": convolution(3, 9, 7, 21, 139, 1),
    "a stride": convolution(5, 11, 13, 31, 277, 2),
    "groups": groups(3, 9, 13, 37, 139, 3),
    "groups whose rows are long together": groups(2, 11, 17, 23, 80, 4),
    "groups, turned": groups_back(3, 9, 13, 139, 23, 3),
    "a product for each example": bound(
        "x[e,i,k] = sum[c](w[e,c,k] * o[e,i,c])", shapes={"w": (3, 51, 301), "o": (3, 61, 51)}
    ),
    "phases": strided_back(3, 9, 8, 211, 29),
    "uneven phases of whole blocks": strided_back(2, 7, 9, 192, 43),
}
IN_ROWS: dict[str, Equation] = {
    "a first-level cache holds them": dense(61, 51, 117),
    "read by few tiles": dense(5, 351, 117),
    "short rows of whole vectors": dense(61, 351, 64),
}


def widths_of_copies(monkeypatch: pytest.MonkeyPatch, program: Program) -> list[int]:
    """The widths of blocks of all copies that kernels make, 0 for rows."""
    widths: list[int] = []
    make = staging._staged

    def noted(*arguments: Any) -> Any:
        copy = make(*arguments)
        widths.append(copy.width)
        return copy

    monkeypatch.setattr(staging, "_staged", noted)
    for kernel in program.kernels:
        kernel.build()
    return widths


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("equation", IN_BLOCKS.values(), ids=IN_BLOCKS)
def test_weights_in_blocks(monkeypatch: pytest.MonkeyPatch, equation: Equation, dtype: str) -> None:
    with scheduling(winograd=False, reduction="tiled"):
        assert any(widths_of_copies(monkeypatch, compare(equation, dtype)))


@pytest.mark.parametrize("equation", IN_ROWS.values(), ids=IN_ROWS)
def test_weights_that_stay_in_rows(monkeypatch: pytest.MonkeyPatch, equation: Equation) -> None:
    with scheduling(winograd=False, reduction="tiled"):
        assert not any(widths_of_copies(monkeypatch, compare(equation, "float32")))


@pytest.mark.parametrize("lanes", [8, 16])
def test_what_lies_far_apart(monkeypatch: pytest.MonkeyPatch, lanes: int) -> None:
    monkeypatch.setattr(streams, "machine", lambda: Machine(4 * lanes, 2 * lanes, "any"))
    row, many = LONG_ROW // 4, NEAREST
    assert not far_apart(row, many, 4)
    assert far_apart(row + lanes, many, 4)
    assert far_apart(row - 1, many, 4)  # vectors begin anywhere
    assert not far_apart(row - lanes, many, 4)
    assert not far_apart(row - 1, NEAREST // 4, 4)
    assert far_apart(row, many, 8)


def test_short_vectors_and_short_memory_get_copies_of_large_weights_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "machine", lambda: Machine(16, 32, "any"))
    assert not far_apart(1001, streams.NEAR // 4, 4)
    assert far_apart(1001, streams.NEAR, 4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: dense(61, 351, 117),
        lambda: dense(57, 67, 523),
        lambda: convolution(5, 11, 13, 31, 277, 2),
        lambda: groups(3, 9, 13, 37, 139, 3),
    ],
)
def test_constant_weights_are_put_into_order_once_with_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Equation]
) -> None:
    equation = make()
    with scheduling(winograd=False):
        once, each = compare(equation, "float32", constants=["w"]), compare(equation, "float32")
        assert not any(widths_of_copies(monkeypatch, once))
    (packing,) = once._first.kernels
    (made,) = packing.writes
    blocks, *_, width = packing.layouts[made].shape
    kernels = equation.shape_of["w"][-1]
    assert blocks * width >= kernels > (blocks - 1) * width
    np.testing.assert_array_equal(once.arrays["x"], each.arrays["x"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("text", "shapes", "sizes"),
    [
        # The last index on two axes: none of them is one of vectors.
        ("x[e,k] = sum[c](w[k,k,c] * o[e,c])", {"w": (144, 144, 9), "o": (200, 9)}, {}),
        ("x[e,k] = sum[c](w[c,k,k] * o[e,c])", {"w": (9, 101, 101), "o": (57, 9)}, {}),
        # Something else that is read up to the end of the last block.
        ("x[e,k] = sum[c](w[c,k] * o[e,c] * u[k,c])", {"w": (51, 301), "o": (61, 51), "u": (301, 51)}, {}),
        (
            "do[e,p,c] = sum[m,k](w[m,k,c] * dx[e,(p-m+1)/2,k else 0] * u[k,c])",
            {"w": (3, 19, 301), "dx": (9, 4, 19), "u": (19, 301)},
            {"P": 7},
        ),
        (
            "do[e,p,q,c] = sum[m,n](w[c,m,n] * dx[e,(p-m+1)/2,(q-n+1)/2,c else 0])",
            {"w": (1001, 5, 5), "dx": (3, 4, 5, 1001)},
            {"P": 7, "Q": 9},
        ),
        # Read from its end, and beyond it.
        ("x[e,k] = max(sum[c](w[c,k] * o[e,c]) + b[276-k], 0)", {"w": (101, 277), "o": (61, 101), "b": (277,)}, {}),
        ("x[e,k] = sum[c](w[c,k] * o[e,c]) + b[k+3 else 0]", {"w": (101, 277), "o": (61, 101), "b": (277,)}, {}),
    ],
)
def test_what_else_is_read_beside_blocks(
    text: str, shapes: dict[str, tuple[int, ...]], sizes: dict[str, int], dtype: str
) -> None:
    with scheduling(winograd=False):
        compare(bound(text, shapes=shapes, sizes=sizes), dtype, tolerance=2)


def test_constant_weights_in_bfloat16_are_put_into_order_as_numbers() -> None:
    text = "u[c,k] = bfloat16(w[c,k]); y[e,c] = bfloat16(o[e,c]); x[e,k] = sum[c](u[c,k] * y[e,c])"
    equation = bound(text, shapes={"w": (351, 117), "o": (61, 351)})
    program = compare(equation, "float32", outputs=["x"], constants=["w"], examples=["o"])
    for kernel, row in zip(program._first.kernels, program._first.rows, strict=True):
        for place in row:
            assert place.array.nbytes >= kernel.layouts[place.name].bytes


def test_large_weights_are_copied_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no second set of all weights lies in memory: those of a dense layer may have 400 MB."""
    whole: list[int] = []
    first = staging.Staged.compute_first

    def noted(copy: staging.Staged) -> None:
        whole.append(copy.width)
        first(copy)

    monkeypatch.setattr(staging.Staged, "compute_first", noted)
    for sizes, expected in (((61, 2203, 1100), False), ((61, 351, 117), True)):
        program = compare(dense(*sizes), "float32")
        whole.clear()
        for kernel in program.kernels:
            kernel.build()
        assert any(whole) == expected


def test_weights_of_few_examples_are_put_into_order_once() -> None:
    """Which no call would gain by: copying takes as long as two tiles."""
    with scheduling(winograd=False):
        assert len(compare(dense(3, 351, 523), "float32", constants=["w"])._first.kernels) == 1
