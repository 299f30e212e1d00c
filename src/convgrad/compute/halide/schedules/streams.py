"""Weights in the order in which register tiles read them: p[k/W,m,n,c,k%W] = w[m,n,c,k], W kernels a tile.

A tile of 24 kernels reads 96 bytes of every row of w, 2 KB apart where there are 512 kernels: these lines share a few
sets of the first-level cache, no hardware fetches them ahead, and each second one is in another page. In order of their
use, they are one stream of memory. Constant weights are put into this order once (`packing.py`), others in each call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen import functions
from convgrad.compute.halide.codegen.lowering import Lowering, Tensor
from convgrad.compute.halide.schedules.phases import in_phases
from convgrad.compute.halide.schedules.tiles import Tile, tile_for
from convgrad.compute.halide.target import machine
from convgrad.notation.terms import Access, Definition, accesses

NEAREST = 1 << 15
"""Bytes of weights that a first-level cache keeps, in any order: 32 KiB."""
NEAR = 3 << 18
"""The same where vectors have 16 bytes: 768 KiB, for there nothing was measured, and memory may be short."""
LONG_ROW = 1 << 9
"""Bytes of a row beyond which the order pays. Zen 3, ms: 1x1, 512 -> 512 at 14x14, 8 images: 6.0 instead of 8.4; 6x6,
128 -> 512 with stride 2: 6.7, not 12.5. Rows of 512 bytes and less: 3x3, 64 -> 128 with stride 2: 18.5, not 18.0."""


def far_apart(row: int, numbers: int, element_bytes: int) -> bool:
    """Whether weights in rows of so many numbers, `numbers` in all, should be put into order: rows are long, or their
    vectors begin anywhere, so that many lie in two lines of memory (dense, 785 -> 117: 0.42 ms instead of 0.57)."""
    uneven = row % machine().lanes(element_bytes) != 0
    near = NEAREST if machine().vector_bytes > 16 else NEAR
    return numbers * element_bytes > near and (uneven or row * element_bytes > LONG_ROW)


def groups_of(access: Access, atom: Definition, tile: Tile) -> tuple[str, ...] | None:
    """Indices of the result that say which weights a tile reads, beside the last one along which its vectors run: the g
    of `w[m,n,c,g,k]`. None where the access is not of weights, which are the same for all places of a tile."""
    last = atom.indices[-1]
    free = access.free_names & {*atom.indices}
    groups = tuple(index for index in atom.indices[:-1] if index in free)
    bare = {position.as_name for position in access.positions}
    return groups if last in free and bare.issuperset(groups) and tile.positions.keys().isdisjoint(groups) else None


def row_of(access: Access, atom: Definition) -> int:
    """Numbers from one row of weights to the next: those of a group, or of all groups where they lie side by side."""
    names = takewhile(atom.indices.__contains__, [position.as_name for position in reversed(access.positions)])
    side_by_side = {atom.indices[-1], *names}
    return prod(atom.sizes[name] for name in side_by_side if name in access.free_names)


def groups_first(access: Access, axes: Sequence[int], groups: Sequence[str]) -> tuple[int, ...]:
    """Axes of weights in the order of their use: what a group's tiles read lies together."""
    return tuple(sorted(axes, key=lambda axis: access.positions[axis].as_name not in groups))


@dataclass(frozen=True)
class Stream:
    """An operand that is read in stretches of `width` along its last axis; `order` of its other axes, groups first."""

    access: Access
    shape: tuple[int, ...]
    width: int
    order: tuple[int, ...]

    @property
    def packed_shape(self) -> tuple[int, ...]:
        return -(-self.shape[-1] // self.width), *(self.shape[axis] for axis in self.order), self.width

    def packing(self, weights: Tensor, scheduled: bool) -> Any:
        """The Func that puts it into order, with zeros beyond the end."""
        last = self.shape[-1] - 1
        variables = [hl.Var(f"v{axis}") for axis in range(len(self.shape) + 1)]
        block, *ordered, place = variables
        others = dict(zip(self.order, ordered, strict=True))
        packed = hl.Func("packed")
        at = block * self.width + place
        value = weights.load([*(others[axis] for axis in sorted(others)), hl.min(at, last)])
        if self.shape[-1] % self.width:
            value = hl.select(at <= last, value, functions.constant(0.0, value.type()))
        packed[tuple(reversed(variables))] = value
        if scheduled:
            lane, lanes = hl.Var("lane"), min(self.width, machine().lanes(4))
            packed.bound(place, 0, self.width).split(place, place, lane, lanes, hl.TailStrategy.GuardWithIf)
            packed.vectorize(lane).parallel(block)
        return packed

    def read_from(self, packed: Tensor, lowering: Lowering) -> None:
        """Make what is lowered read the operand in its new order."""

        def read(indices: Mapping[str, Any]) -> Any:
            *others, place = lowering.numerators(self.access, indices)
            return packed.load([place // self.width, *(others[axis] for axis in self.order), place % self.width])

        lowering.read_from_copy(self.access, read)


def stream_of(
    atom: Definition, shapes: Mapping[str, tuple[int, ...]], element_bytes: int, spared: Mapping[str, float]
) -> Stream | None:
    """The operand of a sum in register tiles along its last index that is worth the order; None where there is none.

    spared: as `tile_for` takes it.
    """
    last = atom.indices[-1]
    found = [access for access in accesses(atom.term) if last in access.free_names]
    if len(found) != 1 or in_phases(atom)[1]:
        return None
    names, shape = [position.as_name for position in found[0].positions], shapes[found[0].tensor]
    if None in names or names[-1] != last or names.count(last) != 1 or found[0].outside is not None:
        return None
    tile = tile_for(atom, machine(), element_bytes, spared=spared)
    groups = groups_of(found[0], atom, tile)
    if tile.blocks == 1 or groups is None or not far_apart(row_of(found[0], atom), prod(shape), element_bytes):
        return None
    return Stream(found[0], shape, tile.width, groups_first(found[0], range(len(shape) - 1), groups))
