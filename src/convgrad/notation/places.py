"""Where in a text an error points: into the source of an equation, or into its printed form if it was derived."""

from __future__ import annotations

from convgrad.errors import Span
from convgrad.notation.legality import position_span
from convgrad.notation.printing.text import text
from convgrad.notation.terms import Access, Definition, Equation, Term

Place = tuple[str, Span | None]


def place_of(equation: Equation, definition: Definition, term: Term | None = None) -> Place:
    """The text to show, and the characters of `term` in it (or of the whole definition)."""
    span = definition.span if term is None else term.span
    if equation.source and span is not None:
        return equation.source, span
    printed = text(definition)
    return printed, _found(printed, printed if term is None else text(term), 0)


def place_of_position(equation: Equation, definition: Definition, access: Access, axis: int) -> Place:
    """The text to show, and the characters of one position of an access."""
    span = position_span(access, axis)
    if equation.source and span is not None:
        return equation.source, span
    printed = text(definition)
    whole = _found(printed, text(access), 0)
    before = len(access.tensor) + 1 + sum(len(str(p)) + 1 for p in access.positions[:axis])
    return printed, _found(printed, str(access.positions[axis]), whole.start + before)


def place_of_index(equation: Equation, definition: Definition, axis: int) -> Place:
    """The text to show, and one index on the left of `=`."""
    if equation.source and axis < len(definition.index_spans):
        return equation.source, definition.index_spans[axis]
    return place_of(equation, definition)


def _found(printed: str, part: str, start: int) -> Span:
    place = printed.find(part, start)
    return Span(place, place + len(part)) if place >= 0 else Span(0, len(printed))
