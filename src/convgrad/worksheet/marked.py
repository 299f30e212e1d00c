"""A person's answers to a sheet, marked by `convgrad check`; and the mistakes that a page can name on its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from convgrad.arguments import shown
from convgrad.check.sheets.numbers import Written
from convgrad.check.sheets.rounding import half_up
from convgrad.check.sheets.sheet import WRONG, Marked, SheetReport, mark
from convgrad.check.sheets.sheet_file import read_decimals, read_results, read_text, read_trace
from convgrad.check.sheets.slips import foreseen
from convgrad.errors import DataError
from convgrad.explain.trace.numbers import written
from convgrad.worksheet.blanks import Place
from convgrad.worksheet.form import form
from convgrad.worksheet.sheet import Worksheet

SHEET = Path("sheet")
"""How messages call it."""
NUMBER = re.compile(r"([+-]?)(\d+)(\.\d+)?([eE][+-]?\d{1,3})?")
LONGEST = 60
"""Characters of an answer."""


@dataclass(frozen=True)
class Form:
    """A sheet as `convgrad check` reads it, to be filled in with one set of answers or another."""

    sheet: Worksheet
    content: dict[str, Any]

    @staticmethod
    def of(sheet: Worksheet) -> Form:
        """Raises: DataError where the sheet can't be written as one (`form`)."""
        return Form(sheet, read_text(form(sheet), str(SHEET)))

    def marked(self, answers: Sequence[str]) -> SheetReport:
        """The marks of answers in the order of the blanks; an empty one is still to be entered.

        Raises: DataError where there are not as many answers as blanks, or one is no number.
        """
        blanks = self.sheet.blanks
        if len(answers) != len(blanks):
            raise DataError(f"The sheet has {len(blanks)} blanks, but there are {len(answers)} answers.")
        given = {place: _number(text) for place, text in zip(blanks, answers, strict=True) if text.strip()}
        results = {name: _filled(values, name, given, ()) for name, values in self.content["results"].items()}
        content = {**self.content, "results": results}
        trace = read_trace(content, SHEET)
        return mark(trace, read_results(content, SHEET), SHEET, read_decimals(content, SHEET, trace), told=False)

    def mistakes(self, number: int) -> dict[str, str]:
        """Wrong answer to a blank -> the mistake that gives it where all others are right, as `convgrad check` says it.

        number: of the blank, from 0. Answers are written with the decimals that the sheet asks for.
        """
        place = self.sheet.blanks[number]
        name, index = place
        right = {blank: _number(self.right(n)) for n, blank in enumerate(self.sheet.blanks)}
        trace = read_trace(self.content, SHEET)
        decimals = read_decimals(self.content, SHEET, trace)
        others = {other: self.sheet.trace.values_of(other) for other in self.content["results"] if other != name}
        trace = trace.with_pins(others)
        found: dict[str, str] = {}
        for wrong in dict.fromkeys(self._written(place, value) for value in foreseen(trace[name], index)):
            if _number(wrong) == right[place]:
                continue
            values = _filled(self.content["results"][name], name, {**right, place: _number(wrong)}, ())
            report = mark(trace, {name: Written.of(name, values)}, SHEET, decimals, told=False)
            one = of_blank(report, place)
            if one.slip is not None and str(one.marks[index]) == WRONG:
                found[wrong] = one.slip.words
        return found

    def right(self, number: int) -> str:
        """The answer to a blank, from 0, as the key has it."""
        tensor, index = self.sheet.blanks[number]
        return self._written((tensor, index), self.sheet.trace[tensor][index].value)

    def _written(self, place: Place, value: float) -> str:
        decimals = self.sheet.decimals.get(place[0])
        if decimals is None:
            return written(value)
        return f"{float(half_up(np.array(value), decimals)):.{decimals}f}"


def of_blank(report: SheetReport, place: Place) -> Marked:
    """The marks of the tensor that a blank is in."""
    return next(one for one in report.marked if one.name == place[0])


def _filled(values: Any, name: str, given: dict[Place, Any], index: tuple[int, ...]) -> Any:
    if isinstance(values, list):
        return [_filled(value, name, given, (*index, n)) for n, value in enumerate(values)]
    return given.get((name, index), values)


def _number(text: str) -> int | Decimal:
    """As a file of TOML would have it: how many digits are written counts."""
    match = NUMBER.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if match is None or not isfinite(float(match[0])):
        raise DataError(f"{shown(text)} is not a number. Write one such as 0.5 or -3.")
    return Decimal(match[0]) if match[3] or match[4] else int(match[0])
