"""Functions that find their padding by themselves: `padding="same"` as a default, or half of the kernel in the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from convgrad.check.functions.half_padding import SAME
from convgrad.check.functions.person import Person
from convgrad.check.functions.report import Report
from convgrad.check.problems.families import FAMILIES, named
from convgrad.check.verdict import Verdict
from convgrad.layers.base import Layer

PADS = (SAME, "pad", "// 2", "//2")
"""What stands in the text of a function that pads, or cuts off what padding has added."""
OTHER_SHAPES = ("not-cropped", "wrong-shape", "padding-not-cropped", "special-sizes", "unexplained")
"""Findings of what has another size, as with a padding that is not known, or nearly so."""


def with_own_padding(person: Person, layer: str | Layer, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, with `padding="same"` where that is the default of an argument and nothing else is said."""
    words = [a.default for a in person.arguments or () if isinstance(a.default, str)]
    own = _is_open(layer, settings) and any(word.lower() == SAME for word in words)
    return {**settings, "padding": SAME} if own else dict(settings)


def other_paddings(
    person: Person, layer: str | Layer, settings: Mapping[str, Any], report: Report
) -> list[dict[str, Any]]:
    """Further settings for a function that is not right: the result as large as the image, and that for odd kernels
    alone, since of an even one it is a convention on which side there is more.
    """
    text = person.source.lower()
    own = with_own_padding(person, layer, settings)
    if report.ok or person.methods is not None or not _is_open(layer, settings):
        return []
    diagnosis = report.diagnosis
    if own == settings and diagnosis is not None and diagnosis.attempt.convention.reading.has("padding"):
        return []  # it is told its padding, and has to be right for what it is told
    compared = {} if diagnosis is None else diagnosis.comparisons
    if any(c.right and name != "db" for name, c in compared.items()):
        return []  # a padding shows in all but the bias's gradient
    other_shape = bool({*report.causes} & {*OTHER_SHAPES}) or any(c.differs is None for c in compared.values())
    fits = report.verdict is Verdict.WRONG and not other_shape
    if own == settings and (fits or not any(word in text for word in PADS)):
        return []
    same = {**settings, "padding": SAME}
    window = "kernel_size" if "kernel_size" in FAMILIES[named(str(layer))].defaults else "pool_size"
    odd = [] if window in settings else [{**same, window: 3}]
    return odd if own != settings else [same, *odd]


def _is_open(layer: str | Layer, settings: Mapping[str, Any]) -> bool:
    """Whether it is a layer that pads, and nobody has said how."""
    family = FAMILIES.get(named(layer)) if isinstance(layer, str) else None
    known = family is not None and family.slides and "padding" in {f.name for f in fields(family.layer)}
    return known and "padding" not in settings
