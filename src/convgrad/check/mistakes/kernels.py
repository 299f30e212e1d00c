"""Mistakes with the order of a kernel's, a delta's or a gradient's elements: rotations, transpositions, channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from convgrad.check.mistakes.base import (
    Array,
    Before,
    Mistake,
    Predicted,
    flipped,
    is_transposed,
    kernel_of,
    space_of,
    turned,
)
from convgrad.check.problems.problem import Problem

Move = Callable[[Problem, str, Array], "Array | None"]


def _kernel(move: Move) -> Before:
    def before(problem: Problem) -> Problem | None:
        name = kernel_of(problem)
        return None if name is None else _moved(problem, name, move)

    return before


def _tensor(which: Callable[[Problem], str], move: Move) -> Before:
    return lambda problem: _moved(problem, which(problem), move)


def _moved(problem: Problem, name: str, move: Move) -> Problem | None:
    if name not in problem.arrays:
        return None
    array = move(problem, name, problem.arrays[name])
    return None if array is None else problem.with_arrays(**{name: array})


def _output(move: Move) -> Callable[[Predicted, str, Problem, Mapping[str, Array]], Predicted | None]:
    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        array = move(problem, output, predicted.array)
        return None if array is None else Predicted(array, predicted.labels)

    return after


def _rotated_transpose(problem: Problem, tensor: str, array: Array) -> Array | None:
    """What a kernel must be for its rotation to be the transpose that was taken."""
    transpose = turned(problem, tensor, array)
    return None if transpose is None else flipped(problem, tensor, transpose)


def _mirrored(place: int) -> Move:
    """Mirrored along one axis of several."""

    def move(problem: Problem, tensor: str, array: Array) -> Array | None:
        axes = space_of(problem, tensor)
        return (
            np.flip(array, axes[place])
            if len(axes) > 1 and place < len(axes) and array.shape[axes[place]] > 1
            else None
        )

    return move


def _channels(problem: Problem, tensor: str, array: Array) -> Array | None:
    """Input and output channels exchanged; None where they are not equally many."""
    labels = problem.labels.get(tensor, ())
    if "c" not in labels or "k" not in labels:
        return None
    axes = labels.index("c"), labels.index("k")
    return np.swapaxes(array, *axes) if array.shape[axes[0]] == array.shape[axes[1]] > 1 else None


def _exchanged_output(
    predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]
) -> Predicted | None:
    """The output with height and width exchanged, of whatever shape it then has."""
    axes = space_of(problem, output)
    if len(axes) != 2:
        return None
    return Predicted(np.swapaxes(predicted.array, *axes), predicted.labels)


def _swapped_output(
    predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]
) -> Predicted | None:
    """The gradient of the weights with its channels exchanged, of whatever shape it then has."""
    if "c" not in predicted.labels or "k" not in predicted.labels:
        return None
    axes = predicted.labels.index("c"), predicted.labels.index("k")
    return Predicted(np.swapaxes(predicted.array, *axes), predicted.labels)


def _turned_kernel(transposed: bool) -> Before:
    """The kernel rotated, in a transposed convolution or in any other layer: there it has to be, here it must not."""

    def before(problem: Problem) -> Problem | None:
        return _kernel(flipped)(problem) if is_transposed(problem) == transposed else None

    return before


def _convolution(problem: Problem) -> Problem | None:
    return _kernel(flipped)(problem)


def _convolution_after(
    predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]
) -> Predicted | None:
    if output != f"d{kernel_of(problem)}":
        return predicted
    array = flipped(problem, output, predicted.array)
    return None if array is None else Predicted(array, predicted.labels)


def _upstream(problem: Problem) -> str:
    return problem.upstream


MISTAKES = (
    Mistake(
        "convolution-for-correlation",
        "a convolution is computed where a correlation is meant: the kernel is rotated in the forward formula",
        "Read the input at i+m, not at i-m; leave out the rotation of the kernel in the forward pass.",
        "with the kernel rotated back",
        before=_convolution,
        after=_convolution_after,
        whole=True,
        likelihood=9,
    ),
    Mistake(
        "kernel-not-rotated",
        "in {output} the kernel is not rotated by 180 degrees (or it is rotated twice)",
        "Rotate the kernel: w[M-1-m, N-1-n] in place of w[m,n], np.rot90(w, 2). A convolve function rotates by itself.",
        "with the kernel rotated by 180 degrees",
        outputs=("do",),
        before=_turned_kernel(transposed=False),
        likelihood=9,
    ),
    Mistake(
        "kernel-rotated",
        "in {output} the kernel is rotated by 180 degrees, though the gradient of a transposed convolution is a plain "
        "correlation",
        "Use the kernel as it is: do[h] sums dx[s*h+m-p] * w[m].",
        "with the kernel rotated back",
        outputs=("do",),
        before=_turned_kernel(transposed=True),
        likelihood=9,
    ),
    Mistake(
        "gradient-rotated",
        "{output} is rotated once too often: it comes out turned by 180 degrees",
        "Leave out the rotation of {output} (or correlate instead of convolving when you compute it).",
        "after rotating your {output} by 180 degrees",
        outputs=("dw",),
        after=_output(flipped),
        likelihood=8,
    ),
    Mistake(
        "delta-rotated",
        "in {output} the delta (the gradient from above) is rotated by 180 degrees, or once too often",
        "Use the delta as it is: the sum over i pairs dx[i] with o[i+m].",
        "with the delta rotated back",
        outputs=("do", "dw"),
        before=_tensor(_upstream, flipped),
        likelihood=7,
    ),
    Mistake(
        "gradient-rotated",
        "{output} comes out turned by 180 degrees",
        "Leave out the last rotation of {output}.",
        "after rotating your {output} by 180 degrees",
        outputs=("do", "x"),
        after=_output(flipped),
        likelihood=5,
    ),
    Mistake(
        "input-rotated",
        "in {output} the input is rotated by 180 degrees",
        "Use the input as it is.",
        "with the input rotated back",
        outputs=("dw",),
        before=_tensor(lambda p: "o", flipped),
    ),
    *(
        Mistake(
            "kernel-mirrored",
            f"in {{output}} the kernel is turned the wrong way along its {axis} axis, and the right way along others",
            "Rotating by 180 degrees turns all its axes: w[..., ::-1, ::-1] for rows and columns.",
            "with the kernel turned along that axis",
            outputs=("do",),
            before=_kernel(_mirrored(place)),
            likelihood=7,
        )
        for place, axis in enumerate(("first", "second", "third"))
    ),
    Mistake(
        "transposed-instead-of-rotated",
        "in {output} the kernel is transposed instead of rotated by 180 degrees",
        "Write np.rot90(w, 2), or w[::-1, ::-1], in place of w.T.",
        "with the kernel rotated instead of transposed",
        outputs=("do",),
        before=_kernel(_rotated_transpose),
        likelihood=7,
    ),
    Mistake(
        "channels-swapped",
        "input and output channels of the kernel are swapped in {output}",
        "Sum over the output channels k for the input's gradient: w[m,n,c,k] with dx[..,k]; swap the two axes of w.",
        "with the kernel's channels swapped back",
        outputs=("do", "x"),
        before=lambda p: _moved(p, "w", _channels),
        likelihood=7,
    ),
    Mistake(
        "channels-swapped",
        "{output} comes out with input and output channels swapped",
        "Swap the two channel axes of {output}.",
        "after swapping the channel axes of your {output}",
        outputs=("dw",),
        after=_swapped_output,
        likelihood=7,
    ),
    Mistake(
        "height-width-swapped",
        "{output} comes out with height and width swapped",
        "Swap the two axes of {output}: rows come first, in loops, sizes and indices.",
        "after transposing your {output}",
        after=_exchanged_output,
        likelihood=6,
    ),
    Mistake(
        "height-width-swapped",
        "in {output} height and width of the kernel are swapped",
        "Use w[m,n] with row m and column n.",
        "with the kernel transposed back",
        outputs=("do", "x"),
        before=_kernel(turned),
        likelihood=6,
    ),
    Mistake(
        "height-width-swapped",
        "in {output} height and width of the input are swapped",
        "Use o[h,w] with row h and column w.",
        "with the input transposed back",
        outputs=("dw", "x"),
        before=_tensor(lambda p: "o", turned),
        likelihood=5,
    ),
    Mistake(
        "height-width-swapped",
        "in {output} height and width of the delta are swapped",
        "Use dx[i,j] with row i and column j.",
        "with the delta transposed back",
        outputs=("dw", "do"),
        before=_tensor(_upstream, turned),
        likelihood=5,
    ),
)
