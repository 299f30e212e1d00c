"""Where Winograd's convolutions pay, and how their work is cut: from the sizes and the processor alone.

Never by a stopwatch: these schedules round otherwise than the direct ones, tiles of 4x4 otherwise than those of 2x2.
"""

from __future__ import annotations

from math import ceil, sqrt

from convgrad.engine.schedules import winograd, winograd_gradient
from convgrad.engine.schedules.winograd_tiles import Sizes, grid

LEAST_GAIN = 1.3
"""Predicted gain over a direct schedule from which Winograd is taken: below, it is not worth the rounding."""
DIRECT_SHARE = 0.9  # of the multiply-adds' peak that direct schedules reach
TRANSFORM = {4: 300, 2: 150}
"""Cycles for all transforms of a tile, for a vector of channels of o or x; two multiply-adds a cycle. Counted: about
150 additions and 100 stores; measured: 200 with 16 channels in vectors of 16, 400 with 128, loads included."""
WEIGHT_TRANSFORM = 300
"""Cycles to transform a vector of kernels: 9 loads, 72 additions, 36 stores; about 300 with those from memory."""
MOST_WEIGHTS = 1 << 24
"""Bytes of transformed weights that are made before all else: 16 MiB, half of a third-level cache."""
CACHE = 1 << 19
"""Bytes of transformed tiles and products of a task: half of a second-level cache of 1 MiB."""
LARGEST_TASK = 1 << 22  # the same, where even one row of tiles takes more than CACHE
MOST_SUMS = 1 << 22
"""Bytes of the sums of all runs, which are read and written again for each task: 4 MiB, two second-level caches of
two threads. With 16 MiB, more runs, the gradient took up to twice as long where memory was slow."""
BLOCK = 64
"""Kernels and channels of which a thread holds the sums, where all are more than MOST_WEIGHTS: 36 * 64 * 64 * 4 bytes
are 590 KB, half of a second-level cache."""
MOST_TILES = 1 << 26
"""Bytes of all transformed tiles, for the gradient of many kernels: 64 MiB."""


def gain(sizes: Sizes, outputs: int) -> float:
    """How many times as fast as a direct schedule tiles of outputs x outputs are, roughly."""
    places = sizes.out_rows * sizes.out_columns
    if places < 1 or outputs not in TRANSFORM:
        return 0.0
    pairs = sizes.channels * sizes.kernels
    direct = sizes.images * places * 9 * pairs / 2 / DIRECT_SHARE
    products = (outputs + 2) ** 2 * pairs / 2
    transforms = TRANSFORM[outputs] * (sizes.channels + sizes.kernels)
    return direct / (sizes.tiles(outputs) * (products + transforms) + WEIGHT_TRANSFORM * pairs)


def best_outputs(sizes: Sizes) -> int:
    """The side of the tiles, 4 or 2: 2 where most of a 4x4 tile would lie outside."""
    return max(TRANSFORM, key=lambda outputs: gain(sizes, outputs))


def suits(sizes: Sizes) -> bool:
    """Whether a convolution, which the gradient of its input is, too, should be done so."""
    outputs = best_outputs(sizes)
    row = 4 * (outputs + 2) ** 2 * sizes.tile_columns(outputs) * (sizes.channels + min(64, sizes.kernels))
    return gain(sizes, outputs) >= LEAST_GAIN and row <= LARGEST_TASK


def suits_weight_gradient(sizes: Sizes) -> bool:
    """Whether the gradient of the kernels should be done so."""
    row = 4 * 36 * sizes.tile_columns(4) * (sizes.channels + sizes.kernels)
    # Its products are also added to memory, a load and a store in 16 or more multiply-adds.
    return gain(sizes, 4) / 1.2 >= LEAST_GAIN and row <= LARGEST_TASK


def error_bound(sizes: Sizes) -> float:
    """Largest error of x relative to the largest element of x, for data of random sign and one magnitude.

    2^-24 * (8 + 6 sqrt(C)): sums of C products round like a random walk; the transforms back enlarge this. Measured
    with normally distributed data: 0.7e-6 (C=5), 1.9e-6 (64), 3.2e-6 (128), 3.8e-6 (256), 4.9e-6 (512); bound 1.3e-6,
    3.3e-6, 4.5e-6, 6.2e-6, 8.6e-6. Tiles of 2x2 err about a fifth of that.
    """
    return (8 + 6 * sqrt(sizes.channels)) * 2.0**-24


def weight_gradient_error_bound(sizes: Sizes, blocks: winograd_gradient.Blocks) -> float:
    """The same for dw: the longest sums are those of a task, of the tasks of a run, of the runs; or of all tiles."""
    place = grid(sizes, 4, blocks.rows, blocks.images)
    runs = blocks.runs
    terms = place.tiles + place.tasks / runs + runs if runs else place.tiles * place.tasks
    return (8 + 6 * sqrt(terms)) * 2.0**-24


def cut(sizes: Sizes, lanes: int, registers: int) -> winograd.Blocks:
    """How a convolution is cut: the least cost by the counts below."""
    outputs = best_outputs(sizes)
    size = outputs + 2
    inside = 4 * size**2 * sizes.channels * sizes.kernels > MOST_WEIGHTS
    vectors = _vectors(sizes.kernels, lanes, registers)
    found = []
    for rows, images in _tasks(sizes, outputs):
        place = grid(sizes, outputs, rows, images)
        bytes_ = 4 * size**2 * place.tiles * (sizes.channels + lanes * vectors)
        # A vector of weights is loaded (2 cycles from the caches), or made, for T/2 cycles of multiply-adds.
        weights = 1 + (2 * WEIGHT_TRANSFORM / size**2 if inside else 4) / place.tiles
        tasks = place.tasks * (ceil(sizes.kernels / (lanes * vectors)) if inside else 1)
        tiles = _tiles(place.tiles, vectors, registers)
        waste = place.tasks * ceil(place.tiles / tiles) * tiles / sizes.tiles(outputs)
        cost = waste * (1 + 0.3 / tiles) * weights * _crowded(bytes_) * _uneven(tasks)
        blocks = winograd.Blocks(outputs, lanes, vectors, tiles, rows, images, 64 if inside else 0)
        found.append((cost, place.tiles, blocks))
    return min(found, key=lambda entry: entry[:2])[2]


def weight_gradient_cut(sizes: Sizes, lanes: int, registers: int) -> winograd_gradient.Blocks:
    """How the gradient of the kernels is cut. Another cut would add in another order."""
    vectors = _vectors(sizes.kernels, lanes, registers)
    channels = _tiles(sizes.channels, vectors, registers)
    products = 4 * 36 * sizes.channels * sizes.kernels
    tiles = 4 * 36 * sizes.tiles(4) * (sizes.channels + sizes.kernels)
    fitting = min(winograd.MOST_RUNS, max(2, MOST_SUMS // products))
    runs = 0 if products > MOST_SUMS and tiles <= MOST_TILES else 1 << (fitting.bit_length() - 1)

    def cost(task: tuple[int, int]) -> float:
        place = grid(sizes, 4, *task)
        waste = place.tasks * place.tiles / sizes.tiles(4)
        # Sums are loaded, added and stored in T/2 cycles of multiply-adds: 5 cycles from a second-level cache.
        sums = 1 + 10 / place.tiles
        return (
            waste * sums * _crowded(4 * 36 * place.tiles * (sizes.channels + sizes.kernels) // 2) * _uneven(place.tasks)
        )

    rows, images = min(_tasks(sizes, 4), key=cost)
    whole = max(sizes.channels, sizes.kernels)
    width = whole if products <= MOST_WEIGHTS else BLOCK
    return winograd_gradient.Blocks(lanes, vectors, channels, rows, images, runs, width)


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


def _crowded(bytes_: int) -> float:
    """The cost of more bytes than the cache holds: measured, a tenth for twice as many."""
    return 1 + 0.1 * max(0.0, bytes_ / CACHE - 1)


def _uneven(tasks: int) -> float:
    """Work for 8 threads at once, as a part of the time that they take; a few tasks are bad for 2 threads, too."""
    return (1 + ceil(tasks / 8) * 8 / tasks) / 2
