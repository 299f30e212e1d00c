"""What a check says of a calculation, with the exit code that goes with it."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """Right, wrong, or not checked: where nothing could be compared, nobody can say which of the two it is.

    >>> str(Verdict.NOT_CHECKED), Verdict.NOT_CHECKED.exit_code
    ('NOT CHECKED', 2)
    """

    RIGHT = "RIGHT"
    WRONG = "WRONG"
    NOT_CHECKED = "NOT CHECKED"

    def __str__(self) -> str:
        return self.value

    @property
    def exit_code(self) -> int:
        """Of the command that reports it: 0, 1 or 2."""
        return {Verdict.RIGHT: 0, Verdict.WRONG: 1, Verdict.NOT_CHECKED: 2}[self]
