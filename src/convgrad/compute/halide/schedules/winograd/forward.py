"""Winograd's convolution with small kernels in float32: forward, and for the gradient of the input.

    x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,S*i+m-p,S*j+n-q,c else 0])

With 3x3 kernels, tiles of 4x4 results take 36 products per pair of channels instead of 144 (81 with stride 2), tiles of
2x2 take 16 instead of 36:

    V = B^T o B  (each tile),  U = G w G^T,  M[a,b,t,k] = sum[c](U[a,b,c,k] * V[a,b,t,c]),  x = A^T M A

M is as many matrix products. Reference: A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Tensor
from convgrad.compute.halide.schedules.pointwise import PARALLEL_ELEMENTS, PARALLEL_WORK
from convgrad.compute.halide.schedules.winograd.kernels import Blocks as Blocks  # how a convolution is cut
from convgrad.compute.halide.schedules.winograd.kernels import KernelTransform, PackedKernels
from convgrad.compute.halide.schedules.winograd.products import product
from convgrad.compute.halide.schedules.winograd.tiles import GUARD, ROUND, Sizes, TileTransform, grid, spared
from convgrad.compute.halide.schedules.written_out import dividing_steps, some_written_out

Expr = Any
MOST_RUNS = 16
"""Runs of tasks, each on one thread with memory of its own: 16 threads get one each, and 2 to 8 an equal number."""


class Forward:
    """x of `o` (Tensor e,i,j,c; its stored zeros are used) and `w` (Tensor m,n,c,k).

    `transposed`: neighbours in the memory of w differ in c and not in k, as for the gradient with respect to an input.
    `packed`: w is what `KernelTransform.packing` made.

    Attributes:
        sums: the Func x[k,j,i,e], to be read at its own element by the Func that is scheduled.
    """

    def __init__(
        self, o: Tensor, w: Tensor, sizes: Sizes, blocks: Blocks, transposed: bool = False, packed: bool = False
    ):
        self.sizes, self.blocks = sizes, blocks
        self.matrices = sizes.correlation(blocks.outputs)
        self.place = grid(sizes, blocks.outputs, blocks.rows, blocks.images)
        matrices, lanes = self.matrices, blocks.lanes
        self.spared = spared(sizes, blocks.outputs, matrices.inverse)
        self.across = bool(self.spared) and self.place.images % blocks.tiles == 0
        self.data = TileTransform(
            o, matrices.data, matrices.step, self.place, sizes.padding, lanes, sizes.channels, "data"
        )
        self.kernels: KernelTransform | PackedKernels = (
            PackedKernels(w) if packed else KernelTransform(w, sizes, blocks, transposed)
        )
        self._multiply()
        self._transform_back()

    def _multiply(self) -> None:
        """M[lane, a, b, vector, t, place, task]: what belongs to a tile lies together, as it is read next.

        Tiles in registers are neighbours in an image; or the same one of several images, at each `place`, where there
        are products to be spared.
        """
        blocks, place = self.blocks, self.place
        names = ("lane", "a", "b", "vector", "t", "place", "task")
        self.product_variables = lane, a, b, vector, t, at, task = [hl.Var(v) for v in names]
        channels = hl.RDom([(0, self.sizes.channels)], "c")
        self.channel = channels.x
        if self.across:
            tile = t * place.rows * place.columns + at
            channels.where(place.needed(task, at, (a, b), self.spared))
        else:  # the last tiles in registers may be beyond the last one of the task
            tile = hl.min(t, place.tiles - 1) if place.tiles % blocks.tiles else t
        self.products = hl.Func("products")
        self.products[lane, a, b, vector, t, at, task] = hl.f32(0)
        kernel = (vector % blocks.vectors) * blocks.lanes + lane
        weight = hl.Expr(self.kernels.func[kernel, self.channel, vector // blocks.vectors, a, b])
        self.products[lane, a, b, vector, t, at, task] += weight * self.data.func[self.channel, tile, a, b, task]

    def _transform_back(self) -> None:
        blocks, place, outputs = self.blocks, self.place, self.blocks.outputs
        self.back_variables = lane, y, x, vector, column, row, e = [
            hl.Var(v) for v in ("lane", "y", "x", "vector", "column", "row", "e")
        ]
        image, at = e % place.images, (row % place.rows) * place.columns + column
        t, at = (image, at) if self.across else (image * place.rows * place.columns + at, 0)
        matrix, size = self.matrices.inverse, self.matrices.size
        task = e // place.images * place.strips + row // place.rows
        values = [hl.Expr(self.products[lane, a, x, vector, t, at, task]) for a in range(size)]
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
        shared = self._work() >= PARALLEL_WORK
        if blocks.by_kernels:
            if shared:
                func.parallel(task).parallel(block)
        else:
            func.split(task, run, task, -(-place.tasks // MOST_RUNS), GUARD)
            if shared:
                func.parallel(run)
        # Ends are checked in the loops inside: a last block by itself would be all of this code once more.
        func.never_partition([block, row, e])
        self._schedule_back(func, k)
        self.products.compute_at(func, block)
        self.data.func.compute_at(func, task).bound_extent(self.data.variables[-1], 1)
        if not blocks.by_kernels:
            # Allocated once in a run: memory fresh from the system for each task would cost more than its use.
            self.products.hoist_storage(func, run)
            self.data.func.hoist_storage(func, run)
        stretches = self._schedule_products()
        transformed = self.place.tiles * self.matrices.size**2 * self.sizes.channels
        self.data.schedule(shared=blocks.by_kernels and shared and transformed >= PARALLEL_ELEMENTS)
        self.kernels.schedule(self.products, stretches)

    def _work(self) -> int:
        """Multiply-adds of the products."""
        return self.place.tasks * self.place.tiles * self.matrices.size**2 * self.sizes.channels * self.sizes.kernels

    def _schedule_back(self, func: Any, k: Any) -> None:
        lane, y, x, *tile = self.back_variables
        size, outputs = self.matrices.size, self.blocks.outputs
        for variable in tile:  # one; where Halide does not see that, its memory would come from the system each time
            self.half_back.bound_extent(variable, 1)
            self.back.bound_extent(variable, 1)
        self.back.bound(y, 0, outputs).bound(x, 0, outputs)
        self.half_back.bound(y, 0, outputs).bound(x, 0, size)
        self.half_back.compute_at(func, k).reorder(lane, y, x).vectorize(lane).unroll(y)
        self.back.compute_at(func, k).reorder(lane, x, y).vectorize(lane).unroll(x)

    def _schedule_products(self) -> Any:
        """Returns the variable of the stretches of channels, where there are some."""
        blocks, size, channel = self.blocks, self.matrices.size, self.channel
        lane, a, b, vector, t, at, task = self.product_variables
        self.products.bound_extent(task, 1).bound(a, 0, size).bound(b, 0, size).bound(lane, 0, blocks.lanes)
        # 8x8 vectors of 64 bytes are 4 KiB: what neighbours in a plane are apart, all in one place of the cache.
        self.products.align_storage(b, size + (size % 8 == 0))
        several, tile = hl.Var("several"), hl.Var("tile")
        stretches, inner = hl.RVar("stretches"), hl.RVar("inner")
        for stage in (self.products, self.products.update()):
            stage.split(vector, several, vector, blocks.vectors, ROUND).split(t, t, tile, blocks.tiles, ROUND)
            if stage is self.products:
                stage.reorder(lane, vector, tile, t, at, several, a, b)
            elif blocks.stretch:
                stage.split(channel, stretches, inner, blocks.stretch, GUARD)
                steps = 1 if self.sizes.channels % blocks.stretch else dividing_steps(blocks.stretch)
                loops = some_written_out(stage, inner, steps)
                stage.reorder(lane, vector, tile, *loops, t, at, several, a, b, stretches)
            else:
                loops = some_written_out(stage, channel, dividing_steps(self.sizes.channels))
                stage.reorder(lane, vector, tile, *loops, t, at, several, a, b)
            stage.vectorize(lane).unroll(vector).unroll(tile)
        return stretches
