"""The transforms of kernels for Winograd's convolutions, U = G w G^T, in the course of a convolution or once before.

In memory U lies as [block,b,a,c,k], for the k-th kernel of a block, with one channel more than there are: planes a
multiple of 4 KiB apart would share their places in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Tensor
from convgrad.compute.halide.schedules.winograd.products import product
from convgrad.compute.halide.schedules.winograd.tiles import GUARD, Sizes

Expr = Any
CHANNELS_OF_WEIGHTS = 16
"""Channels whose weights are transformed one after the other: of 64 kernels 3x3, 36 KiB of weights, which are copied
before. Loops with little else in them keep more lines of memory on their way, and 4 that lie side by side come
together: 512 -> 512 kernels take 1.0 ms less of 8.3 than where the transform reads lines from 2 KiB apart."""

MANY_WEIGHTS = 1 << 16
"""Pairs of channels and kernels from which the loop that copies weights is written out for all places of a kernel: more
lines are then on their way (input gradient of 512 -> 512 at 7x7, 8 images: 4.9 ms instead of 5.4)."""


@dataclass(frozen=True)
class Blocks:
    """How the work is cut.

    Attributes:
        outputs: results along a side of a tile.
        lanes: elements of a vector.
        vectors, tiles: accumulators in registers: vectors along k times tiles.
        rows, images: a task is this many rows of tiles of one image, or all rows of this many images.
        stretch: channels of which the weights are transformed inside of tasks, just before they are used; 0 to
            transform all weights first.
        apart: whether there is a task for each stretch of lanes * vectors kernels, too; so there is with `stretch`.
    """

    outputs: int
    lanes: int
    vectors: int
    tiles: int
    rows: int
    images: int
    stretch: int = 0
    apart: bool = False

    @property
    def width(self) -> int:
        return self.lanes * self.vectors

    @property
    def by_kernels(self) -> bool:
        """Whether kernels are dealt to tasks."""
        return self.apart or self.stretch > 0


def packed_shape(sizes: Sizes, blocks: Blocks) -> tuple[int, ...]:
    """Of transformed kernels as they lie in memory."""
    size = sizes.correlation(blocks.outputs).size
    return -(-sizes.kernels // blocks.width), size, size, sizes.channels + 1, blocks.width


class KernelTransform:
    """The transforms of `w` (Tensor m,n,c,k).

    `transposed`: neighbours in the memory of w differ in c and not in k, as for the gradient with respect to an input.

    Attributes:
        func: U[k, c, block, a, b], for the block's k-th kernel.
    """

    def __init__(self, w: Tensor, sizes: Sizes, blocks: Blocks, transposed: bool):
        self.sizes, self.blocks = sizes, blocks
        correlation = sizes.correlation(blocks.outputs)
        self.size = correlation.size
        self.variables = k, c, block, a, b = [hl.Var(v) for v in ("k", "c", "block", "a", "b")]
        kernel = block * blocks.width + k
        if sizes.kernels % blocks.width:
            kernel = hl.min(hl.likely(kernel), sizes.kernels - 1)

        # In the order of memory.
        self.near = hl.Func("weights_near")
        first, second, n, m = self.near_variables = [hl.Var(v) for v in ("first", "second", "n", "m")]
        places = (first, second) if transposed else (second, first)
        self.near[first, second, n, m] = w.load([m, n, *places])

        def weight(m: Expr, n: Expr) -> Expr:
            return hl.Expr(self.near[c, kernel, n, m] if transposed else self.near[kernel, c, n, m])

        self.copy = None
        if transposed:
            self.copy = hl.Func("weights_copy")
            self.copy[k, c, block, a, b] = weight(a, b)
        self.half, self.func = hl.Func("weights_half"), hl.Func("weights")
        matrix, terms = correlation.kernel, range(sizes.kernel)
        self.half[k, c, block, a, b] = hl.mux(
            a,
            product(
                matrix,
                [hl.Expr(self.copy[k, c, block, m, b]) if self.copy is not None else weight(m, b) for m in terms],
            ),
        )
        halves = [hl.Expr(self.half[k, c, block, a, n]) for n in terms]
        self.func[k, c, block, a, b] = hl.mux(b, product(matrix, halves))

    def schedule(self, products: Any, stretches: Any) -> None:
        """In the course of a convolution: before all else, or for a stretch of channels of its products."""
        blocks = self.blocks
        k, c, block, a, b = self.variables
        weights, lane, some = self.func, hl.Var("lane"), hl.Var("some")
        weights.reorder_storage(k, c, a, b, block)
        weights.align_storage(c, (blocks.stretch or self.sizes.channels) + 1)
        count = -(-self.sizes.channels // CHANNELS_OF_WEIGHTS)
        self._loops(weights, lane)
        weights.split(c, some, c, -(-self.sizes.channels // count), GUARD).reorder(lane, b, a, c, k, some, block)
        if blocks.stretch:
            weights.compute_at(products, stretches)
        else:
            weights.compute_root().reorder(k, block, some).parallel(some)
        self._schedule_halves(weights)
        first, second, n, m = self.near_variables
        self.near.compute_at(weights, some).split(first, first, lane, blocks.lanes, GUARD).vectorize(lane)
        self.near.reorder(lane, first, n, m, second)
        if self.sizes.channels * self.sizes.kernels >= MANY_WEIGHTS:
            self.near.unroll(n).unroll(m)
        weights.never_partition_all()
        self.near.never_partition_all()

    def _loops(self, weights: Any, lane: Any) -> None:
        k, _, _, a, b = self.variables
        weights.bound(a, 0, self.size).bound(b, 0, self.size)
        weights.split(k, k, lane, self.blocks.lanes, GUARD).vectorize(lane).unroll(b)

    def _schedule_halves(self, weights: Any) -> None:
        """A vector of kernels at a time. Of both halves one direction is written out, the other a loop: a third
        as much is then to be compiled (5x5, 50 -> 20: 1.4 s of the processor before, 0.4 after), as quick to run."""
        k, c, block, a, b = self.variables
        lane = hl.Var("lane")
        self.half.compute_at(weights, c).reorder(k, a, b, c).vectorize(k, self.blocks.lanes).unroll(a)
        if self.copy is not None:
            # Blocks of 16 x 16, read along the memory of w: read along k, each element would bring in a line.
            self.copy.compute_at(weights, k).split(c, c, lane, CHANNELS_OF_WEIGHTS, GUARD)
            self.copy.reorder(lane, k, c, a, b, block).vectorize(lane).unroll(k, 4).never_partition_all()

    def packing(self, scheduled: bool) -> Any:
        """Once, as a Func of its own in the order of memory, all of it written; plainly where not `scheduled`."""
        k, c, block, a, b = self.variables
        packed, lane = hl.Func("packed"), hl.Var("lane")
        packed[k, c, a, b, block] = self.func[k, hl.min(hl.likely(c), self.sizes.channels - 1), block, a, b]
        if not scheduled:
            self.half.compute_root()
            return packed
        self._loops(packed, lane)
        # Copies of turned kernels are made for a vector of these, and all channels.
        packed.reorder(lane, b, a, *((k, c) if self.copy is None else (c, k)), block).parallel(block)
        self._schedule_halves(packed)
        return packed


class PackedKernels:
    """Kernels that were transformed before, in memory as [block,b,a,c,k], with what a convolution reads of them."""

    def __init__(self, packed: Tensor):
        k, c, block, a, b = [hl.Var(v) for v in ("k", "c", "block", "a", "b")]
        self.func = hl.Func("weights")
        self.func[k, c, block, a, b] = packed.load([block, b, a, c, k])

    def schedule(self, products: Any, stretches: Any) -> None:
        """Nothing: they are there."""
