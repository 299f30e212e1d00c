"""Which numbers are left out, and which others may not be printed because they would give an answer away."""

from __future__ import annotations

from collections.abc import Iterator

from convgrad.errors import DataError
from convgrad.explain.trace.element import Element
from convgrad.explain.trace.trace import Trace
from convgrad.worksheet.dice import Dice
from convgrad.worksheet.levels import Level, is_place

Place = tuple[str, tuple[int, ...]]
"""A tensor and an index."""
PURPOSE = 1_000_000
"""Tells these dice from those of the numbers, of which there are fewer attempts."""


def chosen(trace: Trace, level: Level, count: int, seed: int) -> tuple[Place, ...]:
    """So many numbers, in the order of the calculation.

    Raises: DataError where there are not as many, or less than one is wanted.
    """
    names = level.askable(trace)
    available = sum(len(trace[name]) for name in names)
    if count < 1:
        raise DataError(f"A sheet needs at least 1 blank, not {count}.")
    if count > available:
        raise DataError(
            f"{count} blanks are too many: the sheet has {available} numbers that can be left out. "
            f"Ask for at most {available}, or for another difficulty."
        )
    dice = Dice(seed, PURPOSE)
    order = _chains(trace, names, dice) if level.chains else _spread(trace, names, dice)
    found: dict[Place, None] = {}
    for place in order:
        if len(found) == count:
            break
        found.setdefault(place)
    return tuple(sorted(found, key=lambda place: (names.index(place[0]), place[1])))


def giveaways(trace: Trace, level: Level, blanks: tuple[Place, ...]) -> frozenset[Place]:
    """Numbers that are nothing but a blank's number again, such as the maximum of a window."""
    hidden: set[Place] = set()
    unknown = set(blanks)
    for name in filter(lambda name: not is_place(trace[name]), level.shown(trace)):
        for element in trace[name]:
            place = (name, element.index)
            sources = _sources(element)
            if place not in unknown and any(
                (s.tensor.name, s.index) in unknown and abs(s.value) == abs(element.value) for s in sources
            ):
                unknown.add(place)
                hidden.add(place)
    return frozenset(hidden)


def _sources(element: Element) -> tuple[Element, ...]:
    return element.explain().made_from


def _spread(trace: Trace, names: list[str], dice: Dice) -> Iterator[Place]:
    """One of each tensor in turn, those that are not 0 first."""
    stacks = []
    for name in names:
        places = dice.shuffled(list(trace[name]))
        stacks.append([e for e in places if e.value == 0] + [e for e in places if e.value != 0])
    while any(stacks):
        for name, stack in zip(names, stacks, strict=True):
            if stack:
                yield name, stack.pop().index


def _chains(trace: Trace, names: list[str], dice: Dice) -> Iterator[Place]:
    """From the last results back: each blank is needed for the one before it."""
    seen: set[Place] = set()
    for name in [*(n for n in names if n in trace.start.plan.in_place), *reversed(names)]:
        for start in dice.shuffled(list(trace[name])):
            element: Element | None = start
            while element is not None:
                place = (element.tensor.name, element.index)
                if place not in seen:
                    seen.add(place)
                    yield place
                element = _before(element, names, seen, dice)


def _before(element: Element, names: list[str], seen: set[Place], dice: Dice) -> Element | None:
    """One of the numbers that an element was made from and that is not a blank yet."""
    options = [
        source
        for source in _sources(element)
        if source.tensor.name in names and (source.tensor.name, source.index) not in seen
    ]
    return dice.choice(options) if options else None
