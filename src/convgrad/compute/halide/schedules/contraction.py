"""Long reductions in register tiles: convolution forward, its input gradient, dense layers, and all that is like them.

    x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m,j+n,c])

Vectors run along the last index, k; a tile holds some vectors for some positions j; all of the sum goes through the
tile before it is stored, the pointwise atoms of the group applied on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, Tensor
from convgrad.compute.halide.passes.atoms import is_contraction
from convgrad.compute.halide.schedules.across import with_last
from convgrad.compute.halide.schedules.generic import reduction
from convgrad.compute.halide.schedules.phases import (
    in_phases,
    is_strided,
    joined,
    keep_extents,
    split_variables,
    uneven_indices,
)
from convgrad.compute.halide.schedules.pointwise import ENOUGH_TASKS, spread
from convgrad.compute.halide.schedules.pointwise import PARALLEL_WORK as PARALLEL_WORK
from convgrad.compute.halide.schedules.staging import Staged, stage_operands
from convgrad.compute.halide.schedules.streams import stream_of
from convgrad.compute.halide.schedules.tiles import Tile, tile_for
from convgrad.compute.halide.schedules.written_out import some_written_out, steps_at_once
from convgrad.compute.halide.target import machine
from convgrad.notation.polynomial import Polynomial
from convgrad.notation.terms import Definition, Reduce, accesses

CACHE_SHARE = 1 << 19
"""Bytes of weights (half of a 1 MiB second-level cache) beyond which the loop over them goes outside of the others."""


class TiledReduction:
    """An atom whose whole reduction runs inside a register tile of the result; vectors run `along` one of its indices,
    the last where None. `packed`: its constant operand in the order of its use (`streams.py`)."""

    def __init__(
        self,
        atom: Definition,
        lowering: Lowering,
        element_bytes: int,
        along: str | None = None,
        packed: Tensor | None = None,
    ):
        self.order = atom.indices
        self.given, self.element_bytes = atom if along is None else with_last(atom, along), element_bytes
        self.atom, self.splits = in_phases(self.given) if is_strided(atom) else (self.given, [])
        atom = self.atom
        phases = [split.phase for split in self.splits]
        whole, apart = (phases, []) if self._written_out() else ([], phases)
        shapes = {name: tensor.shape for name, tensor in lowering.tensors.items()}
        shares = {} if whole else inside_shares(atom, shapes)
        again = [access.tensor for access in accesses(atom.term) if atom.indices[-1] not in access.free_names]
        self.others = sum(prod(shapes[tensor]) for tensor in again) * element_bytes
        self.tile = tile_for(atom, machine(), element_bytes, whole, apart, shares)
        lowering.sizes = atom.sizes
        spared = rows_to_spare(atom, self.tile, lowering)
        if packed is not None:
            stream = stream_of(atom, shapes, element_bytes, shares)
            assert stream is not None, "only streams are packed"
            stream.read_from(packed, lowering)
        positions = [position for position, _ in spared]
        self.staged = stage_operands(atom, lowering, self.tile, self.tile.blocks > 1, positions)
        in_blocks = packed is not None or any(copy.width for copy in self.staged)
        self.guarded = in_blocks and atom.sizes[atom.indices[-1]] % self.tile.width != 0

        def rule(indices: dict[str, Any]) -> list[Any]:
            for index in () if self.splits else backwards(atom):
                indices[index] = atom.sizes[index] - 1 - indices[index]
            conditions = []
            for split in self.splits:
                indices[split.quotient], whole = split.values(lowering, indices)
                conditions.append(whole)
            for position, size in spared:
                place = lowering.whole_position(position, indices)
                conditions += [place >= 0, place < size]
            return conditions

        self.tiles, self.over, self.pure = reduction(atom, lowering, "tiles", rule)
        asked = [*positions, *(split.rest for split in self.splits)]
        innermost = _reduced(atom)[-1]
        self.steps = steps_at_once(innermost, atom.sizes[innermost], atom.term, self.tile, lowering, asked)
        plain = not self.splits and self.order == self.given.indices
        self.sums = self.tiles if plain else joined(self.tiles, self.given, self.splits, self.order)
        self.beyond = uneven_indices(self.given, self.splits)

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        """Schedule `func`, which reads the sums at its own element."""
        atom = self.atom
        variables = [variables[self.order.index(index)] for index in self.given.indices]
        phases = split_variables(func, self.given, variables, self.splits)
        quotients = replace(atom, indices=self.given.indices)
        by_block = self._copied_by_block()
        outside = by_block or self._weights_outside()
        outer = tile_output(func, variables, quotients, self.tile, outside, phases, self.guarded)
        work = prod(atom.sizes[i] for i in (*atom.indices, *_reduced(atom)))
        # Vectors across examples write a few numbers into each: neighbours of a row are then one thread's, for two
        # threads that write into one line of memory wait for each other (0.33 ms instead of 0.11 for 6 channels).
        task, at = in_tasks(func, outer, work, None if self.order == self.given.indices else 1)
        if at is None:
            self.tiles.compute_root()
        else:
            self.tiles.compute_at(func, at)
        keep_extents(self.tiles, self.pure, self.given, self.splits, self.tile)
        whole = self._strided() and self._written_out()
        steps = 1 if whole else self.steps
        fill_registers(self.tiles, list(self.pure.values()), self.over, atom, self.tile, steps, guarded=self.guarded)
        if whole:
            for variable in phases:
                func.unroll(variable)
            for variable in self.over:
                self.tiles.update().unroll(variable)
        for copy in self.staged:
            if task is not None and self.given.indices[0] == self.order[0] in copy.indices:
                copy.func.compute_at(func, task)
            elif by_block and self._for_block(copy):
                copy.func.compute_at(func, outer[-1][0] if task is None else task)
            else:
                copy.compute_first()

    def _written_out(self) -> bool:
        """Whether the sum has so few terms that it can be written out."""
        return prod(self.atom.sizes[i] for i in _reduced(self.atom)) <= WRITTEN_OUT

    def _strided(self) -> bool:
        """Whether neighbours in the tile read places that are not neighbours, or belong to phases."""
        positions = [p.numerator for access in accesses(self.atom.term) for p in access.positions]
        steps = [p.coefficient(i).constant_value for p in positions for i in self.tile.positions if i in p.names]
        return bool(self.splits) or any(step > 1 for step in steps)

    def _for_block(self, copy: Staged) -> bool:
        """Whether a copy depends on the last index only, of those of the result."""
        return copy.indices & {*self.atom.indices} == {self.atom.indices[-1]}

    def _copied_by_block(self) -> bool:
        """Whether each block along the last index copies what it needs, just before: where blocks are tasks enough, and
        what all blocks read again stays in a cache, or is read again by each anyway."""
        atom, tile = self.atom, self.tile
        if tile.blocks == 1 or self.splits or not any(self._for_block(copy) for copy in self.staged):
            return False
        work = prod(atom.sizes[i] for i in (*atom.indices, *_reduced(atom)))
        near = self.others <= CACHE_SHARE or self._weights_outside()
        return near and (work < PARALLEL_WORK or tile.blocks >= ENOUGH_TASKS)

    def _weights_outside(self) -> bool:
        """Whether what depends on the last index is too large to be read through again for every position."""
        atom = self.atom
        sizes = atom.sizes
        last = [copy for copy in self.staged if copy.indices & {*atom.indices} == {atom.indices[-1]}]
        bytes_ = sum(copy.elements for copy in last) * self.element_bytes
        others = prod(sizes[i] for i in _reduced(atom)) * sizes[atom.indices[-1]] * self.element_bytes
        return self.tile.blocks > 1 and max(bytes_, others) > CACHE_SHARE


WRITTEN_OUT = 9
"""Terms up to which a strided sum is written out: which of them belong to a phase is then known when it is compiled.
(Without a stride neighbours read the same vectors, and the compiler would keep more of them than there are registers:
2.1 ms instead of 1.3 for 3x3 depthwise.)"""


def backwards(atom: Definition) -> list[str]:
    """Indices of a sum from whose end it runs, so that what is read moves forwards: m and n of
    `do[e,p,q,c] = sum[m,n](dx[e,p-m+1,q-n+1,c else 0] * w[m,n,c])`.

    The row that no cache holds yet is then the last one that a tile waits for, while its other sums go on: 1.1 to 1.2
    ms instead of 1.5 for 128 channels at 28x28.
    """
    assert isinstance(atom.term, Reduce)
    numerators = [position.numerator for access in accesses(atom.term) for position in access.positions]
    moving = [numerator for numerator in numerators if numerator.names & {*atom.indices}]
    return [index for index in _reduced(atom) if any(n.coefficient(index).constant_value < 0 for n in moving)]


SPARED = 0.9
"""Share of products with elements inside of a tensor, below which those with zeros outside are left out: conditions
on a loop around 20 and more multiply-adds cost less than a tenth of them."""


def rows_to_spare(atom: Definition, tile: Tile, lowering: Lowering) -> list[tuple[Polynomial, int]]:
    """Positions of a sum of products, with the sizes of their axes, at which it is worth looking whether they lie
    outside, where there is a zero: those that are the same for a whole tile.

    In `do[e,p,q,c] = sum[m,n,k](dx[e,p-m,q-n,k else 0] * w[m,n,c,k])`, with 5x5 kernels and 8 rows of dx, 8*5 of 12*5
    pairs of p and m are inside.
    """
    shapes = {name: tensor.shape for name, tensor in lowering.tensors.items()}
    tiled = {*tile.positions, *(phase.removesuffix("%") for phase in tile.positions), atom.indices[-1]}
    return [(position, size) for index, position, size, _ in _spare(atom, shapes) if index not in tiled]


def inside_shares(atom: Definition, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, float]:
    """Indices on the left -> the share of products that is left where those with zeros outside are left out."""
    return {index: share for index, _, _, share in _spare(atom, shapes)}


def _spare(atom: Definition, shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, Polynomial, int, float]]:
    """Index on the left, position, size of the axis and share inside of all positions that are worth looking at."""
    if not _is_contraction(atom):
        return []
    found = []
    for access in accesses(atom.term):
        for position, size in zip(access.positions, shapes[access.tensor], strict=False):
            (index, *more) = [*(i for i in atom.indices if i in position.names), None]
            if (
                access.outside != 0
                or not position.is_whole
                or len(position.names) != 2
                or index is None
                or more != [None]
            ):
                continue
            share = _inside(position.numerator, size, atom)
            if share < SPARED:
                found.append((index, position.numerator, size, share))
    return found


def _inside(position: Polynomial, size: int, atom: Definition) -> float:
    """The share of values of the position's two indices for which it is inside of an axis."""
    first, second = sorted(position.names)
    sizes = atom.sizes
    pairs = [(a, b) for a in range(sizes[first]) for b in range(sizes[second])]
    return sum(0 <= position.evaluate({first: a, second: b}) < size for a, b in pairs) / len(pairs)


def _is_contraction(atom: Definition) -> bool:
    return isinstance(atom.term, Reduce) and is_contraction(atom.term)


def _reduced(atom: Definition) -> tuple[str, ...]:
    assert isinstance(atom.term, Reduce)
    return atom.term.indices


def tile_output(
    func: Any,
    variables: Sequence[Any],
    atom: Definition,
    tile: Tile,
    blocks_outside: bool,
    around: Sequence[Any] = (),
    guarded: bool = False,
) -> list[tuple[Any, int]]:
    """Split a Func of the atom's shape into tiles, written out; the loops over tiles, innermost first, with sizes.

    `around` are more variables of the Func, for loops directly around a tile. guarded: the last block along the last
    index begins where others do, and what is beyond the end is not stored.
    """
    inner, outer = split_into_tiles(func, variables, atom, tile, blocks_outside, hl.TailStrategy.ShiftInwards, guarded)
    func.reorder(*inner, *around, *(variable for variable, _ in outer))
    func.vectorize(inner[0])
    for variable in inner[1:]:
        func.unroll(variable)
    return outer


def split_into_tiles(
    stage: Any,
    variables: Sequence[Any],
    atom: Definition,
    tile: Tile,
    blocks_outside: bool,
    tail: Any,
    guarded: bool = False,
) -> tuple[list[Any], list[tuple[Any, int]]]:
    """The variables of a tile (lane first) and the loops over tiles with their sizes, innermost first."""
    sizes = atom.sizes
    *others, last = variables
    block, lane = hl.Var("block"), hl.Var("lane")
    if tile.blocks > 1:
        stage.split(last, block, last, tile.width, hl.TailStrategy.Predicate if guarded else tail)
    short = sizes[atom.indices[-1]] < tile.lanes and tail == hl.TailStrategy.ShiftInwards
    # Blocks are whole numbers of vectors: no guard is left, and Halide takes no rounding inside of a block.
    stage.split(last, last, lane, tile.lanes, hl.TailStrategy.GuardWithIf if short or tile.blocks > 1 else tail)
    inner, outer = split_positions(stage, dict(zip(atom.indices[:-1], others, strict=True)), atom, tile, tail)
    if tile.blocks > 1:
        outer.insert(len(outer) if blocks_outside else 0, (block, tile.blocks))
    return [lane, last, *inner], outer


def split_positions(
    stage: Any, variables: dict[str, Any], atom: Definition, tile: Tile, tail: Any
) -> tuple[list[Any], list[tuple[Any, int]]]:
    """Of some indices with their variables: the variables of a tile, and the loops over tiles, as above."""
    sizes = atom.sizes
    inner: list[Any] = []
    outer: list[tuple[Any, int]] = []
    for index, variable in reversed(variables.items()):
        count = tile.positions.get(index, 1)
        if count == 1:
            outer.append((variable, sizes[index]))
        elif count == sizes[index]:
            inner.append(variable)
        else:
            place = hl.Var(f"{variable.name()}_tile")
            stage.split(variable, place, variable, count, tail)
            inner.append(variable)
            outer.append((place, -(-sizes[index] // count)))
    return inner, outer


def in_tasks(func: Any, outer: Sequence[tuple[Any, int]], work: int, shared: int | None = None) -> tuple[Any, Any]:
    """Deal loops over tiles, innermost first, to threads where there is work enough: all of them, or the outermost few.

    Returns: the variable of the tasks, None without; and the innermost loop, None without any.
    """
    innermost = outer[0][0] if outer else None
    if not outer or work < PARALLEL_WORK:
        return None, innermost
    loops = outer[::-1][:shared]
    task, axes = spread(func, [variable for variable, _ in loops], [size for _, size in loops])
    return task, task if axes == len(outer) else innermost


def fill_registers(
    sums: Any,
    pure: Sequence[Any],
    over: Sequence[Any],
    atom: Definition,
    tile: Tile,
    steps: int,
    more: Sequence[Any] = (),
    guarded: bool = False,
) -> None:
    """Schedule the Func of the sums inside a tile: all of it written out, the reduction around it.

    `pure` are its variables for the atom's indices, `more` those it has besides. steps: of the innermost loop of the
    reduction that are written out at once. guarded: as in `tile_output`; all of the last block is computed.
    """
    lane = hl.Var("lane")
    *others, last = pure
    pairs = list(zip(atom.indices[:-1], others, strict=True))
    tiled = [variable for index, variable in pairs if index in tile.positions]
    rest = [variable for index, variable in pairs if index not in tile.positions]
    if guarded:
        sums.bound_extent(last, tile.width)
    # Copies are then made as far as whole vectors, or blocks, read them: what lies beyond their end is written, too.
    sums.align_extent(last, tile.width if guarded else tile.lanes)
    for stage in (sums, sums.update()):
        stage.split(last, last, lane, tile.lanes, hl.TailStrategy.RoundUp)
        if stage is not sums:
            *outer, innermost = over
            loops = [*some_written_out(stage, innermost, steps), *reversed(outer)]
            stage.reorder(lane, last, *reversed(tiled), *loops, *reversed(rest), *more)
        stage.vectorize(lane).unroll(last)
        for variable in tiled:
            stage.unroll(variable)
