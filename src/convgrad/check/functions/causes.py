"""What is told of a mistake that was found: where it is, what it is, what to change, and what proves it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from convgrad.check.mistakes import Mistake

PLURAL = {"is": "are", "has": "have", "comes": "come", "holds": "hold", "ends": "end", "lacks": "lack"}
SINGULAR = re.compile(rf"\{{output\}} ({'|'.join(PLURAL)})\b")


@dataclass(frozen=True)
class Cause:
    """A mistake, or two together, that explain outputs of the person's function.

    mistakes: one, or two that were made together. outputs: where. difference: the largest one that is left once the
    same mistakes are made in the right calculation. also: other mistakes that give the same numbers here. chosen:
    conventions that the person follows beside them.
    """

    mistakes: tuple[Mistake, ...]
    outputs: tuple[str, ...]
    difference: float
    also: tuple[Mistake, ...] = ()
    hint: str = ""
    chosen: tuple[Mistake, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Short names."""
        return tuple(m.name for m in self.mistakes)

    @property
    def where(self) -> str:
        """The outputs in words."""
        return " and ".join(part for part in (", ".join(self.outputs[:-1]), self.outputs[-1]) if part)

    @property
    def words(self) -> str:
        """In a sentence."""
        return "; and ".join(_of_several(m.cause, self.outputs).format(output=self.where) for m in self.mistakes)

    @property
    def change(self) -> str:
        """What to change."""
        return " ".join(m.change.format(output=self.where) for m in self.mistakes)

    @property
    def evidence(self) -> str:
        """What is left after the cause is undone."""
        parts = [m.undone.format(output=self.where) for m in (*self.mistakes, *self.chosen) if m.undone]
        if not parts:
            return "its shape; it holds no numbers that could be compared."
        undone = " and ".join([*(part.rstrip(",") for part in parts[:-1]), parts[-1]])
        return f"{undone} the largest difference is {self.difference:.1g}."


def _of_several(words: str, outputs: Sequence[str]) -> str:
    """The sentence with its verb in the plural, where it is said of several outputs."""
    if len(outputs) < 2:
        return words
    return SINGULAR.sub(lambda verb: f"{{output}} {PLURAL[verb[1]]}", words).replace(" it should", " they should")
