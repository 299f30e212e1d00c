"""An exercise sheet: a network with numbers, the blanks, and their answers."""

from __future__ import annotations

from dataclasses import dataclass

from convgrad.arguments import COUNT, SEED, TEXT, an, optional, takes
from convgrad.errors import DataError
from convgrad.examples import Example
from convgrad.explain.trace.element import Element
from convgrad.explain.trace.grids import WIDEST, is_drawn
from convgrad.explain.trace.trace import Trace
from convgrad.network.plan import INPUT, TARGET
from convgrad.worksheet.blanks import Place, chosen, giveaways
from convgrad.worksheet.friendly import with_friendly_numbers
from convgrad.worksheet.levels import Level, invented, level_from
from convgrad.worksheet.rounding import rounded


@dataclass(frozen=True)
class Worksheet:
    """What is asked, and where the answers come from.

    trace: of the numbers on the sheet; rounded ones are pinned. blanks: tensor and index, in the order in which they
    are numbered, from 1. hidden: numbers that are not printed either, because they would give an answer away.
    decimals: tensor -> decimals that it was rounded to.
    """

    name: str
    level: Level
    seed: int
    trace: Trace
    blanks: tuple[Place, ...]
    hidden: frozenset[Place]
    decimals: dict[str, int]

    @property
    def answers(self) -> tuple[Element, ...]:
        """The element of each blank."""
        return tuple(self.trace[tensor][index] for tensor, index in self.blanks)

    def number(self, place: Place) -> int | None:
        """The number of a blank; None where nothing is asked."""
        return self.blanks.index(place) + 1 if place in self.blanks else None

    @property
    def shown(self) -> list[str]:
        """Tensors on the sheet that are computed."""
        return self.level.shown(self.trace)

    @property
    def given(self) -> list[str]:
        """Tensors on the sheet that are not computed: the input, parameters, the target."""
        with_target = "loss" in self.level.roles and TARGET in self.trace
        return [INPUT, *self.trace.network.parameters, *([TARGET] if with_target else [])]


@takes(DataError, example=optional(an(Example, "an Example")), blanks=COUNT, difficulty=TEXT, seed=SEED)
def worksheet(example: Example | None = None, blanks: int = 10, difficulty: str = "medium", seed: int = 0) -> Worksheet:
    """A sheet with so many blanks.

    Args:
        example: a network whose numbers are replaced by friendly ones; None for one that suits the difficulty.
        difficulty: easy (forward), medium (deltas and gradients), hard (whole chains, with the update).
        seed: the same one gives the same sheet.

    >>> sheet = worksheet(blanks=3, difficulty="easy", seed=1)
    >>> len(sheet.answers), {element.tensor.name for element in sheet.answers} <= {"conv1.x", "pool1.x"}
    (3, True)

    Raises: DataError where the network is too large for a sheet, there are not so many numbers to leave out, or there
    is no such difficulty.
    """
    level = level_from(difficulty)
    chosen_example = invented(level) if example is None else example
    _check_size(chosen_example, level)
    friendly, decimals = rounded(with_friendly_numbers(chosen_example, level, seed), level)
    trace = friendly.trace()
    places = chosen(trace, level, blanks, seed)
    return Worksheet(
        name=f"{'' if example is None else f'{chosen_example.name}, '}{level.name}, seed {seed}",
        level=level,
        seed=seed,
        trace=trace,
        blanks=places,
        hidden=giveaways(trace, level, places),
        decimals=decimals,
    )


def _check_size(example: Example, level: Level) -> None:
    trace = example.trace()
    for name in [*trace.network.parameters, INPUT, *level.shown(trace)]:
        if not is_drawn(trace[name]):
            sizes = " x ".join(map(str, trace[name].shape))
            raise DataError(
                f"{example.name} is too large for a sheet of paper: {name} has {sizes} numbers, and there is room for "
                f"rows of {WIDEST}. `convgrad examples` lists smaller ones."
            )
