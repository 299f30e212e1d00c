"""Results that are not short decimals, rounded as a person rounds them; the rest goes on from the rounded ones."""

from __future__ import annotations

from dataclasses import replace
from math import floor, log10

import numpy as np

from convgrad.check.sheets.rounding import half_up
from convgrad.examples import Example
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.numbers import TOLERANCE, common_decimals
from convgrad.worksheet.levels import Level, is_place

DECIMALS = {"update": 4}
"""Pass -> decimals that its numbers may have; 3 in all others."""
FIGURES = {"forward": 2}
"""Pass -> figures of a tensor's largest number that are left; 3 in all others."""


def rounded(example: Example, level: Level) -> tuple[Example, dict[str, int]]:
    """The example with pins on all that was rounded; tensor -> decimals that are left."""
    decimals: dict[str, int] = {}
    trace = example.trace()
    for name in level.shown(trace):
        tensor = trace[name]
        if tensor.definition is None or is_place(tensor) or not tensor.values.any():
            continue
        kept = _decimals(tensor.values, FIGURES.get(tensor.role, 3))
        if _is_short(tensor.values, max(kept, DECIMALS.get(tensor.role, 3))):
            continue
        decimals[name] = kept
        example = replace(example, pins={**example.pins, name: half_up(tensor.values, kept)})
        trace = example.trace()
    return example, decimals


def _is_short(values: Array, decimals: int) -> bool:
    found = common_decimals(values, 1000 * TOLERANCE)
    return found is not None and found <= decimals


def _decimals(values: Array, figures: int) -> int:
    largest = float(np.abs(values).max())
    return max(1, figures - 1 - floor(log10(largest)))
