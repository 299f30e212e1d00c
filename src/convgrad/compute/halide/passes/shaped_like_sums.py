"""Pointwise atoms that read a view of a sum take over its shape: they are applied before it leaves the registers.

    conv.x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m,j+n,c])
    b.x[e,f,c] = g[c] * (b.o[e,f,c] - mu[c]) * r[c] + beta[c]     where b.o is conv.x in another shape

The second becomes `b.x~[e,i,j,k] = g[k] * (conv.x[e,i,j,k] - mu[k]) * r[k] + beta[k]`, and b.x a view of it. That pays
where all else that it reads is there before the sum, as the factors of a normalization are where they are constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from convgrad.compute.contract import root
from convgrad.compute.halide.passes.atoms import is_reduction
from convgrad.compute.halide.passes.fusion import is_own_element
from convgrad.compute.halide.passes.plan import Plan, Shape
from convgrad.compute.halide.passes.reshaped import like
from convgrad.notation.terms import Access, Definition, IndexValue, Reduce, Term, accesses, rebuild, walk


def shaped_like_sums(plan: Plan) -> Plan:
    """The atoms, with those reshaped that can be."""
    views, shapes = dict(plan.views), dict(plan.shapes)
    made: dict[str, Definition] = {}
    for atom in plan.definitions:
        atom = replace(atom, term=rebuild(atom.term, lambda term: _direct(term, views, shapes)))
        source = None if atom.name in plan.kept else _source(atom, made, views)
        if source is not None:
            atom = like(atom, source, views, shapes, _moved(atom, source))
        shapes[atom.name] = atom.shape
        made[atom.name] = atom
    return replace(plan, definitions=tuple(made.values()), views=views, shapes=shapes)


def _direct(term: Term, views: Mapping[str, str], shapes: Mapping[str, Shape]) -> Term:
    """A read of a view that has the shape of what it shows, as a read of that."""
    if isinstance(term, Access) and term.tensor in views:
        shown = root(term.tensor, views)
        if shapes[shown] == shapes[term.tensor]:
            return replace(term, tensor=shown)
    return term


def _source(atom: Definition, made: Mapping[str, Definition], views: Mapping[str, str]) -> Definition | None:
    """The atom whose shape another one can take over."""
    if is_reduction(atom) or any(isinstance(term, IndexValue | Reduce) for term in walk(atom.term)):
        return None
    for access in accesses(atom.term):
        source = made.get(root(access.tensor, views))
        if source is None or access.tensor not in views or prod(source.shape) != prod(atom.shape):
            continue
        moved = _moved(atom, source)
        if all(
            a.outside is None and (is_own_element(a.positions, atom) or all(p.as_name in moved for p in a.positions))
            for a in accesses(atom.term)
        ):
            return source
    return None


def _moved(atom: Definition, source: Definition) -> dict[str | None, str]:
    """Index of the atom -> index of the source that runs over the same axis: the first ones, and the last ones."""
    pairs = list(zip(atom.indices, source.indices, strict=False))
    equal = [atom.sizes[own] == source.sizes[other] for own, other in pairs]
    front = equal.index(False) if False in equal else len(equal)
    room = min(len(atom.indices), len(source.indices)) - front
    found: dict[str | None, str] = dict(pairs[:front])
    for own, other in list(zip(reversed(atom.indices), reversed(source.indices), strict=False))[:room]:
        if atom.sizes[own] != source.sizes[other]:
            break
        found[own] = other
    return found
