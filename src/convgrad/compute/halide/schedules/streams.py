"""Constant weights in the order in which register tiles read them: p[k/W,m,n,c,k%W] = w[m,n,c,k], W kernels a tile.

A tile of one vector reads 64 bytes of every row of w, 2 KB apart where there are 512 kernels: no hardware fetches that
ahead, and each second line is in another page. In order of their use, they are one stream of memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, Tensor
from convgrad.compute.halide.schedules.phases import in_phases
from convgrad.compute.halide.schedules.tiles import tile_for
from convgrad.compute.halide.target import machine
from convgrad.notation.terms import Access, Definition, accesses

NEAR = 3 << 18
"""Bytes that a second-level cache of 1 MiB keeps from call to call: 768 KiB. Their order matters less."""


@dataclass(frozen=True)
class Stream:
    """An operand that is read in stretches of `width` along its last axis."""

    access: Access
    shape: tuple[int, ...]
    width: int

    @property
    def packed_shape(self) -> tuple[int, ...]:
        return self.shape[-1] // self.width, *self.shape[:-1], self.width

    def packing(self, weights: Tensor, scheduled: bool) -> Any:
        """The Func that puts it into order."""
        variables = [hl.Var(f"v{axis}") for axis in range(len(self.shape) + 1)]
        block, *others, place = variables
        packed = hl.Func("packed")
        packed[tuple(reversed(variables))] = weights.load([*others, block * self.width + place])
        if scheduled:
            lane, lanes = hl.Var("lane"), min(self.width, machine().lanes(4))
            packed.bound(place, 0, self.width).split(place, place, lane, lanes, hl.TailStrategy.GuardWithIf)
            packed.vectorize(lane).parallel(block)
        return packed

    def read_from(self, packed: Tensor, lowering: Lowering) -> None:
        """Make what is lowered read the operand in its new order."""

        def read(indices: Mapping[str, Any]) -> Any:
            *others, place = lowering.numerators(self.access, indices)
            return packed.load([place // self.width, *others, place % self.width])

        lowering.substitutes[self.access] = read


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
    if tile.blocks == 1 or shape[-1] % tile.width or prod(shape) * element_bytes <= NEAR:
        return None
    return Stream(found[0], shape, tile.width)
