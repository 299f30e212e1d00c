"""Every error that convgrad raises on purpose: one family, so that a program can catch it and print one clear message.

An error says what is wrong, where, why, and what to write instead. Where it concerns an equation it carries the
place as data (`span`) and shows the line with a caret under it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Span:
    """The characters `start` (included) to `stop` (excluded) of an equation's source text."""

    start: int
    stop: int

    def cover(self, other: Span) -> Span:
        """The smallest span that holds both."""
        return Span(min(self.start, other.start), max(self.stop, other.stop))


def pointed(source: str, span: Span) -> str:
    """The line of `source` that `span` begins on, indented, with carets under the span."""
    line_start = source.rfind("\n", 0, span.start) + 1
    line_stop = source.find("\n", span.start)
    line = source[line_start:] if line_stop < 0 else source[line_start:line_stop]
    width = max(1, min(span.stop, line_start + len(line)) - span.start)
    return f"    {line}\n    {' ' * (span.start - line_start)}{'^' * width}"


class ConvgradError(Exception):
    """Base of all errors raised by convgrad on purpose."""


class EquationError(ConvgradError):
    """An equation can't be used as written. `span` and `source` tell the place, where one is known.

    `message` is the sentence before the pointed line, `remedy` the one after it.
    """

    def __init__(self, message: str, source: str = "", span: Span | None = None, remedy: str = ""):
        self.message, self.source, self.span, self.remedy = message, source, span, remedy
        parts = [message]
        if source and span is not None:
            parts.append(pointed(source, span))
        if remedy:
            parts.append(remedy)
        super().__init__("\n".join(parts))


class EquationSyntaxError(EquationError):
    """The text is not in the notation."""


class ShapeError(EquationError):
    """Sizes do not fit: an index leaves its tensor, two axes of one index differ, a size can't be told."""


class DerivationError(EquationError):
    """The equation has no derivative that the rules know."""


class ModelError(ConvgradError):
    """A network or a layer is put together in a way that can't work."""


class DataError(ConvgradError):
    """Data (files, arrays, labels) can't be used as given."""


class TrainingError(ConvgradError):
    """Training can't start or go on."""


class EngineError(ConvgradError):
    """The compiled engine can't do what is asked of it."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """` Did you mean ...?` if a known name is near, and else the list of them; begins with a space."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(names)}."
