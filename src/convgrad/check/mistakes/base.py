"""What a mistake is: a change of what the right calculation is given, of the equation, or of what comes out.

A rule answers None where its mistake can't be made in this problem. Any other way to end is a fault of the rule, and is
told as one.

No mistake is a second calculation by hand: a wrong gradient is the right one of a changed problem, or the right one
with something done to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from convgrad.check.problems.problem import Problem
from convgrad.layers.conv_transpose import ConvTranspose2D

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predicted:
    """An output as it comes out with a mistake; `labels` name its axes, which may be others than they should be."""

    array: Array
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.labels) != np.ndim(self.array):
            raise ValueError(f"a rule gave {np.ndim(self.array)} axes and {len(self.labels)} labels")


Before = Callable[[Problem], "Problem | None"]
After = Callable[[Predicted, str, Problem, Mapping[str, Array]], "Predicted | None"]


@dataclass(frozen=True)
class Mistake:
    """One mistake that a person may have made.

    name: short and fixed, for programs.
    cause: in words; `{output}` is where it was found.
    change: what to change, in words.
    undone: what the evidence did to the numbers, as in "after rotating your {output} by 180 degrees".
    outputs: names of outputs it can be made in; empty for all.
    before: the problem that the right calculation would have to be given to make the mistake; None where the mistake
        can't be made in this problem.
    after: what the mistake does to a right output.
    whole: it is one mistake in all outputs together, and no mistake of one output alone.
    choice: not wrong, but another convention.
    likelihood: 1 to 9; of mistakes that give the same numbers the likelier is named.
    anew: what `after` gives is made from the problem's values and not from the output, so it comes before others.
    """

    name: str
    cause: str
    change: str
    undone: str = ""
    outputs: tuple[str, ...] = ()
    before: Before | None = None
    after: After | None = None
    whole: bool = False
    choice: bool = False
    likelihood: int = 5
    anew: bool = False

    def concerns(self, output: str) -> bool:
        """Whether the mistake can be made in this output."""
        return not self.outputs or output in self.outputs or (output[1:] in WEIGHTS and "dw" in self.outputs)


WEIGHTS = ("w", "kernel", "k", "f")


@dataclass
class Prediction:
    """All outputs as they come out with some mistakes made."""

    mistakes: tuple[Mistake, ...]
    outputs: dict[str, Predicted] = field(default_factory=dict)


Given = tuple[Problem, Mapping[str, Array]]
"""A problem with its values."""


def changed_by(problem: Problem, mistakes: Sequence[Mistake], outputs: Sequence[str]) -> Given | None:
    """The problem that the mistakes make of this one, and the values of these outputs and of what they need; None
    where they can't be made here.
    """
    changed: Problem | None = problem
    for mistake in mistakes:
        if mistake.before is not None:
            changed = mistake.before(changed) if changed is not None else None
    return None if changed is None else (changed, {**changed.arrays, **changed.values({*outputs, "dz"})})


Kept = dict[tuple[int, int, str], "Predicted | None"]
"""What mistakes give that make an output anew, by the problem that they are given, the mistake and the output."""


def predict(
    problem: Problem,
    mistakes: Sequence[Mistake],
    outputs: Sequence[str],
    given: Given | None = None,
    kept: Kept | None = None,
) -> Prediction | None:
    """The outputs with all the mistakes made; None where they can't be made here. `given`: from `changed_by`; `kept`:
    with others made in the same problem, for as long as it and they live.
    """
    kept = {} if kept is None else kept
    given = given or changed_by(problem, mistakes, outputs)
    if given is None:
        return None
    changed, values = given
    result = Prediction(tuple(mistakes))
    for output in outputs:
        if output not in values or not all(m.concerns(output) for m in mistakes):
            continue
        labels = () if problem.total and output == problem.of else problem.labels[output]
        predicted: Predicted | None = Predicted(values[output], labels)
        for mistake in sorted(mistakes, key=lambda m: not m.anew):
            if mistake.after is None or predicted is None:
                continue
            if not mistake.anew:
                predicted = mistake.after(predicted, output, changed, values)
                continue
            key = id(changed), id(mistake), output
            if key not in kept:
                kept[key] = mistake.after(predicted, output, changed, values)
            predicted = kept[key]
        if predicted is not None:
            result.outputs[output] = predicted
    return result


def along(labels: Sequence[str], wanted: frozenset[str] | Sequence[str]) -> tuple[int, ...]:
    """The axes whose labels are among those wanted."""
    return tuple(axis for axis, label in enumerate(labels) if label in wanted)


def space_of(problem: Problem, tensor: str) -> tuple[int, ...]:
    """The axes of a tensor along which something slides."""
    return along(problem.labels.get(tensor, ()), problem.origin.space)


def flipped(problem: Problem, tensor: str, array: Array) -> Array | None:
    """The array rotated by 180 degrees; None where it has no axis to rotate, or is the same then."""
    axes = space_of(problem, tensor)
    return np.flip(array, axes) if axes and any(array.shape[a] > 1 for a in axes) else None


def turned(problem: Problem, tensor: str, array: Array) -> Array | None:
    """The array with height and width exchanged; None where they differ in size."""
    axes = space_of(problem, tensor)
    if len(axes) != 2 or array.shape[axes[0]] != array.shape[axes[1]] or array.shape[axes[0]] == 1:
        return None
    return np.swapaxes(array, *axes)


def kernel_of(problem: Problem) -> str | None:
    """The tensor that slides: trained, with an axis of space."""
    others = [n for n in problem.recipe.equation.inputs if n != "o" and space_of(problem, n)]
    return "w" if "w" in others else others[0] if others else None


def is_transposed(problem: Problem) -> bool:
    """Whether the layer is a transposed convolution, whose gradient goes the other way round."""
    return isinstance(problem.origin.layer, ConvTranspose2D)
