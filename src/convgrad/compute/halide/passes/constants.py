"""What depends on constants alone, apart from the rest: it is computed once, the rest with every call.

r[c] = (v[c] + epsilon)^(-1/2)                      once, where v is constant
x[e,f,c] = g[c] * (o[e,f,c] - mu[c]) * r[c] + b[c]  with every call
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from convgrad.compute.contract import root, tensors_read
from convgrad.compute.halide.passes.plan import Plan
from convgrad.notation.terms import Definition


def apart(plan: Plan, constants: Collection[str]) -> tuple[Plan, Plan, frozenset[str]]:
    """The plans of what is computed once, and of the rest, and all tensors that are constant then.

    The rest finds each tensor of the first plan that it reads among those that the first one keeps.
    """
    if not constants:
        return replace(plan, definitions=()), plan, frozenset()
    known = {*constants}
    first: list[Definition] = []
    rest: list[Definition] = []
    for definition in plan.definitions:
        once = tensors_read(definition, plan.views) <= known and definition.name not in plan.in_place
        (first if once else rest).append(definition)
        if once:
            known.add(definition.name)
    read = frozenset(root(name, plan.views) for definition in rest for name in tensors_read(definition, plan.views))
    once_plan = replace(plan, definitions=tuple(first), kept=plan.kept | read, in_place={})
    return once_plan, replace(plan, definitions=tuple(rest)), frozenset(known)
