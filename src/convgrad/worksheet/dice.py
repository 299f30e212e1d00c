"""Random choices that are the same for a seed, with any version of Python and NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from convgrad.data.seeded import WORKSHEET, raw_bits

T = TypeVar("T")
BITS = 256
"""Drawn at a time."""


class Dice:
    """Choices one after the other. place: tells dice of one seed apart."""

    def __init__(self, seed: int, *place: int):
        self._seed, self._place = seed, place
        self._drawn: list[int] = []
        self._rolls = 0

    def below(self, count: int) -> int:
        """One of 0..count-1. The bias of the remainder is below 2**-50 for the counts that occur here."""
        if not self._drawn:
            self._drawn = [int(b) for b in raw_bits(BITS, self._seed, WORKSHEET, *self._place, self._rolls)]
            self._rolls += 1
        return self._drawn.pop() % count

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """All of them in random order (Fisher and Yates)."""
        found = list(options)
        for last in range(len(found) - 1, 0, -1):
            other = self.below(last + 1)
            found[last], found[other] = found[other], found[last]
        return found
