"""The number that keeps the root of a normalization from 0: none or another one, a choice, or outside of the root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from convgrad.check.mistakes.base import Before, Mistake
from convgrad.check.mistakes.norms import in_statistic
from convgrad.check.problems.problem import Problem
from convgrad.notation.terms import Access, Add, Call, Divide, Multiply, Number, Power, Term, accesses

USUAL = (1e-5, 1e-8, 1e-6, 1e-7, 1e-3)
"""Those that people write; any other is told from the numbers."""
OF_EPSILON = ("epsilon", "epsilon-outside-root")
"""The mistakes of this file."""


def _with(problem: Problem, value: float) -> Problem:
    recipe = problem.recipe
    return replace(problem, recipe=replace(recipe, numbers={**recipe.numbers, "eps": value}))


def _another(value: float) -> Before:
    """Another number below the root."""
    return lambda problem: None if problem.recipe.numbers.get("eps", value) == value else _with(problem, value)


def _outside(held: bool) -> Before:
    """1 / (sqrt(v) + eps); `held`: with the derivative of 1 / sqrt(v + eps), as people write it."""

    def change(term: Term, problem: Problem) -> Term:
        variance = next((t for t in accesses(term) if t.tensor == "v"), None)
        if variance is None or not isinstance(term, Divide):
            return term
        root, epsilon = Call("sqrt", (variance,)), Access("eps")
        if not held:
            return Divide(term.numerator, Add((root, epsilon)))
        more = Add((Multiply((Number(2.0), epsilon, root)), Power(epsilon, 2)))
        return Divide(term.numerator, Call("sqrt", (Add((variance, Call("stop", (more,)))),)))

    return in_statistic("r", change)


def _own(value: float) -> Mistake:
    return Mistake(
        "epsilon",
        f"your epsilon is {value:g}, and not the layer's",
        f"Pass epsilon={value:g} if that is intended.",
        f"with epsilon {value:g}",
        before=_another(value),
        choice=True,
        likelihood=7,
    )


def _outside_mistake(held: bool) -> Mistake:
    return Mistake(
        "epsilon-outside-root",
        "in {output} epsilon is added to the root and not under it: sqrt(v) + eps",
        "Write 1 / np.sqrt(v + eps).",
        "with epsilon outside of the root in the right calculation, too,",
        before=_outside(held),
        likelihood=8 if held else 7,
    )


MISTAKES = (
    Mistake(
        "epsilon",
        "you have no epsilon, or one of 1e-12 at most, and the layer has a larger one",
        "Add the layer's, or pass epsilon=1e-12 if that is intended: where all numbers are alike the root is 0.",
        "without epsilon",
        before=_another(0.0),
        choice=True,
        likelihood=8,
    ),
    *map(_own, USUAL),
    *map(_outside_mistake, (True, False)),
)


@dataclass(frozen=True)
class OwnEpsilon:
    """A place where an epsilon stands whose value is told from the numbers. changed: the problem with a value there."""

    changed: Callable[[Problem, float], Problem]
    mistake: Callable[[float], Mistake]


def _outside_with(held: bool) -> OwnEpsilon:
    outside, usual = _outside(held), _outside_mistake(held)

    def changed(problem: Problem, value: float) -> Problem:
        return outside(_with(problem, value)) or problem

    def mistake(value: float) -> Mistake:
        cause = f"{usual.cause}; it is {value:g}"
        return replace(usual, cause=cause, before=lambda problem: outside(_with(problem, value)))

    return OwnEpsilon(changed, mistake)


OWN_EPSILON = (OwnEpsilon(_with, lambda value: replace(_own(value), likelihood=9)), *map(_outside_with, (True, False)))
"""The places; a value that explains every number of an output is surer than one of the table."""
