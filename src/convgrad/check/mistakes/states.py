"""Mistakes in a step of a recurrent network: a way that the gradient does not go, a matrix that is not transposed."""

from __future__ import annotations

from collections.abc import Callable

from convgrad.check.mistakes.base import Before, Mistake
from convgrad.check.problems.problem import Problem
from convgrad.check.structures.base import listed
from convgrad.notation.terms import Access, Add, Call, Definition, Negate, Reduce, Term, rebuild, walk

WAYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("prev_h", ("z", "r", "g", "next_h")),
    ("prev_c", ("next_c",)),
    ("next_c", ("next_h",)),
    ("z", ("next_h",)),
    ("r", ("g",)),
    ("g", ("next_h", "next_c")),
    ("i", ("next_c",)),
    ("f", ("next_c",)),
    ("o", ("next_h",)),
)
"""Tensors, and what is made of them."""
MATRICES = ("Wh", "Uz", "Ur", "Ug")


def _edited(problem: Problem, change: Callable[[Definition], Term]) -> Problem | None:
    """With every definition's term changed; None where none is, or where it is no calculation of a course."""
    if not problem.origin.written:
        return None
    changed = {d.name: change(d) for d in problem.recipe.equation.definitions}
    if all(d.term == changed[d.name] for d in problem.recipe.equation.definitions):
        return None
    return problem.with_definitions(lambda d: Definition(d.name, d.indices, changed[d.name]))


def _closed(tensor: str, into: str) -> Before:
    """A tensor counts as given in what is made of it."""

    def stopped(term: Term) -> Term:
        return Call("stop", (term,)) if isinstance(term, Access) and term.tensor == tensor else term

    def before(problem: Problem) -> Problem | None:
        if into not in problem.recipe.equation.defined:
            return None
        return _edited(problem, lambda d: rebuild(d.term, stopped) if d.name == into else d.term)

    return before


def _not_transposed(matrices: tuple[str, ...]) -> Before:
    """The right values, with derivatives by the state that go through the matrices as they stand."""

    def before(problem: Problem) -> Problem | None:
        square = [n for n in matrices if n in problem.arrays and _is_square(problem, n)]

        def swapped(term: Term) -> Term:
            if isinstance(term, Access) and term.tensor in square:
                first, *between, last = term.positions
                turned = Access(term.tensor, (last, *between, first))
                return Call("stop", (turned,))
            return term

        def change(term: Term) -> Term:
            own = isinstance(term, Reduce) and {a.tensor for a in walk(term) if isinstance(a, Access)} & {*square}
            if not own:
                return term
            other = rebuild(term, swapped)
            return Add((Call("stop", (term,)), other, Negate(Call("stop", (other,)))))

        return _edited(problem, lambda d: rebuild(d.term, change)) if square else None

    return before


def _is_square(problem: Problem, name: str) -> bool:
    shape = problem.arrays[name].shape
    return len(shape) > 1 and shape[0] == shape[-1]


MISTAKES = (
    *(
        Mistake(
            "way-left-out",
            f"{{output}} lacks the way by which {tensor} goes straight into {into}",
            f"Add up over all the ways of {tensor}, and that is one of them: what hangs on it in several places has a "
            "gradient from each.",
            "with that way put in",
            before=_closed(tensor, into),
            likelihood=8,
        )
        for tensor, several in WAYS
        for into in several
    ),
    *(
        Mistake(
            "not-transposed",
            f"in {{output}} {listed([*matrices])} {'is' if len(matrices) == 1 else 'are'} not transposed",
            "The gradient goes back through the transpose: dh @ W.T where the step has h @ W.",
            "with the transpose in its place",
            outputs=("dprev_h",),
            before=_not_transposed(matrices),
            likelihood=7,
        )
        for matrices in (*((n,) for n in MATRICES), MATRICES[1:])
    ),
)
