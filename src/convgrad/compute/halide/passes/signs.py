"""relu's derivative asks whether o > 0; its result max(o, 0) answers that as well, and is kept for other reasons.

    x[e,c] = max(o[e,c], 0)
    do[e,c] = where(o[e,c] > 0, dx[e,c], 0)   becomes   do[e,c] = where(x[e,c] > 0, dx[e,c], 0)

Where nothing else reads o, it then need not be stored: one tensor less goes through memory, forward and backward.
"""

from __future__ import annotations

from dataclasses import replace

from convgrad.compute.halide.passes.fusion import is_own_element
from convgrad.compute.halide.passes.plan import Plan
from convgrad.notation.terms import Access, Call, Compare, Definition, Number, Term, rebuild


def signs_of_results(plan: Plan) -> Plan:
    """The definitions with the sign of a rectified tensor instead of that of the tensor before it."""
    rectified: dict[str, str] = {}

    def change(term: Term) -> Term:
        if isinstance(term, Compare) and term.operator == ">" and term.right == Number(0):
            compared = term.left
            if isinstance(compared, Access) and compared.tensor in rectified and compared.outside is None:
                return replace(term, left=replace(compared, tensor=rectified[compared.tensor]))
        return term

    changed = []
    for definition in plan.definitions:
        changed.append(replace(definition, term=rebuild(definition.term, change)))
        source = _rectified(definition)
        if source is not None:
            rectified.setdefault(source, definition.name)
    return replace(plan, definitions=tuple(changed))


def _rectified(definition: Definition) -> str | None:
    """The tensor of which a definition is max(o, 0), element by element."""
    term = definition.term
    if not isinstance(term, Call) or term.function != "max" or term.arguments[1:] != (Number(0),):
        return None
    access = term.arguments[0]
    if not isinstance(access, Access) or not is_own_element(access.positions, definition):
        return None
    return access.tensor
