"""Depthwise convolutions and their gradients, in tiles and bands of rows, with vectors along channels."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.runtime import native
from convgrad.compute.halide.schedules import depthwise as depthwise_schedule
from convgrad.compute.halide.schedules.depthwise import depthwise_windows, tile_of
from convgrad.compute.halide.schedules.depthwise_gradient import bands_of
from convgrad.compute.halide.target import Machine
from convgrad.notation import Equation
from convgrad.notation.terms import Definition
from engine_support import bound, compare

CONVOLUTION = """
x[e,i,j,c] = sum[m,n](w[m,n,c] * o[e,{s}*i+m-{p},{s}*j+n-{p},c else 0]) + b[c]
y[e,i,j,c] = max(x[e,i,j,c], 0)
do[e,p,q,c] = sum[m,n](dx[e,(p-m+{p})/{s},(q-n+{p})/{s},c else 0] * w[m,n,c])
dw[m,n,c] = sum[e,i,j](dx[e,i,j,c] * o[e,{s}*i+m-{p},{s}*j+n-{p},c else 0])
"""
SIZES = [  # examples, rows, columns, channels, rows and columns of the kernel, stride, padding
    (2, 11, 13, 33, 3, 3, 1, 1),
    (3, 9, 17, 16, 5, 4, 1, 2),
    (5, 14, 8, 12, 3, 3, 1, 0),
    (17, 10, 7, 24, 2, 3, 2, 1),
    (2, 13, 11, 50, 3, 3, 2, 1),
    (3, 12, 15, 9, 5, 5, 2, 2),
    (1, 19, 16, 40, 7, 7, 2, 3),
    (2, 16, 14, 8, 7, 7, 1, 3),
    (1, 67, 23, 17, 4, 4, 1, 0),
    (4, 6, 5, 64, 3, 5, 3, 1),
    (2, 9, 7, 61, 3, 4, 1, 1),
    (1, 11, 6, 99, 5, 3, 1, 2),
    (3, 8, 9, 28, 3, 3, 2, 1),
]


def depthwise(
    examples: int, rows: int, columns: int, channels: int, taps: int, across: int, stride: int, padding: int
) -> Equation:
    results = [(length + 2 * padding - k) // stride + 1 for length, k in ((rows, taps), (columns, across))]
    shapes = {
        "o": (examples, rows, columns, channels),
        "w": (taps, across, channels),
        "b": (channels,),
        "dx": (examples, *results, channels),
    }
    sizes = {"I": results[0], "J": results[1], "P": rows, "Q": columns, "M": taps, "N": across}
    return bound(CONVOLUTION.format(s=stride, p=padding), shapes=shapes, sizes=sizes)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_images_with_a_border_of_zeros(sizes: Any) -> None:
    """What another kernel made is stored with zeros around, which are read, and not the first and last columns."""
    examples, rows, columns, channels, taps, across, stride, padding = sizes
    results = [(length + 2 * padding - k) // stride + 1 for length, k in ((rows, taps), (columns, across))]
    text = """
    r[e,p,q,c] = max(o[e,p,q,c], 0) + 1
    x[e,i,j,c] = sum[m,n](w[m,n,c] * r[e,{s}*i+m-{p},{s}*j+n-{p},c else 0])
    y[e,i,j,c] = x[e,i,j,c] + 1
    dr[e,p,q,c] = sum[m,n](y[e,(p-m+{p})/{s},(q-n+{p})/{s},c else 0] * w[m,n,c])
    dw[m,n,c] = sum[e,i,j](y[e,i,j,c] * r[e,{s}*i+m-{p},{s}*j+n-{p},c else 0])
    """
    shapes = {"o": (examples, rows, columns, channels), "w": (taps, across, channels)}
    lengths = {"I": results[0], "J": results[1], "P": rows, "Q": columns, "M": taps, "N": across}
    equation = bound(text.format(s=stride, p=padding), shapes=shapes, sizes=lengths)
    compare(equation, "float32", outputs=["x"])
    compare(equation, "float32", outputs=["dr", "dw"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_depthwise_convolutions(sizes: Any, dtype: str) -> None:
    """Alone, and with what is applied to the sums on the way to memory."""
    equation = depthwise(*sizes)
    compare(equation, dtype, outputs=["x", "do", "dw"])
    compare(equation, dtype, outputs=["y"])


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_nothing_is_read_or_written_beyond_the_end(sizes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory, Halide checks that the buffers cover all that is read and written."""
    monkeypatch.setattr(native, "compiler", lambda: None)
    compare(depthwise(*sizes), "float32", outputs=["y", "do", "dw"])


@pytest.mark.parametrize(
    ("text", "shapes", "sizes"),
    [
        ("x[i,c] = sum[m](w[m,c] * o[i+m,c])", {"w": (5, 34), "o": (77, 34)}, {}),
        (
            "x[i,j,l,c] = sum[m,n,r](w[m,n,r,c] * o[i+m-1,2*j+n,l+r,c else 0])",
            {"w": (3, 2, 4, 19), "o": (7, 13, 11, 19)},
            {"I": 7, "J": 6, "L": 8},
        ),
        ("x[i,j,c] = sum[m,n](w[n,c] * o[i+m,j+n,c])", {"w": (3, 18), "o": (23, 19, 18)}, {"M": 4, "I": 20}),
        ("x[i,j,c] = sum[m,n](w[m,n,c] * o[i+m,3*j-2*n+4,c])", {"w": (3, 3, 18), "o": (13, 29, 18)}, {"J": 8}),
        ("x[i,j,c] = sum[m,n](w[m,n,c] * o[i+2*m,j+2*n,c]^2)", {"w": (3, 3, 18), "o": (23, 29, 18)}, {}),
    ],
)
def test_other_windows_of_each_channel(text: str, shapes: dict[str, tuple[int, ...]], sizes: dict[str, int]) -> None:
    equation = bound(text, shapes=shapes, sizes=sizes)
    assert depthwise_windows(equation.result, 4) is not None
    compare(equation, "float32")


def atoms(equation: Equation) -> dict[str, Definition]:
    return {definition.name: definition for definition in equation.definitions}


def test_which_sums_go_through_windows_of_each_channel() -> None:
    sums = atoms(depthwise(*SIZES[1]))
    assert depthwise_windows(sums["do"], 4) is not None
    assert depthwise_windows(sums["dw"], 4) is None
    one = atoms(depthwise(2, 11, 13, 1, 3, 3, 1, 1))
    assert depthwise_windows(one["do"], 4) is None
    large = atoms(depthwise(2, 19, 13, 33, 9, 3, 1, 1))
    assert depthwise_windows(large["do"], 4) is None


@pytest.mark.parametrize(("channels", "vectors"), [(12, 1), (16, 2), (24, 1), (61, 2), (99, 2)])
def test_tiles_are_as_wide_as_a_line_of_memory(channels: int, vectors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that many channels are there, and few are computed twice."""
    monkeypatch.setattr(depthwise_schedule, "machine", lambda: Machine(32, 16, "x86-64-avx2"))
    equation = depthwise(2, 9, 11, channels, 3, 3, 1, 1)
    atom = atoms(equation)["do"]
    windows = depthwise_windows(atom, 4)
    assert windows is not None
    tile = tile_of(atom, windows, 4, equation.shape_of["dx"])
    assert (tile.vectors, tile.blocks) == (vectors, -(-channels // (8 * vectors)))


def test_which_sums_go_through_bands() -> None:
    sums = atoms(depthwise(*SIZES[0]))
    assert bands_of(sums["dw"], 4) is not None
    assert bands_of(sums["do"], 4) is None
    assert bands_of(atoms(depthwise(*SIZES[7]))["dw"], 4) is None  # 49 taps
    assert bands_of(atoms(depthwise(2, 11, 13, 1, 3, 3, 1, 1))["dw"], 4) is None  # 1 channel


def test_what_is_sliced_follows_from_the_sizes() -> None:
    """Examples where there are enough of them, else bands of rows: always as many slices, whatever the threads."""
    many, few = (bands_of(atoms(depthwise(examples, 67, 9, 16, 3, 3, 1, 1))["dw"], 4) for examples in (40, 3))
    assert many is not None
    assert few is not None
    assert (many.sliced, many.slices) == ("e", 14)
    assert few.sliced == "i"
    alone = bands_of(atoms(depthwise(40, 67, 9, 16, 3, 3, 1, 1))["dw"], 4, most=1)
    assert alone is not None
    assert alone.slices == 1
