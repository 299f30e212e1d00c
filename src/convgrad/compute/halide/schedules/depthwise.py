"""Sums over windows for each channel: depthwise convolutions, their input gradients, and those of max pooling.

    x[e,i,j,c] = sum[m,n](w[m,n,c] * o[e,2*i+m-1,2*j+n-1,c else 0])

A tile is one or two vectors of channels c for some rows i of one column j. The taps m are written out, so that a vector
of o is loaded once for all rows that read it, and one of w once for all rows; the taps n are a loop, from which those
that lie outside are left out. The last vector of channels begins earlier than after the one before it, so that none is
cut.

Rows make better tiles than columns: a tile then reads some rows of o as they lie in memory, a few long streams. With
columns, each vector begins a stream of one pixel (3x3, 64 images of 28x28x128: 2.7 ms on a thread, not 5.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import prod
from operator import mul
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering
from convgrad.compute.halide.passes.atoms import is_contraction
from convgrad.compute.halide.passes.windows import windows_of
from convgrad.compute.halide.schedules.across import slots
from convgrad.compute.halide.schedules.contraction import backwards, fill_registers, in_tasks, tile_output
from convgrad.compute.halide.schedules.generic import reduction
from convgrad.compute.halide.schedules.phases import (
    Split,
    in_phases,
    joined,
    keep_extents,
    split_variables,
    uneven_indices,
)
from convgrad.compute.halide.schedules.tiles import CROWDED, LATENCY, Tile
from convgrad.compute.halide.schedules.windows import FLAT
from convgrad.compute.halide.target import LINE, WAY, machine
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import Access, Definition, Reduce, accesses

MOST_TAPS = 8
"""Taps along rows that are written out: those of 7x7 kernels. With 8 rows, 8 sums, 8 weights and what is loaded are in
registers."""
WRITTEN_OUT = 25
"""Taps up to which all phases of a stride are written out together: 5x5 kernels. A vector that is loaded serves them
all, and none has a condition (3x3, 192 channels at 7x7: 0.26 ms instead of 0.69, 5x5, 64 at 9x9: 0.17, not 0.38). Max
pooling's are without a stride, too: the place that each is compared with is then a constant (5x5, 18 channels at 12x12:
0.024 ms, not 0.028)."""
MANY_VECTORS = 7
"""Vectors along the channels from which an odd number of them is covered by pairs of them, too. Tiles of sums of
products are as wide as a line of memory, where vectors are shorter: each line comes into the first-level cache once,
and not for each of its vectors (Zen 3, 5x5, 128 channels at 28x28: 0.60 ms, not 0.71; 7x7, 1024: 17 instead of 27)."""
CROWD = 16
"""Lines in one set from which the gradient of max pooling has wide tiles, too. It reads two tensors, and 5 columns of 6
rows of 512 channels, each 2 KiB from the next, share two sets (at 104x104: 8.4 ms instead of 11.9). Where lines are
spread over the sets, as with 496 channels, wide tiles take longer (6.5 ms instead of 5.3)."""
TILE_START = 4
"""Cycles of a tile that are not hidden behind others' arithmetic, which does not wait for them."""


@dataclass(frozen=True)
class Windows:
    """What a sum over windows reads.

    Attributes:
        images: the factors with windows, read at the same place.
        index, tap: of the result's rows and of the sum, which meet in a position of the images.
        step: rows of the images from one index to the next.
        split: of the index into phases, where a stride divides that position.
    """

    images: tuple[Access, ...]
    index: str
    tap: str
    step: int
    split: Split | None


def depthwise_windows(atom: Definition, element_bytes: int) -> Windows | None:
    """The parts of such a sum, whose channels fill half a vector or more; None of any other.

    Gradients of max pooling with a stride are left to `windows.py`, where vectors along channels are nearly full.
    """
    reduce = atom.term
    if not isinstance(reduce, Reduce) or len(atom.indices) < 2 or not fill_vectors(atom.shape[-1], element_bytes):
        return None
    pooling = windows_of(reduce, atom.indices, atom.sizes)
    if pooling is None and not is_contraction(reduce):
        return None
    full = slots(atom.shape[-1], machine().lanes(element_bytes)) <= FLAT
    if pooling is not None and full and any(axis.stride > 1 for axis in pooling.axes):
        return None
    atom, splits = in_phases(atom)
    read = list(accesses(atom.term))
    if not along_channels(read, atom.indices[-1]):
        return None
    images = tuple(access for access in read if access.free_names & {*atom.indices[:-1]})
    if len({access.positions for access in images}) != 1 or any(access.outside not in (0, None) for access in images):
        return None
    positions = images[0].positions
    bare = [position.as_name for access in read if access not in images for position in access.positions]
    names = [name for position in positions for name in position.names]
    moving = [position for position in positions if position.as_name is None]
    if None in bare or len(names) != len({*names}) or any(len(position.names) != 2 for position in moving):
        return None
    if any(position.as_name not in (None, *atom.indices) for position in positions):
        return None  # a sum over places, as the gradient of a kernel
    return _along_rows(atom, splits, images, moving[0]) if moving else None


def _along_rows(
    atom: Definition, splits: Sequence[Split], images: tuple[Access, ...], position: Position
) -> Windows | None:
    assert isinstance(atom.term, Reduce)
    index = next((name for name in atom.indices if name in position.names), None)
    split = next((split for split in splits if split.index == index), None)
    others = split.rest.names if split else position.names - {index}
    tap = next((name for name in atom.term.indices if name in others), None)
    if index is None or tap is None or atom.sizes[tap] > MOST_TAPS:
        return None
    step = position.numerator.coefficient(index).constant_value
    return Windows(images, index, tap, step, split) if step > 0 else None


def lanes_of(channels: int, element_bytes: int) -> int:
    """Numbers of the longest vector that does not reach beyond the channels."""
    lanes = machine().lanes(element_bytes)
    while lanes > channels:
        lanes //= 2
    return lanes


def fill_vectors(channels: int, element_bytes: int) -> bool:
    """Whether such a vector fills half of a register: 12 channels are two of 8, which overlap."""
    return 2 * lanes_of(channels, element_bytes) >= machine().lanes(element_bytes)


def along_channels(read: Sequence[Access], last: str) -> bool:
    """Whether the last axis of all that is read is the one of the channels, and nothing else depends on these."""
    if any(not access.positions or access.positions[-1].as_name != last for access in read):
        return False
    return all(p.is_whole and last not in p.names for access in read for p in access.positions[:-1])


def most_rows(images: int) -> int:
    """Rows of a tile: their sums take a quarter of the registers, half as many where two factors have windows."""
    return max(1, machine().registers // (4 * images))


def tile_of(atom: Definition, windows: Windows, element_bytes: int, shape: Sequence[int]) -> Tile:
    """The tile that takes the fewest cycles for all rows, by an estimate. shape: of the images."""
    size, taps, lanes = atom.sizes[windows.index], atom.sizes[windows.tap], lanes_of(atom.shape[-1], element_bytes)
    stride = windows.split.stride if windows.split else 1
    assert isinstance(atom.term, Reduce)
    pooling = not is_contraction(atom.term)
    crowded = pooling and _lines_in_a_set(atom, windows, element_bytes, shape) >= CROWD
    needed = -(-atom.shape[-1] // lanes)
    # Where both vectors of a line begin within the channels: none may reach beyond the end, and few be computed twice.
    pairs = 2 * lanes <= atom.shape[-1] and (needed % 2 == 0 or needed >= MANY_VECTORS)
    vectors = 2 if pairs and 2 * lanes * element_bytes <= LINE and (crowded or not pooling) else 1
    room = most_rows(1 if crowded else len(windows.images))

    def cycles(rows: int) -> float:
        loads = windows.step * (rows - 1) + -(-taps // stride) + taps
        step = max(rows * taps, loads, LATENCY * taps // stride) + loads * CROWDED
        return -(-size // rows) * (step + TILE_START)

    rows = min(range(1, min(size, max(1, room // stride)) + 1), key=cycles)
    positions = {windows.index: rows} if rows > 1 else {}
    if windows.split:
        phases = [name for name in atom.indices if name.endswith("%")] if _written_out(atom) else [windows.split.phase]
        positions |= {phase: atom.sizes[phase] for phase in phases}
    return Tile(lanes, vectors, -(-needed // vectors), positions)


def _lines_in_a_set(atom: Definition, windows: Windows, element_bytes: int, shape: Sequence[int]) -> int:
    """Lines in the fullest set of a first-level cache, of those that two rows of a tile read of the images."""
    assert isinstance(atom.term, Reduce)
    positions = windows.images[0].positions
    apart = [Polynomial.constant(element_bytes * prod(shape[axis + 1 :])) for axis in range(len(shape))]
    place = sum((a * position.numerator for a, position in zip(apart, positions, strict=True)), Polynomial.constant(0))
    moved = {name: range(atom.sizes[name]) for name in atom.term.indices} | {windows.index: range(2)}
    steps = [place.coefficient(name).constant_value for name in moved]
    lines = {sum(map(mul, steps, values)) // LINE for values in product(*moved.values())}
    return len(windows.images) * max(Counter(line % (WAY // LINE) for line in lines).values())


def _written_out(atom: Definition) -> bool:
    assert isinstance(atom.term, Reduce)
    return prod(atom.sizes[index] for index in atom.term.indices) <= WRITTEN_OUT


class DepthwiseReduction:
    """The sums of an atom that `depthwise_windows` knows, in tiles of rows."""

    def __init__(self, atom: Definition, lowering: Lowering, element_bytes: int, windows: Windows):
        self.given, self.windows = atom, windows
        self.atom, self.splits = in_phases(atom)
        lowering.sizes = self.atom.sizes
        self.tile = tile_of(self.atom, windows, element_bytes, lowering.tensors[windows.images[0].tensor].shape)
        assert isinstance(self.atom.term, Reduce)
        pooling = not is_contraction(self.atom.term)
        self.whole = (pooling or bool(self.splits)) and _written_out(self.atom)
        positions = windows.images[0].positions
        columns = {axis for axis, position in enumerate(positions) if windows.index not in position.names}
        for access in windows.images:
            lowering.substitutes[access] = partial(_row, access, windows.images, lowering, columns)

        def rule(indices: dict[str, Any]) -> list[Any]:
            return self._conditions(lowering, columns, indices)

        self.tiles, self.over, self.pure = reduction(self.atom, lowering, "tiles", rule)
        self.sums = joined(self.tiles, atom, self.splits, atom.indices) if self.splits else self.tiles
        self.beyond = uneven_indices(atom, self.splits)

    def _conditions(self, lowering: Lowering, columns: Collection[int], indices: dict[str, Any]) -> list[Any]:
        """The values of the sum's indices, and the conditions under which there is something to add."""
        assert isinstance(self.atom.term, Reduce)
        for index in backwards(self.atom) if is_contraction(self.atom.term) and not self.splits else []:
            indices[index] = self.atom.sizes[index] - 1 - indices[index]
        conditions = []
        for split in self.splits:
            indices[split.quotient], whole = split.values(lowering, indices)
            conditions.append(whole)
        for axis in sorted(columns):
            image = self.windows.images[0]
            place = lowering.whole_position(image.positions[axis].numerator, indices)
            below, beyond = _leaves(self.windows.images, lowering, axis)
            conditions += [place >= 0] if below else []
            conditions += [place < lowering.tensors[image.tensor].shape[axis]] if beyond else []
        return conditions

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        """Schedule `func`, which reads the sums at its own element."""
        atom, reduce = self.atom, self.atom.term
        assert isinstance(reduce, Reduce)
        phases = split_variables(func, self.given, variables, self.splits)
        quotients = replace(atom, indices=self.given.indices)
        outer = tile_output(func, variables, quotients, self.tile, False, phases)
        _, at = in_tasks(func, outer, prod(atom.sizes[i] for i in (*atom.indices, *reduce.indices)))
        if at is None:
            self.tiles.compute_root()
        else:
            self.tiles.compute_at(func, at)
        keep_extents(self.tiles, self.pure, self.given, self.splits, self.tile)
        tap = self.over[reduce.indices.index(self.windows.tap)]
        loops = [variable for variable in self.over if variable is not tap]
        fill_registers(self.tiles, list(self.pure.values()), [*loops, tap], atom, self.tile, steps=1)
        for variable in (tap, *(loops if self.whole else ())):
            self.tiles.update().unroll(variable)
        for phase in phases:
            func.unroll(phase)


INSIDE = Position(Polynomial.constant(0))
"""A position inside of every axis."""


def _leaves(images: Sequence[Access], lowering: Lowering, axis: int) -> tuple[bool, bool]:
    """Whether one of the images, all read at one place, may be read before or behind what is stored of it."""
    sides = [lowering.leaves(image.positions[axis], lowering.tensors[image.tensor], axis, 0) for image in images]
    return any(below for _, below, _ in sides), any(beyond for _, _, beyond in sides)


def _row(
    access: Access, images: Sequence[Access], lowering: Lowering, columns: Collection[int], indices: Mapping[str, Any]
) -> Any:
    """The element, with checks along rows only: columns outside are left out by conditions on loops, of which the
    compiler does not know, so that it gets bounds; zeros that are stored there are read as they are."""
    places, sizes = [*lowering.numerators(access, indices)], lowering.tensors[access.tensor].shape
    positions = [INSIDE if axis in columns else position for axis, position in enumerate(access.positions)]
    for axis in columns:
        below, beyond = _leaves(images, lowering, axis)
        places[axis] = hl.max(places[axis], 0) if below else places[axis]
        places[axis] = hl.min(places[axis], sizes[axis] - 1) if beyond else places[axis]
    return lowering.at_numerators(replace(access, positions=tuple(positions)), places)
