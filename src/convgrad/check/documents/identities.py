r"""Equalities between formulas that are no definitions: \sigma'(z) = \sigma(z) (1 - \sigma(z)), 0.5 * 0.2 = 0.1."""

from __future__ import annotations

import re

import numpy as np

from convgrad.check.derivations.latex_input import read_latex
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.matrices import agree, matrix_of
from convgrad.check.documents.numerics import TOLERANCE
from convgrad.check.documents.statements import Statement
from convgrad.check.problems.problem import Array
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ConvgradError
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Access, Equation, Power, accesses

POINTS = np.array([-1.7, -0.6, -0.1, 0.3, 0.9, 2.1])
POSITIVE = np.array([0.1, 0.3, 0.7, 1.2, 1.9, 2.6])


def judge_identity(statement: Statement) -> Judged | None:
    """The verdict on two formulas of single numbers; None where one of them is something else."""
    sides = [_read(side) for side in (statement.left, statement.right)]
    if sides[0] is None or sides[1] is None:
        return None
    term = sides[0].result.term
    if isinstance(term.base if isinstance(term, Power) else term, Access):
        return None  # a name alone is defined, and equal to nothing by itself; what looks like its power may be a layer
    names = sorted({a.tensor for side in sides if side is not None for d in side.definitions for a in accesses(d.term)})
    if not names:
        return _judged_numbers(statement, sides[0], sides[1])
    if any(a.positions for side in sides if side is not None for d in side.definitions for a in accesses(d.term)):
        return None
    for points in (POINTS, POSITIVE):
        values = [_at(side, names, points) for side in sides if side is not None]
        if any(value is None or not np.isfinite(value).all() for value in values):
            continue
        one, two = (np.asarray(value) for value in values)
        wrong = np.abs(one - two) > TOLERANCE * np.maximum(1, np.abs(one))
        if not wrong.any():
            words = ("Both sides agree at the numbers that were tried; that is no proof.",)
            return Judged(statement.place, "equation", statement.text, Mark.RIGHT, words)
        place = int(np.argmax(wrong))
        at = ", ".join(f"{name} = {_value(points, n)[place]:.6g}" for n, name in enumerate(names))
        words = (f"At {at} the left side is {one[place]:.6g}, the right one {two[place]:.6g}.",)
        return Judged(statement.place, "equation", statement.text, Mark.WRONG, words)
    return None


def number_in(formula: str) -> float | None:
    """The value of a formula of numbers alone; None for others."""
    equation = _read(formula)
    if equation is None or any(True for d in equation.definitions for _ in accesses(d.term)):
        return None
    value = _at(equation, [], POINTS)
    return None if value is None else float(value[0])


def is_calculation(formula: str) -> bool:
    """Whether a formula calculates something, and is no number alone."""
    return bool(formula) and matrix_of(formula) is None


def _judged_numbers(statement: Statement, left: Equation, right: Equation) -> Judged | None:
    """Numbers on the left stand for all that rounds to them, as those on the right do."""
    one, written = _at(left, [], POINTS), matrix_of(statement.right)
    if one is None:
        return None
    value, room = np.asarray(one[0]), _rounding(statement.left, float(one[0]))
    if written is not None and written.values.ndim == 0:
        agrees, nearly = bool(agree(written, value)), bool(agree(written, value, room))
    else:
        two = _at(right, [], POINTS)
        if two is None:
            return None
        gap, small = abs(float(one[0] - two[0])), TOLERANCE * max(1.0, abs(float(one[0])))
        agrees, nearly = gap <= small, gap <= small + room + _rounding(statement.right, float(two[0]))
    if agrees:
        return Judged(statement.place, "numbers", statement.text, Mark.RIGHT)
    words = f"The left side is {one[0]:.8g}."
    if nearly:
        words += " It is not that far off that rounding of the numbers in it could not be why."
    mark = Mark.NOT_UNDERSTOOD if nearly else Mark.WRONG
    return Judged(statement.place, "numbers", statement.text, mark, (words,))


def _rounding(formula: str, value: float) -> float:
    """By how much a formula's value may change where each number in it is what something was rounded to."""
    room = 0.0
    for match in re.finditer(r"(?<![\w.])\d*\.\d+", formula):
        half = 0.5 * 10.0 ** -len(match[0].partition(".")[2])
        moved = number_in(f"{formula[: match.start()]}{float(match[0]) + half!r}{formula[match.end() :]}")
        room += 0.0 if moved is None else abs(moved - value)
    return room


def _read(side: str) -> Equation | None:
    try:
        latex = re.search(r"[\\_^{]", side)
        said = read_latex(f"\\xi = {side}") if latex or "'" in side else None
        if said is not None and any(part.functions for part in said.parts):
            return None
        equation = parse(f"xi = {side}" if said is None else said.claims[-1])
    except (ConvgradError, RecursionError):
        return None
    return None if equation.result.indices or len(equation.definitions) > 1 else equation


def _value(points: Array, number: int) -> Array:
    """Numbers for the letter of that number, other ones for each."""
    return np.roll(points, number) * (1 + 0.13 * number)


def _at(equation: Equation, names: list[str], points: Array) -> Array | None:
    found = []
    for place in range(len(points)):
        values = {name: np.asarray(_value(points, n)[place]) for n, name in enumerate(names)}
        try:
            bound = bind(equation, {name: () for name in names if name in equation.inputs})
            found.append(float(evaluate(bound, values)[equation.result.name]))
        except ConvgradError:
            return None
    return np.array(found)
