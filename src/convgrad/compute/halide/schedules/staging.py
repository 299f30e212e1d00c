"""Copies of operands, made so that inner loops read whole vectors without checks.

A copy S of an access `a[2*i+m-1, (j-n)/3, c else 0]` has the numerators as coordinates: S[y, x, c] is a[y, x/3, c] or
what is read outside. Its last axis is the one that vectors run along (the transposed weights of an input gradient),
and reaches beyond the tensor's end to a whole number of vectors. Weights may lie in blocks, S[k/W, m, n, c, k%W], as
tiles read them (`streams.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen import functions
from convgrad.compute.halide.codegen.lowering import Lowering, Tensor
from convgrad.compute.halide.passes.atoms import COPY_WORTH
from convgrad.compute.halide.schedules.pointwise import ENOUGH_TASKS, PARALLEL_ELEMENTS
from convgrad.compute.halide.schedules.streams import far_apart, groups_first, groups_of, row_of
from convgrad.compute.halide.schedules.tiles import Tile, tiles
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import Access, Definition, Reduce, accesses


@dataclass
class Staged:
    """A copy of an operand: its Func, the variable that threads share, and the indices that its place depends on.

    width: numbers of a row in each of the blocks in which it lies, one after the other; 0: it lies in rows.
    """

    func: Any
    shared: Any
    rank: int
    indices: frozenset[str]
    elements: int
    width: int = 0

    def compute_first(self) -> None:
        """Compute it before all else, by all threads where it is large."""
        self.func.compute_root()
        if self.elements >= PARALLEL_ELEMENTS and self.rank > 1:
            self.func.parallel(self.shared)


BLOCKS_WORTH = 8
"""Tiles that read an operand again from which a copy in their order pays, where none is made for another reason: it
takes as long as two of them (dense, 800 -> 512: 64 examples are 16 tiles, 0.46 ms instead of 0.64)."""


def stage_operands(
    atom: Definition,
    lowering: Lowering,
    tile: Tile,
    overlapping: bool = False,
    spared: Sequence[Polynomial] = (),
) -> list[Staged]:
    """Make `lowering` read copies where that is needed for vectors along the atom's last index.

    The lowering counts with whole tiles along the last index from now on.
    `overlapping`: there are several tiles along the last index, each computed whole. The last vectors may then begin
    earlier instead of reaching beyond the end, if nothing is copied into another order: a copy is read faster from
    where its vectors begin. And copies may lie in blocks as wide as tiles.
    `spared`: positions at which nothing is read outside of tensors, since there is nothing to add.
    """
    assert isinstance(atom.term, Reduce)
    last = atom.indices[-1]
    work = prod(atom.sizes[i] for i in (*atom.indices, *atom.term.indices))
    read = list(dict.fromkeys(accesses(atom.term)))
    counts = {access: prod(lowering.tensors[access.tensor].shape) for access in read}
    axes = {access: _vector_axis(access, last) for access in read}
    to_move = {a for a in read if axes[a] not in (None, len(a.positions) - 1) and work >= COPY_WORTH * counts[a]}
    in_blocks = {
        access: groups
        for access in read
        if overlapping
        and access not in lowering.substitutes
        and (groups := groups_of(access, atom, tile)) is not None
        and (axis := axes[access]) is not None
        and access.positions[axis].as_name == last
        and (_times_read(atom, tile, groups) >= BLOCKS_WORTH or access in to_move)
        and far_apart(row_of(access, atom), counts[access], lowering.kind.bytes())
    }
    to_move |= in_blocks.keys()
    if to_move or not overlapping:
        lowering.sizes = {**lowering.sizes, last: tile.width * tile.blocks}
    staged = []
    for number, access in enumerate(read):
        if access in lowering.substitutes:
            continue
        axis, elements, moved = axes[access], counts[access], access in to_move
        worth = CUT_WORTH if _cut(access, axis, lowering) else BORDER_WORTH
        if not moved and work < worth * elements and all(p.is_whole for p in access.positions):
            lowering.substitutes[access] = partial(with_checks, access, lowering)
        elif not moved and spared and not lowering.may_leave(_without(access, spared)):
            lowering.substitutes[access] = partial(lowering.inside, access)
        elif moved or lowering.may_leave(access):
            order = list(range(len(access.positions)))
            if moved and axis is not None:
                order.remove(axis)
                order.append(axis)
            read_as = access if axis is not None else _with_rows(access, lowering, tile.lanes)
            order = order[: len(read_as.positions)]
            width = tile.width if access in in_blocks else 0
            if width:
                order = [*groups_first(access, order, in_blocks[access])]
            copy = _staged(read_as, lowering, order, tile.lanes, f"copy{number}", width)
            lowering.read_from_copy(access, lowering.substitutes[read_as])
            staged.append(copy)
    return staged


def _times_read(atom: Definition, tile: Tile, groups: Sequence[str]) -> int:
    """How many tiles read the same weights."""
    return tiles(atom, tile) // tile.blocks // prod(atom.sizes[index] for index in groups)


def _without(access: Access, spared: Sequence[Polynomial]) -> Access:
    """The access without what may lie outside along axes that are spared."""
    first = Position(Polynomial.constant(0))
    return replace(access, positions=tuple(first if p.numerator in spared else p for p in access.positions))


def _with_rows(access: Access, lowering: Lowering, lanes: int) -> Access:
    """The access with its last two axes as one where the last is shorter than a vector (the colours of an image): rows
    are then copied in whole vectors, and not a pixel at a time (7x7 kernels on images of 224x224: 0.5 of 4 ms)."""
    if len(access.positions) < 3:
        return access
    tensor = lowering.tensors[access.tensor]
    *rest, column, channel = access.positions
    size = tensor.shape[-1]
    whole = channel.as_name is not None and lowering.sizes[channel.as_name] == size and column.is_whole
    if size >= lanes or not whole or access.outside not in (None, 0):
        return access
    if any((*tensor.low[-1:], *tensor.high[-1:])):
        return access

    def load(coordinates: Sequence[Any]) -> Any:
        *others, place = coordinates
        return tensor.load([*others, place // size, place % size])

    low, high = ((*ends[:-2], ends[-2] * size) if ends else () for ends in (tensor.low, tensor.high))
    name = f"{access.tensor} in rows"
    rows = Tensor((*tensor.shape[:-2], tensor.shape[-2] * size), load, low, high)
    lowering.tensors = {**lowering.tensors, name: rows}
    place = column.numerator * Polynomial.constant(size) + channel.numerator
    return replace(access, tensor=name, positions=(*rest, Position(place)))


def stage_along(atom: Definition, lowering: Lowering, along: str, lanes: int) -> list[Staged]:
    """Make `lowering` read copies where that is needed for vectors along an index of the sum, which is bare wherever it
    is read. Where the lowering counts with its size in whole vectors, what is beyond the end is 0."""
    staged = []
    for number, access in enumerate(dict.fromkeys(accesses(atom.term))):
        axis = next(n for n, position in enumerate(access.positions) if along in position.names)
        order = [*(n for n in range(len(access.positions)) if n != axis), axis]
        if axis != len(order) - 1 or lowering.may_leave(access):
            staged.append(_staged(access, lowering, order, lanes, f"copy{number}"))
    return staged


BORDER_WORTH = 16
"""Products with each element of a tensor from which a copy with a border pays: a 3x3 depthwise convolution, with 9,
is bound by memory, and its loops have checks at the border only."""


CUT_WORTH = 4
"""The same where the last vector reaches beyond the end, so that checks make single numbers of it: 3x3 depthwise
convolutions of 12 channels at 85x85, for whose kernels 0.8 ms instead of 7.2 are needed with copies of both factors. (A
stride of 2 leaves 2 products with each element: a copy takes longer, 3.5 ms instead of 2.2 for 39 channels at 169.)"""


def read_where(access: Access, lowering: Lowering, condition: Any) -> None:
    """Make `lowering` read 0 in place of an access where the condition does not hold."""
    read = lowering.substitutes.get(access) or partial(_as_it_lies, access, lowering)

    def chosen(indices: Mapping[str, Any]) -> Any:
        value = read(indices)
        return hl.select(condition, value, functions.constant(0.0, value.type()))

    lowering.substitutes[access] = chosen


def _as_it_lies(access: Access, lowering: Lowering, indices: Mapping[str, Any]) -> Any:
    return lowering.at(access, lowering.numerators(access, indices))


def with_checks(access: Access, lowering: Lowering, indices: Mapping[str, Any]) -> Any:
    """The element from where it lies, with a loop that has no checks where none are needed."""
    return lowering.at_numerators(access, lowering.numerators(access, indices))


def _cut(access: Access, axis: int | None, lowering: Lowering) -> bool:
    """Whether the last vector along an axis reaches beyond its end: checks would make single numbers of it."""
    if axis is None:
        return False
    return access.positions[axis].numerator.bounds(lowering.sizes)[1] >= lowering.tensors[access.tensor].shape[axis]


def _vector_axis(access: Access, last: str) -> int | None:
    """The axis that the last index runs along, place by place, where there is one."""
    axes = [axis for axis, position in enumerate(access.positions) if last in position.names]
    if len(axes) != 1 or not access.positions[axes[0]].is_whole:
        return None
    return axes[0] if access.positions[axes[0]].numerator.coefficient(last).constant_value == 1 else None


def _staged(access: Access, lowering: Lowering, order: Sequence[int], lanes: int, name: str, width: int = 0) -> Staged:
    func = hl.Func(name)
    variables = [hl.Var(f"c{axis}") for axis in range(len(access.positions))]
    placed = [variables[axis] for axis in order]
    block = hl.Var("block_of")
    if width:
        variables[order[-1]] = block * width + placed[-1]
    where = [block, *placed] if width else placed
    func[tuple(reversed(where))] = lowering.at_numerators(access, variables)
    lane = hl.Var("lane")
    if width:
        func.bound(placed[-1], 0, width)
    func.split(placed[-1], placed[-1], lane, lanes, hl.TailStrategy.GuardWithIf).vectorize(lane)
    shared = block if width else placed[0]
    if order[-1] != len(order) - 1 and all(p.as_name for p in access.positions):
        # In squares: the lines of memory that a vector's numbers come from hold those of the next vectors, too.
        inner, neighbours = hl.Var("inner"), variables[-1]
        func.split(neighbours, neighbours, inner, lanes, hl.TailStrategy.GuardWithIf)
        func.reorder(lane, inner, placed[-1], neighbours)
        shape = lowering.tensors[access.tensor].shape
        if not width and prod(shape[axis] for axis in order[:-2]) == 1:
            shared = neighbours
        elif not width and shape[order[0]] < ENOUGH_TASKS and len(order) > 3:
            shared = hl.Var("shared")
            func.fuse(placed[1], placed[0], shared)

    def read(indices: Mapping[str, Any]) -> Any:
        tops = lowering.numerators(access, indices)
        *others, last = (tops[axis] for axis in order)
        here = [last // width, *others, last % width] if width else [*others, last]
        return hl.Expr(func[tuple(reversed(here))])

    lowering.read_from_copy(access, read)
    elements = prod(lowering.tensors[access.tensor].shape)
    return Staged(func, shared, len(placed) + (width > 0), access.free_names, elements, width)
