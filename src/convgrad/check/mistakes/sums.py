"""Mistakes in what is summed and by what it is divided: batch, space, bias, factors, signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product

import numpy as np

from convgrad.check.mistakes.base import After, Array, Before, Mistake, Predicted, is_transposed, space_of
from convgrad.check.problems.problem import Problem
from convgrad.compute.oracle.grid import evaluate_definition
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import Divide, Reduce, substitute_indices

Factor = Callable[[Problem, str], "float | None"]


def _times(factor: Factor) -> After:
    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        number = factor(problem, output)
        return None if number is None or number == 1 else Predicted(number * predicted.array, predicted.labels)

    return after


def _batch(problem: Problem, output: str) -> float | None:
    return float(problem.recipe.batch) if problem.recipe.batch > 1 else None


def _places(problem: Problem, output: str) -> float | None:
    axes = space_of(problem, problem.of)
    shape = problem.arrays[problem.upstream].shape
    return float(np.prod([shape[a] for a in axes])) if axes else None


def _results(problem: Problem, output: str) -> float | None:
    """How many numbers the prediction of one example has."""
    shape = problem.arrays["y" if problem.total and "y" in problem.arrays else problem.upstream].shape
    return float(np.prod(shape[1:])) if len(shape) > 1 else None


def _window(problem: Problem, output: str) -> float | None:
    window = problem.origin.window
    return None if window is None else float(np.prod(window.kernel))


def _inverse(factor: Factor) -> Factor:
    def inverse(problem: Problem, output: str) -> float | None:
        number = factor(problem, output)
        return None if number is None else 1 / number

    return inverse


def _product(first: Factor, second: Factor) -> Factor:
    def both(problem: Problem, output: str) -> float | None:
        a, b = first(problem, output), second(problem, output)
        return None if a is None or b is None else a * b

    return both


def _number(value: float) -> Factor:
    return lambda problem, output: value if output != problem.of or problem.total else None


def _bias(summed: tuple[str, ...]) -> After:
    """The gradient of the bias summed over these axes only."""

    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        delta = values.get("dz", values[problem.upstream])
        labels = problem.labels[problem.of]
        own = problem.labels["db"]
        missing = tuple(n for n in labels if n not in own)
        kinds = {n: "batch" if n == "batch" else "space" for n in missing}
        left = [n for n in missing if kinds[n] not in summed]
        if not left or delta.ndim != len(labels):
            return None
        total = delta.sum(axis=tuple(labels.index(n) for n in missing if n not in left))
        return Predicted(np.asarray(total), tuple(n for n in labels if n in own or n in left))

    return after


def _example(keep: int) -> Before:
    """Only one example counts."""

    def before(problem: Problem) -> Problem | None:
        above = problem.arrays[problem.upstream]
        if problem.recipe.batch == 1 or problem.recipe.batch_index is not None or not np.ndim(above):
            return None
        delta = np.zeros_like(problem.arrays[problem.upstream])
        delta[keep] = problem.arrays[problem.upstream][keep]
        return problem.with_arrays(**{problem.upstream: delta})

    return before


def _last_window(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
    """Of all windows that an element lies in, what the last one gives that gives something."""
    kept: Array | None = None
    for _, given in _at_each_place(output, problem, values):
        kept = given if kept is None else np.where(kept == 0, given, kept)
    return None if kept is None else Predicted(kept, predicted.labels)


def _last_whole_window(
    predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]
) -> Predicted | None:
    """What the last window gives that an element lies in, zeros for all but the winner, too."""
    axes, window = space_of(problem, "o"), problem.origin.window
    if window is None or len(axes) != len(window.kernel) or problem.pooling != "max":
        return None
    shape, outputs = predicted.array.shape, problem.arrays[problem.upstream].shape
    pads = window.pad(problem.origin.image)
    firsts = [
        _first_places(shape[a], outputs[a], *along)
        for a, *along in zip(axes, window.kernel, window.strides, (p[0] for p in pads), strict=True)
    ]
    kept: Array | None = None
    for place, given in _at_each_place(output, problem, values):
        if len(place) != len(axes) or given.shape != shape:
            return None
        for a, first, at in zip(axes, firsts, place, strict=True):
            given = np.where(np.expand_dims(first == at, tuple(n for n in range(len(shape)) if n != a)), given, 0)
        kept = given if kept is None else kept + given
    return None if kept is None else Predicted(kept, predicted.labels)


def _first_places(size: int, windows: int, kernel: int, stride: int, pad: int) -> Array:
    """The place that each element of an axis has in the last window that it lies in; -1 where there is none."""
    found = np.full(size, -1)
    for at, place in product(range(size), reversed(range(kernel))):
        which, rest = divmod(at + pad - place, stride)
        if not rest and 0 <= which < windows:
            found[at] = place
    return found


def _at_each_place(
    output: str, problem: Problem, values: Mapping[str, Array]
) -> Iterator[tuple[tuple[int, ...], Array]]:
    """What elements get from each place in a window, that of the last window they lie in first."""
    definition = next((d for d in problem.adjoint.backward.definitions if d.name == output), None)
    whole = None if definition is None else definition.term
    term = whole.numerator if isinstance(whole, Divide) else whole
    if definition is None or not isinstance(term, Reduce) or term.kind != "sum":
        return
    slides = [i for i in term.indices if i in problem.origin.space]
    rest = tuple(i for i in term.indices if i not in slides)
    if not slides:
        return
    for place in product(*(range(definition.sizes[i]) for i in slides)):
        at = {i: Position(Polynomial.constant(p)) for i, p in zip(slides, place, strict=True)}
        body = substitute_indices(term.body, at)
        part = Reduce("sum", rest, body) if rest else body
        one = Divide(part, whole.denominator) if isinstance(whole, Divide) else part
        yield place, evaluate_definition(replace(definition, term=one), values)


def _last_place(problem: Problem) -> Problem | None:
    """Only the last place of the result counts; of a transposed convolution, whose loops run over it, of the input."""
    axes = space_of(problem, "o" if is_transposed(problem) else problem.of)
    if not axes:
        return None
    name = "o" if is_transposed(problem) else problem.upstream
    kept = np.zeros_like(problem.arrays[name])
    at = [slice(None)] * kept.ndim
    for axis in axes:
        at[axis] = slice(-1, None)
    kept[tuple(at)] = problem.arrays[name][tuple(at)]
    return problem.with_arrays(**{name: kept})


PARAMETERS = ("dw", "db", "dgamma", "dbeta")
MISTAKES = (
    Mistake(
        "sign",
        "the sign of {output} is wrong",
        "Multiply {output} by -1: a difference is taken the wrong way round, or the derivative of -y lost its sign.",
        "after changing the sign of your {output}",
        after=_times(lambda p, o: -1.0),
        likelihood=9,
    ),
    Mistake(
        "mean-over-batch",
        "{output} is the mean over the batch where the sum is meant",
        "Leave out the division by the number of examples (the loss already has it, or it belongs nowhere).",
        "after multiplying your {output} by the number of examples",
        after=_times(_inverse(_batch)),
        likelihood=8,
    ),
    Mistake(
        "sum-over-batch",
        "{output} is the sum over the batch where the mean is meant (too large by the number of examples)",
        "Divide once by the number of examples.",
        "after dividing your {output} by the number of examples",
        after=_times(_batch),
        likelihood=7,
    ),
    Mistake(
        "factor-2",
        "{output} is twice as large as it should be: the factor 2 of a square without its 1/2",
        "With E = 1/2*(t-y)^2 the 2 cancels: leave it out.",
        "after halving your {output}",
        after=_times(_number(2.0)),
        likelihood=8,
    ),
    Mistake(
        "factor-half",
        "{output} is half as large as it should be: a factor 1/2 that is not in the equation",
        "Multiply {output} by 2.",
        "after doubling your {output}",
        after=_times(_number(0.5)),
        likelihood=6,
    ),
    Mistake(
        "mean-over-places",
        "{output} is the mean over the places of the result where the sum is meant",
        "Leave out the division by I*J: sum over all places.",
        "after multiplying your {output} by the number of places",
        after=_times(_inverse(_places)),
        likelihood=5,
    ),
    Mistake(
        "mean-over-batch-and-places",
        "{output} is the mean over batch and places where the sum is meant",
        "Write sum in place of mean.",
        "after multiplying your {output} by the number of examples and places",
        after=_times(_inverse(_product(_batch, _places))),
        likelihood=5,
    ),
    Mistake(
        "mean-over-elements",
        "{output} is divided by the number of elements of one example, which the equation does not do",
        "Leave out the division.",
        "after multiplying your {output} by the number of elements",
        after=_times(_inverse(_results)),
        likelihood=4,
    ),
    Mistake(
        "sum-over-elements",
        "{output} is not divided by the number of elements of one example, as the mean in the equation asks",
        "Divide by the number of elements.",
        "after dividing your {output} by the number of elements",
        after=_times(_results),
        likelihood=4,
    ),
    Mistake(
        "divided-by-window",
        "{output} is divided by the number of elements of the window",
        "Leave out the division.",
        "after multiplying your {output} by the size of the window",
        after=_times(_inverse(_window)),
        likelihood=4,
    ),
    Mistake(
        "bias-not-summed",
        "{output} is not summed at all: it still has the axes of batch and places",
        "Sum the delta over every axis but the channels: dx.sum(axis=(0, 1, 2)), or (0, 2, 3) for NCHW.",
        "after summing your {output} over batch and places",
        outputs=("db",),
        after=_bias(()),
        anew=True,
        likelihood=8,
    ),
    Mistake(
        "bias-not-summed",
        "{output} is summed over the batch, but not over the places",
        "Sum over rows and columns, too.",
        "after summing your {output} over the places",
        outputs=("db",),
        after=_bias(("batch",)),
        anew=True,
        likelihood=8,
    ),
    Mistake(
        "bias-not-summed",
        "{output} is summed over the places, but not over the batch",
        "Sum over the batch, too.",
        "after summing your {output} over the batch",
        outputs=("db",),
        after=_bias(("space",)),
        anew=True,
        likelihood=8,
    ),
    Mistake(
        "last-example-only",
        "{output} has the last example of the batch only: it is overwritten where it should be added to",
        "Write += in place of = in the loop over the batch.",
        "with the last example alone,",
        outputs=PARAMETERS,
        before=_example(-1),
        likelihood=6,
    ),
    Mistake(
        "last-place-only",
        "{output} has the last place of the result only: it is overwritten where it should be added to",
        "Write += in place of = in the loops over rows and columns.",
        "with the last place alone,",
        outputs=PARAMETERS,
        before=_last_place,
        likelihood=6,
    ),
    Mistake(
        "overlaps-overwritten",
        "where windows overlap, {output} has only what the last of them gives: it is overwritten and not added to",
        "Write += in place of =: an element gets the sum over all windows that it lies in.",
        "with the last window alone,",
        outputs=("do",),
        after=_last_window,
        anew=True,
        likelihood=8,
    ),
    Mistake(
        "overlaps-overwritten",
        "where windows overlap, {output} has only what the last of them gives, zeros for all but its greatest element: "
        "the whole window is overwritten",
        "Write += in place of =: an element gets the sum over all windows that it lies in.",
        "with the last window alone,",
        outputs=("do",),
        after=_last_whole_window,
        anew=True,
        likelihood=8,
    ),
    Mistake(
        "first-example-only",
        "{output} has the first example of the batch only",
        "Sum over all examples.",
        "with the first example alone,",
        outputs=PARAMETERS,
        before=_example(0),
        likelihood=6,
    ),
)
