"""Mistakes of pooling: which element of a window the gradient goes to, and the mean's 1/n."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, prod

import numpy as np

from convgrad.calculus.derive import Adjoint, place_name
from convgrad.check.mistakes.base import After, Array, Before, Mistake, Predicted
from convgrad.check.problems.problem import Problem
from convgrad.compute.oracle.grid import evaluate
from convgrad.notation import polynomial
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Call,
    Compare,
    Definition,
    Divide,
    Equation,
    IndexValue,
    Multiply,
    Number,
    Reduce,
    Term,
    accesses,
    rebuild,
    substitute_indices,
)


def _maximum(problem: Problem) -> Reduce | None:
    term = problem.recipe.equation.result.term
    return term if isinstance(term, Reduce) and term.kind == "max" else None


def _kind(kind: str) -> Before:
    """Another reduction in place of the maximum."""

    def before(problem: Problem) -> Problem | None:
        if _maximum(problem) is None:
            return None

        def change(term: Term) -> Term:
            if isinstance(term, Access):
                return replace(term, outside=0.0)
            return replace(term, kind=kind) if isinstance(term, Reduce) else term

        return problem.with_definitions(lambda d: replace(d, term=rebuild(d.term, change)))

    return before


def _edited(edit: Callable[[Adjoint, Problem], Adjoint]) -> Before:
    def before(problem: Problem) -> Problem | None:
        return None if _maximum(problem) is None else replace(problem, edits=(*problem.edits, edit))

    return before


def _all_ties(problem: Problem) -> Problem | None:
    """Where the maximum is one of a tensor's own elements."""
    window = _maximum(problem)
    return _edited(_to_all_ties)(problem) if window is not None and isinstance(window.body, Access) else None


def _losers_of_ties(problem: Problem) -> Problem | None:
    """Where the maximum is one of a tensor's own elements."""
    window = _maximum(problem)
    own = window is not None and isinstance(window.body, Access)
    return _edited(_below_the_greatest)(problem) if own else None


def _each(equation: Equation, change: Callable[[Definition], Definition]) -> Equation:
    return replace(equation, definitions=tuple(change(d) for d in equation.definitions))


def _to_all_ties(adjoint: Adjoint, problem: Problem) -> Adjoint:
    """`x_arg[..] == place` becomes `x[..] == o[here]`."""
    window = problem.bound.result.term
    assert isinstance(window, Reduce)
    assert isinstance(window.body, Access)
    pooled = window.body.tensor

    def edited(definition: Definition) -> Definition:
        here = Access(pooled, tuple(Position.name(i) for i in definition.indices))

        def change(term: Term) -> Term:
            if isinstance(term, Compare) and isinstance(term.left, Access):
                greatest = replace(term.left, tensor=problem.of, outside=float("inf"))
                return replace(term, left=greatest, right=here)
            return term

        return replace(definition, term=rebuild(definition.term, change))

    shapes = {**dict(problem.bound.shapes), **dict(adjoint.backward.shapes)}
    backward = replace(_each(adjoint.backward, edited), shapes=tuple(shapes.items()))
    return replace(adjoint, backward=backward)


def _to_shares(adjoint: Adjoint, problem: Problem) -> Adjoint:
    """What each of several greatest elements gets, divided by how many there are."""
    result = problem.bound.result
    assert isinstance(result.term, Reduce)
    count = f"{problem.of}_ties"
    greatest = Access(problem.of, tuple(Position.name(i) for i in result.indices))
    one = Call("where", (Compare("==", result.term.body, greatest), Number(1.0), Number(0.0)))
    ties = replace(result, name=count, term=replace(result.term, kind="sum", body=one))
    found = _to_all_ties(adjoint, problem)

    def change(term: Term) -> Term:
        if isinstance(term, Access) and term.tensor == problem.upstream:
            return Divide(term, replace(term, tensor=count, outside=1.0))
        return term

    shapes = {count: problem.bound.shape_of[problem.of]}
    forward = replace(
        found.forward,
        definitions=(*found.forward.definitions, ties),
        shapes=tuple({**dict(found.forward.shapes), **shapes}.items()),
    )
    backward = _each(found.backward, lambda d: replace(d, term=rebuild(d.term, change)))
    return replace(
        found,
        forward=forward,
        backward=replace(backward, shapes=tuple({**dict(backward.shapes), **shapes}.items())),
    )


def _shared(problem: Problem) -> Problem | None:
    window = _maximum(problem)
    return _edited(_to_shares)(problem) if window is not None and isinstance(window.body, Access) else None


def _zeros_outside(problem: Problem) -> Problem | None:
    """0 where the padding has to be less than everything."""
    if _maximum(problem) is None or not any(a.outside == -inf for a in accesses(problem.recipe.equation.result.term)):
        return None

    def change(term: Term) -> Term:
        return replace(term, outside=0.0) if isinstance(term, Access) and term.outside == -inf else term

    return problem.with_definitions(lambda d: replace(d, term=rebuild(d.term, change)))


def _scattered(row: Callable[[Array, int, int], Array], column: Callable[[Array, int, int], Array]) -> After:
    """Given to the row and column of the image that are made of the place in the window, outside of the window, too."""

    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        window, places = problem.origin.window, values.get(place_name(problem.of))
        if _maximum(problem) is None or window is None or len(window.kernel) != 2 or places is None or output != "do":
            return None
        if problem.labels["o"] != ("batch", "h", "v", "c"):
            return None
        pads = window.pad(problem.origin.image)
        _, rows, columns, _ = places.shape
        size = window.kernel
        arrays = {
            "P": row(places, *size) + (window.strides[0] * np.arange(rows) - pads[0][0])[:, None, None],
            "Q": column(places, *size) + (window.strides[1] * np.arange(columns) - pads[1][0])[:, None],
            "d": problem.arrays[problem.upstream],
        }
        text = "a[e,h,v,c] = sum[i,j](where(P[e,i,j,c] == h, where(Q[e,i,j,c] == v, d[e,i,j,c], 0), 0))"
        _, height, width, _ = predicted.array.shape
        equation = bind(parse(text), {n: a.shape for n, a in arrays.items()}, {"H": height, "V": width})
        return Predicted(evaluate(equation, arrays)["a"], predicted.labels)

    return after


def _place(change_place: Callable[[dict[str, int], tuple[str, ...]], Polynomial]) -> Before:
    """The place of the greatest compared with another number than its own."""

    def edit(adjoint: Adjoint, problem: Problem) -> Adjoint:
        window = problem.bound.result.term
        assert isinstance(window, Reduce)

        def edited(definition: Definition) -> Definition:
            def change(term: Term) -> Term:
                if isinstance(term, Compare) and isinstance(term.left, Access):
                    return replace(term, right=IndexValue(change_place(definition.sizes, window.indices)))
                return term

            return replace(definition, term=rebuild(definition.term, change))

        return replace(adjoint, backward=_each(adjoint.backward, edited))

    return _edited(edit)


def _row_major(sizes: dict[str, int], window: tuple[str, ...]) -> Polynomial:
    """`N*m + n`, the place in a window."""
    return Polynomial.of([((i,), prod(sizes[j] for j in window[n + 1 :])) for n, i in enumerate(window)])


def _column_major(sizes: dict[str, int], window: tuple[str, ...]) -> Polynomial:
    """`m + M*n` where the place is `N*m + n`."""
    return _row_major(sizes, window[::-1])


def _mirrored(sizes: dict[str, int], window: tuple[str, ...]) -> Polynomial:
    """Counted from the window's end."""
    return Polynomial.constant(prod(sizes[i] for i in window) - 1) - _row_major(sizes, window)


def _next(sizes: dict[str, int], window: tuple[str, ...]) -> Polynomial:
    return _row_major(sizes, window) - polynomial.ONE


def _first(adjoint: Adjoint, problem: Problem) -> Adjoint:
    """The window's first place, whatever it holds."""

    def edited(definition: Definition) -> Definition:
        def change(term: Term) -> Term:
            if isinstance(term, Compare) and isinstance(term.left, Access) and isinstance(term.right, IndexValue):
                return replace(term, left=replace(term.left, tensor=problem.of + "_first"))
            return term

        return replace(definition, term=rebuild(definition.term, change))

    place = next(d for d in adjoint.forward.definitions if d.name == place_name(problem.of))
    zero = Multiply((Number(0.0), replace(problem.bound.result, name=place.name).term))
    first = replace(place, name=problem.of + "_first", term=zero)
    shapes = {first.name: problem.bound.shape_of[problem.of]}
    forward = replace(
        adjoint.forward,
        definitions=(*adjoint.forward.definitions, first),
        shapes=tuple({**dict(adjoint.forward.shapes), **shapes}.items()),
    )
    backward = _each(adjoint.backward, edited)
    backward = replace(backward, shapes=tuple({**dict(backward.shapes), **shapes}.items()))
    return replace(adjoint, forward=forward, backward=backward)


def _least(adjoint: Adjoint, problem: Problem) -> Adjoint:
    """The place of the smallest."""

    def edited(definition: Definition) -> Definition:
        if definition.name != place_name(problem.of) or not isinstance(definition.term, Reduce):
            return definition
        return replace(definition, term=replace(definition.term, kind="argmin"))

    return replace(adjoint, forward=_each(adjoint.forward, edited))


def _losers(adjoint: Adjoint, problem: Problem) -> Adjoint:
    """All elements of a window but the greatest one."""

    def change(term: Term) -> Term:
        if isinstance(term, Call) and term.function == "where" and isinstance(term.arguments[0], Compare):
            condition, winner, other = term.arguments
            return replace(term, arguments=(condition, other, winner))
        return term

    return replace(adjoint, backward=_each(adjoint.backward, lambda d: replace(d, term=rebuild(d.term, change))))


def _below_the_greatest(adjoint: Adjoint, problem: Problem) -> Adjoint:
    """All that are less than the greatest one."""
    return _losers(_to_all_ties(adjoint, problem), problem)


def _last(adjoint: Adjoint, problem: Problem) -> Adjoint:
    """The last of equal values: the search runs through the window backwards."""
    window = problem.bound.result.term
    assert isinstance(window, Reduce)

    def searched(definition: Definition) -> Definition:
        if definition.name != place_name(problem.of) or not isinstance(definition.term, Reduce):
            return definition
        sizes = definition.sizes
        back = {i: Position(Polynomial.constant(sizes[i] - 1) - Polynomial.name(i)) for i in definition.term.indices}
        return replace(definition, term=replace(definition.term, body=substitute_indices(definition.term.body, back)))

    def compared(definition: Definition) -> Definition:
        def change(term: Term) -> Term:
            if isinstance(term, Compare) and isinstance(term.left, Access):
                return replace(term, right=IndexValue(_mirrored(definition.sizes, window.indices)))
            return term

        return replace(definition, term=rebuild(definition.term, change))

    return replace(adjoint, forward=_each(adjoint.forward, searched), backward=_each(adjoint.backward, compared))


_POSITION = "in {output} the gradient goes to the wrong position of the window"
_REMEDY = "Remember the position of the greatest value: index N*m + n, back by divmod(index, N) (row, column)."
MISTAKES = (
    Mistake(
        "pool-spread",
        "the gradient of max pooling is spread evenly over the window, as if it were average pooling",
        "Give all of it to the greatest value of the window.",
        "with a mean in place of the maximum,",
        outputs=("do",),
        before=_kind("mean"),
        likelihood=9,
    ),
    Mistake(
        "pool-spread",
        "the gradient of max pooling is given in full to every element of the window",
        "Give it to the greatest value of the window alone.",
        "with a sum in place of the maximum,",
        outputs=("do",),
        before=_kind("sum"),
        likelihood=9,
    ),
    Mistake(
        "pool-all-ties",
        "where several elements of a window are greatest, each gets the whole gradient; here the first does. It is the "
        "derivative wherever there is one; at a tie more goes back than came, which no rule of derivatives gives",
        "Choose one of them, by argmax, or divide by their number: `window == window.max()` is true for all of them, "
        "often so after a ReLU, where many are 0.",
        "with every greatest element getting the gradient,",
        outputs=("do",),
        before=_all_ties,
        choice=True,
        likelihood=8,
    ),
    Mistake(
        "pool-last-tie",
        "of several greatest elements the last gets the gradient; here the first does, as with argmax",
        "Compare by > and not by >= when you search, if you want the same convention.",
        "with the last of equal elements,",
        outputs=("do",),
        before=_edited(_last),
        choice=True,
        likelihood=7,
    ),
    Mistake(
        "pool-wrong-position",
        _POSITION + ": row and column of the greatest value are swapped",
        _REMEDY,
        "with row and column swapped,",
        outputs=("do",),
        before=_place(_column_major),
        likelihood=6,
    ),
    Mistake(
        "pool-wrong-position",
        _POSITION + ": counted from the window's end",
        _REMEDY,
        "with the position counted from the end,",
        outputs=("do",),
        before=_place(_mirrored),
        likelihood=6,
    ),
    Mistake(
        "pool-wrong-position",
        _POSITION + ": one further than the greatest value",
        _REMEDY,
        "with the position moved by one,",
        outputs=("do",),
        before=_place(_next),
        likelihood=6,
    ),
    Mistake(
        "pool-wrong-position",
        _POSITION + ": to the smallest value",
        "Search for the greatest value of the window.",
        "with the smallest value in place of the greatest,",
        outputs=("do",),
        before=_edited(_least),
        likelihood=6,
    ),
    Mistake(
        "pool-wrong-position",
        _POSITION + ": always to its first",
        "Search for the greatest value of each window, and add its row and column to where the window begins.",
        "with the first place of each window,",
        outputs=("do",),
        before=_edited(_first),
        likelihood=6,
    ),
    *(
        Mistake(
            "pool-mask-inverted",
            f"the mask of {{output}} is inverted: {words} gets the gradient, and the greatest none",
            "Give it to the greatest value of the window alone: window == window.max().",
            "with the mask inverted in the right calculation, too,",
            outputs=("do",),
            before=before,
            likelihood=7,
        )
        for words, before in (
            ("every other element of a window", _edited(_losers)),
            ("whatever is less than the greatest of a window", _losers_of_ties),
        )
    ),
    *(
        Mistake(
            "pool-of-another-kind",
            f"{{output}} is {words}",
            "Take the maximum: window.max().",
            "with the same in place of the maximum,",
            outputs=("x",),
            before=_kind(kind),
            likelihood=8,
        )
        for kind, words in (("mean", "the mean of each window, and not its maximum"), ("sum", "the sum of each window"))
    ),
    Mistake(
        "pool-ties-shared",
        "where several elements of a window are greatest, they share the gradient; here the first gets all of it",
        "Choose one of them, by argmax, if you want the same convention.",
        "with the gradient shared among equal elements,",
        outputs=("do",),
        before=_shared,
        choice=True,
        likelihood=7,
    ),
    Mistake(
        "pool-index-by-rows",
        "in {output} the index of the greatest element is divided by the window's rows, and not by its columns",
        _REMEDY,
        "with the index divided by rows in the right calculation, too,",
        outputs=("do",),
        after=_scattered(lambda p, m, n: p // m, lambda p, m, n: p % m),
        anew=True,
        likelihood=7,
    ),
    Mistake(
        "pool-wrong-position",
        _POSITION + ": row and column of its index are exchanged",
        _REMEDY,
        "with the two exchanged,",
        outputs=("do",),
        after=_scattered(lambda p, m, n: p % n, lambda p, m, n: p // n),
        anew=True,
        likelihood=6,
    ),
    Mistake(
        "pool-padded-with-zeros",
        "in {output} the image is padded with zeros for the maximum, so that they win against negative values",
        "Pad with -np.inf.",
        "with zeros around in the right calculation, too,",
        before=_zeros_outside,
        likelihood=7,
    ),
)
