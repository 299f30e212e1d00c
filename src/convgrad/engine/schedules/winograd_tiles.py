"""Tiles of images for Winograd's convolutions: how they are dealt out to tasks, and their transforms.

    V[t,a,b,c] = sum[y,x](B[a,y] * B[b,x] * o[e,S*i+y-p,S*j+x-q,c else 0])

for every tile t = (e,i,j). A task is `rows` rows of tiles of one image, or all rows of `images` images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import halide as hl

from convgrad.engine.lowering import Tensor
from convgrad.engine.schedules.winograd_matrices import Matrix, product

Expr = Any
GUARD, SHIFT = hl.TailStrategy.GuardWithIf, hl.TailStrategy.ShiftInwards
CHANNELS_AT_ONCE = 64
"""Channels of which one row of tiles is transformed before the next ones: 256 bytes of each place in memory, and for 34
columns 34*6*256 bytes = 52 KB between the two halves of a transform."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m-p,j+n-q,c else 0]) with 3x3 kernels.

    Attributes:
        images, rows, columns, channels: the shape of o.
        kernels: channels of x.
        padding: p, q; from 0 to 2.
    """

    images: int
    rows: int
    columns: int
    channels: int
    kernels: int
    padding: tuple[int, int] = (0, 0)

    @property
    def out_rows(self) -> int:
        return self.rows + 2 * self.padding[0] - 2

    @property
    def out_columns(self) -> int:
        return self.columns + 2 * self.padding[1] - 2

    @property
    def of_input_gradient(self) -> Sizes:
        """The sizes with which the gradient with respect to o is a convolution of dx."""
        padding = (2 - self.padding[0], 2 - self.padding[1])
        return Sizes(self.images, self.out_rows, self.out_columns, self.kernels, self.channels, padding)

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


def grid(sizes: Sizes, step: int, rows: int, images: int) -> Grid:
    """The grid of tiles of step x step results."""
    strips = -(-sizes.tile_rows(step) // rows)
    return Grid(step, sizes.tile_columns(step), rows, images, strips, -(-sizes.images // images))


class TileTransform:
    """The transforms of all tiles: first down the columns, shared by tiles that overlap, then along the rows.

    Attributes:
        func: V[c, t, a, b, strip, group].
    """

    def __init__(
        self, source: Tensor, matrix: Matrix, place: Grid, offset: tuple[int, int], lanes: int, channels: int, name: str
    ):
        self.place, self.lanes, self.channels = place, lanes, channels
        self.source, self.offset = source, offset
        self.size, self.taps = len(matrix), len(matrix[0])
        self.variables = [hl.Var(v) for v in ("c", "t", "a", "b", "strip", "group")]
        c, t, a, b, strip, group = self.variables
        self.half, self.func = hl.Func(f"{name}_half"), hl.Func(name)
        column, row, image = hl.Var("column"), hl.Var("row"), hl.Var("image")
        self.half_variables = [c, column, a]
        top = (strip * place.rows + row) * place.step
        values = [self._read(c, column, top + y, group * place.images + image) for y in range(self.taps)]
        self.half[c, column, a, row, image, strip, group] = hl.mux(a, product(matrix, values))
        left = (t % place.columns) * place.step
        row_image = ((t // place.columns) % place.rows, t // (place.columns * place.rows))
        halves = [hl.Expr(self.half[(c, left + x, a, *row_image, strip, group)]) for x in range(self.taps)]
        self.func[c, t, a, b, strip, group] = hl.mux(b, product(matrix, halves))

    def _read(self, c: Expr, column: Expr, row: Expr, image: Expr) -> Expr:
        """An element of the source at padded coordinates, zero outside."""
        place, (images, rows, columns, channels) = self.place, self.source.shape
        low, high = self.source.low or (0,) * 4, self.source.high or (0,) * 4
        beyond = self.taps - place.step
        inside = []
        coordinates = []
        ends = (place.strips * place.rows * place.step + beyond, place.columns * place.step + beyond)
        for axis, (value, size) in enumerate(((row, rows), (column, columns)), 1):
            value, end = value - self.offset[axis - 1], ends[axis - 1] - self.offset[axis - 1]
            checks = []
            if self.offset[axis - 1] > low[axis]:
                checks.append(value >= 0)
            if end > size + high[axis]:
                checks.append(value < size)
            if checks:
                value = hl.likely(hl.clamp(value, 0, size - 1))
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

    def schedule(self) -> Any:
        """The loops, but for where they run. Returns the variable of the stretches of channels."""
        place = self.place
        c, t, a, b, _, _ = self.variables
        lanes = self.lanes
        while lanes > self.channels:
            lanes //= 2
        stretch = min(CHANNELS_AT_ONCE, self.channels)
        stretches, lane, row, image = hl.Var("stretches"), hl.Var("lane"), hl.Var("row"), hl.Var("image")
        func, half = self.func, self.half
        func.bound(a, 0, self.size).bound(b, 0, self.size)
        # One tile more than there are: planes a multiple of 4 KiB apart would share their places in the cache.
        func.align_storage(t, place.tiles + 1)
        func.split(c, stretches, c, stretch, SHIFT).split(c, c, lane, lanes, GUARD if stretch % lanes else SHIFT)
        func.split(t, row, t, place.columns, GUARD).split(row, image, row, place.rows, GUARD)
        func.reorder(lane, a, b, c, t, stretches, row, image)
        func.vectorize(lane).unroll(a).unroll(b)
        half.compute_at(func, stretches).bound(a, 0, self.size)
        c, column, a = self.half_variables
        half.reorder_storage(c, a, column)
        half.split(c, c, lane, lanes, SHIFT).reorder(lane, a, c, column).vectorize(lane).unroll(a)
        return stretches
