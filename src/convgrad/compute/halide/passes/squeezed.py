"""Sums with a last axis of one place are computed without it, as views of the same memory, so that vectors run along
the axis before it:

    x[e,i,j,g,k] = sum[m,n,c](w[m,n,c,g,k] * o[e,i+m,j+n,g,c])        with one k and one c: as many groups as channels

becomes `x[e,i,j,g] = sum[m,n](w~[m,n,g] * o~[e,i+m,j+n,g])`, which is what a depthwise convolution computes; and
`do[e,c] = sum[k](dx[e,k] * w[c,k])` of a dense layer with one k becomes `do[e,c] = dx~[e] * w~[c]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from convgrad.compute.contract import root
from convgrad.compute.halide.passes.plan import Plan, Shape
from convgrad.notation.terms import (
    Access,
    Definition,
    IndexValue,
    Reduce,
    Term,
    accesses,
    rebuild,
    walk,
)


@dataclass
class _Known:
    """Views and shapes, with those that are new; and definitions that have another shape than before -> that one."""

    views: dict[str, str]
    shapes: dict[str, Shape]
    changed: dict[str, Shape]

    def seen(self, tensor: str, shape: Shape) -> str:
        """The name under which the memory of a tensor has a shape: its own, or a view's."""
        shown = root(tensor, self.views)
        if self.shapes[shown] == shape:
            return shown
        name = tensor if self.shapes[tensor] == shape else f"{shown}~{'x'.join(map(str, shape))}"
        if name not in self.shapes:
            self.views[name] = shown
            self.shapes[name] = shape
        return name


def without_last_axes_of_one(plan: Plan) -> Plan:
    """The definitions, with those changed that gain from it. A tensor that they define has its new shape from then on:
    what else reads it reads a view that has the old one."""
    known = _Known(dict(plan.views), dict(plan.shapes), {})
    definitions = []
    for definition in plan.definitions:
        dropped = frozenset[str]() if definition.name in plan.in_place else _dropped(definition, known)
        if dropped or any(root(a.tensor, known.views) in known.changed for a in accesses(definition.term)):
            definition = _without(definition, dropped, known)
        definitions.append(definition)
    if definitions == [*plan.definitions]:
        return plan
    no_more = _read(plan.definitions) - _read(definitions) - {*known.views.values()}
    views = {name: shown for name, shown in known.views.items() if name not in no_more}
    return replace(plan, definitions=tuple(definitions), views=views, shapes=known.shapes)


def _read(definitions: Iterable[Definition]) -> set[str]:
    return {access.tensor for definition in definitions for access in accesses(definition.term)}


def _dropped(definition: Definition, known: _Known) -> frozenset[str]:
    """The indices that a definition can do without; none where no axis of one place is last, in it or in what it reads,
    behind the axis that could be the last one instead."""
    sizes = definition.sizes
    long = [index for number, index in enumerate(definition.indices) if number == 0 or sizes[index] > 1]
    read = [access for access in accesses(definition.term) if access.positions]
    summed = [term for term in walk(definition.term) if isinstance(term, Reduce)]
    if not long or not summed or any(term.kind.startswith("arg") for term in summed):
        return frozenset()
    single = {index for index, size in definition.ranges if size == 1} - {definition.indices[0]}
    for access in read:
        shape = known.changed.get(access.tensor, known.shapes[access.tensor])
        places = zip(access.positions, shape, strict=True)
        stays = [
            position for axis, (position, size) in enumerate(places) if not position.as_name or size > 1 or axis == 0
        ]
        single.difference_update(*(position.names for position in stays))
    for term in walk(definition.term):
        if isinstance(term, IndexValue):
            single -= term.polynomial.names
    last = long[-1]
    names = [[position.as_name for position in access.positions] for access in read if last in access.free_names]
    if not names or any(last not in own for own in names):
        return frozenset()
    return frozenset(single) if any(own[-1] in single for own in (*names, definition.indices)) else frozenset()


def _without(definition: Definition, dropped: frozenset[str], known: _Known) -> Definition:
    """The definition without some indices of one place, reading what it reads in the shapes that this leaves."""

    def change(term: Term) -> Term:
        if isinstance(term, Reduce):
            left = tuple(index for index in term.indices if index not in dropped)
            return replace(term, indices=left) if left else term.body
        if not isinstance(term, Access) or not term.positions:
            return term
        shape = known.changed.get(term.tensor, known.shapes[term.tensor])
        kept = [axis for axis, position in enumerate(term.positions) if position.as_name not in dropped]
        tensor = known.seen(term.tensor, tuple(shape[axis] for axis in kept))
        return replace(term, tensor=tensor, positions=tuple(term.positions[axis] for axis in kept))

    term = rebuild(definition.term, change)
    indices = tuple(index for index in definition.indices if index not in dropped)
    if indices != definition.indices:
        known.changed[definition.name] = definition.shape
    ranges = tuple((index, size) for index, size in definition.ranges if index not in dropped)
    result = Definition(definition.name, indices, term, ranges)
    known.shapes[definition.name] = result.shape
    return result
