"""Mistakes with windows that slide: padding, stride, dilation, groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from convgrad.calculus.derive import renamed_indices
from convgrad.check.mistakes.base import Array, Before, Mistake, Predicted, is_transposed, space_of
from convgrad.check.problems.problem import Problem
from convgrad.layers.norm import GroupNorm
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import Access, Definition, Reduce, Term, rebuild


def _integers(letter: str, change: Callable[[int], int]) -> Before:
    """The equation with its strides, dilations or paddings changed."""

    def before(problem: Problem) -> Problem | None:
        old = {n: v for n, v in problem.recipe.integers.items() if n[0] == letter and n[1:].isdigit() | (n == letter)}
        new = {n: change(v) for n, v in old.items()}
        if not old or new == old or (letter != "p" and min(new.values()) < 1):
            return None
        return problem.with_integers(**new)

    return before


def _on_axis(letter: str, axis: int, change: Callable[[int], int]) -> Before:
    """The equation with its stride, dilation or padding changed along one axis."""

    def before(problem: Problem) -> Problem | None:
        tensors = {n: space_of(problem, n) for n in problem.recipe.examples}
        names = {
            n: v for n, v in problem.recipe.integers.items() if n[0] == letter and (n[1:].isdigit() or n == letter)
        }
        changed: set[str] = set()

        def put_in(term: Term) -> Term:
            if not isinstance(term, Access) or len(tensors.get(term.tensor, ())) < 2:
                return term
            positions = list(term.positions)
            place = tensors[term.tensor][axis] - (len(problem.labels[term.tensor]) - len(positions))  # without batch
            here = positions[place].names & set(names)
            changed.update(n for n in here if change(names[n]) != names[n])
            constants = {n: Polynomial.constant(change(names[n])) for n in here}
            old = positions[place]
            positions[place] = Position(old.numerator.substitute(constants), old.divisor.substitute(constants))
            return replace(term, positions=tuple(positions), position_spans=())

        low = min((change(v) for v in names.values()), default=0)
        if len(next(iter(tensors.values()), ())) < 2 or (letter != "p" and low < 1):
            return None
        edited = replace(problem, recipe=problem.recipe.padded(problem.recipe.examples, 0.0))
        edited = edited.with_definitions(lambda d: replace(d, term=rebuild(d.term, put_in)))
        left = {n for d in edited.recipe.equation.definitions for n in d.names}
        integers = {n: v for n, v in problem.recipe.integers.items() if n in left or n not in names}
        return replace(edited, recipe=replace(edited.recipe, integers=integers)) if changed else None

    return before


def _uncut(transposed: bool) -> Before:
    """No padding: in a transposed convolution it is what is cut off of the result."""

    def before(problem: Problem) -> Problem | None:
        return _integers("p", lambda p: 0)(problem) if is_transposed(problem) == transposed else None

    return before


def _sides(problem: Problem) -> tuple[tuple[int, int], ...] | None:
    """Padding before and after, by axis."""
    window = problem.origin.window
    if window is None:
        return None
    pads: tuple[tuple[int, int], ...] = window.pad(problem.origin.image)
    return pads if any(sum(p) for p in pads) else None


def _at_the_other_side(problem: Problem) -> Problem | None:
    """As if the padding had stood behind and not before, where the two differ."""
    sides = _sides(problem)
    if sides is None or all(a == b for a, b in sides):
        return None
    axes = space_of(problem, "o")
    behind = len(problem.labels["o"]) - len(problem.recipe.shapes["o"])  # the axis of the batch is not written

    def change(term: Term) -> Term:
        if not isinstance(term, Access) or term.tensor != "o":
            return term
        positions = list(term.positions)
        for axis, (before, after) in zip(axes, sides, strict=True):
            old = positions[axis - behind]
            positions[axis - behind] = replace(old, numerator=old.numerator + Polynomial.constant(before - after))
        return replace(term, positions=tuple(positions), position_spans=(), outside=0.0)

    return problem.with_definitions(lambda d: replace(d, term=rebuild(d.term, change)))


def _by_axis_swapped(problem: Problem) -> Problem | None:
    """The two axes' paddings exchanged."""
    integers = problem.recipe.integers
    for pair in (("p1", "p2"), ("s1", "s2"), ("d1", "d2")):
        if all(n in integers for n in pair) and integers[pair[0]] != integers[pair[1]]:
            return problem.with_integers(**{pair[0]: integers[pair[1]], pair[1]: integers[pair[0]]})
    return None


def _uncropped(problem: Problem) -> Problem | None:
    """The gradient of the padded input."""
    return of_padded(problem, "constant")


def of_padded(problem: Problem, mode: Literal["constant", "edge", "reflect", "symmetric", "wrap"]) -> Problem | None:
    """The same of an input that is padded already, as `np.pad` does in a mode."""
    sides = _sides(problem)
    if sides is None or "x_arg" in {d.name for d in problem.adjoint.forward.definitions}:
        return None
    axes = space_of(problem, "o")
    o = problem.arrays["o"]
    around = [(0, 0)] * o.ndim
    for axis, pair in zip(axes, sides, strict=True):
        around[axis] = pair
    padded = np.pad(o, around, mode=mode)
    named = {n: 0 for n in problem.recipe.integers if n[0] == "p" and n[1:].isdigit() | (n == "p")}
    changed = problem.with_integers(**named).with_arrays(o=padded)
    shapes = {**problem.recipe.shapes, "o": padded.shape[1:]}
    return replace(changed, recipe=replace(changed.recipe, shapes=shapes))


def _left_over(problem: Problem) -> tuple[int, ...] | None:
    """Rows and columns that no window reaches because the stride does not divide."""
    window, image = problem.origin.window, problem.origin.image
    if window is None:
        return None
    pads = window.pad(image)
    left = tuple((h + sum(p) - e) % s for h, p, e, s in zip(image, pads, window.extent, window.strides, strict=True))
    return left if any(left) else None


def _shifted_by_rest(
    predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]
) -> Predicted | None:
    left = _left_over(problem)
    axes = space_of(problem, "o")
    if left is None:
        return None
    return Predicted(np.roll(predicted.array, left, axes), predicted.labels)


def _cut_by_rest(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
    """As if nothing stood behind the last window."""
    left = _left_over(problem)
    if left is None:
        return None
    array = predicted.array
    for axis, rest in zip(space_of(problem, "o"), left, strict=True):
        array = np.take(array, range(array.shape[axis] - rest), axis)
    return Predicted(array, predicted.labels)


def _zero_rest(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
    """Zeros in as many last rows as are left over, though with padding a window reaches some of them."""
    left = _left_over(problem)
    if left is None:
        return None
    array = predicted.array.copy()
    for axis, rest in zip(space_of(problem, "o"), left, strict=True):
        at = [slice(None)] * array.ndim
        at[axis] = slice(array.shape[axis] - rest, None)
        array[tuple(at)] = 0
    return Predicted(array, predicted.labels)


def _last_places(which: tuple[int, ...]) -> Before:
    """Without the last row or column of windows."""

    def before(problem: Problem) -> Problem | None:
        delta = problem.arrays[problem.upstream].copy()
        axes = space_of(problem, problem.of)
        if len(axes) <= max(which) or problem.origin.window is None:
            return None
        for axis in which:
            at = [slice(None)] * delta.ndim
            at[axes[axis]] = slice(-1, None)
            delta[tuple(at)] = 0
        return problem.with_arrays(**{problem.upstream: delta})

    return before


def _first_group(problem: Problem) -> Problem | None:
    """Every group reads the channels of the first."""
    labels = [n for n in problem.labels.get("o", ()) if n != "batch"]
    if "g" not in labels or "w" not in problem.arrays:
        return None
    axis = labels.index("g")

    def change(term: object) -> object:
        if isinstance(term, Access) and term.tensor == "o":
            positions = list(term.positions)
            positions[axis] = Position(Polynomial())
            return replace(term, positions=tuple(positions), position_spans=())
        return term

    return problem.with_definitions(lambda d: replace(d, term=rebuild(d.term, change)))  # type: ignore[arg-type]


def _one_group(problem: Problem) -> Problem | None:
    """Mean and variance over the channels of all groups."""
    equation = problem.recipe.equation
    if not isinstance(problem.origin.layer, GroupNorm):
        return None

    def edited(definition: Definition) -> Definition:
        def change(term: Term) -> Term:
            if isinstance(term, Reduce) and "g" not in term.indices:
                return replace(term, indices=(*term.indices, "q"), body=renamed_indices(term.body, {"g": "q"}))
            return term

        term = rebuild(definition.term, change) if definition.indices == ("g",) else definition.term
        return replace(definition, term=term)

    return problem.with_definitions(edited) if "g" in equation.definitions[0].indices else None


def interleaved(array: Array, labels: tuple[str, ...], back: bool = False) -> Array:
    """Channels, or filters, counted with the group as the faster index."""
    g, c = labels.index("g"), labels.index("c" if "c" in labels else "k")
    sizes = array.shape[g], array.shape[c]
    moved = np.moveaxis(array, (g, c), (-2, -1))
    shape = moved.shape
    mixed = moved.reshape(*shape[:-2], *((sizes[1], sizes[0]) if not back else sizes))
    turned = np.swapaxes(mixed, -1, -2) if not back else np.swapaxes(moved, -1, -2)
    return np.moveaxis(np.ascontiguousarray(turned).reshape(shape), (-2, -1), (g, c))


NORMALIZED = ("o", "gamma", "beta", "dx")


def _mixed_groups(problem: Problem) -> Problem | None:
    """Of a normalization all is counted so, on the way there and back."""
    if "g" not in problem.labels.get("o", ()) or not {"w", "gamma"} & {*problem.arrays}:
        return None
    names = [n for n in NORMALIZED if n in problem.arrays] if "gamma" in problem.arrays else ["o"]
    return problem.with_arrays(**{n: interleaved(problem.arrays[n], problem.labels[n]) for n in names})


def _mixed_groups_after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted:
    if output != "do" and "gamma" not in problem.arrays:
        return predicted
    return Predicted(interleaved(predicted.array, predicted.labels, back=True), predicted.labels)


BY_AXIS: tuple[tuple[str, str, str, str, str, Callable[[int], int], int], ...] = (
    (
        "stride-not-dilated",
        "s",
        "the stride is left out",
        "Use the stride of both axes: dx[(p-m)/s, (q-n)/s].",
        "with the stride put in",
        lambda s: 1,
        5,
    ),
    (
        "dilation-ignored",
        "d",
        "the dilation is left out",
        "Read the input at s*i + d*m and s*j + d*n.",
        "with the dilation put in",
        lambda d: 1,
        5,
    ),
    (
        "padding-ignored",
        "p",
        "the padding is left out",
        "Pad and crop both axes: padded[p:p+H, p:p+W].",
        "with the padding put in",
        lambda p: 0,
        4,
    ),
    (
        "padding-off-by-one",
        "p",
        "the padding is one too small",
        "Crop exactly p rows and columns at the start.",
        "with the right padding",
        lambda p: p - 1,
        3,
    ),
    (
        "padding-off-by-one",
        "p",
        "the padding is one too large",
        "Crop exactly p rows and columns at the start.",
        "with the right padding",
        lambda p: p + 1,
        3,
    ),
)
MISTAKES = (
    Mistake(
        "stride-not-dilated",
        "in {output} the stride is left out: the delta is used as if its elements stood side by side",
        "Put s-1 zeros between the elements of the delta, that is: use dx[(p-m)/s] where s divides p-m, or o[s*i+m].",
        "with the stride put in",
        before=_integers("s", lambda s: 1),
        likelihood=8,
    ),
    Mistake(
        "stride-off-by-one",
        "in {output} the stride is one too large: s zeros stand between the elements of the delta and not s-1",
        "Put s-1 zeros between neighbours.",
        "with the right stride",
        before=_integers("s", lambda s: s + 1),
    ),
    Mistake(
        "stride-far-edge",
        "in {output} the last window along the rows or columns is left out (off by one at the far edge)",
        "Let i run to I-1 inclusive: I = (H + 2*p - M) // s + 1.",
        "with the last window left out in the right calculation, too,",
        outputs=("do", "dw"),
        before=_last_places((0,)),
        likelihood=6,
    ),
    Mistake(
        "stride-far-edge",
        "in {output} the last window along the columns is left out (off by one at the far edge)",
        "Let j run to J-1 inclusive: J = (W + 2*p - N) // s + 1.",
        "with the last window left out in the right calculation, too,",
        outputs=("do", "dw"),
        before=_last_places((1,)),
        likelihood=6,
    ),
    Mistake(
        "stride-far-edge",
        "in {output} the last windows along rows and columns are left out (off by one at the far edge)",
        "Let i run to I-1 and j to J-1 inclusive: I = (H + 2*p - M) // s + 1.",
        "with the last windows left out in the right calculation, too,",
        outputs=("do", "dw"),
        before=_last_places((0, 1)),
        likelihood=6,
    ),
    Mistake(
        "stride-far-edge",
        "the stride does not divide, and {output} is shifted by the rows or columns that are left over at the far edge",
        "The rows that no window reaches are at the end, and their gradient is 0: pad at the end, not at the start.",
        "after moving your {output} back",
        outputs=("do",),
        after=_shifted_by_rest,
        likelihood=6,
    ),
    Mistake(
        "stride-far-edge",
        "the stride does not divide, and {output} ends with the last window: the rows left over are missing",
        "Make {output} as large as the input; rows that no window reaches have gradient 0.",
        "with these rows left out,",
        outputs=("do",),
        after=_cut_by_rest,
        likelihood=6,
    ),
    Mistake(
        "stride-far-edge",
        "the stride does not divide, and {output} is 0 in as many last rows as are left over",
        "Crop the padding after the rows that are left over were added: output_padding in PyTorch.",
        "with zeros in these rows,",
        outputs=("do",),
        after=_zero_rest,
        likelihood=6,
    ),
    Mistake(
        "dilation-ignored",
        "in {output} the dilation is left out",
        "Read the input at s*i + d*m.",
        "with the dilation put in",
        before=_integers("d", lambda d: 1),
        likelihood=8,
    ),
    Mistake(
        "padding-wrong-side",
        "the padding of {output} is cropped on the wrong side: all at the end, none at the start",
        "Crop p rows on either side: padded[p:p+H], not padded[:H].",
        "with the padding cropped on the right side",
        outputs=("do",),
        before=_uncut(transposed=False),
        likelihood=7,
    ),
    Mistake(
        "padding-ignored",
        "in {output} the padding is left out: the delta is read at s*h+m and not at s*h+m-p",
        "Pad the delta by p on either side first: what the padding cuts off the result gets gradient 0.",
        "with the padding put in",
        outputs=("do", "dw"),
        before=_uncut(transposed=True),
        likelihood=7,
    ),
    Mistake(
        "padding-ignored",
        "in {output} the padding is left out: the input is read at s*i+m and not at s*i+m-p",
        "Pad the input by p on either side before {output} is computed.",
        "with the padding put in",
        outputs=("dw", "x"),
        before=_integers("p", lambda p: 0),
        likelihood=7,
    ),
    Mistake(
        "padding-wrong-side",
        "the padding of {output} is cropped on the wrong side: all at the start, none at the end",
        "Crop p rows on either side: padded[p:p+H], not padded[2*p:].",
        "with the padding cropped on the right side",
        before=_integers("p", lambda p: 2 * p),
    ),
    Mistake(
        "padding-not-cropped",
        "{output} is the gradient of the padded input: the padding is not cropped",
        "Return padded[p:p+H, p:p+W].",
        "after cropping your {output}",
        outputs=("do",),
        before=_uncropped,
        likelihood=7,
    ),
    Mistake(
        "padding-wrong-side",
        "in {output} the padding before and after is exchanged",
        "With 'same' padding the odd row goes at the end: before = total // 2.",
        "with the two sides exchanged back",
        before=_at_the_other_side,
        likelihood=6,
    ),
    Mistake(
        "axes-swapped",
        "in {output} the padding, stride or dilation of rows is used for columns, and the other way round",
        "Use the first number of each pair for rows.",
        "with the two numbers exchanged back",
        before=_by_axis_swapped,
    ),
    Mistake(
        "padding-off-by-one",
        "in {output} the padding is one too small",
        "Crop exactly p rows at the start.",
        "with the right padding",
        before=_integers("p", lambda p: p - 1),
        likelihood=4,
    ),
    Mistake(
        "padding-off-by-one",
        "in {output} the padding is one too large",
        "Crop exactly p rows at the start.",
        "with the right padding",
        before=_integers("p", lambda p: p + 1),
        likelihood=4,
    ),
    *(
        Mistake(
            name,
            f"in {{output}} {what} along the {lines} only",
            remedy,
            undone,
            before=_on_axis(letter, axis, change),
            likelihood=likelihood,
        )
        for name, letter, what, remedy, undone, change, likelihood in BY_AXIS
        for axis, lines in enumerate(("rows", "columns"))
    ),
    Mistake(
        "groups-ignored",
        "in {output} the groups are ignored: every group reads the channels of the first one",
        "Group g reads the channels g*C/G to (g+1)*C/G - 1.",
        "with each group reading its own channels",
        before=_first_group,
        likelihood=8,
    ),
    Mistake(
        "groups-ignored",
        "in {output} the groups are ignored: mean and variance are those of all channels",
        "Reshape to (N, G, C/G, H, W) and take mean and variance over all but the first two axes.",
        "with mean and variance by group",
        before=_one_group,
        likelihood=8,
    ),
    Mistake(
        "groups-interleaved",
        "in {output} the channels are dealt out to the groups in turn and not in blocks",
        "Group g reads the channels g*C/G to (g+1)*C/G - 1: reshape to (G, C/G), not (C/G, G).",
        "with the channels in blocks",
        before=_mixed_groups,
        after=_mixed_groups_after,
        likelihood=4,
    ),
)
