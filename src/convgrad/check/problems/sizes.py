"""Which sizes and values a problem has, beside those that tell most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Which sizes a problem has, and which values.

    one: one example. channel: one channel in and out. window: a square window, for functions that take one number.
    square: the image's height equals its width, too. equal: as many channels out as in. several: one channel in and
    several filters. divides: the stride leaves no rest. seed: of the random values. values: which kind of them
    (`convgrad.check.problems.inputs.with_values`).
    """

    one: bool = False
    channel: bool = False
    window: bool = False
    square: bool = False
    equal: bool = False
    several: bool = False
    divides: bool = False
    seed: int = 0
    values: str = "usual"

    @property
    def words(self) -> str:
        """What is special about them."""
        named = {
            "one example": self.one,
            "one channel": self.channel,
            "height and width equal": self.square,
            "as many channels out as in": self.equal,
            "one channel in": self.several,
            "a stride that divides": self.divides,
        }
        return ", ".join(name for name, is_so in named.items() if is_so)


USUAL = Sizes()
"""Those that tell most."""
