"""Mistakes of p - t: the target added, put in another place or taken off everywhere, and no probabilities at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from convgrad.check.mistakes.base import After, Array, Mistake, Predicted
from convgrad.check.mistakes.functions import without_target
from convgrad.check.problems.problem import Problem


def _of_parts(wrong: Callable[[Array, Array, Array], Array]) -> After:
    """Made of the logits y, of s*p and of s*t, where the gradient is s * (p - t)."""

    def after(predicted: Predicted, output: str, problem: Problem, values: Mapping[str, Array]) -> Predicted | None:
        changed = without_target(problem) if output == "dy" else None
        if changed is None or "exp" not in str(problem.recipe.equation):
            return None
        scaled = changed.values({"dy"})["dy"]
        logits = problem.arrays["y"]
        if scaled.shape != predicted.array.shape or logits.ndim != 2:
            return None
        return Predicted(wrong(logits, scaled, scaled - predicted.array), predicted.labels)

    return after


def _scale(scaled: Array) -> Array:
    """s, since p adds up to 1."""
    return np.asarray(scaled.sum(axis=-1, keepdims=True))


def _not_divided(logits: Array, scaled: Array, target: Array) -> Array:
    return np.asarray(_scale(scaled) * np.exp(logits - logits.max(axis=-1, keepdims=True)) - target)


WAYS: tuple[tuple[str, str, str, Callable[[Array, Array, Array], Array], int], ...] = (
    ("target-added", "the target is added, and not subtracted", "with p + t", lambda y, p, t: p + t, 8),
    (
        "target-for-all",
        "1 is subtracted for every class, and not for the right one only",
        "with p - 1",
        lambda y, p, t: p - _scale(p),
        6,
    ),
    (
        "target-alone",
        "the right class has -1 in place of p - 1: it is set, and not subtracted from",
        "with -1 for the right class",
        lambda y, p, t: np.where(np.abs(t) > 1e-9 * _scale(p), -t, p),
        6,
    ),
    (
        "target-in-every-row",
        "1 is subtracted in every row at the classes of all examples, as p[:, y] -= 1 does",
        "with 1 subtracted there",
        lambda y, p, t: p - _scale(p) * (np.abs(t) > 1e-9 * _scale(p)).any(axis=0),
        7,
    ),
    (
        "target-not-divided",
        "the target is not divided by the number of examples, as the probabilities are",
        "with that target",
        lambda y, p, t: p - t * len(y),
        6,
    ),
    (
        "softmax-missing",
        "the logits themselves stand where their softmax belongs: y - t",
        "with y - t",
        lambda y, p, t: _scale(p) * y - t,
        7,
    ),
    ("softmax-not-divided", "exp(y) is not divided by its sum over the classes", "with exp(y) - t", _not_divided, 6),
)
MISTAKES = tuple(
    Mistake(
        name,
        f"in {{output}} {words}",
        "The gradient of the logits is p - t, with p = softmax(y).",
        f"{undone} in the right calculation, too,",
        outputs=("dy",),
        after=_of_parts(wrong),
        anew=True,
        likelihood=likelihood,
    )
    for name, words, undone, wrong, likelihood in WAYS
)
