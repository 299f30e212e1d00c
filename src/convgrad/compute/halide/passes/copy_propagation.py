"""Definitions that only give a tensor another name are not computed: what reads the copy reads the original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from convgrad.compute.halide.passes.fusion import is_own_element
from convgrad.compute.halide.passes.plan import Plan
from convgrad.notation.terms import Access, Call, Definition, Term, accesses, rebuild


def without_copies(plan: Plan) -> Plan:
    """The definitions that compute something, and the views of what they compute.

    What is written over in place is not read instead of its copy, of which the old numbers may be wanted.
    """
    original: dict[str, str] = {}
    remaining = []
    for definition in plan.definitions:
        definition = reading_originals(definition, original)
        source = _copied(definition, plan.shapes)
        if source is None or source in plan.in_place.values() or definition.name in plan.kept:
            remaining.append(definition)
        else:
            original[definition.name] = source
    views = {view: original.get(shown, shown) for view, shown in plan.views.items()}
    return replace(plan, definitions=tuple(remaining), views=views)


def reading_originals(definition: Definition, original: Mapping[str, str]) -> Definition:
    """The definition, reading `original[name]` in place of each tensor that has one."""
    if original.keys().isdisjoint(access.tensor for access in accesses(definition.term)):
        return definition

    def renamed(term: Term) -> Term:
        if isinstance(term, Access) and term.tensor in original:
            return replace(term, tensor=original[term.tensor])
        return term

    return replace(definition, term=rebuild(definition.term, renamed))


def _copied(definition: Definition, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The tensor that a definition is an exact copy of, or None."""
    term = definition.term
    while isinstance(term, Call) and term.function == "stop":
        term = term.arguments[0]
    if not isinstance(term, Access) or shapes[term.tensor] != definition.shape:
        return None
    return term.tensor if is_own_element(term.positions, definition) else None
