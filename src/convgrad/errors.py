"""Every error that convgrad raises on purpose: one family, so that a program can catch it and print one clear message.

An error says what is wrong, where, why, and what to write instead. Where it concerns an equation it carries the
place as data (`span`) and shows the line with a caret under it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

from convgrad.elsewhere import ARGUMENTS, NAMES


@dataclass(frozen=True)
class Span:
    """The characters `start` (included) to `stop` (excluded) of an equation's source text."""

    start: int
    stop: int

    def cover(self, other: Span) -> Span:
        """The smallest span that holds both."""
        return Span(min(self.start, other.start), max(self.stop, other.stop))


WIDEST = 120
"""Characters of a line that a message quotes; of a longer one it shows the part around the place."""
CUT = "..."


def pointed(source: str, span: Span) -> str:
    """The line of `source` that `span` begins on, indented, with carets under the span; of a long line a part."""
    line_start = source.rfind("\n", 0, span.start) + 1
    line_stop = source.find("\n", span.start)
    line = source[line_start:] if line_stop < 0 else source[line_start:line_stop]
    first = span.start - line_start
    width = max(1, min(span.stop - line_start, len(line)) - first)
    shown, left = _window(line, first, width)
    visible = min(width, max(1, len(shown) - (first - left)))
    return f"    {shown}\n    {' ' * (first - left)}{'^' * visible}"


def _window(line: str, first: int, width: int) -> tuple[str, int]:
    """A part of the line that begins shortly before `first`, and how many characters it leaves out on the left."""
    if len(line) <= WIDEST:
        return line, 0
    before = max(WIDEST // 3, (WIDEST - width) // 2)
    start = max(0, min(first - before, len(line) - WIDEST))
    stop = start + WIDEST
    head = CUT if start else ""
    tail = CUT if stop < len(line) else ""
    return f"{head}{line[start:stop]}{tail}", start - len(head)


def quoted(text: str, most: int = WIDEST) -> str:
    """The text as a message quotes it: the beginning of a long one, with its length."""
    return text if len(text) <= most else f"{text[:most]}{CUT} ({len(text):,} characters)"


LONGEST_LINE = 1000
"""Characters of one line of a message, which may quote what a person gave."""


class ConvgradError(Exception):
    """Base of all errors raised by convgrad on purpose. No line of the message is longer than `LONGEST_LINE`."""

    def __str__(self) -> str:
        return "\n".join(quoted(line, LONGEST_LINE) for line in super().__str__().split("\n"))


class ArgumentError(ConvgradError):
    """A function was called with an argument that it does not have, or can't take."""


class EstimatorError(ConvgradError, ValueError):
    """An estimator can't be trained as asked; a ValueError, too, as tools of scikit-learn expect."""


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
    """Sizes do not fit: an index leaves its tensor, two axes of one index differ, a size can't be determined."""


class SizesDifferError(ShapeError):
    """An index reads axes of two sizes."""


class DerivationError(EquationError):
    """The equation has no derivative that the rules know."""


class ModelError(ConvgradError):
    """A network or a layer is put together in a way that can't work."""


class DataError(ConvgradError):
    """Data (files, arrays, labels) can't be used as given."""


class UnknownName(DataError, KeyError):
    """A table, such as a history or a trace, has no entry of that name; a KeyError, too, as `get` and `in` expect."""

    __str__ = Exception.__str__  # KeyError's puts quotes around the message


class TrainingError(ConvgradError):
    """Training can't start or continue."""


class EngineError(ConvgradError):
    """The compiled engine can't do what is asked of it."""


class SandboxError(ConvgradError):
    """A person's code can't be isolated as asked: bubblewrap is missing or can't work here."""


SECOND = 0.04
"""How much less similar a second name may be and still be offered."""
LISTED = 30
"""Names that a message lists; of more, the nearest."""
PART = 3
"""Letters of a name that tell something where they are a part of another one."""
ALIKE = 0.75
"""The least likeness of two names, as difflib measures it, at which one may be a slip for the other."""


def suggestion(name: object, known: Iterable[str]) -> str:
    """` Did you mean ...?` if known names are near, and else the list of them; begins with a space.

    One name alone is offered only where it can hardly be another one that was meant: a suggestion that misleads is
    worse than a list.

    >>> suggestion("stride", ["strides", "padding"]), suggestion("cross_entropy", ["softmax_cross_entropy", "mse"])
    (" Did you mean 'strides'?", ' Available: softmax_cross_entropy, mse.')
    """
    names = sorted({str(one) for one in known})
    if isinstance(name, str) and name not in names and plain(name) in ARGUMENTS:
        return f" {ARGUMENTS[plain(name)]}"
    sure, related = near(name if isinstance(name, str) else "", names)
    if sure:
        return f" Did you mean {' or '.join(map(repr, [*sure, *related]))}?"
    listed = [*related, *(one for one in names if one not in related)]
    if not listed:
        return " There are none."
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    return f" Available: {', '.join(listed[:LISTED])}{more}."


def near(name: str, names: Collection[str]) -> tuple[list[str], list[str]]:
    """Those of `names` that `name` may be a slip for, and those that it holds or is a part of.

    Names whose digits differ (conv1.w and conv2.w, cifar10 and cifar100) are never slips for each other.
    """
    own = plain(name)
    same = [one for one in names if plain(one) == own]
    if same or not own:
        return same, []
    elsewhere = NAMES.get(own)
    if elsewhere is not None:
        return [one for one in elsewhere if one in names], []
    sure, related = [], []
    for one in names:
        other = plain(one)
        if _digits(own) not in ("", _digits(other)):
            continue
        likeness = 1.0 if sorted(own) == sorted(other) else SequenceMatcher(None, own, other).ratio()
        longer, shorter = (own, other) if len(own) > len(other) else (other, own)
        part = shorter in longer and len(shorter) >= PART
        if part and (own.endswith(other) or len(longer) > len(shorter) + 1):
            related.append((-likeness, one))  # `emnist` is not a slip for mnist, nor `adamax` for adam
        elif likeness >= ALIKE:
            sure.append((-likeness, one))
    best = min((place for place, _ in sure), default=0.0)
    return [one for place, one in sorted(sure) if place <= best + SECOND], [one for _, one in sorted(related)]


def plain(name: str) -> str:
    """A name without what people write in various ways: case, `_`, `-` and blanks."""
    return re.sub(r"[\s_-]", "", name).lower()


def _digits(name: str) -> str:
    return re.sub(r"\D", "", name)
