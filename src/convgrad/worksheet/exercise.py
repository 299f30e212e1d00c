"""A sheet as a page shows it: blanks to fill in among the numbers of the network itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from convgrad.check.sheets.rounding import half_unit
from convgrad.check.sheets.sheet import NOTHING, SLACK, not_rounded
from convgrad.compute.arrays import number_of
from convgrad.explain.page.model import page_model
from convgrad.explain.trace.given import Array
from convgrad.notation.terms import accesses
from convgrad.paper.blocks import Formula, Part, Slanted, Strong
from convgrad.worksheet.blanks import Place
from convgrad.worksheet.marked import Form
from convgrad.worksheet.pages import task
from convgrad.worksheet.sheet import Worksheet

BLANK = "nan"
"""In place of a number, as `number_data` writes it."""


def exercise_model(sheet: Worksheet, served: bool = False, marks_itself: bool = False) -> dict[str, Any]:
    """The model of a page (`page_model`) that sets the sheet: what is printed is pinned, blanks are not a number.

    served: whether the page's questions are answered. marks_itself: with the answers and the mistakes that are known,
    so that nobody need be asked.

    Returns: page_model's, and "exercise": {"difficulty", "seed", "blanks": [[tensor, place], ..] in their order,
    "hidden": likewise what is not printed either, "decimals": {tensor: decimals}, "marking": `_marking`, or None}.

    Raises: DataError where the sheet can't be written as one to be checked (`form`).
    """
    form = Form.of(sheet)
    asked = [tensor for tensor in sheet.shown if tensor in form.content["results"]]
    pinned = {name: sheet.trace.values_of(name) for name in sheet.shown}
    model = page_model(sheet.trace.with_pins(pinned), sheet.name, sheet.level.task, said(task(sheet)), served)
    read = {a.tensor for name in sheet.shown if (d := sheet.trace[name].definition) for a in accesses(d.term)}
    kept = {*sheet.given, *sheet.shown, *read}
    model["tensors"] = [tensor for tensor in model["tensors"] if tensor["name"] in kept]
    open_places = [*sheet.blanks, *sorted(sheet.hidden)]
    for tensor in model["tensors"]:
        tensor["editable"] = False
        for name, index in open_places:
            if name == tensor["name"]:
                tensor["values"][_flat(sheet, (name, index))] = BLANK
    model |= {"updates": [], "each_step": {}}
    for key in ("loss", "learning_rate"):
        model[key] = model[key] if model[key] in kept else None
    model["exercise"] = {
        "difficulty": sheet.level.name,
        "seed": sheet.seed,
        "blanks": [[name, _flat(sheet, (name, index))] for name, index in sheet.blanks],
        "hidden": [[name, _flat(sheet, (name, index))] for name, index in sorted(sheet.hidden)],
        "decimals": sheet.decimals,
        "marking": _marking(form, asked) if marks_itself else None,
    }
    return model


def answers(sheet: Worksheet) -> dict[str, list[float]]:
    """All numbers of each tensor with blanks."""
    names = dict.fromkeys(name for name, _ in (*sheet.blanks, *sorted(sheet.hidden)))
    return {name: sheet.trace.values_of(name).ravel().tolist() for name in names}


def said(parts: tuple[Part, ...]) -> str:
    """Words and formulas as plain text."""
    return "".join(
        part.said if isinstance(part, Formula) else part.text if isinstance(part, (Strong, Slanted)) else part
        for part in parts
    )


def _marking(form: Form, asked: list[str]) -> dict[str, Any]:
    """{"order": tensors with blanks, in the order of the calculation; "answers"; "blanks": for each its "right" number,
    "room" that arithmetic leaves, "longer", the number before it is rounded, and "mistakes": {wrong answer: words}}.
    """
    sheet = form.sheet
    return {
        "order": asked,
        "answers": answers(sheet),
        "blanks": [_blank(form, number, place) for number, place in enumerate(sheet.blanks)],
    }


def _blank(form: Form, number: int, place: Place) -> dict[str, Any]:
    name, index = place
    trace, decimals = form.sheet.trace, form.sheet.decimals.get(name)
    longer = trace.without_pins([name]).values_of(name) if decimals is not None else trace.values_of(name)
    largest = float(np.abs(_finite(trace.values_of(name))).max(initial=0.0))
    found: dict[str, Any] = {
        "right": float(trace.values_of(name)[index]),
        "room": SLACK * largest + NOTHING,
        "mistakes": form.mistakes(number),
    }
    if decimals is not None:
        words = not_rounded(name, decimals).words
        found["longer"] = {"number": float(longer[index]), "half": half_unit(decimals), "words": words}
    return found


def _finite(values: Array) -> Array:
    return values[np.isfinite(values)]


def _flat(sheet: Worksheet, place: Place) -> int:
    name, index = place
    return int(number_of(index, sheet.trace[name].shape))
