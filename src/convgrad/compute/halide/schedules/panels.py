"""Operands of sums in slices, in the order in which register tiles read them.

    dw[c,k] = sum[p](dx[p,k] * o[p,c])

A tile of 64 channels c reads 256 bytes of each row of o, which may be 2 KB long: all of these lines share a few sets of
the first-level cache, and no hardware fetches them ahead. A panel holds what one tile reads of a stretch of the sum,
row by row, P[c/64,p,c%64] = o[p,c], with zeros beyond the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering
from convgrad.compute.halide.passes.atoms import is_contraction
from convgrad.compute.halide.schedules.across import with_last
from convgrad.compute.halide.schedules.tiles import Tile, dividing_tile, slicing_tiles
from convgrad.compute.halide.target import machine
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Definition, Reduce, accesses

LONG_ROW = 1 << 9
"""Bytes of a row from which a panel pays: of shorter ones a few tiles read all lines, one after the other."""
NEAR = 1 << 16
"""Bytes of rows that are near enough for single numbers of them to be read where they lie: 64 KiB (1x1, 256 -> 64)."""
LEAST_WIDTH = 4
"""Numbers of a row from which they are worth a move: 16 bytes."""
ALONG_GAIN = 1.1
"""By how much vectors along another index than the last must be better, since the estimate is rough."""


def panelled(atom: Definition) -> dict[str, Access]:
    """Indices on the left that lie along the rows of one of two factors, and nowhere else: factor by index."""
    reduce = atom.term
    factors = list(accesses(reduce))
    if not isinstance(reduce, Reduce) or not is_contraction(reduce) or len(factors) != 2:
        return {}
    found = {}
    for factor in factors:
        index = factor.positions[-1].as_name if factor.positions else None
        uses = sum(index in position.names for other in factors for position in other.positions)
        if index in atom.indices and uses == 1:
            found[index] = factor
    return found


def tile_in_slices(atom: Definition, terms: int, element_bytes: int) -> tuple[Definition, Tile]:
    """The atom with the index last that vectors run along, and the tile for `terms` terms in registers that takes the
    fewest cycles for a multiply-add, by an estimate."""
    free = panelled(atom)
    if not free:
        return atom, dividing_tile(atom, machine(), element_bytes)
    best, chosen = inf, None
    for along in (atom.indices[-1], *(index for index in free if index != atom.indices[-1])):
        turned = with_last(atom, along)
        cost, tile = slicing_tiles(turned, machine(), element_bytes, terms, free)
        if cost * (1 if along == atom.indices[-1] else ALONG_GAIN) < best:
            best, chosen = cost, (turned, tile)
    assert chosen is not None
    return chosen


@dataclass
class Panel:
    """The copy of an operand for the tiles along an index."""

    func: Any
    indices: frozenset[str]
    access: Access


def make_panels(atom: Definition, tile: Tile, lowering: Lowering, terms: int, element_bytes: int) -> list[Panel]:
    """Make `lowering` read panels for `terms` terms where these pay, or where the last tile reaches beyond the end."""
    made: list[Panel] = []
    for index, access in panelled(atom).items():
        size = atom.sizes[index]
        width = tile.width if index == atom.indices[-1] else tile.positions.get(index, 1)
        rounded = -(-size // width) * width
        row = size * element_bytes
        near = index != atom.indices[-1] and row * terms <= NEAR
        if rounded == size and (width == size or width < LEAST_WIDTH or row < LONG_ROW or near):
            continue
        lowering.sizes = {**lowering.sizes, index: rounded}
        made.append(_panel(access, lowering, width, tile.lanes, f"panel{len(made)}"))
    return made


def _panel(access: Access, lowering: Lowering, width: int, lanes: int, name: str) -> Panel:
    func = hl.Func(name)
    within, block = hl.Var("within"), hl.Var("block_of")
    rows = [hl.Var(f"c{axis}") for axis in range(len(access.positions) - 1)]
    strided = [_strided(position, lowering) for position in access.positions[:-1]]
    tops = [row if whole is None else row * whole.step + whole.first for row, whole in zip(rows, strided, strict=True)]
    where = (within, *reversed(rows), block)
    func[where] = lowering.at_numerators(access, [*tops, block * width + within])
    func.bound_extent(within, width)
    if width % lanes == 0:
        lane = hl.Var("lane")
        func.split(within, within, lane, lanes).vectorize(lane).unroll(within)
        func.reorder(lane, within, block, *reversed(rows))
    else:
        func.vectorize(within).reorder(within, block, *reversed(rows))

    def read(indices: Mapping[str, Any]) -> Any:
        *others, last = lowering.numerators(access, indices)
        others = [top if whole is None else indices[whole.name] for top, whole in zip(others, strided, strict=True)]
        place = (last % width, *reversed(others), last // width)
        return hl.Expr(func[place])

    lowering.read_from_copy(access, read)
    return Panel(func, access.free_names, access)


@dataclass(frozen=True)
class Strided:
    """A position `first + step * name`: a panel has the places that are read, without those between them."""

    name: str
    step: int
    first: int


def _strided(position: Position, lowering: Lowering) -> Strided | None:
    moving = [name for name in position.names if lowering.sizes[name] > 1]
    step = position.numerator.coefficient(moving[0]).constant_value if len(moving) == 1 else 1
    return Strided(moving[0], step, position.numerator.constant_value) if step > 1 else None


def panel_bytes(panel: Panel, fixed: Sequence[str], sizes: Mapping[str, int], element_bytes: int) -> int:
    """Bytes of a panel where some indices have one place each."""
    return element_bytes * prod(_extents(panel.access, fixed, sizes))


def _extents(access: Access, fixed: Sequence[str], sizes: Mapping[str, int]) -> Iterator[int]:
    for position in access.positions:
        moving = [name for name in position.names if name not in fixed]
        yield 1 + sum(abs(position.numerator.coefficient(n).constant_value) * (sizes[n] - 1) for n in moving)
