"""Winograd's convolutions against direct sums in float64: forward, gradient of the input, gradient of the kernels."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import halide as hl
import numpy as np
import pytest

import winograd_sizes
from convgrad.compute.halide.codegen.lowering import Tensor, from_function
from convgrad.compute.halide.schedules.winograd import choice as winograd_choice
from convgrad.compute.halide.schedules.winograd import forward as winograd
from convgrad.compute.halide.schedules.winograd import gradient as winograd_gradient
from convgrad.compute.halide.schedules.winograd.matrices import (
    Correlation,
    correlation,
    first_of_spread,
    spread,
    strided,
)
from convgrad.compute.halide.schedules.winograd.matrices import kernel_gradient as kernel_gradient_matrices
from convgrad.compute.halide.schedules.winograd.tiles import Sizes, grid, spared
from winograd_sizes import LANES, LARGE, ODD, REGISTERS, STRIDED


def aligned(shape: Sequence[int], values: Any) -> np.ndarray:
    raw = np.empty(int(np.prod(shape)) * 4 + 64, np.uint8)
    start = -raw.ctypes.data % 64
    array = raw[start : start + int(np.prod(shape)) * 4].view(np.float32).reshape(shape)
    array[...] = values
    return array


def parameter(name: str, shape: Sequence[int], low: Sequence[int] = (), high: Sequence[int] = ()) -> tuple[Any, Tensor]:
    """A dense float32 array, of which `low` and `high` elements around the tensor are zeros that are stored."""
    low, high = low or (0,) * len(shape), high or (0,) * len(shape)
    param, stride = hl.ImageParam(hl.Float(32), len(shape), name), 1
    for axis in reversed(range(len(shape))):
        whole = shape[axis] + low[axis] + high[axis]
        param.dim(len(shape) - 1 - axis).set_bounds(-low[axis], whole).set_stride(stride)
        stride *= whole
    tensor = from_function(param, tuple(shape))
    return param, Tensor(tuple(shape), tensor.load, tuple(low), tuple(high))


def run(func: Any, params: Sequence[Any], arrays: Sequence[np.ndarray], shape: Sequence[int]) -> np.ndarray:
    result = aligned(shape, np.nan)
    buffers = [hl.Buffer(array) for array in (*arrays, result)]
    func.compile_to_callable(list(params), hl.get_host_target())(*buffers)
    return result


def image_shape(sizes: Sizes) -> tuple[int, ...]:
    return (sizes.images, sizes.rows, sizes.columns, sizes.channels)


def result_shape(sizes: Sizes) -> tuple[int, int, int, int]:
    return (sizes.images, sizes.out_rows, sizes.out_columns, sizes.kernels)


def of_input_gradient(sizes: Sizes) -> Sizes:
    """The sizes with which the gradient with respect to o is a convolution of dx, its kernels turned if not strided."""
    shape, results = result_shape(sizes), (sizes.rows, sizes.columns)
    size, stride = sizes.kernel, sizes.stride
    if stride == 1:
        padding = (size - 1 - sizes.padding[0], size - 1 - sizes.padding[1])
        return Sizes(*shape, sizes.channels, padding, results, size)
    spread = sizes.padding[0]
    assert spread == sizes.padding[1], "rows and columns have the same matrices"
    first = first_of_spread(size, stride, spread)
    return Sizes(*shape, sizes.channels, (-first, -first), results, size, stride, spread)


def padded(o: np.ndarray, sizes: Sizes) -> np.ndarray:
    p, q = sizes.padding
    return np.pad(o.astype(float), ((0, 0), (p, p), (q, q), (0, 0)))


def convolution(o: np.ndarray, w: np.ndarray, sizes: Sizes) -> np.ndarray:
    """x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,S*i+m-p,S*j+n-q,c else 0]) in float64."""
    views = shifted(padded(o, sizes), sizes)
    return np.array(sum(views[m, n] @ w[m, n].astype(float) for m, n in views))


def shifted(wide: np.ndarray, sizes: Sizes) -> dict[tuple[int, int], np.ndarray]:
    """m, n -> what is multiplied by w[m,n]: o[e,S*i+m-p,S*j+n-q,c]."""
    stride = sizes.stride
    rows, columns = ((count - 1) * stride + 1 for count in (sizes.out_rows, sizes.out_columns))
    return {
        (m, n): wide[:, m : m + rows : stride, n : n + columns : stride]
        for m in range(sizes.kernel)
        for n in range(sizes.kernel)
    }


def input_gradient(dx: np.ndarray, w: np.ndarray, sizes: Sizes) -> np.ndarray:
    """do[e,p,q,c], each product added where its input was, in float64."""
    p, q = sizes.padding
    wide = padded(np.zeros(image_shape(sizes)), sizes)
    for (m, n), view in shifted(wide, sizes).items():
        view += dx.astype(float) @ w[m, n].T.astype(float)
    return wide[:, p : p + sizes.rows, q : q + sizes.columns]


def kernel_gradient(o: np.ndarray, dx: np.ndarray, sizes: Sizes) -> np.ndarray:
    """dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,S*i+m-p,S*j+n-q,c else 0]) in float64."""
    found = [np.einsum("eijc,eijk->ck", v, dx.astype(float)) for v in shifted(padded(o, sizes), sizes).values()]
    return np.reshape(found, (sizes.kernel, sizes.kernel, sizes.channels, sizes.kernels))


def error(value: np.ndarray, reference: np.ndarray) -> float:
    assert value.shape == reference.shape
    return float(abs(value - reference).max() / abs(reference).max())


def scheduled(work: winograd.Forward | winograd_gradient.WeightGradient) -> Any:
    """A Func of the sums alone."""
    variables, func = [hl.Var(v) for v in ("v0", "v1", "v2", "v3")], hl.Func("result")
    where = tuple(reversed(variables))
    func[where] = hl.Expr(work.sums[where])
    work.schedule(func, variables)
    return func


def forward(sizes: Sizes, blocks: winograd.Blocks, o: np.ndarray, w: np.ndarray, turned: bool = False) -> np.ndarray:
    """`turned`: w is m,n,k,c, and read backwards where the convolution is not strided."""
    (po, to), (pw, tw) = parameter("o", image_shape(sizes)), parameter("w", w.shape)
    last = sizes.kernel - 1

    def load(place: Sequence[Any]) -> Any:
        m, n, c, k = place
        return tw.load([last - m, last - n, k, c] if sizes.stride == 1 else [m, n, k, c])

    weights = Tensor((*w.shape[:2], sizes.channels, sizes.kernels), load) if turned else tw
    func = scheduled(winograd.Forward(to, weights, sizes, blocks, transposed=turned))
    return run(func, [po, pw], [o, w], result_shape(sizes))


def normal(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    return aligned(shape, rng.standard_normal(shape))


def kernels(rng: np.random.Generator, sizes: Sizes) -> np.ndarray:
    return normal(rng, (sizes.kernel, sizes.kernel, sizes.channels, sizes.kernels))


def bound(sizes: Sizes, blocks: winograd.Blocks) -> float:
    return winograd_choice.error_bound(sizes, blocks.outputs)


def results(matrices: Correlation, kernel: Sequence[int], data: Sequence[int]) -> list[Fraction]:
    """A^T ((G g) * (B^T d)), exactly."""

    def dot(row: Sequence[Fraction], values: Sequence[Any]) -> Fraction:
        return sum((a * b for a, b in zip(row, values, strict=True)), start=Fraction(0))

    products = [dot(g, kernel) * dot(d, data) for g, d in zip(matrices.kernel, matrices.data, strict=True)]
    return [dot(row, products) for row in matrices.inverse]


def whole_numbers(rng: np.random.Generator, count: int) -> list[int]:
    return [int(value) for value in rng.integers(-9, 10, count)]


@pytest.mark.parametrize(
    ("outputs", "terms"), [(4, 3), (2, 3), (3, 4), (2, 2), (4, 2), (4, 5), (2, 5), (5, 4), (1, 4), (4, 1)]
)
def test_matrices_correlate(outputs: int, terms: int, rng: np.random.Generator) -> None:
    f = correlation(outputs, terms)
    g, d = whole_numbers(rng, terms), whole_numbers(rng, f.reach)
    assert results(f, g, d) == [sum(g[j] * d[i + j] for j in range(terms)) for i in range(outputs)]
    assert f.size == (outputs + terms - 1 if 1 not in (outputs, terms) else outputs * terms)


def test_no_points_are_known_for_a_size() -> None:
    with pytest.raises(KeyError, match="12"):
        correlation(7, 7)


@pytest.mark.parametrize(("outputs", "terms", "stride"), [(4, 3, 2), (2, 3, 2), (4, 5, 2), (2, 7, 2), (4, 3, 3)])
def test_matrices_of_strided_correlations(outputs: int, terms: int, stride: int, rng: np.random.Generator) -> None:
    """Forward, for the gradient of the kernel, and for that of the data from every first place."""
    f = strided(outputs, terms, stride)
    g, d = whole_numbers(rng, terms), whole_numbers(rng, f.reach)
    assert results(f, g, d) == [sum(g[j] * d[stride * i + j] for j in range(terms)) for i in range(outputs)]
    assert f.step == stride * outputs
    f = kernel_gradient_matrices(terms, outputs, stride)
    g, d = whole_numbers(rng, outputs), whole_numbers(rng, f.reach)
    assert results(f, g, d) == [sum(g[i] * d[stride * i + j] for i in range(outputs)) for j in range(terms)]
    for shift in range(-3, 4):
        f, first = spread(outputs, terms, stride, shift), first_of_spread(terms, stride, shift)
        g, d = whole_numbers(rng, terms), whole_numbers(rng, f.reach)
        assert f.step == outputs
        assert results(f, g, d) == [
            sum(g[j] * d[(p + shift - j) // stride - first] for j in range(terms) if (p + shift - j) % stride == 0)
            for p in range(stride * outputs)
        ]


@pytest.mark.parametrize("sizes", [*ODD, *LARGE, *STRIDED], ids=str)
def test_forward_equals_the_direct_sum(sizes: Sizes, rng: np.random.Generator) -> None:
    o, w = normal(rng, image_shape(sizes)), kernels(rng, sizes)
    blocks = winograd_choice.cut(sizes, LANES, REGISTERS)
    assert error(forward(sizes, blocks, o, w), convolution(o, w, sizes)) < bound(sizes, blocks)


@pytest.mark.parametrize(
    "blocks",
    [
        winograd.Blocks(2, 16, 2, 4, 2, 1),
        winograd.Blocks(4, 16, 3, 4, 2, 1),
        winograd.Blocks(4, 8, 2, 6, 3, 2),
        winograd.Blocks(4, 16, 2, 5, 3, 3, stretch=16),
    ],
    ids=str,
)
def test_every_cut_is_right(blocks: winograd.Blocks, rng: np.random.Generator) -> None:
    """Tasks that don't divide the rows or the images, tiles that don't divide a task, several blocks of kernels."""
    sizes = Sizes(5, 13, 11, 20, 70, (1, 2))
    o, w = normal(rng, image_shape(sizes)), kernels(rng, sizes)
    assert error(forward(sizes, blocks, o, w), convolution(o, w, sizes)) < bound(sizes, blocks)


def test_all_cuts_of_a_convolution_give_the_same_bits(rng: np.random.Generator) -> None:
    sizes = Sizes(2, 13, 12, 20, 33, (1, 1))
    o, w = normal(rng, image_shape(sizes)), kernels(rng, sizes)
    cuts = [winograd_choice.cut(sizes, lanes, registers) for lanes, registers in ((16, 32), (8, 16))]
    cuts.append(winograd.Blocks(4, 16, 1, 5, 2, 2, stretch=16))
    results = [forward(sizes, blocks, o, w) for blocks in cuts]
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


SPARING = [  # 3, 2 and 1 results in the last tile: one of 6 planes there, of 2 or 3 tiles along an axis
    (Sizes(4, 7, 6, 20, 33, (1, 1)), 11 * 11 / 12**2),
    (Sizes(8, 8, 9, 5, 17, (1, 1)), 17 / 18),
    (Sizes(4, 8, 12, 20, 33, (1, 1)), 1.0),
]


@pytest.mark.parametrize(("sizes", "share"), SPARING, ids=str)
def test_tiles_that_end_outside_spare_products(sizes: Sizes, share: float, rng: np.random.Generator) -> None:
    """To the same bits: a cut whose registers hold tiles of one image computes them, and doesn't use them."""
    spares = spared(sizes, 4, sizes.correlation(4).inverse)
    place = grid(sizes, 4, sizes.tile_rows(4), sizes.images)
    planes = list(product(range(6), range(6)))
    places = range(place.rows * place.columns)
    counted = sum(bool(place.needed(0, at, plane, spares)) for at in places for plane in planes) if spares else None
    assert spares.share == pytest.approx(share)
    assert counted in (None, round(share * len(planes) * len(places)))
    o, w = normal(rng, image_shape(sizes)), kernels(rng, sizes)
    cuts = [winograd.Blocks(4, 16, 2, tiles, place.rows, sizes.images, stretch=16) for tiles in (4, 3)]
    spared_result, whole = (forward(sizes, blocks, o, w) for blocks in cuts)
    np.testing.assert_array_equal(spared_result, whole)
    assert error(whole, convolution(o, w, sizes)) < bound(sizes, cuts[0])


@pytest.mark.parametrize("sizes", [*ODD[:3], *LARGE, *STRIDED[:3]], ids=str)
def test_input_gradient(sizes: Sizes, rng: np.random.Generator) -> None:
    """do[p,q,c] gathers dx with the kernels turned, read where they lie."""
    back = of_input_gradient(sizes)
    assert result_shape(back) == image_shape(sizes)
    dx, w = normal(rng, result_shape(sizes)), kernels(rng, sizes)
    blocks = winograd_choice.cut(back, LANES, REGISTERS)
    assert error(forward(back, blocks, dx, w, turned=True), input_gradient(dx, w, sizes)) < bound(back, blocks)


def test_stored_zeros_around_the_image_are_used(rng: np.random.Generator) -> None:
    """A border of the size of the padding: what lies beyond it (tiles reach further) is still zero."""
    sizes = Sizes(2, 7, 9, 20, 16, (1, 1))
    low, high = (0, 1, 1, 0), (0, 1, 2, 0)
    o, w = rng.standard_normal(image_shape(sizes)), normal(rng, (3, 3, 20, 16))
    wide = np.pad(o, list(zip(low, high, strict=True)))
    (po, to), (pw, tw) = parameter("o", o.shape, low, high), parameter("w", w.shape)
    blocks = winograd_choice.cut(sizes, LANES, REGISTERS)
    func = scheduled(winograd.Forward(to, tw, sizes, blocks))
    result, image = aligned(result_shape(sizes), np.nan), hl.Buffer(aligned(wide.shape, wide))
    image.set_min([-n for n in reversed(low)])
    func.compile_to_callable([po, pw], hl.get_host_target())(image, hl.Buffer(w), hl.Buffer(result))
    assert error(result, convolution(o, w, sizes)) < bound(sizes, blocks)


def weight_gradient(sizes: Sizes, blocks: winograd_gradient.Blocks, o: np.ndarray, dx: np.ndarray) -> np.ndarray:
    (po, to), (pd, td) = parameter("o", image_shape(sizes)), parameter("dx", result_shape(sizes))
    func = scheduled(winograd_gradient.WeightGradient(to, td, sizes, blocks))
    return run(func, [po, pd], [o, dx], (sizes.kernel, sizes.kernel, sizes.channels, sizes.kernels))


@pytest.mark.parametrize("sizes", [*ODD, *LARGE, *STRIDED], ids=str)
def test_weight_gradient(sizes: Sizes, rng: np.random.Generator) -> None:
    o, dx = normal(rng, image_shape(sizes)), normal(rng, result_shape(sizes))
    blocks = winograd_choice.weight_gradient_cut(sizes, LANES, REGISTERS)
    most = winograd_choice.weight_gradient_error_bound(sizes, blocks)
    assert error(weight_gradient(sizes, blocks, o, dx), kernel_gradient(o, dx, sizes)) < most


@pytest.mark.parametrize(
    "blocks",
    [
        winograd_gradient.Blocks(4, 16, 2, 4, 3, 1, runs=3),
        winograd_gradient.Blocks(4, 16, 3, 5, 3, 2, runs=1),
        winograd_gradient.Blocks(2, 8, 2, 6, 2, 1, runs=0, width=32),
        winograd_gradient.Blocks(4, 16, 2, 4, 3, 5, runs=0, width=32),  # spares products
    ],
    ids=str,
)
def test_every_cut_of_the_weight_gradient_is_right(blocks: winograd_gradient.Blocks, rng: np.random.Generator) -> None:
    """Runs of unequal length, tasks that reach beyond the images, blocks that reach beyond the channels."""
    sizes = Sizes(5, 11, 13, 33, 70, (1, 0))
    o, dx = normal(rng, image_shape(sizes)), normal(rng, result_shape(sizes))
    most = winograd_choice.weight_gradient_error_bound(sizes, blocks)
    assert error(weight_gradient(sizes, blocks, o, dx), kernel_gradient(o, dx, sizes)) < most


def digest() -> str:
    """Of all three results, for sizes with several tasks, runs and blocks."""
    rng, sizes = np.random.default_rng(3), Sizes(7, 13, 11, 20, 40, (1, 1))
    o, w = normal(rng, image_shape(sizes)), normal(rng, (3, 3, 20, 40))
    dx = normal(rng, result_shape(sizes))
    back = of_input_gradient(sizes)
    results = [
        forward(sizes, winograd.Blocks(4, 16, 2, 4, 2, 1), o, w),
        forward(back, winograd.Blocks(4, 16, 1, 4, 4, 2, stretch=16), dx, w, turned=True),
        forward(sizes, winograd.Blocks(4, 16, 2, 7, 4, 7, stretch=16), o, w),  # spares products, as the last one does
        weight_gradient(sizes, winograd_gradient.Blocks(4, 16, 2, 4, 2, 1, runs=4), o, dx),
        weight_gradient(sizes, winograd_gradient.Blocks(4, 16, 2, 4, 4, 7, runs=0, width=32), o, dx),
    ]
    return hashlib.sha256(b"".join(result.tobytes() for result in results)).hexdigest()


def test_same_bits_for_any_number_of_threads() -> None:
    def with_threads(count: int) -> str:
        support = os.path.dirname(winograd_sizes.__file__)
        environment = {**os.environ, "HL_NUM_THREADS": str(count), "PYTHONPATH": support}
        program = [sys.executable, __file__]
        return subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout

    first, *others = [with_threads(count) for count in (1, 2, 4)]
    assert len(first) == 65
    assert others == [first, first]


SUITING = [
    (Sizes(64, 32, 32, 64, 64, (1, 1)), 4, True, True),
    (Sizes(64, 16, 16, 128, 128, (1, 1)), 4, True, True),
    (Sizes(8, 7, 7, 512, 512, (1, 1)), 4, True, True),
    (Sizes(64, 6, 7, 64, 64, (1, 1)), 4, True, True),
    (Sizes(64, 28, 28, 1, 32, (0, 0)), 4, False, False),  # transforms would take longer than the convolution
    (Sizes(64, 2, 2, 256, 256, (1, 1)), 2, True, True),  # three quarters of a 4x4 tile would lie outside
    (Sizes(64, 1, 1, 64, 64, (1, 1)), 2, False, False),
    (Sizes(64, 2, 2, 64, 64, (0, 0)), 4, False, False),  # no place at all
    (Sizes(64, 12, 12, 20, 50, kernel=5), 4, True, True),
    (Sizes(64, 12, 12, 128, 128, kernel=5), 2, True, True),  # with so many channels, 4x4 tiles would err too much
    (Sizes(64, 28, 28, 1, 20, kernel=5), 4, False, False),
    (Sizes(64, 32, 32, 64, 128, (1, 1), stride=2), 4, True, True),
    (Sizes(16, 60, 60, 128, 384, stride=2), 4, True, False),  # 16 MiB of sums, read and written again in each task
    (Sizes(10, 11, 11, 16, 128, (2, 2), kernel=5, stride=2), 2, True, False),  # 5 tasks for the threads
    (Sizes(8, 224, 224, 3, 64, (3, 3), kernel=7, stride=2), 2, False, False),
    (Sizes(64, 28, 28, 64, 64, kernel=9), None, False, False),  # no points are known
    (Sizes(1, 64, 4096, 256, 256, (1, 1)), 4, False, False),  # one row of tiles is larger than the caches
]


@pytest.mark.parametrize(("sizes", "outputs", "suits", "gradient"), SUITING, ids=str)
def test_where_it_suits(sizes: Sizes, outputs: int | None, suits: bool, gradient: bool) -> None:
    assert winograd_choice.best_outputs(sizes) == outputs
    assert winograd_choice.suits(sizes) == suits
    assert winograd_choice.suits_weight_gradient(sizes) == gradient


@pytest.mark.parametrize(
    ("sizes", "outputs", "suits"),
    [
        (Sizes(1, 14, 14, 256, 256, (1, 1)), 4, True),
        (Sizes(1, 8, 8, 256, 256, (1, 1)), 4, True),
        (Sizes(1, 7, 7, 512, 512, (1, 1)), 2, True),  # 38 MB with tiles of 4x4 come from memory
        (Sizes(1, 4, 4, 512, 512, (1, 1)), 2, False),
        (Sizes(1, 56, 56, 64, 128, (1, 1), stride=2), 4, False),
    ],
    ids=str,
)
def test_where_it_suits_kernels_that_were_transformed_before(sizes: Sizes, outputs: int, suits: bool) -> None:
    assert winograd_choice.best_outputs(sizes, frozen=True) == outputs
    assert winograd_choice.suits(sizes, frozen=True) == suits


def test_few_tiles_are_one_task_that_spares_products() -> None:
    cut = winograd_choice.cut(Sizes(8, 14, 14, 256, 256, (1, 1)), 16, 32)
    assert (cut.rows, cut.images, cut.vectors, cut.tiles, cut.stretch) == (4, 8, 2, 8, 128)
    assert winograd_choice.cut(Sizes(8, 7, 7, 512, 512, (1, 1)), 16, 32).tiles == 4, (
        "not 7, which don't divide 8 images"
    )


@pytest.mark.parametrize(("lanes", "registers"), [(16, 32), (8, 16), (4, 32), (4, 16)])
@pytest.mark.parametrize("sizes", [case[0] for case in SUITING if case[2]], ids=str)
def test_cuts_fit_the_registers(sizes: Sizes, lanes: int, registers: int) -> None:
    cut = winograd_choice.cut(sizes, lanes, registers)
    assert cut.vectors * cut.tiles <= registers - 4
    assert cut.lanes == lanes
    gradient = winograd_choice.weight_gradient_cut(sizes, lanes, registers)
    assert gradient.vectors * gradient.channels <= registers - 4


if __name__ == "__main__":
    print(digest())
