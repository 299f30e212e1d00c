"""Mistakes at the border of an image that is padded with something else than zeros, and with the results of groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from convgrad.check.mistakes.base import Array, Before, Mistake, Predicted
from convgrad.check.mistakes.windows import interleaved, of_padded
from convgrad.check.problems.problem import Problem

Mode = Literal["edge", "reflect", "symmetric", "wrap"]
FILLED: dict[Mode, str] = {
    "edge": "the border is repeated",
    "reflect": "the image is mirrored at its border",
    "symmetric": "the image is mirrored at its border, the border itself as well",
    "wrap": "the image goes on at its other side",
}
"""What np.pad does beside the image where it does not put zeros there."""


def _filled(mode: Mode) -> Before:
    def before(problem: Problem) -> Problem | None:
        return of_padded(problem, mode)

    return before


def _dealt_out(problem: Problem) -> Problem | None:
    """What goes back to the groups is taken from the results in turn."""
    if "g" not in problem.labels.get(problem.of, ()) or "w" not in problem.arrays or problem.total:
        return None
    above = problem.upstream
    return problem.with_arrays(**{above: interleaved(problem.arrays[above], problem.labels[problem.of])})


def _dealt_out_after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted:
    if output != problem.of:
        return predicted
    return Predicted(interleaved(predicted.array, predicted.labels, back=True), predicted.labels)


MISTAKES = (
    *(
        Mistake(
            "padding-of-another-kind",
            f"for {{output}} {words} where the padding has to be zeros",
            "Pad with zeros: np.pad(x, ..., mode='constant').",
            "with the same padding in the right calculation, too,",
            outputs=("x", "dw"),
            before=_filled(mode),
            likelihood=7,
        )
        for mode, words in FILLED.items()
    ),
    Mistake(
        "results-interleaved",
        "in {output} the filters of the groups are dealt out in turn, as a shuffle of channels does, and not in blocks",
        "The results of group g are the channels g*K to (g+1)*K - 1, K of each group.",
        "with the filters in blocks",
        before=_dealt_out,
        after=_dealt_out_after,
        likelihood=4,
    ),
)
