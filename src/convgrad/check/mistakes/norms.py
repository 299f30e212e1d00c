"""Mistakes of normalizations: a path of the gradient missing, epsilon outside of the root, other counts or factors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod

import numpy as np

from convgrad.check.mistakes.base import After, Array, Before, Mistake, Predicted
from convgrad.check.problems.problem import Problem
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Definition,
    Multiply,
    Negate,
    Number,
    Reduce,
    Term,
    rebuild,
)

STATISTICS = ("mu", "v", "r")
"""Mean, variance, and one over the root of the variance, as the equations of normalizations call them."""


def is_normalization(problem: Problem) -> bool:
    """Whether the layer's equation takes a mean, a variance and a root."""
    return set(STATISTICS) <= set(problem.recipe.equation.defined)


def _in_result(change: Callable[[Term], Term]) -> Before:
    """The equation of the normalized numbers changed."""

    def before(problem: Problem) -> Problem | None:
        if not is_normalization(problem):
            return None

        def edited(d: Definition) -> Definition:
            return replace(d, term=rebuild(d.term, change)) if d.name == problem.of else d

        return problem.with_definitions(edited)

    return before


def in_statistic(name: str, change: Callable[[Term, Problem], Term]) -> Before:
    """The definition of one statistic changed."""

    def before(problem: Problem) -> Problem | None:
        if not is_normalization(problem):
            return None

        def edited(d: Definition) -> Definition:
            return replace(d, term=change(d.term, problem)) if d.name == name else d

        return problem.with_definitions(edited)

    return before


def _stopped(*names: str) -> Before:
    """These statistics held constant."""
    return _in_result(lambda t: Call("stop", (t,)) if isinstance(t, Access) and t.tensor in names else t)


def _left_out(names: Mapping[str, float]) -> Before:
    """In the normalized numbers, a number in place of these tensors."""
    return _in_result(lambda t: Number(names[t.tensor]) if isinstance(t, Access) and t.tensor in names else t)


def _without_scale(problem: Problem) -> Problem | None:
    """As if gamma were 1."""
    if not is_normalization(problem) or "gamma" not in problem.arrays:
        return None
    return problem.with_arrays(gamma=np.ones_like(problem.arrays["gamma"]))


def _count(problem: Problem) -> int | None:
    """How many numbers the mean is taken of."""
    mean = next((d for d in problem.bound.definitions if d.name == "mu"), None)
    term = None if mean is None else mean.term
    return prod(mean.sizes[i] for i in term.indices) if mean is not None and isinstance(term, Reduce) else None


def _one_less(held: bool) -> Before:
    """N-1 for N in the variance; `held`: in its value only, not in its derivative."""

    def change(term: Term, problem: Problem) -> Term:
        count = _count(problem)
        if count is None or count < 2:
            return term
        more = Multiply((term, Number(1 / (count - 1))))
        return Add((term, Call("stop", (more,)) if held else more))

    return in_statistic("v", change)


def _summed(*names: str) -> Before:
    """The right values of mean or variance, with derivatives that lack the 1/N."""

    def before(problem: Problem) -> Problem | None:
        if not is_normalization(problem):
            return None

        def edited(d: Definition) -> Definition:
            if d.name not in names or not isinstance(d.term, Reduce) or d.term.kind != "mean":
                return d
            total = replace(d.term, kind="sum")
            return replace(d, term=Add((total, Call("stop", (Add((d.term, Negate(total))),)))))

        return problem.with_definitions(edited)

    return before


def _without_root(problem: Problem) -> Problem | None:
    """1 / (v + eps)."""

    def change(term: Term) -> Term:
        return term.arguments[0] if isinstance(term, Call) and term.function == "sqrt" else term

    return in_statistic("r", lambda term, _: rebuild(term, change))(problem)


def _scaled(power: int) -> After:
    """The right output times a power of 1/sqrt(v + eps)."""

    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        if not is_normalization(problem):
            return None
        own = next(d.indices for d in problem.bound.definitions if d.name == "r")
        indices = next((d.indices for d in problem.adjoint.backward.definitions if d.name == output), ())
        if not set(own) <= set(indices) or len(own) == len(indices):
            return None
        at = [slice(None) if i in own else np.newaxis for i in indices]
        order = [own.index(i) for i in indices if i in own]
        factor = values["r"].transpose(order)[tuple(at)] ** power
        return Predicted(predicted.array * factor, predicted.labels)

    return after


_FORMULA = "dx = r/N * (N*dxhat - dxhat.sum(0) - xhat*(dxhat*xhat).sum(0)), with dxhat = dout * gamma."
MISTAKES = (
    Mistake(
        "path-missing",
        "in {output} the path through the variance is missing: the root is treated as a constant",
        f"Add the term with xhat: {_FORMULA}",
        "with the root held constant in the right calculation, too,",
        outputs=("do",),
        before=_stopped("r"),
        likelihood=7,
    ),
    Mistake(
        "path-missing",
        "in {output} the path through the mean is missing: the mean is treated as a constant",
        f"Add the term without xhat: {_FORMULA}",
        "with the mean held constant in the right calculation, too,",
        outputs=("do",),
        before=_stopped("mu"),
        likelihood=7,
    ),
    *(
        Mistake(
            "count-less-one",
            "in {output} the variance is divided by N-1 and not by N",
            "Write x.var(axis), without ddof=1: normalizations divide by N.",
            "with N-1 in the right calculation, too,",
            before=_one_less(held),
            likelihood=likelihood,
        )
        for held, likelihood in ((True, 7), (False, 6))
    ),
    *(
        Mistake(
            "mean-without-1/n",
            f"in {{output}} the gradient {words} lacks its 1/N: a sum stands where a mean is meant",
            f"Divide by the number of elements: {_FORMULA}",
            "without 1/N in the right calculation, too,",
            outputs=("do",),
            before=_summed(*names),
            likelihood=likelihood,
        )
        for names, words, likelihood in (
            (("mu", "v"), "through mean and variance", 7),
            (("mu",), "through the mean", 6),
            (("v",), "through the variance", 6),
        )
    ),
    Mistake(
        "scale-missing",
        "in {output} the factor gamma is missing",
        "Begin with dxhat = dout * gamma; forward it is gamma * xhat + beta.",
        "with gamma left out of the right calculation, too,",
        outputs=("do", "x"),
        before=_without_scale,
        likelihood=7,
    ),
    Mistake(
        "not-normalized",
        "in {output} the input itself is used, where it should be centred and divided by the root",
        "Multiply by xhat = (x - mean) / sqrt(v + eps).",
        "with the input in place of xhat,",
        outputs=("dgamma", "x"),
        before=_left_out({"mu": 0.0, "r": 1.0}),
        likelihood=7,
    ),
    Mistake(
        "not-normalized",
        "in {output} the centred input is used, without the division by the root",
        "Multiply by xhat = (x - mean) / sqrt(v + eps).",
        "without the division in the right calculation, too,",
        outputs=("dgamma", "x"),
        before=_left_out({"r": 1.0}),
        likelihood=7,
    ),
    Mistake(
        "not-normalized",
        "in {output} the mean is not taken off",
        "Multiply by xhat = (x - mean) / sqrt(v + eps).",
        "without the mean in the right calculation, too,",
        outputs=("dgamma", "x"),
        before=_left_out({"mu": 0.0}),
        likelihood=6,
    ),
    Mistake(
        "root-missing",
        "in {output} it is divided by v + eps, and not by the root of that",
        "Write 1 / np.sqrt(v + eps).",
        "without the root in the right calculation, too,",
        outputs=("x", "dgamma"),
        before=_without_root,
        likelihood=7,
    ),
    Mistake(
        "root-missing",
        "in {output} the factor 1/sqrt(v + eps) is missing",
        f"Multiply by it at the end: {_FORMULA}",
        "without that factor in the right calculation, too,",
        outputs=("do",),
        after=_scaled(-1),
        likelihood=7,
    ),
    Mistake(
        "root-missing",
        "{output} is divided by the root twice: by the variance",
        f"Divide by it once: {_FORMULA}",
        "with the second division in the right calculation, too,",
        outputs=("do", "dgamma"),
        after=_scaled(1),
        likelihood=6,
    ),
)
