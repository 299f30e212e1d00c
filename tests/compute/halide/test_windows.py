"""Gradients of max pooling, with vectors along channels, and along columns and channels where these are few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.passes.atoms import is_reduction
from convgrad.compute.halide.passes.windows import windows_of
from convgrad.compute.halide.runtime import native
from convgrad.compute.halide.schedules import depthwise
from convgrad.compute.halide.target import Machine
from convgrad.notation import Equation
from convgrad.notation.terms import Reduce
from engine_support import bound, compare

POOLING = """
do[e,p,q,c] = sum[m,n](where(a[e,(p-m+{first})/{stride},(q-n+{first})/{stride},c else 0] == {size}*m+n, \
dx[e,(p-m+{first})/{stride},(q-n+{first})/{stride},c else 0], 0))
r[e,p,q,c] = where(x[e,p,q,c] > 0, do[e,p,q,c] * g[c], x[e,p,q,c])
"""
SIZES = [  # examples, rows, columns, channels, window, stride, first row and column of the windows
    (3, 13, 17, 1, 5, 2, 2),
    (5, 12, 9, 3, 3, 2, 0),
    (2, 11, 22, 18, 2, 2, 1),
    (3, 19, 14, 33, 3, 2, 1),
    (2, 9, 13, 48, 5, 1, 2),
    (2, 40, 7, 5, 3, 1, 1),
    (3, 14, 16, 20, 3, 3, 0),
    (2, 15, 11, 32, 3, 2, 1),
    (2, 9, 7, 256, 5, 1, 2),
    (1, 11, 8, 520, 3, 1, 1),
    (4, 7, 9, 2, 2, 2, 1),
]


def pooling(
    examples: int, rows: int, columns: int, channels: int, size: int, stride: int, first: int
) -> tuple[Equation, Mapping[str, Any]]:
    results = [(length + 2 * first - size) // stride + 1 for length in (rows, columns)]
    image, windows = (examples, rows, columns, channels), (examples, *results, channels)
    shapes = {"a": windows, "dx": windows, "x": image, "g": (channels,)}
    sizes = {"P": rows, "Q": columns, "M": size, "N": size}
    equation = bound(POOLING.format(first=first, stride=stride, size=size), shapes=shapes, sizes=sizes)
    return equation, {"a": np.random.default_rng(1).integers(0, size**2, windows)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_gradients_of_max_pooling(sizes: Any, dtype: str) -> None:
    """Alone, and with what is applied to it on the way to memory."""
    equation, given = pooling(*sizes)
    atom = equation.definitions[0]
    assert isinstance(atom.term, Reduce)
    assert is_reduction(atom)
    assert windows_of(atom.term, atom.indices, atom.sizes) is not None
    compare(equation, dtype, given)
    compare(equation, dtype, given, outputs=["r"])


@pytest.mark.parametrize(("channels", "tile"), [(512, (2, {"p": 4})), (496, (1, {"p": 2}))])
def test_tiles_are_wide_where_what_they_read_crowds_in_a_cache(
    channels: int, tile: tuple[int, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depthwise, "machine", lambda: Machine(32, 16, "x86-64-avx2"))
    equation, _ = pooling(1, 104, 104, channels, 5, 1, 2)
    windows = depthwise.depthwise_windows(equation.definitions[0], 4)
    assert windows is not None
    found = depthwise.tile_of(equation.definitions[0], windows, 4, equation.shape_of["dx"])
    assert (found.vectors, found.positions) == tile


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_nothing_is_read_or_written_beyond_the_end(sizes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory, Halide checks that the buffers cover all that is read and written."""
    monkeypatch.setattr(native, "compiler", lambda: None)
    equation, given = pooling(*sizes)
    compare(equation, "float32", given, outputs=["r"])


@pytest.mark.parametrize(
    "change",
    [
        ("== 3*m+n", "!= 3*m+n"),
        (", 0))\nr", ", 1))\nr"),
        ("a[e,(p-m", "a[e,(p+m"),
        ("c else 0], 0))", "c else 1], 0))"),
        ("sum[m,n](where", "max[m,n](where"),
    ],
)
def test_what_is_no_sum_over_windows(change: tuple[str, str]) -> None:
    sizes = SIZES[1]
    text = POOLING.format(first=0, stride=2, size=3)
    assert change[0] in text
    known = pooling(*sizes)[0]
    shapes = {name: known.shape_of[name] for name in ("a", "dx", "x", "g")}
    equation = bound(text.replace(*change), shapes=shapes, sizes={"P": 12, "Q": 9, "M": 3, "N": 3})
    atom = equation.definitions[0]
    assert isinstance(atom.term, Reduce)
    assert windows_of(atom.term, atom.indices, atom.sizes) is None
