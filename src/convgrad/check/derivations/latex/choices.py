"""What can mean two things is read in one way after the other, until one makes the claim right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from convgrad.errors import EquationError

T = TypeVar("T")
MOST = 96
"""Ways to read one claim that are tried."""
MATRIX_POWER = "A power of a matrix was read as its product with itself."
ALL_LETTERS = r"A function without brackets was read as applied to all letters that follow, as in \tanh(w x)."
FIRST_LETTER = r"A function without brackets was read as applied to the first letter that follows, as in \tanh(w) x."
POWER_OF_EACH = "A power of a matrix was read as that of each number."


class MisfitError(EquationError):
    """Arrays without indices that can't be combined as they are read: their numbers of axes differ."""


class Choices:
    """The choices of one reading: the first of each, but for those that `taken` names."""

    def __init__(self, taken: Sequence[int] = ()):
        self.taken = tuple(taken)
        self.counts: list[int] = []
        self.picked: list[int] = []
        self.notes: list[str] = []

    def pick(self, options: Sequence[tuple[T, str]]) -> T:
        """One of the options, each with what to note where it is picked."""
        place = len(self.counts)
        which = self.taken[place] if place < len(self.taken) else 0
        self.counts.append(len(options))
        self.picked.append(which)
        value, note = options[which]
        if note and note not in self.notes:
            self.notes.append(note)
        return value


def alternatives(read: Callable[[Choices], T]) -> Iterator[tuple[T, tuple[str, ...]]]:
    """Every way to read, with its notes, the likeliest first.

    Raises: MisfitError where nothing fits in any way.
    """
    waiting: list[tuple[int, ...]] = [()]
    misfit: MisfitError | None = None
    tried = 0
    any_fits = False
    while waiting and tried < MOST:
        taken = waiting.pop(0)
        choices = Choices(taken)
        tried += 1
        try:
            result = read(choices)
        except MisfitError as error:
            misfit = misfit or error
        else:
            any_fits = True
            yield result, tuple(choices.notes)
        for place in range(len(taken), len(choices.counts)):
            waiting += [(*choices.picked[:place], other) for other in range(1, choices.counts[place])]
    if not any_fits and misfit is not None:
        raise misfit
