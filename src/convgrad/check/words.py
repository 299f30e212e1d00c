"""Lines of reports: wrapped sentences, and elements worked out as explanations show them."""

from __future__ import annotations

import textwrap
from contextvars import ContextVar

from convgrad.explain.trace.element import Explanation
from convgrad.explain.trace.notes import NoteKind

WIDTH, NARROWEST = 88, 40
_columns = ContextVar("_columns", default=WIDTH)
NOTES = 2
"""Notes on an element: how many terms are 0, which value won."""


def in_columns(report: object, width: int) -> str:
    """`str(report)` for so many columns; by itself it is for `WIDTH`."""
    before = _columns.set(max(width, NARROWEST))
    try:
        return str(report)
    finally:
        _columns.reset(before)


def columns() -> int:
    """Of the report that is written at the moment."""
    return _columns.get()


def wrapped(text: str, later: str = "  ") -> list[str]:
    """Lines of at most `columns()` characters; `later` stands before all but the first."""
    first = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(text.strip(), columns(), initial_indent=first, subsequent_indent=later, break_long_words=False)


def worked_lines(explanation: Explanation, with_numbers: bool = True) -> list[str]:
    """An element with its indices and with its numbers put in. with_numbers: False where these may not be told."""
    if explanation.tensor.definition is None:
        return []
    shown = {"indices": explanation.with_indices, "numbers": explanation.numbers}
    if not with_numbers:
        return wrapped(f"    indices  {explanation.with_indices}", " " * 13)
    lines = [line for label, text in shown.items() for line in wrapped(f"    {label}  {text}", " " * 13)]
    notes = explanation.notes_about(NoteKind.ZEROS, NoteKind.DECISION)[:NOTES]
    return lines + [line for note in notes for line in wrapped(f"             {note}", " " * 13)]
