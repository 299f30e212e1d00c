"""Slips of the pen in one number, whatever it was calculated from: a moved point, digits exchanged or miscopied."""

from __future__ import annotations

from math import floor, isfinite, log10

import numpy as np

from convgrad.check.sheets.edits import Slip
from convgrad.explain.trace.numbers import written as number_text

FEWEST = 3
"""Digits of a number in which one may have been miscopied."""
POINTS = (-2, -1, 1, 2)
"""Powers of ten by which a point is moved."""


def cut_off(got: float, expected: float, half: float, name: str) -> Slip | None:
    """Cut off where it should be rounded. half: half a unit of the last digit that is written."""
    if not (half > 1e-9 and isfinite(expected)):
        return None
    unit = 10.0 ** round(log10(2 * half))
    cut = float(np.sign(expected)) * floor(abs(expected) / unit + 1e-9) * unit
    if abs(got - cut) > 1e-9 * abs(got):
        return None
    return Slip("rounded-down", f"{name} is cut off and not rounded: {number_text(expected)} rounds up.")


def written_wrongly(got: float, expected: float, half: float, name: str) -> Slip | None:
    """What the pen did to a number. Both are compared as they are written, with the person's decimals, so that a number
    of few digits is not explained by what it can't show.
    """
    places = max(0, round(-log10(2 * half))) if half > 1e-9 else 0
    for power in POINTS:
        shifted = expected * 10.0**power
        if _digits(got, places) and f"{shifted:.{places}f}" == f"{got:.{places}f}" and len(_digits(got, places)) > 1:
            return Slip("decimal-point", f"In {name} the decimal point is moved.")
    mine, right = f"{got:.{places}f}", f"{expected:.{places}f}"
    if len(mine) != len(right) or len(_digits(got, places)) < 2 or not _digits(expected, places):
        return None
    other = [n for n, (a, b) in enumerate(zip(mine, right, strict=True)) if a != b]
    if (
        len(other) == 2
        and other[1] == other[0] + 1
        and (mine[other[0]], mine[other[1]])
        == (
            right[other[1]],
            right[other[0]],
        )
    ):
        words = f"In {name} two digits are exchanged: {number_text(got)} for {number_text(expected)}."
        return Slip("digits-swapped", words)
    if len(other) == 1 and mine[other[0]].isdigit() and len(_digits(got, places)) >= FEWEST:
        return Slip("digit-wrong", f"In {name} one digit is another: {mine} for {right}.")
    return None


def _digits(value: float, places: int) -> str:
    """The digits of a number with so many decimals, from the first that is not 0."""
    return f"{abs(value):.{places}f}".replace(".", "").lstrip("0")
