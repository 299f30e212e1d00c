"""An output as the search for structures sees it, and what it finds as mistakes that the report can tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.layouts import groups
from convgrad.check.functions.reading import Attempt
from convgrad.check.mistakes import Mistake
from convgrad.check.mistakes.base import space_of
from convgrad.check.problems.problem import Array, Problem
from convgrad.check.structures import Seen, Structure

LIKELIHOOD = 3
"""Of a structure beside a mistake of the table, which says more."""


def seen_in(attempt: Attempt, output: str, tolerance: float, terms: int, found: npt.NDArray[np.generic]) -> Seen:
    """The output beside what it should be. terms: how many are added up for one entry."""
    right = np.asarray(attempt.expected(output), np.float64)
    own = np.asarray(found, np.float64)
    if own.shape != right.shape and np.squeeze(own).shape == np.squeeze(right).shape:
        own = own.reshape(right.shape)
    whole = str(found.dtype) if found.dtype.kind in "iu" else ""
    return Seen(
        output,
        own,
        right,
        tolerance,
        _axes(attempt, output),
        _sizes(attempt),
        _arrays(attempt, output),
        whole,
        terms,
        _results(attempt.problem),
    )


def _results(problem: Problem) -> str:
    if problem.total:
        return "class"
    return "filter" if space_of(problem, problem.of) else "unit"


def _axes(attempt: Attempt, output: str) -> tuple[str, ...]:
    problem = attempt.problem
    if attempt.convention.leading or attempt.convention.reading.jacobian or (problem.total and output == problem.of):
        return ()
    pattern = attempt.convention.pattern(output, problem)
    return tuple(group[-1] if group else "" for group in groups(pattern, problem.labels[output]))


def _sizes(attempt: Attempt) -> dict[str, int]:
    """The length of each axis; those of the result and of the batch first."""
    problem = attempt.problem
    found: dict[str, int] = {}
    for name in (*problem.outputs, *problem.labels):
        array = attempt.values.get(name)
        labels = problem.labels.get(name, ())
        if array is not None and array.ndim == len(labels):
            for label, size in zip(labels, array.shape, strict=True):
                found.setdefault(label, int(size))
    return found


def _arrays(attempt: Attempt, output: str) -> dict[str, Array]:
    """All else that is known, as the person lays it out."""
    problem = attempt.problem
    found = {}
    for name, array in attempt.values.items():
        laid_like = problem.of if name == "z" else name  # as a convention lays it out
        if name != output and name in problem.labels and array.ndim == len(problem.labels[laid_like]):
            found[name] = np.asarray(attempt.convention.laid_out(name, array, problem), np.float64)
    return found


def as_mistake(structure: Structure) -> Mistake:
    """A structure told as the mistakes of the table are."""
    return Mistake(structure.name, structure.cause, structure.change, structure.undone, likelihood=LIKELIHOOD)
