"""A small number beside a probability, which keeps a logarithm or a quotient from 0: a choice, and no mistake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from convgrad.check.mistakes.base import After, Array, Before, Mistake, Predicted
from convgrad.check.problems.probabilities import loss_of_logits, of_probabilities
from convgrad.check.problems.problem import Problem
from convgrad.notation.terms import Add, Call, Number, Term, rebuild

VALUES = (1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-6, 1e-5, 1e-11)
"""Small numbers that people write. A greater one changes the loss; one that is smaller is lost in the rounding."""


def _inside(value: float) -> Before:
    """log(p + value) for each log(p)."""

    def change(term: Term) -> Term:
        if isinstance(term, Call) and term.function == "log":
            return replace(term, arguments=(Add((term.arguments[0], Number(value))),))
        return term

    def before(problem: Problem) -> Problem | None:
        changed = of_probabilities(problem)
        if changed is None:
            return None
        return changed.with_definitions(lambda d: replace(d, term=rebuild(d.term, change)))

    return before


def _below(value: float) -> After:
    """A quotient by p*(1-p) + value."""

    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        if loss_of_logits(problem) is not None or "1 - y[" not in str(problem.recipe.equation) or output != "dy":
            return None
        variance = problem.arrays["y"] * (1 - problem.arrays["y"])
        return Predicted(predicted.array * variance / (variance + value), predicted.labels)

    return after


MISTAKES = tuple(
    mistake
    for value in VALUES
    for mistake in (
        Mistake(
            "epsilon-in-log",
            f"{{output}} has another epsilon: the logarithm is taken of p + {value:g}; here it is taken of p",
            "Subtract the greatest logit before the exponential, and none is needed.",
            f"with {value:g} added in the logarithm",
            before=_inside(value),
            choice=True,
            likelihood=7,
        ),
        Mistake(
            "epsilon-below",
            f"{{output}} is divided by p*(1-p) + {value:g}; here by p*(1-p)",
            "From the logits it is p - t, which divides by nothing.",
            f"with {value:g} added below",
            outputs=("dy",),
            after=_below(value),
            choice=True,
            likelihood=8,
        ),
    )
)
