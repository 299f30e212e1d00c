"""Long sums that are asked for more than once are computed once.

Batch normalization needs `sum[e,f](dx[e,f,c] * (o[e,f,c] - mu[c]))` for the gradient of gamma, and of the variance.
"""

from __future__ import annotations

from dataclasses import replace

from convgrad.compute.halide.passes.atoms import is_reduction
from convgrad.compute.halide.passes.copy_propagation import reading_originals
from convgrad.compute.halide.passes.plan import Plan
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Reduce


def without_repeats(plan: Plan) -> Plan:
    """The atoms; where a long reduction was there before, its result is read instead."""
    first: dict[object, str] = {}
    original: dict[str, str] = {}
    remaining = []
    for atom in plan.definitions:
        atom = reading_originals(atom, original)
        if isinstance(atom.term, Reduce) and is_reduction(atom):
            sizes = atom.sizes
            key = (atom.indices, atom.term, tuple(sizes[i] for i in (*atom.indices, *atom.term.indices)))
            if key not in first:
                first[key] = atom.name
            elif "#" in atom.name:  # a part of a definition: nobody else knows it by name
                original[atom.name] = first[key]
                continue
            else:
                own = tuple(Position.name(index) for index in atom.indices)
                atom = replace(atom, term=Access(first[key], own))
        remaining.append(atom)
    return replace(plan, definitions=tuple(remaining))
