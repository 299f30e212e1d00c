"""Where a program and printed numbers differ: whether one slip of a pen in either explains it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import InvalidOperation

import numpy as np

from convgrad.check.documents.agreement import Agreement
from convgrad.check.documents.matrices import agree
from convgrad.check.documents.programs import Literal, Ran, number_of
from convgrad.check.problems.problem import Array
from convgrad.check.sheets.numbers import Written

MOST_LITERALS = 200
"""Numbers of a program that are examined."""


@dataclass(frozen=True)
class Slip:
    """A number of a program, and what to write for it: then all printed numbers come out."""

    literal: Literal
    right: str

    def __str__(self) -> str:
        index = ",".join(map(str, self.literal.index))
        return f"{self.literal.place}: with {self.right} for {self.literal.text} in {self.literal.array}[{index}]"


def is_misprint(written: Written, values: Array) -> bool:
    """Whether one number alone differs from its value, by a digit, two exchanged digits or the sign."""
    wrong = np.argwhere(~agree(written, values))
    if len(wrong) != 1:
        return False
    place = tuple(int(i) for i in wrong[0])
    half = float(written.halves[place])
    decimals = 0 if not half else round(-np.log10(2 * half))
    printed, right = (f"{float(array[place]):.{decimals}f}" for array in (written.values, values))
    return printed in _variants(right) or right in _variants(printed)


def literal_slip(written: Written, ran: Ran, agreement: Agreement) -> Slip | None:
    """The one number of a program that makes it give the printed numbers, if it had been copied rightly."""
    used = {variable: need for need, variable in agreement.inputs.items()}
    given = {need: ran.arrays[variable] for need, variable in agreement.inputs.items()}
    shape = written.values.shape
    now = agreement.quantity.value(given, shape)
    if now is None:
        return None
    for literal in [one for one in ran.literals if one.array in used][:MOST_LITERALS]:
        need = used[literal.array]
        once, twice = (_with(given, need, literal.index, step, agreement, shape) for step in (1.0, 2.0))
        if once is None or twice is None or not np.allclose(twice - now, 2 * (once - now), rtol=1e-9, atol=1e-12):
            continue
        old = float(given[need][literal.index])
        for right in _variants(literal.text):
            try:
                change = float(number_of(right)) - old
            except (InvalidOperation, ValueError):
                continue
            if change and agree(written, now + change * (once - now)).all():
                return Slip(literal, right)
    return None


def idle_numbers(ran: Ran, agreements: Sequence[Agreement]) -> dict[str, int]:
    """How many numbers of each array of a program enter none of the arrays that were compared."""
    idle: dict[str, int] = {}
    for literal in ran.literals[:MOST_LITERALS]:
        users = [a for a in agreements if literal.array in a.inputs.values() and a.expected is not None]
        if users and not any(_enters(literal, ran, agreement) for agreement in users):
            idle[literal.array] = idle.get(literal.array, 0) + 1
    return idle


def _enters(literal: Literal, ran: Ran, agreement: Agreement) -> bool:
    given = {need: ran.arrays[variable] for need, variable in agreement.inputs.items()}
    need = next(need for need, variable in agreement.inputs.items() if variable == literal.array)
    moved = _with(given, need, literal.index, 1.0, agreement, ran.arrays[agreement.array].shape)
    return moved is None or agreement.expected is None or not np.array_equal(moved, agreement.expected)


def _with(
    given: dict[str, Array],
    need: str,
    index: tuple[int, ...],
    step: float,
    agreement: Agreement,
    shape: tuple[int, ...],
) -> Array | None:
    moved = given[need].copy()
    moved[index] += step
    return agreement.quantity.value({**given, need: moved}, shape)


def _variants(text: str) -> Iterator[str]:
    """A number with another sign, with one digit changed, or with two digits exchanged."""
    yield text[1:] if text.startswith("-") else f"-{text}"
    for place, digit in enumerate(text):
        if digit.isdigit():
            yield from (f"{text[:place]}{other}{text[place + 1 :]}" for other in "0123456789" if other != digit)
            after = text[place + 1 : place + 2]
            if after.isdigit() and after != digit:
                yield f"{text[:place]}{after}{digit}{text[place + 2 :]}"
