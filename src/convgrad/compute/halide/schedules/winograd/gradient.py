"""Winograd's form of the gradient of small kernels, in float32.

    dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,S*i+m-p,S*j+n-q,c else 0])

is a correlation of the kernel's size of results with a tile of dx, 4x4 say, summed over all tiles. With V = B^T o B and
D = G dx G^T for each tile t:

    S[a,b,c,k] = sum[t](V[a,b,t,c] * D[a,b,t,k]),  dw = A^T S A

With 3x3 kernels and stride 1 these are 36 matrix products instead of 144 / tile. Their sums are taken in runs, a fixed
number, and added in a fixed order.
Threads take runs, and rows of the planes of a run's sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Tensor
from convgrad.compute.halide.schedules.pointwise import ENOUGH_TASKS
from convgrad.compute.halide.schedules.winograd.matrices import transposed
from convgrad.compute.halide.schedules.winograd.products import product
from convgrad.compute.halide.schedules.winograd.tiles import GUARD, ROUND, Sizes, TileTransform, grid, spared

FEW_RUNS = 4  # below which threads also take rows of the planes of a run: that costs 5 to 10 % where it is not needed


@dataclass(frozen=True)
class Blocks:
    """How the work is cut.

    Attributes:
        outputs: upstream gradients along a side of a tile.
        lanes: elements of a vector.
        vectors, channels: accumulators in registers: vectors along k times channels of o.
        rows, images: a task is this many rows of tiles of one image, or all rows of this many images; its products
            are summed in registers, and added to memory.
        runs: the tasks of a run are added up one after the other, each transformed just before. 0: all tiles are
            transformed first, and summed in registers.
        width: kernels and channels whose sums are made at once where there are no runs: by one thread where there are
            enough of such blocks, else the planes by all threads.
    """

    outputs: int
    lanes: int
    vectors: int
    channels: int
    rows: int
    images: int
    runs: int
    width: int = 64


class WeightGradient:
    """dw of `o` (Tensor e,i,j,c; its stored zeros are used) and `dx` (Tensor e,i,j,k).

    Attributes:
        sums: the Func dw[k,c,n,m], to be read at its own element by the Func that is scheduled.
    """

    def __init__(self, o: Tensor, dx: Tensor, sizes: Sizes, blocks: Blocks):
        self.sizes, self.blocks = sizes, blocks
        self.matrices = matrices = sizes.kernel_gradient(blocks.outputs)
        self.place = place = grid(sizes, blocks.outputs, blocks.rows, blocks.images)
        self.spared = spared(sizes, blocks.outputs, transposed(matrices.kernel))
        self.length = -(-place.tasks // max(1, min(blocks.runs, place.tasks)))
        self.runs = -(-place.tasks // self.length)
        widths = [blocks.channels, blocks.lanes * blocks.vectors]  # along c and k: of registers, or of a thread
        if not blocks.runs:
            widths = [max(1, blocks.width // width) * width for width in widths]
        self.widths = widths
        self.channels = -(-sizes.channels // widths[0]) * widths[0]
        self.kernels = -(-sizes.kernels // widths[1]) * widths[1]
        self.few_blocks = not blocks.runs and self.channels * self.kernels < ENOUGH_TASKS * widths[0] * widths[1]
        lanes = blocks.lanes
        self.data = TileTransform(
            o, matrices.data, matrices.step, place, sizes.padding, lanes, self.channels, "data", by_tile=True
        )
        self.deltas = TileTransform(
            dx, matrices.kernel, blocks.outputs, place, (0, 0), lanes, self.kernels, "deltas", by_tile=True
        )
        self._multiply()
        self._transform_back()

    def _multiply(self) -> None:
        place, in_runs = self.place, self.blocks.runs > 0
        self.task_variables = k, c, a, b, task = [hl.Var(v) for v in ("k", "c", "a", "b", "task")]
        self.products, self.partial, self.total = hl.Func("products"), hl.Func("partial"), hl.Func("total")
        # Without runs all tiles of all tasks are added in registers, and `task` stays 0; where products are spared, the
        # same tile of all images first, since these need the same planes.
        places = place.rows * place.columns
        by_place = bool(self.spared) and not in_runs and place.tasks == 1
        over = hl.RDom(
            [(0, place.images), (0, places)] if by_place else [(0, place.tiles), (0, 1 if in_runs else place.tasks)],
            "t",
        )
        self.tiles = [over[n] for n in range(2)]
        of_task, tile = task if in_runs else self.tiles[1], self.tiles[0]
        if by_place:
            of_task, tile = hl.Expr(0), self.tiles[0] * places + self.tiles[1]
            over.where(place.needed(hl.Expr(0), self.tiles[1], (a, b), self.spared))
        self.products[k, c, a, b, task] = hl.f32(0)
        delta = hl.Expr(self.deltas.func[k, tile, a, b, of_task])
        self.products[k, c, a, b, task] += delta * self.data.func[c, tile, a, b, of_task]
        self.run = hl.Var("run")
        if not in_runs:
            self.partial[k, c, a, b, self.run] = hl.Expr(self.products[k, c, a, b, self.run])
            return
        tasks = hl.RDom([(0, self.length)], "task")
        self.task_of_run = tasks.x
        number = self.run * self.length + tasks.x
        if place.tasks % self.length:  # the last run is shorter; the bound is for the compiler's proof
            tasks.where(number < place.tasks)
            number = hl.min(number, place.tasks - 1)
        self.partial[k, c, a, b, self.run] = hl.f32(0)
        self.partial[k, c, a, b, self.run] += self.products[k, c, a, b, number]
        self.run_of_total = hl.RDom([(0, self.runs)], "run").x
        self.total[k, c, a, b] = hl.f32(0)
        self.total[k, c, a, b] += self.partial[k, c, a, b, self.run_of_total]

    def _transform_back(self) -> None:
        matrix, size = self.matrices.inverse, self.matrices.size
        self.back_variables = k, c, m, n = [hl.Var(v) for v in ("k", "c", "m", "n")]
        self.half_back, self.sums = hl.Func("back_half"), hl.Func("sums")

        def summed(a: int, b: Any) -> Any:
            return hl.Expr(self.total[k, c, a, b] if self.runs > 1 else self.partial[k, c, a, b, 0])

        self.half_back[k, c, m, n] = hl.mux(m, product(matrix, [summed(a, n) for a in range(size)]))
        self.back = hl.Func("back")
        self.back[k, c, m, n] = hl.mux(n, product(matrix, [hl.Expr(self.half_back[k, c, m, b]) for b in range(size)]))
        self.sums[k, c, n, m] = self.back[k, c, m, n]

    # Schedule

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        """Schedule `func`, which reads the sums at its own element; `variables` are its m, n, c, k."""
        sizes, blocks = self.sizes, self.blocks
        m, n, c, k = variables
        shape = (sizes.kernel, sizes.kernel, sizes.channels, sizes.kernels)
        for variable, extent in zip(variables, shape, strict=True):
            func.bound(variable, 0, extent)
        lane, some, many, both = hl.Var("lane"), hl.Var("some"), hl.Var("many"), hl.Var("both")
        in_runs, partial = blocks.runs > 0, self.partial
        if in_runs:
            func.split(c, some, c, blocks.channels, GUARD).split(k, k, lane, blocks.lanes, GUARD)
            func.reorder(lane, n, m, k, c, some).vectorize(lane).parallel(some)
            partial.compute_root()
        else:
            few = hl.Var("few")
            func.split(c, some, c, self.widths[0], GUARD).split(c, few, c, blocks.channels, GUARD)
            func.split(k, many, k, self.widths[1], GUARD).split(k, k, lane, blocks.lanes, GUARD)
            func.reorder(lane, n, m, k, c, few, many, some).vectorize(lane)
            func.fuse(many, some, both).parallel(both)
            if self.few_blocks:
                func.parallel(few)
            partial.compute_at(func, both)
        func.never_partition([k])  # the last kernels by themselves would be all of this code once more
        self._schedule_back(func, k)
        self._schedule_partial()
        for transform in (self.data, self.deltas):
            transform.schedule(shared=not in_runs)
            if in_runs:
                transform.func.compute_at(partial, self.task_of_run).hoist_storage(partial, self.run)
            else:
                transform.func.compute_root()

    def _schedule_partial(self) -> None:
        blocks, size, partial = self.blocks, self.matrices.size, self.partial
        in_runs = blocks.runs > 0
        pk, pc, a, b, _ = self.task_variables
        lane, blocks_k, blocks_c = hl.Var("lane"), hl.Var("blocks_k"), hl.Var("blocks_c")
        partial.bound(a, 0, size).bound(b, 0, size)
        # One channel more than there are: planes a multiple of 4 KiB apart would share their places in the cache.
        partial.align_storage(pc, (self.channels if in_runs else self.widths[0]) + 1)
        for stage in (partial, partial.update()) if in_runs else (partial,):
            stage.split(pk, blocks_k, pk, blocks.lanes * blocks.vectors, ROUND).split(pk, pk, lane, blocks.lanes, GUARD)
            stage.split(pc, blocks_c, pc, blocks.channels, ROUND)
            loops = [lane, pk, pc, blocks_c, blocks_k, a, b]
            if in_runs and stage is not partial:
                loops.append(self.task_of_run)
            stage.reorder(*loops, self.run).vectorize(lane).unroll(pk).unroll(pc)
            stage.parallel(self.run)
            if in_runs and stage is not partial and self.runs < FEW_RUNS:
                stage.parallel(b)
            elif self.few_blocks:
                stage.parallel(a).parallel(b)
        products = self.products
        products.compute_at(partial, blocks_c)
        # Whole tiles of registers are summed: what lies beyond the end in them is computed, too, from the tiles' zeros.
        products.bound_extent(pk, blocks.lanes * blocks.vectors).bound_extent(pc, blocks.channels)
        for stage in (products, products.update()):
            stage.split(pk, pk, lane, blocks.lanes, ROUND).vectorize(lane).unroll(pk).unroll(pc)
        products.update().reorder(lane, pk, pc, *self.tiles)

    def _schedule_back(self, func: Any, k: Any) -> None:
        lanes, size, kernel = self.blocks.lanes, self.matrices.size, self.sizes.kernel
        (bk, _, m, n), lane = self.back_variables, hl.Var("lane")
        for stage, rows, columns in ((self.back, kernel, kernel), (self.half_back, kernel, size)):
            stage.compute_at(func, k).bound(m, 0, rows).bound(n, 0, columns)
            # In whole vectors: none begins earlier to end where the kernels end, and reads what its block did not make.
            stage.bound_extent(bk, lanes).split(bk, bk, lane, lanes, ROUND).vectorize(lane)
        self.half_back.reorder(lane, bk, m, n).unroll(m)
        self.back.reorder(lane, bk, n, m).unroll(n)
        if self.runs > 1:
            tk, _, a, b, _ = self.task_variables
            update = self.total.compute_at(func, k).bound(a, 0, size).bound(b, 0, size).update()
            self.total.bound_extent(tk, lanes)
            for stage in (self.total, update):
                stage.split(tk, tk, lane, lanes, ROUND).vectorize(lane)
            update.reorder(lane, tk, self.run_of_total, a, b)
