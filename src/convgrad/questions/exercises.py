"""Exercises: a sheet that is set on the page, and its marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convgrad.check.sheets.sheet import WRONG
from convgrad.errors import DataError
from convgrad.examples import load_example
from convgrad.worksheet import Worksheet, worksheet
from convgrad.worksheet.exercise import answers, exercise_model
from convgrad.worksheet.marked import Form, of_blank

KEYS = ("difficulty", "blanks", "seed", "example")
MOST_BLANKS = 100


def exercise(asked: Any) -> dict[str, Any]:
    """{"difficulty", "blanks", "seed", and "example" for the network of a bundled one} -> the model of a page that sets
    the sheet. Raises: ConvgradError.
    """
    return exercise_model(_sheet(asked), served=True)


def marks(asked: Mapping[str, Any]) -> dict[str, Any]:
    """{"worksheet": as `exercise` takes it, "answers": a text for each blank, "" where there is none yet; "tell": true
    for the right answers, too} -> {"marks": one for each blank, "causes": [{"blanks": [numbers, from 1], "words"}],
    "notes": [words]; "answers": {tensor: numbers}}. Raises: ConvgradError.
    """
    sheet, given = _sheet(asked.get("worksheet")), asked.get("answers")
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise DataError('Marks take {"worksheet": {...}, "answers": ["0.5", "", ...]}, a text for each blank.')
    report = Form.of(sheet).marked(given)
    found = [str(of_blank(report, place).marks[place[1]]) for place in sheet.blanks]
    causes = []
    for one in report.marked:
        own = [n for n, place in enumerate(sheet.blanks, 1) if place[0] == one.name and found[n - 1] == WRONG]
        if own:
            causes.append({"blanks": own, "words": one.slip.words if one.slip else None})
    notes = [one.choice.words for one in report.marked if one.choice is not None]
    told = {"answers": answers(sheet)} if asked.get("tell") is True else {}
    return {"marks": found, "causes": causes, "notes": notes, **told}


def _sheet(asked: Any) -> Worksheet:
    if not isinstance(asked, Mapping) or not set(asked) <= set(KEYS):
        raise DataError('A worksheet is {"difficulty": "medium", "blanks": 6, "seed": 0}, and may name an "example".')
    blanks, example = asked.get("blanks", 6), asked.get("example")
    if isinstance(blanks, int) and blanks > MOST_BLANKS:
        raise DataError(f"{blanks} blanks are too many for a page; ask for at most {MOST_BLANKS}.")
    return worksheet(
        None if example is None else load_example(example),
        blanks,
        asked.get("difficulty", "medium"),
        asked.get("seed", 0),
    )
