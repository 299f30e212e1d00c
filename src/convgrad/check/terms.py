"""One element of a gradient with the terms that make it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from convgrad.check.problem import Array, Problem
from convgrad.notation.terms import Access, Definition, Multiply, Number, Reduce, Term
from convgrad.oracle.loops import value

SHOWN = 4


def definition_of(problem: Problem, output: str) -> Definition | None:
    """The equation that an output is computed by."""
    adjoint = problem.adjoint
    both = (*adjoint.forward.definitions, *adjoint.backward.definitions)
    return next((d for d in both if d.name == output), None)


def written_out(problem: Problem, output: str, place: Sequence[int], values: Mapping[str, Array]) -> str:
    """`= 0.5*1.25 + 2*-0.75 + ...`, the terms that are not 0; nothing where the equation is no sum of products."""
    definition = definition_of(problem, output)
    if definition is None or (problem.total and output == problem.of):
        return ""
    term = definition.term
    at = dict(zip(definition.indices, place, strict=True))
    if not isinstance(term, Reduce) or term.kind not in ("sum", "mean"):
        return ""
    sizes = definition.sizes
    found: list[str] = []
    count = 0
    for inside in product(*(range(sizes[i]) for i in term.indices)):
        indices = {**at, **dict(zip(term.indices, inside, strict=True))}
        if value(term.body, definition, values, indices) == 0:
            continue
        count += 1
        if len(found) < SHOWN:
            found.append(written_factors(term.body, definition, values, indices))
    more = f" + ... ({count} terms)" if count > SHOWN else ""
    return f"{term.kind} of {' + '.join(found)}{more}" if found else ""


def written_factors(body: Term, definition: Definition, values: Mapping[str, Array], indices: Mapping[str, int]) -> str:
    factors = body.factors if isinstance(body, Multiply) else (body,)
    return "*".join(_factor(f, definition, values, indices) for f in factors)


def _factor(term: Term, definition: Definition, values: Mapping[str, Array], indices: Mapping[str, int]) -> str:
    number = value(term, definition, values, indices)
    text = f"{number:.5g}"
    if isinstance(term, Access) and term.positions:
        places = ",".join(str(_place(p, indices)) for p in term.positions)
        return f"{term.tensor}[{places}]({text})"
    return text if isinstance(term, Number | Access) else f"({text})"


def _place(position: object, indices: Mapping[str, int]) -> int:
    from convgrad.notation.polynomial import Position

    assert isinstance(position, Position)
    return position.numerator.evaluate(indices) // position.divisor.constant_value
