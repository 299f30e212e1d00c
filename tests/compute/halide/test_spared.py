"""Sums of which many products are with zeros outside: these are left out, and tiles run along the examples."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.runtime import native
from convgrad.compute.halide.runtime.cache import Cache, using
from convgrad.compute.halide.schedules import contraction
from convgrad.compute.halide.schedules.contraction import inside_shares
from convgrad.compute.halide.schedules.tiles import FAR, Tile, tile_for
from convgrad.compute.halide.schedules.winograd.reduction import winograd_pattern
from convgrad.compute.halide.target import machine
from convgrad.notation import Equation
from engine_support import bound, compare

CONVOLUTION = """
x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m-2,j+n-1,c else 0])
do[e,p,q,c] = sum[m,n,k](dx[e,p-m,q-n,k else 0] * w[m,n,c,k])
dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i+m-2,j+n-1,c else 0])
"""


def convolution(examples: int, channels: int, kernels: int) -> Equation:
    """A 5x3 kernel on images of 2x3."""
    shapes = {"o": (examples, 2, 3, channels), "w": (5, 3, channels, kernels), "dx": (examples, 2, 3, kernels)}
    return bound(CONVOLUTION, shapes=shapes, sizes={"I": 2, "J": 3, "P": 6, "Q": 5, "M": 5, "N": 3})


@pytest.mark.parametrize("forced", [{}, {"winograd": False, "reduction": "tiled"}], ids=str)
@pytest.mark.parametrize("sizes", [(37, 40, 19), (3, 33, 50), (1, 20, 64), (50, 7, 24)])
def test_convolutions_of_small_images(sizes: tuple[int, int, int], forced: dict[str, Any]) -> None:
    with scheduling(**forced):
        compare(convolution(*sizes), "float32")
        compare(convolution(*sizes), "float64")


def test_nothing_is_read_beyond_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory, Halide checks that the buffers cover all that is read and written."""
    monkeypatch.setattr(native, "compiler", lambda: None)
    compare(convolution(37, 40, 19), "float32")


@pytest.mark.parametrize("along", ["i", "j"])
def test_zeros_around_rows_are_read_where_columns_are_spared(monkeypatch: pytest.MonkeyPatch, along: str) -> None:
    """A tile along rows spares products beyond columns; beyond the rows it reads the zeros stored around `y`."""
    monkeypatch.setattr(contraction, "tile_for", lambda *_: Tile(machine().lanes(4), 1, 1, {along: 5}))
    text = """
    y[e,a,b,c] = 2 * o[e,a,b,c]
    x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * y[e,i+2*m-1,j+2*n-1,c else 0])
    """
    shapes = {"o": (4, 12, 9, 3), "w": (3, 2, 3, 7)} if along == "i" else {"o": (4, 9, 12, 3), "w": (2, 3, 3, 7)}
    sizes = {"I": 10, "J": 9} if along == "i" else {"I": 9, "J": 10}
    with scheduling(winograd=False, reduction="tiled"), using(Cache(None)):
        compare(bound(text, shapes=shapes, sizes=sizes), "float32", outputs=["x"])


def test_tiles_run_along_the_examples() -> None:
    equation = convolution(37, 40, 19)
    atom = equation.definitions[1]
    shares = inside_shares(atom, equation.shape_of)
    assert shares == {"p": pytest.approx(2 / 6), "q": pytest.approx(3 / 5)}
    assert shares["p"] * shares["q"] < FAR
    assert "e" in tile_for(atom, machine(), 4, spared=shares).positions
    assert "e" not in tile_for(atom, machine(), 4).positions


def test_winograd_has_to_be_better_than_what_leaves_zeros_out() -> None:
    """3x3 kernels and gradients of 2x2 images: a quarter of the products is left."""

    def by_winograd(side: int) -> bool:
        shapes = {"dx": (64, side, side, 64), "w": (3, 3, 64, 64)}
        text = "do[e,p,q,c] = sum[m,n,k](dx[e,p-m,q-n,k else 0] * w[m,n,c,k])"
        equation = bound(text, shapes=shapes, sizes={"P": side + 2, "Q": side + 2})
        return winograd_pattern(equation.result, equation.shape_of, 4) is not None

    assert by_winograd(14)
    assert not by_winograd(2)
