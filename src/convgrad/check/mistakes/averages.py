"""What goes wrong where a pooling takes the mean: the number of elements that it is divided by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convgrad.check.mistakes.base import Mistake
from convgrad.check.problems.problem import Problem
from convgrad.notation.terms import (
    Access,
    Call,
    Divide,
    Multiply,
    Number,
    Reduce,
    Term,
    rebuild,
    walk,
)


def _without_count(problem: Problem) -> Problem | None:
    """A sum where the mean is meant."""
    definitions = problem.recipe.equation.definitions
    if not any(_is_quotient(d.term, problem.wrt) or _is_mean(d.term) for d in definitions):
        return None
    if "w" in problem.arrays or problem.total or "mu" in problem.recipe.equation.defined:
        return None

    def change(term: Term) -> Term:
        if _is_mean(term) and isinstance(term, Reduce):
            return replace(term, kind="sum")
        return term.numerator if isinstance(term, Divide) and _is_quotient(term, problem.wrt) else term

    return problem.with_definitions(lambda d: replace(d, term=rebuild(d.term, change)))


def _is_quotient(term: Term, inputs: Sequence[str]) -> bool:
    """Divided by how many there are, and not by a sum, as softmax is, a root, as scores are, an input, or 2."""
    return (
        isinstance(term, Divide)
        and not isinstance(term.denominator, Number)
        and not any(
            isinstance(part, (Reduce, Call)) or (isinstance(part, Access) and part.tensor in inputs)
            for part in walk(term.denominator)
        )
    )


def _is_mean(term: Term) -> bool:
    return isinstance(term, Reduce) and term.kind == "mean"


def _whole_window(problem: Problem) -> Problem | None:
    """The mean over the whole window where part of it lies outside."""
    if "count" not in problem.recipe.equation.defined:
        return None

    def change(term: Term) -> Term:
        if isinstance(term, Divide) and isinstance(term.denominator, Access):
            window = (Access("M"), Access("N"))
            return Divide(term.numerator, Multiply(window))
        return term

    return problem.with_definitions(lambda d: replace(d, term=rebuild(d.term, change)))


MISTAKES = (
    Mistake(
        "average-without-1/n",
        "the average lacks its 1/n: {output} is that of a sum over the window",
        "Divide by the number of elements of the window.",
        "after dividing your {output} by n",
        before=_without_count,
        likelihood=9,
    ),
    Mistake(
        "average-counts-padding",
        "at the border {output} is divided by the whole window, the padding included",
        "Divide by the number of elements that lie in the image (PyTorch: count_include_pad=False).",
        "with the whole window counted,",
        before=_whole_window,
        likelihood=7,
    ),
)
