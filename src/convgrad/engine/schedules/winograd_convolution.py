"""3x3 convolution with stride 1 by Winograd's F(4x4,3x3): 36 multiplications for 16 results, where the sum takes 144.

For a tile of 6x6 inputs d and a kernel g: Y = A^T [sum over c of (G g G^T) * (B^T d B)] A gives 4x4 results.

    x[e,i,j,k]  = sum[m,n,c](w[m,n,c,k] * o[e,i+m-1,j+n-1,c else 0])
    do[e,p,q,c] = sum[m,n,k](dx[e,p-m+1,q-n+1,k else 0] * w[m,n,c,k])      (the kernel turned round)

The tiles of all images are numbered in one row, t; the product for each of the 36 places is a matrix product over
blocks of tiles. It rounds differently from the direct sum: errors stay below 1e-5 of the largest value in float32.

Reference: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import halide as hl

from convgrad.engine.lowering import Lowering, expression
from convgrad.engine.schedules.options import options
from convgrad.engine.schedules.pointwise import ENOUGH_TASKS
from convgrad.engine.schedules.target import machine
from convgrad.engine.schedules.tiles import MOST_VECTORS, accumulators, divided
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Definition, Multiply, Reduce

Expr = Any
SIDE, STEP, KERNEL = 6, 4, 3  # of a tile of inputs, of a tile of results, of the kernel
PLACES = SIDE * SIDE

# B^T, G and A^T of the reference; the points are 0, 1, -1, 2, -2 and infinity.
INPUTS = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
WEIGHTS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
RESULTS = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))

LEAST_CHANNELS = 32
"""Channels on both sides from which it pays: transforms take some 200 operations on 36 places of a tile and channel,
the product 36 multiply-adds for each channel on the other side."""
LEAST_TILES = 16  # in all: the weights' transform (36 values for 9) must be used often enough
CACHED_WEIGHTS = 1 << 24  # bytes of transformed weights: 16 MiB, part of a third-level cache
LEAST_TILES_OF_LARGE = 64
"""Tiles, where the transformed weights go through memory: a number of theirs (4 bytes) is written and read, at 20 bytes
a nanosecond in 0.4, and saves 6 operations for each tile, at 400 a nanosecond 0.015; 27 tiles are even, 64 pay."""
TASK_TILES = 32
"""Tiles of a task: the transformed weights are read once a task, for 2 * 32 operations on each number read; inputs
and products of 64 channels take 2 * 36 * 32 * 64 * 4 bytes = 590 KB, half of a second-level cache."""
PARALLEL_WEIGHTS = 1 << 12  # channels times channels: 36 numbers each, a pass of 150 Ki of them


@dataclass(frozen=True)
class Pattern:
    """A convolution's parts.

    Attributes:
        kernel: the kernel's indices along rows and columns; `turned`: whether each is subtracted.
        channel: the index that image and weights have in common.
        first: row and column of the first input of the first tile.
    """

    image: Access
    weights: Access
    kernel: tuple[str, str]
    turned: tuple[bool, bool]
    channel: str
    first: tuple[int, int]


def winograd_pattern(atom: Definition, element_bytes: int) -> Pattern | None:
    """The pattern of an atom that is to be computed so: by its sizes and the options, never by a stopwatch."""
    wanted = options().winograd
    if element_bytes != 4 or wanted is False:
        return None
    pattern = pattern_of(atom)
    if pattern is None or wanted:
        return pattern
    sizes = atom.sizes
    rows, columns = (-(-sizes[index] // STEP) for index in atom.indices[1:3])
    tiles = sizes[atom.indices[0]] * rows * columns
    # Tiles that reach beyond the image are computed whole: 36 products, where the sum takes 9 for each result.
    fewer = KERNEL**2 * prod(atom.shape[:3]) / tiles / PLACES
    channels = (sizes[pattern.channel], sizes[atom.indices[3]])
    large = PLACES * prod(channels) * element_bytes > CACHED_WEIGHTS
    enough = tiles >= (LEAST_TILES_OF_LARGE if large else LEAST_TILES)
    return pattern if min(channels) >= LEAST_CHANNELS and enough and fewer >= LEAST_GAIN else None


LEAST_GAIN = 2.0
"""Fewer multiplications from which it pays: transforms and traffic take up to half of the time. 5x5 images (1.6) and
4x3 images fall out, 7x7 (3.1) and 6x6 (2.25) stay."""


def pattern_of(atom: Definition) -> Pattern | None:
    """The parts of a 3x3 convolution with stride 1, dilation 1 and no groups; None for anything else."""
    term = atom.term
    if not (isinstance(term, Reduce) and term.kind == "sum" and len(term.indices) == 3 and len(atom.indices) == 4):
        return None
    if not (isinstance(term.body, Multiply) and len(term.body.factors) == 2):
        return None
    one, other = term.body.factors
    if not (isinstance(one, Access) and isinstance(other, Access)):
        return None
    return _parts(atom, one, other) or _parts(atom, other, one)


def _parts(atom: Definition, image: Access, weights: Access) -> Pattern | None:
    if len(image.positions) != 4 or len(weights.positions) != 4:
        return None
    if any(a.outside not in (None, 0) or not all(p.is_whole for p in a.positions) for a in (image, weights)):
        return None
    assert isinstance(atom.term, Reduce)
    example, row, column, last = atom.indices
    channel = image.positions[3].as_name
    rows, columns = _step(image.positions[1], row), _step(image.positions[2], column)
    if image.positions[0].as_name != example or channel is None or rows is None or columns is None:
        return None
    (m, up, top), (n, left, side) = rows, columns
    if {m, n, channel} != set(atom.term.indices) or {p.as_name for p in weights.positions} != {m, n, channel, last}:
        return None
    if not atom.sizes[m] == atom.sizes[n] == KERNEL:
        return None
    return Pattern(image, weights, (m, n), (up, left), channel, (top, side))


def _step(position: Position, index: str) -> tuple[str, bool, int] | None:
    """For i+m+a or i-m+a: m, whether it is subtracted, and the least value at i = 0."""
    terms = {monomial[0]: coefficient for monomial, coefficient in position.numerator.terms if monomial}
    others = [name for name in terms if name != index]
    if terms.get(index) != 1 or len(others) != 1 or abs(terms[others[0]]) != 1:
        return None
    turned = terms[others[0]] < 0
    return others[0], turned, position.numerator.constant_value - (KERNEL - 1 if turned else 0)


class WinogradReduction:
    """An atom's sums by tiles. Its Funcs, in the order of computation:

    weights[k,c,a,b,kb] and inputs[c,t,a,b], transformed; their products[k,t,a,b,kb]; results[k,i,j,t,kb], transformed
    back; sums[k,j,i,e]. kb counts blocks of k, a and b are the places in a tile.
    """

    def __init__(self, atom: Definition, lowering: Lowering, pattern: Pattern):
        self.atom, self.pattern, self.lowering = atom, pattern, lowering
        self.examples, height, width, outputs = atom.shape
        self.channels = atom.sizes[pattern.channel]
        self.rows, self.columns = -(-height // STEP), -(-width // STEP)
        self.lanes = machine().lanes(4)
        self.channel_lanes = min(self.lanes, 1 << (self.channels.bit_length() - 1))
        vectors = -(-outputs // self.lanes)
        self.blocks = -(-vectors // MOST_VECTORS)
        self.vectors = -(-vectors // self.blocks)
        self.block = self.vectors * self.lanes
        self._plan()
        whole = (self.examples, self.rows * STEP, self.columns * STEP, self.block * self.blocks)
        lowering.sizes = {**lowering.sizes, **dict(zip(atom.indices, whole, strict=True))}
        self.k, self.c, self.t, self.a, self.b, self.z, self.kb = map(hl.Var, ("k", "c", "t", "a", "b", "z", "kb"))
        self._define_weights()
        self._define_inputs()
        self._define_results()

    def _plan(self) -> None:
        """Tiles of a task: some rows of tiles of an image, or several images; and those in registers at once."""
        image = self.rows * self.columns
        if image >= TASK_TILES:
            fitting = max(1, TASK_TILES // self.columns)
            self.task_images = 1
            self.task_rows = max(n for n in range(1, self.rows + 1) if self.rows % n == 0 and n <= fitting)
        else:
            self.task_images = divided(self.examples, TASK_TILES // image)
            self.task_rows = self.rows
        self.tasks = -(-self.examples // self.task_images) * (self.rows // self.task_rows)
        tiles = self.task_images * self.task_rows * self.columns
        self.together = divided(tiles, accumulators(machine()) // self.vectors)

    # Funcs

    def _define_weights(self) -> None:
        k, c, a, b, z, kb, pattern = self.k, self.c, self.a, self.b, self.z, self.kb, self.pattern

        def weight(y: int, x: Expr) -> Expr:
            places = [KERNEL - 1 - p if turned else p for p, turned in zip((y, x), pattern.turned, strict=True)]
            last = kb * self.block + k
            indices = {**dict(zip(pattern.kernel, places, strict=True)), pattern.channel: c, self.atom.indices[3]: last}
            return self.lowering.at(pattern.weights, self.lowering.numerators(pattern.weights, indices))

        self.half_weights, self.weights = hl.Func("half_weights"), hl.Func("weights")
        self.half_weights[k, c, a, z, kb] = hl.mux(a, _products(WEIGHTS, [weight(y, z) for y in range(KERNEL)]))
        halves = [expression(self.half_weights[k, c, a, x, kb]) for x in range(KERNEL)]
        self.weights[k, c, a, b, kb] = hl.mux(b, _products(WEIGHTS, halves))

    def _define_inputs(self) -> None:
        c, t, a, b, z, pattern = self.c, self.t, self.a, self.b, self.z, self.pattern
        # A last group of tiles in registers may count beyond the last image.
        image = hl.min(t // (self.rows * self.columns), self.examples - 1)
        top = (t // self.columns) % self.rows * STEP + pattern.first[0]
        side = t % self.columns * STEP + pattern.first[1]
        pixels = [self.lowering.at(pattern.image, [image, top + y, side + z, c]) for y in range(SIDE)]
        self.half_inputs, self.inputs = hl.Func("half_inputs"), hl.Func("inputs")
        self.half_inputs[c, a, z, t] = hl.mux(a, _products(INPUTS, pixels))
        halves = [expression(self.half_inputs[c, a, x, t]) for x in range(SIDE)]
        self.inputs[c, t, a, b] = hl.mux(b, _products(INPUTS, halves))

    def _define_results(self) -> None:
        k, t, a, b, kb = self.k, self.t, self.a, self.b, self.kb
        self.over = hl.RDom([(0, self.channels)], "r")[0]
        self.products = hl.Func("products")
        self.products[k, t, a, b, kb] = hl.f32(0.0)
        self.products[k, t, a, b, kb] += self.weights[k, self.over, a, b, kb] * self.inputs[self.over, t, a, b]
        self.half_results, self.results = hl.Func("half_results"), hl.Func("results")
        rows = [expression(self.products[k, t, y, b, kb]) for y in range(SIDE)]
        self.half_results[k, a, b, t, kb] = hl.mux(a, _products(RESULTS, rows))
        halves = [expression(self.half_results[k, a, x, t, kb]) for x in range(SIDE)]
        self.results[k, a, b, t, kb] = hl.mux(b, _products(RESULTS, halves))
        e, i, j, last = map(hl.Var, ("e", "i", "j", "last"))
        tile = (e * self.rows + i // STEP) * self.columns + j // STEP
        self.sums = hl.Func("sums")
        self.sums[last, j, i, e] = self.results[last % self.block, i % STEP, j % STEP, tile, last // self.block]

    # Schedule

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        """Schedule `func`, which reads the sums at its own element."""
        e, i, j, k = variables
        _, height, width, outputs = self.atom.shape
        y, x, lane, kb, rows, images, task = map(hl.Var, ("y", "x", "lane", "kb", "rows", "images", "task"))
        exact, guard = hl.TailStrategy.RoundUp, hl.TailStrategy.GuardWithIf
        func.split(i, i, y, STEP, guard if height % STEP else exact)
        func.split(j, j, x, STEP, guard if width % STEP else exact)
        func.split(k, kb, k, self.block, guard if outputs % self.block else exact)
        func.split(k, k, lane, self.lanes, exact)
        func.split(i, rows, i, self.task_rows, exact)
        func.split(e, images, e, self.task_images, hl.TailStrategy.ShiftInwards)
        func.reorder(lane, x, y, k, j, i, e, kb, rows, images)
        func.vectorize(lane).unroll(x).unroll(y)
        func.fuse(rows, images, task)
        shared = self.tasks < ENOUGH_TASKS  # few tasks: blocks of k are tasks, too, and all read the same inputs
        if shared:
            func.fuse(kb, task, task)
        func.parallel(task)
        self._schedule_results(func, k)
        self._schedule_products(func, task if shared else kb)
        self._schedule_inputs(func, None if shared else task)
        self._schedule_weights()

    def _schedule_results(self, func: Any, at: Any) -> None:
        for stage in (self.results, self.half_results):
            stage.compute_at(func, at).bound(self.a, 0, STEP).bound(self.b, 0, STEP if stage is self.results else SIDE)
            stage.vectorize(self.k, self.lanes).unroll(self.a).unroll(self.b)

    def _schedule_products(self, func: Any, at: Any) -> None:
        products = self.products
        products.compute_at(func, at).bound(self.a, 0, SIDE).bound(self.b, 0, SIDE)
        # Rows longer by a vector: 36 places a power of two apart would share a few lines of the first-level cache.
        products.align_storage(self.k, self.block + self.lanes)
        lane, tile = hl.Var("lane"), hl.Var("tile")
        for stage in (products, products.update()):
            stage.split(self.k, self.k, lane, self.lanes, hl.TailStrategy.RoundUp)
            stage.split(self.t, self.t, tile, self.together, hl.TailStrategy.RoundUp)
            over = [] if stage is products else [self.over]
            stage.reorder(lane, self.k, tile, *over, self.t, self.a, self.b, self.kb)
            stage.vectorize(lane).unroll(self.k).unroll(tile)

    def _schedule_inputs(self, func: Any, at: Any | None) -> None:
        inputs = self.inputs
        if at is None:
            inputs.compute_root().parallel(self.t)
        else:
            inputs.compute_at(func, at)
        inputs.bound(self.a, 0, SIDE).bound(self.b, 0, SIDE)
        inputs.align_storage(self.c, self.channels // self.lanes * self.lanes + self.lanes)
        inputs.reorder(self.a, self.b, self.c, self.t)
        inputs.vectorize(self.c, self.channel_lanes).unroll(self.a).unroll(self.b)
        self.half_inputs.compute_at(inputs, self.c).vectorize(self.c, self.channel_lanes).unroll(self.a).unroll(self.z)

    def _schedule_weights(self) -> None:
        weights = self.weights
        weights.compute_root().bound(self.a, 0, SIDE).bound(self.b, 0, SIDE).bound(self.k, 0, self.block)
        weights.reorder(self.a, self.b, self.k, self.c, self.kb)
        weights.vectorize(self.k, self.lanes).unroll(self.a).unroll(self.b)
        if self.channels * self.block * self.blocks >= PARALLEL_WEIGHTS:
            task = hl.Var("task")
            weights.fuse(self.c, self.kb, task).parallel(task, 16)
        self.half_weights.compute_at(weights, self.k).vectorize(self.k, self.lanes).unroll(self.a).unroll(self.z)


def _products(matrix: Sequence[Sequence[float]], values: Sequence[Expr]) -> list[Expr]:
    """A matrix times a vector, written out."""
    return [_combined(row, values) for row in matrix]


def _combined(row: Sequence[float], values: Sequence[Expr]) -> Expr:
    """The sum of values, each times its coefficient; those with 0 left out."""
    total: Expr = None
    for coefficient, value in zip(row, values, strict=True):
        if coefficient == 0:
            continue
        value = value if abs(coefficient) == 1 else value * hl.f32(abs(coefficient))
        if total is None:
            total = value if coefficient > 0 else -value
        else:
            total = total + value if coefficient > 0 else total - value
    return total
