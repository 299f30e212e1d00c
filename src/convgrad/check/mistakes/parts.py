"""Mistakes of loops: only the first or the last of examples, channels, filters or places counts, or all but one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convgrad.check.mistakes.base import Before, Mistake, kernel_of
from convgrad.check.mistakes.sums import PARAMETERS
from convgrad.check.problems.problem import Problem

Which = Callable[[Problem], str | None]
KEPT = {
    "only the first": (slice(0, 1), 4, "first"),
    "only the last": (slice(-1, None), 4, "last"),
    "all but the last": (slice(0, -1), 3, "all-but-last"),
    "all but the first": (slice(1, None), 3, "all-but-first"),
}
"""Which of the places along an axis count, how likely that is, and its short name."""


def _counted(which: Which, letters: str, kept: slice, other: str = "") -> Before:
    """A tensor with 0 outside of some places along an axis; of as many as another axis has, where it has fewer."""

    def before(problem: Problem) -> Problem | None:
        name = which(problem)
        labels = problem.labels.get(name, ()) if name is not None else ()
        axes = [n for n, label in enumerate(labels) if label in letters.split()]
        if name is None or name not in problem.arrays or len(axes) != 1 or problem.arrays[name].shape[axes[0]] < 2:
            return None
        if other and (
            other not in labels
            or problem.arrays[name].shape[labels.index(other)] >= problem.arrays[name].shape[axes[0]]
        ):
            return None
        array = np.zeros_like(problem.arrays[name])
        at = [slice(None)] * array.ndim
        at[axes[0]] = kept if not other else slice(array.shape[labels.index(other)])
        array[tuple(at)] = problem.arrays[name][tuple(at)]
        return problem.with_arrays(**{name: array})

    return before


def _upstream(problem: Problem) -> str:
    return problem.upstream


def _input(problem: Problem) -> str | None:
    return "o" if "w" in problem.arrays else None


AXES: tuple[tuple[str, str, Which, str, tuple[str, ...]], ...] = (
    ("filter", "filters", _upstream, "k", ("do",)),
    ("example", "examples", _upstream, "batch", PARAMETERS),
    ("channel", "channels", _input, "c", ("x",)),
    ("row", "rows of the result", _upstream, "i", ("do", "dw", "db")),
    ("column", "columns of the result", _upstream, "j", ("do", "dw", "db")),
    ("kernel-row", "rows of the kernel", kernel_of, "m", ("do", "x")),
    ("kernel-column", "columns of the kernel", kernel_of, "n", ("do", "x")),
)
"""What is counted, of which tensor along which axis, and in which outputs that is seen."""
ELSEWHERE = {("example", "first"): PARAMETERS, ("example", "last"): PARAMETERS} | dict.fromkeys(
    [("row", "all-but-last"), ("column", "all-but-last")], ("do", "dw")
)
"""Outputs for which they have an entry of their own."""
CONFUSED: tuple[tuple[str, str, Which, str, str, tuple[str, ...]], ...] = (
    ("rows", "columns", _upstream, "i", "j", ("do", "dw", "db")),
    ("columns", "rows", _upstream, "j", "i", ("do", "dw", "db")),
    ("rows of the kernel", "columns", kernel_of, "m", "n", ("do", "x")),
    ("columns of the kernel", "rows", kernel_of, "n", "m", ("do", "x")),
)
"""Of what only so many count as there are others, of which tensor, and in which outputs that is seen."""
_OF_LOOPS = tuple(
    Mistake(
        f"{short}-{one}" if short.startswith("all") else f"{short}-{one}-only",
        f"in {{output}} {words} of the {many} count{'s' if short in ('first', 'last') else ''}",
        f"Let the loop over the {many} run over all of them, return after it, and write += in place of = in it.",
        f"with {words} of them in the right calculation, too,",
        outputs=tuple(n for n in outputs if n not in ELSEWHERE.get((one, short), ())),
        before=_counted(which, letters, kept),
        likelihood=likelihood,
    )
    for one, many, which, letters, outputs in AXES
    for words, (kept, likelihood, short) in KEPT.items()
    if not set(outputs) <= set(ELSEWHERE.get((one, short), ()))
)
MISTAKES = (
    *_OF_LOOPS,
    *(
        Mistake(
            "height-width-swapped",
            f"in {{output}} only as many {many} count as there are {others}: one number is taken for both",
            "Let each loop run over its own axis: rows over shape[2], columns over shape[3] of NCHW.",
            "with as few of them in the right calculation, too,",
            outputs=outputs,
            before=_counted(which, letter, slice(0), other),
            likelihood=3,
        )
        for many, others, which, letter, other, outputs in CONFUSED
    ),
)
