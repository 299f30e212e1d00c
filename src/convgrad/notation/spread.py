"""One index over all elements in a row, written out as the axes of a tensor.

    x[e,f] = max(o[e,f], 0)    becomes, for tensors of shape (E, 28, 28, 20),    x[e,i,j,c] = max(o[e,i,j,c], 0)

Both say the same of the same memory; the second can be computed together with a neighbour that has these axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Access,
    Definition,
    Equation,
    IndexValue,
    Reduce,
    Term,
    accesses,
    free_names,
    rebuild,
    walk,
)

AXES = {0: (), 1: ("c",), 2: ("i", "c"), 3: ("i", "j", "c"), 4: ("i", "j", "l", "c")}


def can_spread(equation: Equation, index: str) -> bool:
    """Whether `index` is the last of every tensor that has it, read as it stands and never used as a number."""
    for definition in equation.definitions:
        if index in definition.indices[:-1]:
            return False
        for term in walk(definition.term):
            if isinstance(term, Reduce) or (isinstance(term, IndexValue) and index in term.polynomial.names):
                return False
        for access in accesses(definition.term):
            if any(index in p.names for p in access.positions[:-1]):
                return False
            if access.positions and index in access.positions[-1].names and access.positions[-1].as_name != index:
                return False
    return True


def spread(equation: Equation, index: str, shape: Sequence[int]) -> Equation:
    """The bound equation with `index`, for which `can_spread` holds, replaced by indices of the axes of `shape`."""
    taken = {i for d in equation.definitions for i in (*d.indices, *free_names(d.term))} - {index}
    names = AXES.get(len(shape), tuple(f"i{axis}" for axis in range(len(shape))))
    indices = tuple(f"{name}1" if name in taken else name for name in names)
    element = tuple(Position.name(i) for i in indices)
    wide: set[str] = set()

    def change(term: Term) -> Term:
        if isinstance(term, Reduce) and index in term.indices:
            bound = tuple(i for one in term.indices for i in (indices if one == index else (one,)))
            return replace(term, indices=bound, index_spans=()) if bound else term.body
        if isinstance(term, Access) and term.positions and term.positions[-1].as_name == index:
            wide.add(term.tensor)
            return replace(term, positions=(*term.positions[:-1], *element), outside=None)
        return term

    definitions = []
    for definition in equation.definitions:
        term = rebuild(definition.term, change)
        if index in definition.indices:
            wide.add(definition.name)
            ranges = tuple((i, s) for i, s in definition.ranges if i != index)
            sized = tuple(zip(indices, shape, strict=True)) if definition.ranges else ()
            definition = Definition(definition.name, (*definition.indices[:-1], *indices), term, (*ranges, *sized))
        else:  # a reduction over the index, if any
            sized = tuple(zip(indices, shape, strict=True))
            ranges = tuple(r for i, s in definition.ranges for r in (sized if i == index else ((i, s),)))
            definition = replace(definition, term=term, ranges=ranges)
        definitions.append(definition)
    shapes = tuple((n, (*s[:-1], *shape) if n in wide else s) for n, s in equation.shapes)
    return Equation(tuple(definitions), equation.source, shapes)
