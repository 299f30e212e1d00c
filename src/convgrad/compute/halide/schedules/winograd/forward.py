"""Winograd's convolution with small kernels in float32: forward, and for the gradient of the input.

    x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,S*i+m-p,S*j+n-q,c else 0])

With 3x3 kernels, tiles of 4x4 results take 36 products per pair of channels instead of 144 (81 with stride 2), tiles of
2x2 take 16 instead of 36:

    V = B^T o B  (each tile),  U = G w G^T,  M[a,b,t,k] = sum[c](U[a,b,c,k] * V[a,b,t,c]),  x = A^T M A

M is as many matrix products. Reference: A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Tensor
from convgrad.compute.halide.schedules.winograd.products import product
from convgrad.compute.halide.schedules.winograd.tiles import GUARD, ROUND, Sizes, TileTransform, grid

Expr = Any
MOST_RUNS = 16
"""Runs of tasks, each on one thread with memory of its own: 16 threads get one each, and 2 to 8 an equal number."""
CHANNELS_OF_WEIGHTS = 16
"""Channels whose weights are transformed one after the other."""


@dataclass(frozen=True)
class Blocks:
    """How the work is cut.

    Attributes:
        outputs: results along a side of a tile.
        lanes: elements of a vector.
        vectors, tiles: accumulators in registers: vectors along k times tiles.
        rows, images: a task is this many rows of tiles of one image, or all rows of this many images.
        stretch: channels of which the weights are transformed inside of tasks, just before they are used, with a task
            for each stretch of lanes * vectors kernels; 0 to transform all weights first.
    """

    outputs: int
    lanes: int
    vectors: int
    tiles: int
    rows: int
    images: int
    stretch: int = 0

    @property
    def width(self) -> int:
        return self.lanes * self.vectors


class Forward:
    """x of `o` (Tensor e,i,j,c; its stored zeros are used) and `w` (Tensor m,n,c,k).

    `transposed`: neighbours in the memory of w differ in c and not in k, as for the gradient with respect to an input.

    Attributes:
        sums: the Func x[k,j,i,e], to be read at its own element by the Func that is scheduled.
    """

    def __init__(self, o: Tensor, w: Tensor, sizes: Sizes, blocks: Blocks, transposed: bool = False):
        self.sizes, self.blocks = sizes, blocks
        self.matrices = sizes.correlation(blocks.outputs)
        self.place = grid(sizes, blocks.outputs, blocks.rows, blocks.images)
        matrices, lanes = self.matrices, blocks.lanes
        self.data = TileTransform(
            o, matrices.data, matrices.step, self.place, sizes.padding, lanes, sizes.channels, "data"
        )
        self._transform_weights(w, transposed)
        self._multiply()
        self._transform_back()

    def _transform_weights(self, w: Tensor, transposed: bool) -> None:
        """U[k, c, block, a, b], for the block's k-th kernel."""
        blocks, kernels = self.blocks, self.sizes.kernels
        self.weight_variables = k, c, block, a, b = [hl.Var(v) for v in ("k", "c", "block", "a", "b")]
        kernel = block * blocks.width + k
        if kernels % blocks.width:
            kernel = hl.min(hl.likely(kernel), kernels - 1)

        def weight(m: int, n: Expr) -> Expr:
            return w.load([m, n, c, kernel])

        self.copy = None
        if transposed:
            self.copy = hl.Func("weights_copy")
            self.copy[k, c, block, a, b] = weight(a, b)
        self.half, self.weights = hl.Func("weights_half"), hl.Func("weights")
        matrix, terms = self.matrices.kernel, range(self.sizes.kernel)
        self.half[k, c, block, a, b] = hl.mux(
            a,
            product(
                matrix,
                [hl.Expr(self.copy[k, c, block, m, b]) if self.copy is not None else weight(m, b) for m in terms],
            ),
        )
        halves = [hl.Expr(self.half[k, c, block, a, n]) for n in terms]
        self.weights[k, c, block, a, b] = hl.mux(b, product(matrix, halves))

    def _multiply(self) -> None:
        """M[lane, a, b, vector, t, task]: what belongs to a tile lies together, as it is read next."""
        blocks = self.blocks
        names = ("lane", "a", "b", "vector", "t", "task")
        self.product_variables = lane, a, b, vector, t, task = [hl.Var(v) for v in names]
        self.channel = hl.RDom([(0, self.sizes.channels)], "c").x
        self.products = hl.Func("products")
        self.products[lane, a, b, vector, t, task] = hl.f32(0)
        kernel = (vector % blocks.vectors) * blocks.lanes + lane
        # The last tiles in registers may be beyond the last one of the task.
        place = hl.min(t, self.place.tiles - 1) if self.place.tiles % blocks.tiles else t
        weight = hl.Expr(self.weights[kernel, self.channel, vector // blocks.vectors, a, b])
        self.products[lane, a, b, vector, t, task] += weight * self.data.func[self.channel, place, a, b, task]

    def _transform_back(self) -> None:
        blocks, place, outputs = self.blocks, self.place, self.blocks.outputs
        self.back_variables = lane, y, x, vector, column, row, e = [
            hl.Var(v) for v in ("lane", "y", "x", "vector", "column", "row", "e")
        ]
        t = ((e % place.images) * place.rows + row % place.rows) * place.columns + column
        matrix, size = self.matrices.inverse, self.matrices.size
        task = e // place.images * place.strips + row // place.rows
        values = [hl.Expr(self.products[lane, a, x, vector, t, task]) for a in range(size)]
        self.half_back, self.back = hl.Func("back_half"), hl.Func("back")
        self.half_back[lane, y, x, vector, column, row, e] = hl.mux(y, product(matrix, values))
        halves = [hl.Expr(self.half_back[lane, y, b, vector, column, row, e]) for b in range(size)]
        self.back[lane, y, x, vector, column, row, e] = hl.mux(x, product(matrix, halves))
        self.sums = hl.Func("sums")
        k, j, i, e = (hl.Var(v) for v in ("k", "j", "i", "e"))
        lanes = blocks.lanes
        self.sums[k, j, i, e] = self.back[
            k % lanes, i % outputs, j % outputs, k // lanes, j // outputs, i // outputs, e
        ]

    # Schedule

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        """Schedule `func`, which reads the sums at its own element; `variables` are its e, i, j, k."""
        sizes, blocks, place = self.sizes, self.blocks, self.place
        e, i, j, k = variables
        extents = (sizes.images, sizes.out_rows, sizes.out_columns, sizes.kernels)
        for variable, extent in zip(variables, extents, strict=True):
            func.bound(variable, 0, extent)
        names = ("lane", "block", "y", "x", "row", "strip", "group", "task", "run")
        lane, block, y, x, row, strip, group, task, run = (hl.Var(v) for v in names)
        func.split(k, block, k, blocks.width, GUARD)
        func.split(k, k, lane, blocks.lanes, GUARD)
        func.split(j, j, x, place.step, GUARD)
        func.split(i, strip, i, place.step * place.rows, GUARD).split(i, row, y, place.step, GUARD)
        func.split(e, group, e, place.images, GUARD)
        func.reorder(lane, x, y, k, j, row, e, block, strip, group).vectorize(lane)
        func.fuse(strip, group, task)
        if blocks.stretch:
            func.parallel(task).parallel(block)
        else:
            func.split(task, run, task, -(-place.tasks // MOST_RUNS), GUARD).parallel(run)
        self._schedule_back(func, k)
        self.products.compute_at(func, block)
        self.data.func.compute_at(func, task)
        if not blocks.stretch:
            # Allocated once in a run: memory fresh from the system for each task would cost more than its use.
            self.products.hoist_storage(func, run)
            self.data.func.hoist_storage(func, run)
        stretches = self._schedule_products()
        channels = self.data.schedule()
        if blocks.stretch:
            self.data.func.parallel(channels)
        self._schedule_weights(stretches)

    def _schedule_back(self, func: Any, k: Any) -> None:
        lane, y, x, *_ = self.back_variables
        size, outputs = self.matrices.size, self.blocks.outputs
        self.back.bound(y, 0, outputs).bound(x, 0, outputs)
        self.half_back.bound(y, 0, outputs).bound(x, 0, size)
        self.half_back.compute_at(func, k).reorder(lane, y, x).vectorize(lane).unroll(y)
        self.back.compute_at(func, k).reorder(lane, x, y).vectorize(lane).unroll(x)

    def _schedule_products(self) -> Any:
        """Returns the variable of the stretches of channels, where there are some."""
        blocks, size, channel = self.blocks, self.matrices.size, self.channel
        lane, a, b, vector, t, _ = self.product_variables
        self.products.bound(a, 0, size).bound(b, 0, size).bound(lane, 0, blocks.lanes)
        # 8x8 vectors of 64 bytes are 4 KiB: what neighbours in a plane are apart, all in one place of the cache.
        self.products.align_storage(b, size + (size % 8 == 0))
        several, tile = hl.Var("several"), hl.Var("tile")
        stretches, inner = hl.RVar("stretches"), hl.RVar("inner")
        for stage in (self.products, self.products.update()):
            stage.split(vector, several, vector, blocks.vectors, ROUND).split(t, t, tile, blocks.tiles, ROUND)
            if stage is self.products:
                stage.reorder(lane, vector, tile, t, several, a, b)
            elif blocks.stretch:
                stage.split(channel, stretches, inner, blocks.stretch, GUARD)
                stage.reorder(lane, vector, tile, inner, t, several, a, b, stretches)
            else:
                stage.reorder(lane, vector, tile, channel, t, several, a, b)
            stage.vectorize(lane).unroll(vector).unroll(tile)
        return stretches

    def _schedule_weights(self, stretches: Any) -> None:
        blocks, size = self.blocks, self.matrices.size
        k, c, block, a, b = self.weight_variables
        weights, half = self.weights, self.half
        lane, some = hl.Var("lane"), hl.Var("some")
        weights.bound(a, 0, size).bound(b, 0, size).reorder_storage(k, c, a, b, block)
        # As for the tiles: planes a multiple of 4 KiB apart would share their places in the cache.
        weights.align_storage(c, (blocks.stretch or self.sizes.channels) + 1)
        weights.split(k, k, lane, blocks.lanes, GUARD).vectorize(lane).unroll(b)
        half.compute_at(weights, k).reorder(k, a, b, c).vectorize(k, blocks.lanes).unroll(a)
        count = -(-self.sizes.channels // CHANNELS_OF_WEIGHTS)
        weights.split(c, some, c, -(-self.sizes.channels // count), GUARD).reorder(lane, b, a, c, k, some, block)
        if blocks.stretch:
            weights.compute_at(self.products, stretches)
        else:
            weights.compute_root().reorder(k, block, some).parallel(some)
        if self.copy is not None:
            # Blocks of 16 x 16, read along the memory of w: read along k, each element would bring in a line.
            self.copy.compute_at(weights, k).split(c, c, lane, CHANNELS_OF_WEIGHTS, GUARD)
            self.copy.reorder(lane, k, c, a, b, block).vectorize(lane).unroll(k, 4)
