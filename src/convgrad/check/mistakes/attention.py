"""Mistakes of attention, and of the softmax of several numbers within a larger calculation."""

from __future__ import annotations

from dataclasses import replace

from convgrad.check.mistakes.base import Before, Mistake
from convgrad.check.problems.problem import Problem
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Definition

OF = {"Q", "K", "V"}
"""What attention is of."""


def _with(*texts: str) -> Before:
    """Attention with these definitions in place of its own."""
    others = {d.name: d for text in texts for d in parse(text).definitions}

    def before(problem: Problem) -> Problem | None:
        if not problem.origin.written or not {*problem.wrt} >= OF:
            return None

        def change(definition: Definition) -> Definition:
            other = others.get(definition.name)
            return definition if other is None else replace(definition, term=other.term)

        return problem.with_definitions(change)

    return before


_SCORES = "s[n,i,j] = sum[d](Q[n,i,d] * K[n,j,d])"
MISTAKES = (
    Mistake(
        "scale-missing",
        "the products of queries and keys are not divided by the root of how many features they have",
        "Write Q @ K.T / np.sqrt(d), and divide on the way back, too.",
        "with the division left out of the right calculation, too,",
        before=_with(_SCORES),
        whole=True,
        likelihood=9,
    ),
    Mistake(
        "scale-of-another-kind",
        "the products of queries and keys are divided by how many features they have, and not by the root of that",
        "Divide by np.sqrt(d).",
        "with the same division in the right calculation, too,",
        before=_with(f"{_SCORES} / D"),
        whole=True,
        likelihood=8,
    ),
    Mistake(
        "softmax-over-wrong-axis",
        "in {output} the softmax of the scores is taken over the queries, and not over the keys",
        "Take it over the last axis: each query's weights add up to 1.",
        "with the same in the right calculation, too,",
        before=_with("P[n,i,j] = exp(s[n,i,j]) / sum[l](exp(s[n,l,j]))"),
        likelihood=8,
    ),
    Mistake(
        "softmax-diagonal",
        "in {output} the derivative of the softmax is p * (1 - p), its diagonal alone: each score changes all weights "
        "of its query",
        "Write ds = p * (dp - (dp * p).sum(-1, keepdims=True)).",
        "with the diagonal alone,",
        before=_with(
            "P[n,i,j] = exp(s[n,i,j]) / sum[l](where(l == j, exp(s[n,i,l]), stop(exp(s[n,i,l]))))",
        ),
        likelihood=8,
    ),
    Mistake(
        "softmax-sum-missing",
        "in {output} the derivative of the softmax lacks the sum that all weights of a query are divided by",
        "Write ds = p * (dp - (dp * p).sum(-1, keepdims=True)).",
        "with the sum held constant in the right calculation, too,",
        before=_with("P[n,i,j] = exp(s[n,i,j]) / stop(sum[l](exp(s[n,i,l])))"),
        likelihood=8,
    ),
    Mistake(
        "softmax-left-out",
        "in {output} the derivative of the softmax is missing: what comes back to the weights goes on to the scores",
        "Write ds = p * (dp - (dp * p).sum(-1, keepdims=True)).",
        "with the softmax passed over on the way back,",
        before=_with("P[n,i,j] = stop(exp(s[n,i,j]) / sum[l](exp(s[n,i,l])) - s[n,i,j]) + s[n,i,j]"),
        likelihood=8,
    ),
)
