"""Input gradients of strided convolutions, without products by the zeros between their elements.

    do[e,p,q,c] = sum[m,n,k](dx[e,(p+1-m)/2,(q+1-n)/2,k else 0] * w[m,n,c,k])

With p = 2*p' + f, each phase f reads dx at whole places p' + (f+1-m)/2, and only where 2 divides f+1-m: half of all m.
The phases are loops directly around a tile, whose places p' are neighbours in dx.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering
from convgrad.compute.halide.passes.atoms import is_contraction
from convgrad.compute.halide.schedules.tiles import Tile
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import Access, Definition, Reduce, Term, accesses, rebuild


@dataclass(frozen=True)
class Split:
    """An index of the result as `stride * index + phase`, in a position `(index + rest) / stride`.

    quotient: the name under which (phase + rest) / stride - least is read, which is 0 at least.
    """

    index: str
    phase: str
    stride: int
    rest: Polynomial
    quotient: str
    least: int

    def uneven(self, atom: Definition) -> bool:
        """Whether the last phases of an atom have a place less than the first."""
        return atom.sizes[self.index] % self.stride != 0

    def values(self, lowering: Lowering, indices: dict[str, Any]) -> tuple[Any, Any]:
        """The value of the quotient, and the condition under which it is whole."""
        top = indices[self.phase] + lowering.whole_position(self.rest, indices)
        return top // self.stride - self.least, top % self.stride == 0


def in_phases(atom: Definition) -> tuple[Definition, list[Split]]:
    """The atom with phases as its first indices, and how they are made; the atom itself where it has none.

    Sizes must be multiples of the stride: an unrolled tile has no guards.
    """
    splits: dict[str, Split] = {}
    ranges = atom.sizes
    assert isinstance(atom.term, Reduce)
    for access in accesses(atom.term):
        for position in access.positions:
            if position.is_whole:
                continue
            split = _split(atom, access, position)
            if split is not None and splits.get(split.index) == split:
                continue
            if split is None or split.index in splits:
                return atom, []
            splits[split.index] = split
            ranges[split.index] = -(-ranges[split.index] // split.stride)
            ranges[split.phase] = split.stride
            top = split.rest.bounds(atom.sizes)[1] + split.stride - 1
            ranges[split.quotient] = top // split.stride - split.least + 1
    if not splits:
        return atom, []

    def change(term: Term) -> Term:
        if not isinstance(term, Access):
            return term
        return replace(term, positions=tuple(p if p.is_whole else _place(p, splits) for p in term.positions))

    phases = tuple(split.phase for split in splits.values())
    changed = replace(
        atom, indices=(*phases, *atom.indices), term=rebuild(atom.term, change), ranges=tuple(ranges.items())
    )
    return changed, list(splits.values())


def _split(atom: Definition, access: Access, position: Position) -> Split | None:
    """How the index of a divided position is split; None where there is no single one, or it is used elsewhere."""
    assert isinstance(atom.term, Reduce)
    stride, top = position.divisor.constant_value, position.numerator
    inside = [name for name in top.names if name in atom.indices]
    uses = len({p for name in inside for a in accesses(atom.term) for p in a.positions if name in p.names})
    if stride < 2 or access.outside != 0 or len(inside) != 1 or uses != 1:
        return None
    (index,) = inside
    if top.coefficient(index).constant_value != 1:
        return None
    rest = top.without(index)
    least = rest.bounds(atom.sizes)[0] // stride
    return Split(index, f"{index}%", stride, rest, f"{index}/", least)


def _place(position: Position, splits: dict[str, Split]) -> Position:
    (split,) = (split for split in splits.values() if split.index in position.names)
    whole = Polynomial.name(split.index) + Polynomial.name(split.quotient) + Polynomial.constant(split.least)
    return Position(whole)


def split_variables(func: Any, atom: Definition, variables: Sequence[Any], splits: Sequence[Split]) -> list[Any]:
    """Split the variables of `func`, those of `atom`; the variables of the phases, innermost first."""
    phases: list[Any] = []
    for split in splits:
        variable, phase = variables[atom.indices.index(split.index)], hl.Var(f"phase{len(phases)}")
        tail = hl.TailStrategy.PredicateStores if split.uneven(atom) else hl.TailStrategy.RoundUp
        func.split(variable, variable, phase, split.stride, tail)
        phases.append(phase)
    if any(split.uneven(atom) for split in splits):
        func.never_partition_all()  # else there are all loops twice along each index
    return phases[::-1]


def places_inside(atom: Definition, variables: Sequence[Any], beyond: Collection[str]) -> list[Any]:
    """The variables of an atom within its sizes, where it is computed `beyond` them along some indices."""
    return [
        hl.min(variable, atom.sizes[index] - 1) if index in beyond else variable
        for index, variable in zip(atom.indices, variables, strict=True)
    ]


def uneven_indices(atom: Definition, splits: Sequence[Split]) -> frozenset[str]:
    """Indices along which an atom is computed one place beyond its end, but not stored there."""
    return frozenset(split.index for split in splits if split.uneven(atom))


def is_strided(atom: Definition) -> bool:
    """Whether an atom is a sum of products that can have phases."""
    return isinstance(atom.term, Reduce) and is_contraction(atom.term)


def keep_extents(
    tiles: Any, variables: Mapping[str, Any], given: Definition, splits: Sequence[Split], tile: Tile
) -> None:
    """Tell the compiler how many places of each variable a tile has where the last phases have fewer places: it can't
    prove that these are computed, too, and would count them at run time, in loops that can't be written out."""
    for split in splits:
        if split.uneven(given):
            last = split.index == given.indices[-1]
            if not last:
                tiles.bound_extent(variables[split.index], tile.positions.get(split.index, 1))
            tiles.bound_extent(variables[split.phase], split.stride)


def joined(inner: Any, atom: Definition, splits: Sequence[Split], order: Sequence[str]) -> Any:
    """The Func of the atom itself with its indices in some order, which reads that of the phased one."""
    func = hl.Func("joined")
    named = {index: hl.Var(f"j{number}") for number, index in enumerate(order)}
    variables = [named[index] for index in atom.indices]
    places: list[Any] = list(variables)
    phases = []
    for split in splits:
        axis = atom.indices.index(split.index)
        places[axis] = variables[axis] // split.stride
        phases.append(variables[axis] % split.stride)
    func[tuple(reversed(list(named.values())))] = inner[tuple(reversed([*phases, *places]))]
    return func
