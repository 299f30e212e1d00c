"""One index over all places of an image, written out as rows and columns: people's images have both axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convgrad.notation.parsing.parser import parse
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Equation, Reduce, Term, rebuild


def unrolled(equation: Equation, index: str, names: Sequence[str]) -> Equation:
    """The equation with `index`, which every tensor reads as it stands, replaced by several; sizes are not bound yet.

    >>> print(unrolled(parse("mu[g] = mean[f,c](o[f,g,c])"), "f", ("h", "v")))
    mu[g] = mean[h,v,c](o[h,v,g,c])
    """

    def indices(old: Sequence[str]) -> tuple[str, ...]:
        return tuple(new for i in old for new in (names if i == index else (i,)))

    def change(term: Term) -> Term:
        if isinstance(term, Access) and term.positions:
            positions = (
                new for p in term.positions for new in (map(Position.name, names) if p.as_name == index else (p,))
            )
            return replace(term, positions=tuple(positions), position_spans=())
        if isinstance(term, Reduce):
            return replace(term, indices=indices(term.indices), index_spans=())
        return term

    definitions = (
        replace(d, indices=indices(d.indices), term=rebuild(d.term, change), ranges=()) for d in equation.definitions
    )
    return parse(str(replace(equation, definitions=tuple(definitions))))
