"""Tiles of images for Winograd's convolutions: how they are dealt out to tasks, and their transforms.

    V[t,a,b,c] = sum[y,x](B[a,y] * B[b,x] * o[e,T*i+y-p,T*j+x-q,c else 0])

for every tile t = (e,i,j); tiles lie T elements apart. A task is `rows` rows of tiles of one image, or all rows of
`images` images.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import prod
from operator import and_
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Tensor
from convgrad.compute.halide.schedules.pointwise import ENOUGH_TASKS
from convgrad.compute.halide.schedules.winograd.matrices import Correlation, Matrix, kernel_gradient, spread, strided
from convgrad.compute.halide.schedules.winograd.products import product
from convgrad.compute.halide.target import LINE

Expr = Any
GUARD, SHIFT, ROUND = hl.TailStrategy.GuardWithIf, hl.TailStrategy.ShiftInwards, hl.TailStrategy.RoundUp
APART = 512
"""Bytes between tiles, of which a sum over tiles reads a line each: multiples of these lie in 8 sets of a first-level
cache, or fewer, and a line more for each tile spreads them. Gradients of 3x3 kernels on a Zen 3, ms: 128 channels at
16x16 17.9 and 15.6, 256 at 14x14 8.1 and 7.3; with 64 channels no gain."""
CHANNELS_AT_ONCE = 16
"""Channels of which one row of tiles is transformed before the next ones: for 34 columns 34*6*16*4 bytes, 13 KB,
between the halves of a transform, which stay in a first-level cache; with 64 they would not."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,S*i+m-p,S*j+n-q,c else 0]) with square kernels.

    Attributes:
        images, rows, columns, channels: the shape of o.
        kernels: channels of x.
        padding: p, q; where `spread` is given, minus the least row and column of o that the first results read.
        results: rows and columns of x, where they are not all that there are.
        kernel, stride: the side of a kernel; S.
        spread: where the equation is x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,(i+spread-m)/S,(j+spread-n)/S,c else 0]),
            the gradient of the input of a strided convolution, instead.
    """

    images: int
    rows: int
    columns: int
    channels: int
    kernels: int
    padding: tuple[int, int] = (0, 0)
    results: tuple[int, int] | None = None
    kernel: int = 3
    stride: int = 1
    spread: int | None = None

    @property
    def out_rows(self) -> int:
        return self._results(self.rows, self.padding[0]) if self.results is None else self.results[0]

    @property
    def out_columns(self) -> int:
        return self._results(self.columns, self.padding[1]) if self.results is None else self.results[1]

    def _results(self, places: int, padding: int) -> int:
        return (places + 2 * padding - self.kernel) // self.stride + 1

    @property
    def products(self) -> int:
        """Multiplications for a result and a channel, by the equation."""
        side = self.kernel if self.spread is None else self.kernel / self.stride
        return round(side**2)

    def correlation(self, outputs: int) -> Correlation:
        """That gives tiles of outputs x outputs results."""
        if self.spread is None:
            return strided(outputs, self.kernel, self.stride)
        return spread(outputs // self.stride, self.kernel, self.stride, self.spread)

    def kernel_gradient(self, outputs: int) -> Correlation:
        """That gives the gradient of the kernels from tiles of outputs x outputs upstream gradients."""
        return kernel_gradient(self.kernel, outputs, self.stride)

    def tile_rows(self, outputs: int) -> int:
        return -(-self.out_rows // outputs)

    def tile_columns(self, outputs: int) -> int:
        return -(-self.out_columns // outputs)

    def tiles(self, outputs: int) -> int:
        """Tiles of outputs x outputs results in all images."""
        return self.images * self.tile_rows(outputs) * self.tile_columns(outputs)


@dataclass(frozen=True)
class Grid:
    """Tasks: `rows` rows of tiles, each of `columns`, in `images` images; `strips` of them cover an image."""

    step: int
    columns: int
    rows: int
    images: int
    strips: int
    groups: int

    @property
    def tiles(self) -> int:
        """Tiles of a task."""
        return self.columns * self.rows * self.images

    @property
    def tasks(self) -> int:
        return self.strips * self.groups

    def needed(self, task: Expr, place: Expr, planes: tuple[Expr, Expr], spared: Spared) -> Expr:
        """Whether the products in a plane (a, b) count at a place, row * columns + column, of a task's images."""
        a, b = planes
        row, column = (task % self.strips) * self.rows + place // self.columns, place % self.columns
        ends = (spared.last_row, spared.rows, row, a), (spared.last_column, spared.columns, column, b)
        conditions = [(at < last) | (plane != spare) for last, spares, at, plane in ends for spare in spares]
        return reduce(and_, conditions)


@dataclass(frozen=True)
class Spared:
    """Planes of size x size of which nothing counts: `rows` of a, for the last row of tiles, and `columns` of b.

    Where 7 results are 4 and 3, or 7 upstream gradients, the plane of the point at infinity is for the fourth alone.
    """

    size: int
    last_row: int
    last_column: int
    rows: tuple[int, ...]
    columns: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.rows or self.columns)

    @property
    def share(self) -> float:
        """Of all products that are not spared."""
        ends = (self.rows, self.last_row), (self.columns, self.last_column)
        return prod(1 - len(spares) / (self.size * (last + 1)) for spares, last in ends)


def spared(sizes: Sizes, step: int, matrix: Matrix) -> Spared:
    """What tiles of step x step results spare that end outside; the matrix has a row for each of these elements."""
    ends = []
    for extent in (sizes.out_rows, sizes.out_columns):
        inside = extent % step or step
        ends.append(tuple(p for p in range(len(matrix[0])) if not any(row[p] for row in matrix[:inside])))
    return Spared(len(matrix[0]), sizes.tile_rows(step) - 1, sizes.tile_columns(step) - 1, *ends)


def grid(sizes: Sizes, step: int, rows: int, images: int) -> Grid:
    """The grid of tiles of step x step results."""
    strips = -(-sizes.tile_rows(step) // rows)
    return Grid(step, sizes.tile_columns(step), rows, images, strips, -(-sizes.images // images))


class TileTransform:
    """The transforms of all tiles: first down the columns, shared by tiles that overlap, then along the rows. by_tile:
    they are read tile by tile, some channels of each, and not channel by channel.

    Attributes:
        func: V[c, t, a, b, task].
    """

    def __init__(
        self,
        source: Tensor,
        matrix: Matrix,
        step: int,
        place: Grid,
        offset: tuple[int, int],
        lanes: int,
        channels: int,
        name: str,
        by_tile: bool = False,
    ):
        self.place, self.step, self.lanes, self.channels = place, step, lanes, channels
        self.source, self.offset, self.by_tile = source, offset, by_tile
        self.size, self.taps = len(matrix), len(matrix[0])
        self.variables = [hl.Var(v) for v in ("c", "t", "a", "b", "task")]
        c, t, a, b, task = self.variables
        self.half, self.func = hl.Func(f"{name}_half"), hl.Func(name)
        column, line = hl.Var("column"), hl.Var("line")  # a line is a row of tiles of one of the task's images
        self.half_variables = [c, column, a]
        # Here and not in the coordinates: Halide sees that a line of V needs one line of the half, a task one task.
        row, image = (line % place.rows, line // place.rows) if place.images > 1 else (line, 0)
        strip, group = task % place.strips, task // place.strips
        top = (strip * place.rows + row) * step
        values = [self._read(c, column, top + y, group * place.images + image) for y in range(self.taps)]
        self.half[c, column, a, line, task] = hl.mux(a, product(matrix, values))
        left = (t % place.columns) * step
        halves = [hl.Expr(self.half[c, left + x, a, t // place.columns, task]) for x in range(self.taps)]
        self.func[c, t, a, b, task] = hl.mux(b, product(matrix, halves))

    def _read(self, c: Expr, column: Expr, row: Expr, image: Expr) -> Expr:
        """An element of the source at padded coordinates, zero outside."""
        place, (images, rows, columns, channels) = self.place, self.source.shape
        low, high = self.source.low or (0,) * 4, self.source.high or (0,) * 4
        beyond = self.taps - self.step
        inside = []
        coordinates = []
        ends = (place.strips * place.rows * self.step + beyond, place.columns * self.step + beyond)
        for axis, (value, size) in enumerate(((row, rows), (column, columns)), 1):
            offset = self.offset[axis - 1]
            first, last = -low[axis], size + high[axis] - 1
            value, checks = value - offset, []
            if -offset < first:
                checks.append(value >= first)
            if ends[axis - 1] - offset - 1 > last:
                checks.append(value <= last)
            if checks:
                value = hl.likely(hl.clamp(value, first, last))
            inside += checks
            coordinates.append(value)
        if images % place.images:
            inside.append(image < images)
            image = hl.likely(hl.min(image, images - 1))
        if self.channels > channels:
            c = hl.min(hl.likely(c), channels - 1)
        value = self.source.load([image, *coordinates, c])
        if not inside:
            return value
        condition = inside[0]
        for check in inside[1:]:
            condition = condition & check
        return hl.select(hl.likely(condition), value, hl.f32(0))

    def schedule(self, shared: bool = False) -> None:
        """The loops, but for where they run. shared: by all threads, each a row of tiles, or some channels of one."""
        place = self.place
        c, t, a, b, _ = self.variables
        lanes = self.lanes
        while lanes > self.channels:
            lanes //= 2
        stretch = min(CHANNELS_AT_ONCE, self.channels)
        stretches, lane, row, image = hl.Var("stretches"), hl.Var("lane"), hl.Var("row"), hl.Var("image")
        func, half = self.func, self.half
        func.bound(c, 0, self.channels).bound(a, 0, self.size).bound(b, 0, self.size)
        func.bound(t, 0, place.tiles)
        # One tile more than there are: planes a multiple of 4 KiB apart would share their places in the cache.
        func.align_storage(t, place.tiles + 1)
        if self.by_tile and 4 * self.channels % APART == 0:
            func.align_storage(c, self.channels + LINE // 4)
        func.split(c, stretches, c, stretch, SHIFT).split(c, c, lane, lanes, GUARD if stretch % lanes else SHIFT)
        # Without guards, which would hide that one row of tiles needs one row of the other half.
        func.split(t, row, t, place.columns, ROUND).split(row, image, row, place.rows, ROUND)
        func.reorder(lane, b, a, c, t, stretches, row, image)
        func.vectorize(lane).unroll(b)
        if shared:
            rows, both = hl.Var("rows"), hl.Var("rows_and_channels")
            func.fuse(row, image, rows)
            if place.rows * place.images < ENOUGH_TASKS:
                func.fuse(stretches, rows, both).parallel(both)
                stretches = both
            else:
                func.parallel(rows)
        func.never_partition_all()  # whose loops are all alike: what is read is checked in the half
        half.compute_at(func, stretches).bound(a, 0, self.size)
        if not shared:  # allocated once, however large it is
            half.hoist_storage(func, image)
        c, column, a = self.half_variables
        half.reorder_storage(c, a, column)
        half.split(c, c, lane, lanes, SHIFT).reorder(lane, a, c, column).vectorize(lane).unroll(a)
