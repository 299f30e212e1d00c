"""Activations with a number of their own, such as a slope below 0, that a person has written as another one.

x[f] = where(o[f] > 0, o[f], slope * o[f]): the results are linear in it, so two values tell any
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from convgrad.check.functions.comparison import compared
from convgrad.check.functions.person import Person
from convgrad.check.functions.report import Finding, Report
from convgrad.check.functions.returned import Attempt
from convgrad.check.problems.families import named
from convgrad.check.problems.subject import LayerSubject
from convgrad.check.verdict import Verdict
from convgrad.layers.base import Layer

OPEN = {"leaky_relu": ("negative_slope", 1.0), "elu": ("alpha", 10.0)}
"""Of layers: the setting, and what it stays below."""


def other_slope(
    layer: str | Layer, settings: Mapping[str, Any], report: Report, person: Person
) -> dict[str, Any] | None:
    """The settings with the number that explains a result, where it stands in the person's text and nobody has said
    another; None where none does. What is not written there, as 0.01 ** 2, may be a slip.
    """
    name = named(layer) if isinstance(layer, str) else ""
    diagnosis = report.diagnosis
    if name not in OPEN or report.verdict is not Verdict.WRONG or diagnosis is None:
        return None
    setting, most = OPEN[name]
    tried = diagnosis.attempt
    if setting in settings or tried.convention.reading.has(setting):
        return None  # it is told the number, and has to be right for that
    comparisons = compared(tried)
    wrong = [n for n in (tried.problem.of, "do") if n in comparisons and comparisons[n].differs is not None]
    told = _fitted(tried, wrong[0], setting) if wrong and not comparisons[wrong[0]].right else None
    near = [n for n in _numbers(person) if told is not None and 0 < n < most and abs(n - told) <= 1e-5 * n]
    return {**settings, setting: near[0]} if near else None


def more_right(report: Report, before: Report) -> bool:
    """Whether more outputs are right than before."""
    counts = [
        sum(c.right for c in r.diagnosis.comparisons.values()) if r.diagnosis is not None else 0
        for r in (report, before)
    ]
    return counts[0] > counts[1]


def slope_note(layer: str | Layer, settings: Mapping[str, Any]) -> Finding:
    """That the person's number is not the layer's."""
    setting = OPEN[named(str(layer))][0]
    value = f"{setting}={settings[setting]:g}"
    words = f"your {setting} is {settings[setting]:g}, and not the layer's; all else was checked with it"
    return Finding("slope", f"{words}.", f"Pass {value} if that is intended.", wrong=False)


def _fitted(tried: Attempt, output: str, setting: str) -> float | None:
    """The number with which an output is nearest to what was found."""
    subject, problem = tried.convention.subject, tried.problem
    if not isinstance(subject, LayerSubject):
        return None
    low, high = 0.25, 0.75
    at = []
    for value in (low, high):
        own = replace(subject, given={**subject.given, setting: value}).problem(tried.convention.sizes).recipe
        recipe = replace(problem.recipe, equation=own.equation, numbers=own.numbers)
        array = replace(problem, recipe=recipe).values({output})[output]
        at.append(np.squeeze(tried.convention.laid_out(output, array, problem)))
    found = np.squeeze(np.asarray(tried.roles[output], np.float64))
    change = (at[1] - at[0]) / (high - low)
    size = float(np.sum(change * change))
    if found.shape != change.shape or not size or not np.isfinite(found).all():
        return None
    return low + float(np.sum(change * (found - at[0])) / size)


def _numbers(person: Person) -> list[float]:
    """The numbers in its text, in that of its forward function and in the module, and quotients of two."""
    try:
        body = ast.parse(textwrap.dedent(person.source)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    own = {person.name.rpartition(".")[2], *([person.forward.name] if person.forward is not None else [])}
    others = [n for n in body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name not in own]
    walked = [inner for part in body if part not in others for inner in ast.walk(part)]
    numbers = [_number(node) for node in walked]
    for node in walked:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            above, below = _number(node.left), _number(node.right)
            numbers += [above / below] if above is not None and below else []
    return [n for n in numbers if n is not None]


def _number(node: ast.AST) -> float | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
