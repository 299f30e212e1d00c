"""Which index the vectors of a sum of products run along: the last one, or one that only one of two factors has.

    do[e,p,q,c] = sum[m,n,k](dx[e,p-m,q-n,k else 0] * w[m,n,c,k])

With 3 channels c, vectors along c are 3 numbers of 16. Vectors along the examples e are full: they take a copy of dx
with e innermost, one weight serves a whole vector, and the result is put back into its order number by number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from convgrad.compute.halide.passes.atoms import is_contraction
from convgrad.compute.halide.schedules.tiles import all_cycles, tile_for
from convgrad.compute.halide.target import LINE, WAY, machine
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Definition, Reduce, accesses

MOVED = 1.5
"""Cycles to put one number into another place, a load and a store, where its neighbours-to-be are in a cache."""
TURNED, NARROW_TURNED = 0.5, 1.15
"""The same in blocks, whose lines of memory hold the numbers of the next vectors, too; and in vectors shorter than such
lines, into which numbers are put one by one (dense 128 -> 256, 16 examples, on a Zen 3: 0.023 ms, 0.012 folded)."""
NARROW_MOVED = 1.5
"""How much longer that takes in such short vectors (3x3, 1 -> 20 at 28, 64 images: 0.53 ms so, 0.49 folded)."""
MOVED_FAR = 8
"""As MOVED, from as many images as a vector has numbers, where these lie apart by whole ways: the lines that hold them
share a few sets of the first-level cache, and push each other out."""
GAIN = 1.2
"""By how much vectors along another index must be better, since the estimate is rough."""


def vector_index(atom: Definition, element_bytes: int) -> str | None:
    """The index on the left that vectors should run along instead of the last one; None where the last is best."""
    reduce = atom.term
    if not isinstance(reduce, Reduce) or not is_contraction(reduce) or len(atom.indices) < 2:
        return None
    factors = list(accesses(reduce))
    if len(factors) != 2:
        return None
    last = atom.indices[-1]
    most = machine().lanes(element_bytes)
    products = prod(atom.shape) * prod(atom.sizes[i] for i in reduce.indices) / (2 * most)  # two vectors a cycle
    best, least = None, products * _slots(atom.sizes[last], element_bytes) / GAIN
    for index in atom.indices[:-1]:
        moved = _moved(factors, index, last, atom, element_bytes)
        if moved is not None:
            share, size = moved
            cycles = products * _slots(size, element_bytes) + share
            if cycles < least:
                best, least = index, cycles
    return best


def tiled_cycles(atom: Definition, index: str | None, element_bytes: int) -> float:
    """The cycles that a sum of two factors takes in register tiles with vectors along `index` (None: the last), by an
    estimate."""
    along = atom if index is None else with_last(atom, index)
    cycles = all_cycles(along, tile_for(along, machine(), element_bytes), machine(), element_bytes)
    narrow = machine().vector_bytes < LINE
    if index is None:
        return cycles + turned_numbers(atom) * (NARROW_TURNED if narrow else TURNED)
    moved = _moved(list(accesses(atom.term)), index, atom.indices[-1], atom, element_bytes)
    return cycles + moved[0] * (NARROW_MOVED if narrow else 1) if moved else cycles


def turned_numbers(atom: Definition) -> int:
    """Numbers of the factors that are copied into another order for vectors along the last index."""
    last = atom.indices[-1]
    turned = [
        access for access in accesses(atom.term) if last in access.free_names and last not in access.positions[-1].names
    ]
    return sum(prod(length_along(position, atom.sizes) for position in access.positions) for access in turned)


def _slots(size: int, element_bytes: int) -> float:
    """As `slots`, where vectors may be shorter."""
    most, step = machine().lanes(element_bytes), machine().step(element_bytes)
    return slots(size, step) * (LONE if size <= step < most else 1)


LONE = 1.4
"""How much longer products with one short vector at each position take, of which each waits for a load of its own."""


def slots(size: int, most: int) -> float:
    """Places for numbers in the vectors that hold `size` numbers, for each of these: 32/20 for 20 in two of 16."""
    return -(-size // most) * most / size


def with_last(atom: Definition, index: str) -> Definition:
    """The atom with another index as its last."""
    return replace(atom, indices=(*(i for i in atom.indices if i != index), index))


def _moved(
    factors: list[Access], index: str, last: str, atom: Definition, element_bytes: int
) -> tuple[float, int] | None:
    """The cycles that it takes to reorder numbers for vectors along an index, and how many places there are along it;
    None where it can't be.
    """
    having = [factor for factor in factors if index in factor.free_names]
    if len(having) != 1 or last in having[0].free_names:
        return None
    (position, *more) = [p for p in having[0].positions if index in p.names]
    if more or position.numerator.coefficient(index).constant_value != 1:
        return None
    stride, sizes = position.divisor.constant_value, atom.sizes
    if stride < 1:
        return None
    lengths = [length_along(p, sizes) for p in having[0].positions]
    axis = having[0].positions.index(position)
    far = prod(lengths[axis + 1 :]) * element_bytes % WAY == 0
    return prod(atom.shape) * MOVED + prod(lengths) * (MOVED_FAR if far else MOVED), -(-sizes[index] // stride)


def length_along(position: Position, sizes: Mapping[str, int]) -> int:
    """About how many places of an axis a position runs over."""
    return -(-max((sizes[name] for name in position.names), default=1) // position.divisor.constant_value)
