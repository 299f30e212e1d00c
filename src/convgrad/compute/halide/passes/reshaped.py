"""Pointwise atoms that read a view of what another pointwise atom computes take over its shape: one pass does both.

    b.x[e,f,c] = gamma[c] * (o[e,f,c] - mu[c]) * r[c] + beta[c]
    r.x[e,i,j,c] = max(r.o[e,i,j,c], 0)        where r.o is b.x in another shape

The second becomes `r.x~[e,f,c] = max(b.x[e,f,c], 0)`, and r.x a view of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from convgrad.compute.contract import root
from convgrad.compute.halide.passes.atoms import is_reduction
from convgrad.compute.halide.passes.fusion import is_own_element
from convgrad.compute.halide.passes.plan import Plan, Shape
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Definition, IndexValue, Reduce, Term, accesses, rebuild, walk


def reshaped_like_sources(plan: Plan) -> Plan:
    """The atoms, with those reshaped that can be."""
    views, shapes = dict(plan.views), dict(plan.shapes)
    before: dict[str, Definition] = {}
    for atom in plan.definitions:
        source = None if atom.name in plan.kept else _source(atom, views, before)
        if source is not None:
            atom = like(atom, source, views, shapes)
        shapes[atom.name] = atom.shape
        before[atom.name] = atom
    return replace(plan, definitions=tuple(before.values()), views=views, shapes=shapes)


def _source(atom: Definition, views: Mapping[str, str], before: Mapping[str, Definition]) -> Definition | None:
    """The pointwise atom whose shape an atom can take over: the last computed of those that it reads: it can join no
    other. One that reads a long sum at its own element stays: it is applied before the sum leaves the registers."""
    if is_reduction(atom) or any(isinstance(term, IndexValue | Reduce) for term in walk(atom.term)):
        return None
    read = list(accesses(atom.term))
    if not all(not a.positions or (is_own_element(a.positions, atom) and a.outside is None) for a in read):
        return None
    roots = {root(access.tensor, views) for access in read if access.positions}
    sources = [source for name, source in before.items() if name in roots]
    if any(is_reduction(source) and source.shape == atom.shape for source in sources):
        return None
    last = next((source for source in reversed(sources) if prod(source.shape) == prod(atom.shape)), None)
    return None if last is None or is_reduction(last) or last.shape == atom.shape else last


def like(
    atom: Definition,
    source: Definition,
    views: dict[str, str],
    shapes: dict[str, Shape],
    moved: Mapping[str | None, str] | None = None,
) -> Definition:
    """The atom in the shape of another one, under a new name; its own is a view from now on, and so is what it reads.

    moved: index of the atom -> index of the other one, for what is read at some of the indices only.
    """
    own = tuple(Position.name(index) for index in source.indices)

    def change(term: Term) -> Term:
        if not isinstance(term, Access) or not term.positions:
            return term
        if moved is not None and not is_own_element(term.positions, atom):
            return replace(term, positions=tuple(Position.name(moved[p.as_name]) for p in term.positions))
        tensor = root(term.tensor, views)
        if shapes[tensor] != source.shape:
            shown, tensor = tensor, f"{tensor}~{'x'.join(map(str, source.shape))}"
            views[tensor], shapes[tensor] = shown, source.shape
        return replace(term, tensor=tensor, positions=own)

    name = f"{atom.name}~"
    views[atom.name] = name
    ranges = tuple((index, size) for index, size in source.ranges if index in source.indices)
    return Definition(name, source.indices, rebuild(atom.term, change), ranges)
