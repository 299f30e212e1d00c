"""Where Winograd's convolutions pay, and how their work is cut: from the sizes and the processor alone.

Never by a stopwatch: these schedules round otherwise than the direct ones, tiles of 4x4 otherwise than those of 2x2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from math import ceil, sqrt

from convgrad.compute.halide.schedules.winograd import forward as winograd
from convgrad.compute.halide.schedules.winograd import gradient as winograd_gradient
from convgrad.compute.halide.schedules.winograd.matrices import Correlation
from convgrad.compute.halide.schedules.winograd.products import operations
from convgrad.compute.halide.schedules.winograd.tiles import Grid, Sizes, grid, spared

LEAST_GAIN = 1.3
"""Predicted gain over a direct schedule from which Winograd is taken: below, it is not worth the rounding."""
LEAST_GAIN_FROZEN = 1.5
"""The same where kernels were transformed before. One image on one thread: 512 channels at 7x7 1.6 by these counts, and
2.3 ms directly, 1.6 with tiles of 2x2; 64 -> 128 channels at 56x56 with stride 2 1.5, and 1.18 ms, 1.09 with tiles."""
LEAST_GAIN_FOR_ONE = 0.4
"""The same for one image, where this one is to get the bits that many get: the transforms of kernels are then for a few
tiles. With tiles of 4x4 for 512 channels at 4x4, a prediction of one image by ResNet-18 would take 2.2 times as long as
directly, by these counts; with tiles of 2x2 it takes 1.5 times, and one of 64 images 1.1 times as long as with 4x4."""
MOST_ERROR = 1e-5
"""Of the largest result: algorithms that may err more are not taken. Direct sums of thousands of terms err as much."""
DIRECT_SHARE, GRADIENT_SHARE = 0.9, 0.7
"""Of the multiply-adds' peak that direct schedules reach: 0.84 to 0.94; for the gradient of kernels 0.61 to 0.72."""
OUTPUTS = (4, 2)
"""Results along a side of a tile, of each phase where there are some."""
TILE = 60
"""Cycles for a vector of channels of a tile beside its operations, loads and stores, which take one each: with these,
F(4x4,3x3) takes 340 for o and 270 for x; measured: 200 with 16 channels in vectors of 16, 400 with 128."""
WEIGHTS_FROM_MEMORY = 2
"""How much longer the transform of a kernel takes than its operations, loads and stores: 162 for 3x3, measured 300."""
MOST_WEIGHTS = 1 << 24
"""Bytes of transformed weights that are made before all else: 16 MiB, half of a third-level cache."""
FEW_TILES = 128
"""Tiles of all images up to which half as many bytes are enough for that, all in one task: each kernel is then
transformed once, where it is used. 128 tiles by 2 vectors by 36 are 590 KB of products."""
WEIGHTS_AT_ONCE = 36 * 64 * 64
"""Numbers of transformed kernels that a task has at once: 590 KB, a little more than half of a second-level cache. 256
channels at 14x14, 8 images, 2 vectors, on one thread: 6.4 to 6.6 ms; with half as many, so that all products are loaded
and stored twice as often, 7.7. (4x4, stride 2, tiles of 10x10, on a Zen 3: 11.8 ms; 13.2 with 2.8 times as many.)"""
CACHE = 1 << 19
"""Bytes of transformed tiles and products of a task: half of a second-level cache of 1 MiB."""
NEAR = 3 << 18
"""Bytes of transformed kernels that a second-level cache of 1 MiB has room for, beside what is multiplied by them."""
FROM_CACHE, FROM_MEMORY = 2, 4
"""Cycles for 16 weights that are read once in a program: 64 bytes at 32 bytes a cycle from the caches, where they are
no more than MOST_WEIGHTS, and at 16 bytes a cycle from beyond. With 2 multiply-adds a cycle, that is as long as 8 tiles
take. (Zen 4 does one of 16 numbers in a clock: 60 and 30 GB/s.)"""
LARGEST_TASK = 1 << 22  # the same, where even one row of tiles takes more than CACHE
MOST_SUMS = 1 << 22
"""Bytes of the sums of all runs, which are read and written again for each task: 4 MiB, two second-level caches of
two threads. With 16 MiB, more runs, the gradient took up to twice as long where memory was slow."""
BLOCK = 64
"""Kernels and channels of which a thread holds the sums, where all are more than MOST_WEIGHTS: 36 * 64 * 64 * 4 bytes
are 590 KB, half of a second-level cache. Elsewhere twice as many of each, so that tiles are read half as often: 256
channels at 8x8, 64 images, on one thread: 15.9 ms, 18.4 with 64; at 14x14, 8 images: 6.4, and 7.2 with all at once."""
MOST_TILES = 1 << 26
"""Bytes of all transformed tiles, for the gradient of many kernels: 64 MiB."""


def algorithms(sizes: Sizes) -> list[int]:
    """Results along a side of a tile, of all algorithms that there are for a convolution."""
    phases = 1 if sizes.spread is None else sizes.stride
    found = []
    for outputs in (phases * count for count in OUTPUTS):
        if _known(sizes.correlation, outputs) and _error(sizes.correlation(outputs), sizes.channels) <= MOST_ERROR:
            found.append(outputs)
    return found


def _reading(weights: int) -> int:
    """Cycles, times the elements of a vector, to read weights once in a program."""
    return weights * (FROM_CACHE if 4 * weights <= MOST_WEIGHTS else FROM_MEMORY)


def _known(make: Callable[[int], Correlation], outputs: int) -> bool:
    try:
        make(outputs)
    except KeyError:
        return False
    return True


def gain(sizes: Sizes, outputs: int, frozen: bool = False) -> float:
    """How many times as fast as a direct schedule tiles of outputs x outputs are, roughly.

    frozen: kernels were transformed before; then what counts with few images is to read them.
    """
    algorithm = sizes.correlation(outputs)
    pairs = sizes.channels * sizes.kernels
    products = algorithm.size**2 * pairs / 2
    transforms = _data_cycles(algorithm) * sizes.channels + _back_cycles(algorithm) * sizes.kernels
    if frozen:
        direct = _direct_cycles(sizes, DIRECT_SHARE) + _reading(sizes.kernel**2 * pairs)
        return direct / (sizes.tiles(outputs) * (products + transforms) + _reading(algorithm.size**2 * pairs))
    all_tiles = sizes.tiles(outputs) * (products + transforms)
    return _direct_cycles(sizes, DIRECT_SHARE) / (all_tiles + _kernel_cycles(algorithm) * pairs)


def _direct_cycles(sizes: Sizes, share: float) -> float:
    """Cycles of a direct schedule that reaches a share of the peak, two multiply-adds a cycle."""
    places = max(0, sizes.out_rows * sizes.out_columns)
    return sizes.images * places * sizes.products * sizes.channels * sizes.kernels / 2 / share


def _data_cycles(algorithm: Correlation) -> int:
    """Cycles for the transform of a tile of data, for a vector of channels; tiles side by side share columns."""
    size, step = algorithm.size, algorithm.step
    return operations(algorithm.data) * (step + size) + step * algorithm.reach + size**2 + TILE


def _back_cycles(algorithm: Correlation) -> int:
    """Cycles for the transform of a tile of products into results, for a vector of channels."""
    size, outputs = algorithm.size, algorithm.outputs
    return operations(algorithm.inverse) * (size + outputs) + size**2 + outputs**2 + TILE


def _kernel_cycles(algorithm: Correlation) -> int:
    """Cycles for the transform of a vector of kernels."""
    size, terms = algorithm.size, algorithm.terms
    return WEIGHTS_FROM_MEMORY * (operations(algorithm.kernel) * (size + terms) + size**2 + terms**2)


def best_outputs(sizes: Sizes, for_one: bool = False, frozen: bool = False) -> int | None:
    """The side of the tiles: 2 (of each phase) where most of a 4x4 tile would lie outside. None: there is no way.

    for_one: the same is done for a single image, which must not be much slower for it. frozen: as above.
    """
    found = algorithms(sizes)
    if for_one and not frozen:
        found = [outputs for outputs in found if gain(replace(sizes, images=1), outputs) >= LEAST_GAIN_FOR_ONE]
    return max(found, key=lambda outputs: gain(sizes, outputs, frozen), default=None)


def suits(sizes: Sizes, for_one: bool = False, frozen: bool = False, inside: float = 1.0) -> bool:
    """Whether a convolution, which the gradient of its input is, too, should be done so; the others as above.

    inside: the share of products that are not with zeros outside, which a direct schedule leaves out.
    """
    outputs = best_outputs(sizes, for_one, frozen)
    if outputs is None:
        return False
    size = sizes.correlation(outputs).size
    row = 4 * size**2 * sizes.tile_columns(outputs) * (sizes.channels + min(64, sizes.kernels))
    least = LEAST_GAIN_FROZEN if frozen else LEAST_GAIN
    return gain(sizes, outputs, frozen) * inside >= least and row <= LARGEST_TASK


def suits_beside_pairs(sizes: Sizes, for_one: bool = False) -> bool:
    """Whether it is quicker than a direct schedule that takes two products at once (`paired.py`).

    On an AMD EPYC (Zen 4), 3x3, ms paired and Winograd's: 16 channels 0.35 and 0.41, 32: 1.34 and 1.12, 64: 2.7 and
    1.9, 128: 2.7 and 1.7; predicted gains are 0.7, 1.07, 1.42 and 1.58.
    """
    outputs = best_outputs(sizes, for_one)
    return outputs is not None and gain(sizes, outputs) >= 2


def gradient_outputs(sizes: Sizes) -> int | None:
    """The side of tiles of upstream gradients, for the gradient of the kernels."""
    found = [outputs for outputs in OUTPUTS if _known(sizes.kernel_gradient, outputs)]
    return max(found, key=lambda outputs: gradient_gain(sizes, outputs), default=None)


def gradient_gain(sizes: Sizes, outputs: int) -> float:
    """As `gain`, for the gradient of the kernels."""
    if not sizes.tiles(outputs):
        return 0
    algorithm = sizes.kernel_gradient(outputs)
    pairs = sizes.channels * sizes.kernels
    # The products are also added to memory, a load and a store in 16 or more multiply-adds.
    products = 1.2 * algorithm.size**2 * pairs / 2
    transforms = _data_cycles(algorithm) * sizes.channels + (_kernel_cycles(algorithm) + TILE) * sizes.kernels
    all_tiles = sizes.tiles(outputs) * (products + transforms) + _back_cycles(algorithm) * pairs
    rows, images, runs = _gradient_tasks(sizes, outputs)
    if runs:
        tasks = grid(sizes, outputs, rows, images).tasks
        all_tiles = all_tiles * _uneven(tasks) + tasks * _cycles_of_sums(algorithm.size**2 * pairs)
    return _direct_cycles(sizes, GRADIENT_SHARE) / all_tiles


def _cycles_of_sums(sums: int) -> float:
    """Cycles, times the elements of a vector, to read and write the sums of a run where no cache holds two such. (3x3,
    128 -> 384 at 60x60 with stride 2, 16 images: 16 MiB each, and 1.2 times as long as directly on a Zen 3.)"""
    return 2 * _reading(2 * sums) if 2 * 4 * sums > MOST_WEIGHTS // 2 else 0


def suits_weight_gradient(sizes: Sizes) -> bool:
    """Whether the gradient of the kernels should be done so."""
    outputs = gradient_outputs(sizes)
    if outputs is None:
        return False
    size = sizes.kernel_gradient(outputs).size
    row = 4 * size**2 * sizes.tile_columns(outputs) * (sizes.channels + sizes.kernels)
    return gradient_gain(sizes, outputs) >= LEAST_GAIN and row <= LARGEST_TASK


def error_bound(sizes: Sizes, outputs: int) -> float:
    """Largest error of x relative to the largest element of x, for data of random sign and one magnitude.

    2^-24 * (8 + 6 sqrt(C)): sums of C products round like a random walk; the transforms back enlarge this, by
    `AMPLIFICATION` more than with six points. Measured with normally distributed data and 3x3 kernels: 0.7e-6 (C=5),
    1.9e-6 (64), 3.2e-6 (128), 3.8e-6 (256), 4.9e-6 (512); bound 1.3e-6, 3.3e-6, 4.5e-6, 6.2e-6, 8.6e-6. Tiles of 2x2
    err about a fifth of that.
    """
    return _error(sizes.correlation(outputs), sizes.channels)


def weight_gradient_error_bound(sizes: Sizes, blocks: winograd_gradient.Blocks) -> float:
    """The same for dw: the longest sums are those of a task, of the tasks of a run, of the runs; or of all tiles."""
    place = grid(sizes, blocks.outputs, blocks.rows, blocks.images)
    runs = blocks.runs
    terms = place.tiles + place.tasks / runs + runs if runs else place.tiles * place.tasks
    return _error(sizes.kernel_gradient(blocks.outputs), terms)


AMPLIFICATION = {8: 3.0}
"""By the most products of a correlation: errors of F(4,5) and F(5,4) (1.9e-6, 2.0e-6 in the mean square with 20
channels) by those of F(4,3) and all others (at most 0.7e-6)."""


def _error(algorithm: Correlation, terms: float) -> float:
    return AMPLIFICATION.get(algorithm.longest, 1.0) * (8 + 6 * sqrt(terms)) * 2.0**-24


def cut(sizes: Sizes, lanes: int, registers: int, outputs: int | None = None) -> winograd.Blocks:
    """How a convolution is cut, in tiles of `outputs` where given: the least cost by the counts below."""
    outputs = best_outputs(sizes) if outputs is None else outputs
    assert outputs is not None, "there is an algorithm for a convolution that is done so"
    algorithm = sizes.correlation(outputs)
    size, loads = algorithm.size, _kernel_cycles(algorithm) / algorithm.size**2
    weights = 4 * size**2 * sizes.channels * sizes.kernels
    most = _vectors(sizes.kernels, lanes, registers)
    at_once = weights > MOST_WEIGHTS // 2 and sizes.tiles(outputs) <= FEW_TILES
    inside = at_once or weights > MOST_WEIGHTS
    found = []
    for rows, images in [_every_tile(sizes, outputs)] if at_once else _tasks(sizes, outputs):
        place = grid(sizes, outputs, rows, images)
        vectors = min(most, max(2, FEW_TILES // place.tiles)) if at_once else most
        bytes_ = 4 * size**2 * place.tiles * (sizes.channels + lanes * vectors)
        # A vector of weights is loaded (2 cycles from the caches), or made, for T/2 cycles of multiply-adds.
        loaded = 1 + (2 * loads if inside else 4) / place.tiles
        tasks = place.tasks * (ceil(sizes.kernels / (lanes * vectors)) if inside else 1)
        tiles, waste = _in_registers(sizes, place, vectors, registers)
        cost = waste * (1 + 0.3 / tiles) * loaded * _crowded(bytes_) * _uneven(tasks)
        stretch = min(sizes.channels, WEIGHTS_AT_ONCE // (size**2 * lanes * vectors)) if inside else 0
        blocks = winograd.Blocks(outputs, lanes, vectors, tiles, rows, images, stretch)
        found.append((cost, place.tiles, blocks))
    return min(found, key=lambda entry: entry[:2])[2]


def frozen_cut(sizes: Sizes, lanes: int, registers: int, outputs: int | None = None) -> winograd.Blocks:
    """The same where kernels were transformed before: they are read in each task, all of them or some.

    What is read once in a program can't be in a cache near by, so that few tiles are better in one task, and kernels
    dealt to tasks.
    """
    outputs = best_outputs(sizes, frozen=True) if outputs is None else outputs
    assert outputs is not None, "there is an algorithm for a convolution that is done so"
    size = sizes.correlation(outputs).size
    weights = 4 * size**2 * sizes.channels * sizes.kernels
    loads = 1 if weights <= NEAR else 16
    most = _vectors(sizes.kernels, lanes, registers)
    widths = [(False, most)] + [(True, count) for count in range(1, most + 1) if sizes.kernels > lanes * count]
    found = []
    for apart, vectors in widths:
        for rows, images in _tasks(sizes, outputs):
            place = grid(sizes, outputs, rows, images)
            if apart and place.tasks > 1:
                continue  # threads within threads
            bytes_ = 4 * size**2 * place.tiles * (sizes.channels + lanes * vectors)
            tasks = ceil(sizes.kernels / (lanes * vectors)) if apart else place.tasks
            tiles, waste = _in_registers(sizes, place, vectors, registers)
            waste *= ceil(sizes.kernels / (lanes * vectors)) * lanes * vectors / sizes.kernels
            # Weights are read again for each tile of registers: few tasks of many weights wait for that.
            inner = 1 + (1 if apart and weights > NEAR else 0.3) / tiles + 0.3 / vectors
            cost = waste * inner * (1 + loads / place.tiles) * _crowded(bytes_) * _uneven(tasks)
            blocks = winograd.Blocks(outputs, lanes, vectors, tiles, rows, images, apart=apart)
            found.append((cost, place.tiles, blocks))
    return min(found, key=lambda entry: entry[:2])[2]


def weight_gradient_cut(sizes: Sizes, lanes: int, registers: int) -> winograd_gradient.Blocks:
    """How the gradient of the kernels is cut. Another cut would add in another order."""
    outputs = gradient_outputs(sizes)
    assert outputs is not None, "there is an algorithm for a gradient that is done so"
    vectors, channels = _accumulators(sizes, lanes, registers)
    rows, images, runs = _gradient_tasks(sizes, outputs)
    products = 4 * sizes.kernel_gradient(outputs).size ** 2 * sizes.channels * sizes.kernels
    whole = max(sizes.channels, sizes.kernels)
    width = min(whole, 2 * BLOCK) if products <= MOST_WEIGHTS else BLOCK
    return winograd_gradient.Blocks(outputs, lanes, vectors, channels, rows, images, runs, width)


@lru_cache
def _gradient_tasks(sizes: Sizes, outputs: int) -> tuple[int, int, int]:
    """Rows and images of a task, and the runs of tasks; without runs all tasks are added in registers."""
    planes = sizes.kernel_gradient(outputs).size ** 2
    both = sizes.channels + sizes.kernels
    products = 4 * planes * sizes.channels * sizes.kernels
    if products > MOST_SUMS and 4 * planes * sizes.tiles(outputs) * both <= MOST_TILES:
        return *_every_tile(sizes, outputs), 0
    fitting = min(winograd.MOST_RUNS, max(2, MOST_SUMS // products))

    def cost(task: tuple[int, int]) -> float:
        place = grid(sizes, outputs, *task)
        waste = place.tasks * place.tiles / sizes.tiles(outputs)
        # Sums are loaded, added and stored in T/2 cycles of multiply-adds: 5 cycles from a second-level cache.
        sums = 1 + 10 / place.tiles
        return waste * sums * _crowded(4 * planes * place.tiles * both // 2) * _uneven(place.tasks)

    return *min(_tasks(sizes, outputs), key=cost), 1 << (fitting.bit_length() - 1)


def _accumulators(sizes: Sizes, lanes: int, registers: int) -> tuple[int, int]:
    """Vectors along k and channels in registers, for the gradient of the kernels.

    Of many channels, 8 with 2 vectors where there are enough registers: the vectors that all channels are multiplied
    by, 64 tiles of 2 of them 8 KiB, stay in a first-level cache (256 channels at 8x8: 4.1 ms, and 5.1 with 4 vectors).
    """
    vectors = _vectors(sizes.kernels, lanes, registers)
    if vectors == 4 and sizes.channels >= 64 and sizes.channels % 8 == 0:
        return 2, 8
    return vectors, _tiles(sizes.channels, vectors, registers)


def _vectors(kernels: int, lanes: int, registers: int) -> int:
    """Vectors along k in registers: up to 4 of 32 registers, 2 of 16, and equally many in all blocks."""
    needed = ceil(kernels / lanes)
    return ceil(needed / ceil(needed / (registers // 8)))


def _tiles(count: int, vectors: int, registers: int) -> int:
    """Tiles in registers: 4 registers stay free for what is loaded (with 4 vectors, 7 tiles are 28 sums of 32).

    At least 4, so that loads hide behind multiply-adds; else few wasted places.
    """
    most = min(count, (registers - 4) // vectors)
    return min(
        range(min(4, most), most + 1),
        key=lambda tiles: (ceil(count / tiles) * tiles / count * (1 + 0.1 / tiles), tiles),
    )


def _tasks(sizes: Sizes, outputs: int) -> list[tuple[int, int]]:
    """All (rows, images) of tasks that are worth a thought."""
    rows = sizes.tile_rows(outputs)
    some = [(count, 1) for count in range(1, rows + 1)]
    return some + [(rows, count) for count in range(2, min(sizes.images, 64) + 1)]


def _every_tile(sizes: Sizes, outputs: int) -> tuple[int, int]:
    """(rows, images) of the one task of all images."""
    return sizes.tile_rows(outputs), sizes.images


def _in_registers(sizes: Sizes, place: Grid, vectors: int, registers: int) -> tuple[int, float]:
    """Tiles in registers, and how much of the products is computed: all, more at a task's end, or less where tiles that
    end outside spare some: then the registers hold tiles of several images."""
    spares = spared(sizes, place.step, sizes.correlation(place.step).inverse)
    counts = [count for count in range(4, (registers - 4) // vectors + 1) if spares and place.images % count == 0]
    tiles = max(counts) if counts else _tiles(place.tiles, vectors, registers)
    computed = place.tasks * ceil(place.tiles / tiles) * tiles / sizes.tiles(place.step)
    return tiles, computed * spares.share if counts else computed


def _crowded(bytes_: int) -> float:
    """The cost of more bytes than the cache holds: measured, a tenth for twice as many."""
    return 1 + 0.1 * max(0.0, bytes_ / CACHE - 1)


def _uneven(tasks: int) -> float:
    """Work for 8 threads at once, as a part of the time that they take; a few tasks are bad for 2 threads, too."""
    return (1 + ceil(tasks / 8) * 8 / tasks) / 2
