"""What an equation reads outside its tensors: 0, where it could be evaluated only at sizes of 1 otherwise."""

from __future__ import annotations

from dataclasses import replace

from convgrad.check.problems.choice import bound_by_choice
from convgrad.errors import ConvgradError
from convgrad.notation.terms import Access, Equation, Reduce, Term, rebuild, walk


def zero_outside(equation: Equation) -> Equation:
    """x[i] = sum[m](w[m] * o[i-m]) with `o[i-m else 0]`; an equation that stays inside, as it is.

    Without, w could have one element only, at which a turned kernel and one that is not turned are the same.
    """
    if not _summed_once(equation):
        return equation
    padded = replace(
        equation, definitions=tuple(replace(d, term=rebuild(d.term, _padded)) for d in equation.definitions)
    )
    return equation if _summed_once(padded) else padded


def _summed_once(equation: Equation) -> bool:
    """Whether some sum has one term only at the sizes that are chosen, or there are none."""
    try:
        bound = bound_by_choice(equation, {}, {}, {}, {})
    except ConvgradError:
        return True
    ranges = [dict(d.ranges) for d in bound.definitions]
    sums = [
        (t, r) for d, r in zip(bound.definitions, ranges, strict=True) for t in walk(d.term) if isinstance(t, Reduce)
    ]
    return any(found.get(index) == 1 for term, found in sums for index in term.indices)


def _padded(term: Term) -> Term:
    return replace(term, outside=0.0) if isinstance(term, Access) and term.positions and term.outside is None else term
