"""Sums in slices that read panels: operands in the order of tiles, with vectors along the longer rows."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.passes.atoms import split
from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.schedules import reduction
from convgrad.compute.halide.schedules.panels import panelled, tile_in_slices
from convgrad.compute.halide.schedules.tiles import (
    MOST_VECTORS,
    accumulators,
    dividing_tile,
    most_positions,
    slicing_tiles,
    tile_for,
)
from convgrad.compute.halide.target import Machine, machine
from convgrad.notation import Equation
from engine_runs import run_python
from engine_support import bound, compare

WIDE = machine().lanes(4) == 16
DENSE = "x[e,k] = sum[c](w[c,k] * o[e,c])"
WEIGHTS = "dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,{s}*i+m,{s}*j+n,c])"
PADDED = "dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i+m-1,j+n-1,c else 0])"
GROUPED = "dw[m,n,c,g,k] = sum[e,i,j](dx[e,i,j,g,k] * o[e,i+m,j+n,g,c])"
BITS = """
import hashlib, sys
sys.path[:0] = ["tests/support", "tests/compute/halide"]
import numpy as np
from convgrad.compute.halide.program import compile_program
from test_panels import weights
program = compile_program(weights(29, 5, 7, 217, 35, 1, 2), ["dw"])
for name in ("dx", "o"):
    program.set(name, np.random.default_rng(0).standard_normal(program.arrays[name].shape))
program.run()
print(hashlib.sha256(program.arrays["dw"].tobytes()).hexdigest())
"""


def weights(batch: int, rows: int, columns: int, channels: int, kernels: int, kernel: int, stride: int = 1) -> Equation:
    """The gradient of a convolution's kernels, for results of `rows` x `columns`."""
    image = [stride * (size - 1) + kernel for size in (rows, columns)]
    shapes = {"dx": (batch, rows, columns, kernels), "o": (batch, *image, channels)}
    sizes = {"I": rows, "J": columns, "M": kernel, "N": kernel}
    return bound(WEIGHTS.format(s=stride), shapes=shapes, sizes=sizes)


CASES: dict[str, Equation] = {
    "long rows": weights(29, 5, 7, 217, 35, 1, 2),
    "few kernels": weights(17, 9, 11, 193, 2, 2),
    "rows of both": weights(6, 4, 5, 150, 139, 1),
    "one image": weights(1, 23, 7, 131, 33, 1),
    "blocks that end outside": weights(13, 9, 7, 152, 68, 1),
    "a dense layer": bound("dw[c,k] = sum[e](dx[e,k] * o[e,c])", shapes={"dx": (97, 20), "o": (97, 211)}),
    "zeros around": bound(
        PADDED, shapes={"dx": (7, 6, 8, 37), "o": (7, 6, 8, 130)}, sizes={"I": 6, "J": 8, "M": 3, "N": 3}
    ),
    "groups": bound(
        GROUPED, shapes={"dx": (7, 6, 8, 2, 9), "o": (7, 7, 9, 2, 140)}, sizes={"I": 6, "J": 8, "M": 2, "N": 2}
    ),
}


@pytest.mark.parametrize("equation", CASES.values(), ids=CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_from_panels(equation: Equation, dtype: str) -> None:
    with scheduling(winograd=False, reduction="sliced"):
        compare(equation, dtype)


@pytest.mark.skipif(not WIDE, reason="other vectors have other tiles")
@pytest.mark.parametrize(
    ("channels", "kernels", "last"), [(512, 32, "k"), (192, 2, "c"), (32, 512, "k"), (128, 96, "k")]
)
def test_vectors_run_along_rows_that_fill_them(channels: int, kernels: int, last: str) -> None:
    (atom,) = split(weights(32, 17, 17, channels, kernels, 1).definitions[0])
    turned, tile = tile_in_slices(atom, 289, 4)
    assert panelled(atom).keys() == {"c", "k"}
    assert turned.indices[-1] == last
    assert tile.width <= turned.shape[-1]


def test_tiles_need_not_divide_sizes_along_rows() -> None:
    """Of 16 registers 12 hold sums: 6 of 64 channels at a time, with zeros in a panel beyond the last four."""
    few, many = Machine(32, 16, "any"), Machine(64, 32, "any")
    (atom,) = split(weights(8, 56, 56, 64, 64, 1).definitions[0])
    _, tile = slicing_tiles(atom, few, 4, 56, panelled(atom))
    assert (tile.vectors, tile.positions) == (2, {"c": 6})
    for machine_ in (few, many):
        _, tile = slicing_tiles(atom, machine_, 4, 56, ())
        assert all(atom.sizes[index] % count == 0 for index, count in tile.positions.items())


@pytest.mark.parametrize("registers", [16, 32])
def test_sums_and_what_is_loaded_for_them_fit_the_registers(registers: int) -> None:
    """The vectors that all places share, one number for all lanes, and the sums: one more goes through memory."""
    machine_ = Machine(32, registers, "any")
    for vectors in range(1, MOST_VECTORS + 1):
        places = most_positions(machine_, vectors)
        assert vectors * places + vectors + 1 <= registers
        assert vectors * places <= accumulators(machine_)
    assert most_positions(machine_, 4) == {16: 2, 32: 6}[registers]
    for channels in (23, 64, 256, 1000):
        atom = split(bound(DENSE, shapes={"w": (300, channels), "o": (64, 300)}).definitions[0])[0]
        for tile in (tile_for(atom, machine_, 4), dividing_tile(atom, machine_, 4)):
            assert tile.vectors * (prod(tile.positions.values()) + 1) < registers


@pytest.mark.parametrize(
    ("batch", "size", "channels", "slices"),
    [(64, 8, 256, True), (16, 8, 256, True), (64, 4, 512, True), (1, 4, 512, False), (32, 3, 167, False)],
)
def test_tiles_that_read_more_than_they_multiply_go_in_slices(
    monkeypatch: pytest.MonkeyPatch, batch: int, size: int, channels: int, slices: bool
) -> None:
    """Tiles of 6 rows by 2 vectors of 8 read 2 lines for 6 cycles of arithmetic; 6 by 4 of 16 in halves 5 for 24.
    Slices of few terms, 32 * 3 * 3, would have a few each."""
    (atom,) = split(weights(batch, size, size, channels, channels, 1).definitions[0])
    monkeypatch.setattr(reduction, "machine", lambda: Machine(32, 16, "any"))
    assert reduction._sliced(atom, 4) == slices
    monkeypatch.setattr(reduction, "machine", lambda: Machine(64, 32, "any", halves=True))
    assert not reduction._sliced(atom, 4)
    (forward,) = split(bound(DENSE, shapes={"w": (4096, 64), "o": (64, 4096)}).definitions[0])
    monkeypatch.setattr(reduction, "machine", lambda: Machine(32, 16, "any"))
    assert not reduction._sliced(forward, 4)  # neighbours in a tile read whole rows, one after the other


def test_an_index_of_both_factors_has_no_panel() -> None:
    (atom,) = split(CASES["groups"].definitions[0])
    assert panelled(atom).keys() == {"c", "k"}
    (atom,) = split(CASES["zeros around"].definitions[0])
    assert panelled(atom).keys() == {"c", "k"}  # m and n stand in sums of indices


@pytest.mark.parametrize(("size", "lanes"), [(20, 8), (72, 8), (16, 16), (217, 16), (10, 16), (8, 8), (3, 4)])
def test_shorter_vectors_where_these_fill_better_and_take_half_the_time(size: int, lanes: int) -> None:
    (atom,) = split(bound(DENSE, shapes={"w": (300, size), "o": (64, 300)}).definitions[0])
    whole = Machine(64, 32, "any")
    assert tile_for(atom, replace(whole, halves=True), 4).lanes == lanes
    assert tile_for(atom, whole, 4).lanes == (16 if size > 8 else lanes)


def test_what_the_last_vector_reads_again_is_not_multiplied() -> None:
    """Of 21 numbers a vector of 16 reads the last 5 with 11 that were added before: infinity times 0 is no number."""
    equation = bound("x[e] = sum[c](w[c] * o[e,c])", shapes={"w": (1021,), "o": (50, 1021)})
    w, o = np.ones(1021), np.ones((50, 1021))
    o[3, 1007] = np.inf
    with scheduling(reduction="folded"):
        program = compile_program(equation, ["x"])
    program.set("w", w)
    program.set("o", o)
    program.run()
    expected = np.full(50, 1021.0)
    expected[3] = np.inf
    np.testing.assert_array_equal(program.arrays["x"], expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("do[e,c] = sum[k](w[c,k] * dx[e,k])", {"w": (25, 64), "dx": (3, 64)}),  # vectors along k, added up
        ("do[e,c] = sum[k](w[c,k] * dx[e,k])", {"w": (7, 37), "dx": (5, 37)}),
        (DENSE, {"w": (33, 7), "o": (11, 33)}),  # vectors of 4 along k
        ("do[e,c] = sum[k](w[c,k] * dx[e,k])", {"w": (1201, 37), "dx": (19, 37)}),  # blocks with copies of their own
        ("do[e,c] = sum[k](w[c,k] * dx[e,k])", {"w": (1201, 7), "dx": (9, 7)}),  # few terms
    ],
)
def test_small_and_turned_dense_layers(text: str, shapes: dict[str, tuple[int, ...]], dtype: str) -> None:
    compare(bound(text, shapes=shapes), dtype)


@pytest.mark.parametrize(
    "text", ["x[i] = sum[m](m * i + 1)", "x[i] = sum[m]((m + 1) * (i + 2))", "x[i] = max[m](m - i)"]
)
def test_sums_that_read_no_tensor(text: str) -> None:
    compare(bound(text, sizes={"I": 5, "M": 70}), "float32")


def test_the_same_bits_for_any_number_of_threads() -> None:
    digests = {line for count in "124" for line in run_python(BITS, HL_NUM_THREADS=count).split()}
    assert len(digests) == 1
