"""One for all, such as filter 0 where each has its own; a shift that is left out; and weights that have moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from convgrad.check.mistakes.base import Before, Mistake, kernel_of
from convgrad.check.problems.inputs import RATE
from convgrad.check.problems.problem import Problem

Which = Callable[[Problem], str | None]


def _first_for_all(which: Which, letter: str) -> Before:
    """The first along an axis in place of each."""

    def before(problem: Problem) -> Problem | None:
        name = which(problem)
        labels = problem.labels.get(name, ()) if name is not None else ()
        if name is None or name not in problem.arrays or letter not in labels or "w" not in problem.arrays:
            return None
        array, axis = problem.arrays[name], labels.index(letter)
        if array.shape[axis] < 2:
            return None
        return problem.with_arrays(**{name: np.repeat(np.take(array, [0], axis), array.shape[axis], axis)})

    return before


def _without(name: str) -> Before:
    def before(problem: Problem) -> Problem | None:
        if name not in problem.arrays or problem.total:
            return None
        return problem.with_arrays(**{name: np.zeros_like(problem.arrays[name])})

    return before


def _updated(problem: Problem) -> Problem | None:
    """The weights after a step against their gradient, as a class that updates itself has them."""
    if "w" not in problem.arrays or problem.total or problem.origin.written:
        return None
    slope = replace(problem, wrt=("w",)).values({"dw"})["dw"]
    return problem.with_arrays(w=problem.arrays["w"] - RATE * slope)


REPEATED: tuple[tuple[str, str, Which, str, tuple[str, ...]], ...] = (
    ("filter", "the kernel", kernel_of, "k", ("do", "x")),
    ("filter", "the bias", lambda p: "b", "k", ("x",)),
    ("filter", "the gradient from above", lambda p: p.upstream, "k", ("dw", "db")),
    ("channel", "the kernel", kernel_of, "c", ("do", "x")),
    ("channel", "the input", lambda p: "o", "c", ("dw", "x")),
    ("example", "the input", lambda p: "o", "batch", ("dw", "x")),
)
"""What is the first, of which tensor along which axis, and in which outputs that is seen."""
MISTAKES = (
    *(
        Mistake(
            f"first-{one}-for-all",
            f"in {{output}} all {one}s are treated like {one} 0: {of} is read at a fixed place",
            f"Index {of} with the loop's variable, and not with 0.",
            f"with {one} 0 for all in the right calculation, too,",
            outputs=outputs,
            before=_first_for_all(which, letter),
            likelihood=5,
        )
        for one, of, which, letter, outputs in REPEATED
    ),
    Mistake(
        "weights-updated-first",
        "in {output} the weights are those after the update: they change before the gradient goes through them",
        "Make the gradient of the input first, and update the weights then.",
        "with the weights of before the update",
        outputs=("do",),
        before=_updated,
        likelihood=6,
    ),
    Mistake(
        "bias-ignored",
        "in {output} the bias is left out",
        "Add it before the activation: w * o + b.",
        "with the bias put in",
        before=_without("b"),
        likelihood=7,
    ),
    Mistake(
        "shift-missing",
        "in {output} the shift beta is missing",
        "Add it at the end: gamma * xhat + beta.",
        "with beta put in",
        outputs=("x",),
        before=_without("beta"),
        likelihood=7,
    ),
)
