r"""What a formula reads of the step before, as h_{t-1} in `h_t = f(W h_{t-1})`: a tensor of its own, h_previous[t]."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from convgrad.notation.polynomial import ONE, Polynomial, Position
from convgrad.notation.terms import Access, Definition, Term, rebuild

PREVIOUS = "_previous"


def of_the_step_before(access: Access) -> Access | None:
    """h_previous[t,i] for h[t-1,i]; None for other readings."""
    found = None
    for axis, position in enumerate(access.positions):
        names = position.names
        if position.as_name is not None or len(names) != 1:
            continue
        (index,) = names
        if Position(Polynomial.name(index) - ONE) != position:
            return None
        places = (*access.positions[:axis], Position.name(index), *access.positions[axis + 1 :])
        found = replace(access, tensor=f"{access.tensor}{PREVIOUS}", positions=places, outside=None)
        break
    return found


def with_steps_before(definition: Definition, recurrent: Collection[str]) -> Definition:
    """With a tensor of its own for what is read of the step before of those that are recurrent."""

    def change(term: Term) -> Term:
        if isinstance(term, Access) and term.tensor in recurrent:
            return of_the_step_before(term) or term
        return term

    return replace(definition, term=rebuild(definition.term, change))
