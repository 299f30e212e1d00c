"""Gradients of depthwise kernels: bands of rows are summed in registers, and added to what a slice has so far.

    dw[m,n,c] = sum[e,i,j](dx[e,i,j,c] * o[e,2*i+m-1,2*j+n-1,c else 0])

For a vector of channels c at one column j, a band of rows i is read once for all taps m and n; its sums are added to
those of a slice of the examples, or of the bands, and the slices in a fixed order. So memory is read row by row, as it
lies there. The last vector of channels begins earlier than after the one before it: it is summed apart from that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, expression
from convgrad.compute.halide.passes.atoms import is_contraction
from convgrad.compute.halide.schedules.depthwise import along_channels, fill_vectors, lanes_of
from convgrad.compute.halide.schedules.generic import body_of, coordinates, neutral, variables
from convgrad.compute.halide.schedules.pointwise import schedule_map
from convgrad.compute.halide.schedules.slices import MOST_BYTES, MOST_SLICES
from convgrad.compute.halide.schedules.staging import with_checks
from convgrad.notation.terms import Access, Definition, Reduce, accesses

ROWS = 4
"""Rows of a band: with 3x3 taps 36 multiply-adds for 22 loads, and an addition to memory for each 4 of them (73
channels at 10x10, 90 images: 0.12 ms on a thread, 0.17 with two rows, 0.27 with one; eight, twice the code, 0.11)."""
BEGIN = 3
"""What a band costs beside its rows, in rows: the others that its taps read, and the additions."""
MOST_TAPS = 16
"""Taps whose sums are in registers together: 4x4, half of 32 registers. (5x5: 8.9 ms instead of 6.4 from slices.)"""


@dataclass(frozen=True)
class Bands:
    """How such a gradient is summed.

    Attributes:
        image: the factor that is read at windows.
        index, tap: of the sum's rows and of the result, which meet in a position of the image.
        rows: rows of a band.
        sliced: the index of the sum that is cut into `slices`: of examples, or the one of the rows, by bands.
    """

    image: Access
    index: str
    tap: str
    rows: int
    sliced: str
    slices: int


def bands_of(atom: Definition, element_bytes: int, most: int = MOST_SLICES) -> Bands | None:
    """How to sum the gradient of a depthwise kernel in bands and `most` slices; None of any other atom."""
    reduce = atom.term
    if not isinstance(reduce, Reduce) or not is_contraction(reduce) or len(atom.indices) < 2:
        return None
    *taps, last = atom.indices
    read, sizes = list(accesses(reduce)), atom.sizes
    if not fill_vectors(sizes[last], element_bytes) or prod(sizes[tap] for tap in taps) > MOST_TAPS:
        return None
    plain = [access for access in read if all(position.as_name for position in access.positions)]
    if len(read) != 2 or len(plain) != 1 or not along_channels(read, last):
        return None
    (image,) = (access for access in read if access is not plain[0])
    names = sorted(name for position in image.positions for name in position.names)
    if plain[0].free_names != {*reduce.indices, last} or names != sorted((*atom.indices, *reduce.indices)):
        return None
    moving = [position for position in image.positions if position.as_name is None]
    if image.outside not in (0, None) or any(len(p.names & {*taps}) != 1 or len(p.names) != 2 for p in moving):
        return None
    if any(p.numerator.coefficient(name).constant_value < 1 for p in moving for name in p.names):
        return None
    tap = next(name for name in taps if name in moving[0].names)
    (index,) = moving[0].names - {tap}
    rows = min(range(1, min(sizes[index], ROWS) + 1), key=lambda n: -(-sizes[index] // n) * (n + BEGIN))
    return Bands(image, index, tap, rows, *_slices(atom, index, rows, element_bytes, most))


def _slices(atom: Definition, index: str, rows: int, element_bytes: int, most: int) -> tuple[str, int]:
    """Which index of the sum is sliced, and into how many slices: as `slicing_for`, of examples if there are enough."""
    assert isinstance(atom.term, Reduce)
    first, bands = atom.term.indices[0], -(-atom.sizes[index] // rows)
    examples = 1 if first == index else atom.sizes[first]
    sliced, places = (first, examples) if examples >= min(MOST_SLICES, bands) else (index, bands)
    fitting = max(1, MOST_BYTES // (prod(atom.shape) * element_bytes))
    length = -(-places // min(most, fitting, places))
    return sliced, -(-places // length)


class DepthwiseGradient:
    """The gradient of a depthwise kernel; `bands_of` says how."""

    beyond = frozenset[str]()

    def __init__(self, atom: Definition, lowering: Lowering, element_bytes: int, bands: Bands):
        self.atom, self.element_bytes, self.bands = atom, element_bytes, bands
        self.channels, self.lanes = atom.shape[-1], lanes_of(atom.shape[-1], element_bytes)
        self.blocks = -(-self.channels // self.lanes)
        assert isinstance(atom.term, Reduce)
        self.summed = atom.term.indices
        self.places = {index: atom.sizes[index] for index in self.summed}
        self.places[bands.index] = -(-atom.sizes[bands.index] // bands.rows)
        self.taps = {index: hl.Var(f"t{number}") for number, index in enumerate(atom.indices[:-1])}
        self.lane, self.block, self.slice = hl.Var("lane"), hl.Var("block"), hl.Var("slice")
        self.of_tap = (self.lane, self.block, *reversed(self.taps.values()))
        self._build_rows(lowering)
        self._build_slices(lowering)
        self._build_sums(lowering)

    def _build_rows(self, lowering: Lowering) -> None:
        """The sums of a band at one column: rows[lane, block, taps, e, band, j]."""
        atom, bands, reduce = self.atom, self.bands, self.atom.term
        assert isinstance(reduce, Reduce)
        self.at = {index: hl.Var(f"o{number}") for number, index in enumerate(self.summed)}
        self.row = hl.RDom([(0, bands.rows)], "r")[0]
        first = self.block * self.lanes
        first = hl.min(first, self.channels - self.lanes) if self.channels % self.lanes else first
        indices = {**self.taps, **self.at, atom.indices[-1]: first + self.lane}
        indices[bands.index] = self.at[bands.index] * bands.rows + self.row
        lowering.sizes = {**atom.sizes, bands.index: self.places[bands.index] * bands.rows}
        for access in accesses(reduce):
            lowering.substitutes[access] = partial(with_checks, access, lowering)
        self.rows = hl.Func("rows")
        here = (*self.of_tap, *reversed(self.at.values()))
        self.rows[here] = neutral("sum", lowering.kind)
        self.rows[here] += body_of(reduce, lowering, indices)

    def _build_slices(self, lowering: Lowering) -> None:
        """What a slice has: part[lane, block, taps, slice]."""
        sliced, places = self.bands.sliced, self.places
        length = -(-places[sliced] // self.bands.slices)
        loops = hl.RDom([(0, length if index == sliced else places[index]) for index in reversed(self.summed)], "s")
        self.loops = [loops[number] for number in reversed(range(len(self.summed)))]
        at: dict[str, Any] = dict(zip(self.summed, self.loops, strict=True))
        place = self.slice * length + at[sliced]
        if places[sliced] % length:
            # The last slice is shorter: nothing is added beyond the end, and the bound is for the compiler's proof.
            loops.where(place < places[sliced])
            place = hl.min(place, places[sliced] - 1)
        at[sliced] = place
        self.part = hl.Func("part")
        here, row = (*self.of_tap, self.slice), (*self.of_tap, *reversed(list(at.values())))
        self.part[here] = neutral("sum", lowering.kind)
        self.part[here] += expression(self.rows[row])

    def _build_sums(self, lowering: Lowering) -> None:
        """The slices in their order, and the channels from where they were summed."""
        pure, slices = variables(self.atom), hl.RDom([(0, self.bands.slices)], "q")
        *taps, channel = pure.values()
        lane, block = channel % self.lanes, channel // self.lanes
        if self.channels % self.lanes:
            beside = channel - (self.channels - self.lanes)
            last = channel >= (self.blocks - 1) * self.lanes
            lane = hl.select(last, hl.min(hl.max(beside, 0), self.lanes - 1), lane)
            block = hl.select(last, self.blocks - 1, block)
        self.total, self.sums = hl.Func("total"), hl.Func("sums")
        part, place = (*self.of_tap, slices[0]), (lane, block, *reversed(taps))
        self.total[self.of_tap] = neutral("sum", lowering.kind)
        self.total[self.of_tap] += expression(self.part[part])
        self.sums[coordinates(pure)] = expression(self.total[place])

    def schedule(self, func: Any, variables: Any) -> None:
        """Schedule `func`, which reads the sums at its own element."""
        schedule_map(func, variables, self.atom.shape, self.element_bytes, in_place=False)
        for each in (self.total, self.part):
            each.compute_root().bound(self.lane, 0, self.lanes)
        self.part.parallel(self.slice)
        added = self.part.update().parallel(self.slice)
        added.reorder(*(self.lane, *reversed(self.taps.values()), self.block, *reversed(self.loops), self.slice))
        self.rows.compute_at(self.part, self.block).bound_extent(self.lane, self.lanes)
        tap = self.taps[self.bands.tap]
        others = [other for other in reversed(self.taps.values()) if other is not tap]
        summed = self.rows.update()
        summed.reorder(self.lane, self.row, tap, *others, self.block, *reversed(self.at.values()))
        summed.unroll(self.row)
        for stage in (self.rows, summed, added):
            for variable in self.taps.values():
                stage.unroll(variable)
        for stage in (self.total, self.total.update(), self.part, added, self.rows, summed):
            stage.vectorize(self.lane)
