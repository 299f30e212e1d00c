"""What a normalization keeps of its forward pass, and its backward function gets: mean, variance, normalized numbers.

def backward(dout, xhat, inv_std, gamma)          xhat = (o - mean) * inv_std, inv_std = 1 / sqrt(variance + eps)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from convgrad.check.functions.layouts import groups, present
from convgrad.check.functions.signature import Leaf
from convgrad.check.functions.source import Source
from convgrad.check.functions.vocabulary import plain
from convgrad.check.mistakes.norms import is_normalization
from convgrad.check.problems.problem import Array, Problem
from convgrad.check.problems.subject import LayerSubject, Subject

MEAN, VARIANCE, DEVIATION, RATE = "mean", "variance", "sqrt(variance + eps)", "1/sqrt(variance + eps)"
CENTRED, NORMALIZED = "o - mean", "(o - mean)/sqrt(variance + eps)"
WITH_EPSILON, INVERSE = "variance + eps", "1/(variance + eps)"
STATISTICS = (MEAN, VARIANCE, DEVIATION, RATE, WITH_EPSILON, INVERSE)
"""One number for each mean that is taken."""
KEPT = (*STATISTICS, CENTRED, NORMALIZED)
NAMES = (
    (r"run|mov|averag|moment|axis|dim|shape|mode|^y|^grad|^d(?!if|e)", ""),
    (r"hat$|norm(ed|al\w*)?$|^norm|^xn$", NORMALIZED),
    (r"cent(er|re)|minusm|meansub|^[xz](mu|c|m|cen|dev)$|^(diff|demeaned|deviations?)$", CENTRED),
    (r"(inv|rec|^i|^r)\w*(std|var|sqrt|sigma|dev)|(std|var|sigma)inv|^rsqrt", RATE),
    (r"(var\w*|sigma2|v)(plus)?eps$", WITH_EPSILON),
    (r"sqrt", DEVIATION),
    (r"^sigma(2|sq\w*)|var", VARIANCE),
    (r"std|sigma|^sd$", DEVIATION),
    (r"^mu\d*$|^mu[bl]$|mean|mubatch|batchmu", MEAN),
)
"""Parts of names, the first that fits: what they stand for; nothing for those of moving averages and the like."""
ALSO = (("sigma", DEVIATION, VARIANCE), ("var", VARIANCE, WITH_EPSILON), ("var", RATE, INVERSE))
"""Names that some use for another one: a part, what it usually is, and what it may be."""
LARGEST = 1e-2
"""What is written as a number, and is no larger, may be an epsilon."""
MOST = 3
"""Epsilons of one function."""
NONE = 1e-30
"""An epsilon that is lost beside every variance."""


def statistic(names: Sequence[str], problem: Problem) -> str | None:
    """What a value of these names is, where the layer is a normalization.

    >>> [named_statistic(name) for name in ("invstd", "xmu", "x")]
    ['1/sqrt(variance + eps)', 'o - mean', '']
    """
    kinds = (named_statistic(name) for name in names) if is_normalization(problem) else ()
    return next((kind for kind in kinds if kind), None)


def named_statistic(name: str) -> str:
    """What a plain name stands for; nothing where it says nothing."""
    return next((kind for part, kind in NAMES if re.search(part, name)), "")


def other_kinds(roles: Sequence[tuple[Leaf, str]]) -> Iterator[tuple[tuple[Leaf, str], ...]]:
    """The same values, with those of a doubtful name as what they may be, too."""
    for part, usual, other in ALSO:
        doubtful = [role == usual and any(part in plain(n) for n in leaf.names) for leaf, role in roles]
        if any(doubtful):
            yield tuple((f, other if d else role) for (f, role), d in zip(roles, doubtful, strict=True))


def kept_value(role: str, problem: Problem) -> tuple[Array, tuple[str, ...]]:
    """What a forward pass keeps, by the layer's own equation, and the labels of its axes."""
    values, labels = problem.values(), _labels(problem)
    rate, variance = values["r"], values["v"]
    epsilon = problem.recipe.numbers["eps"]
    single = {
        MEAN: values["mu"],
        VARIANCE: variance,
        DEVIATION: np.reciprocal(rate),
        RATE: rate,
        WITH_EPSILON: variance + epsilon,
        INVERSE: np.reciprocal(variance + epsilon),
    }
    if role in single:
        return single[role], labels
    of = problem.labels[problem.of]
    normalized = without_scale(problem).values({problem.of})[problem.of]
    spread = present(rate, labels, " ".join(n if n in labels else "1" for n in of))
    return (normalized if role == NORMALIZED else normalized / spread), of


def without_scale(problem: Problem) -> Problem:
    """The normalized numbers alone: scale 1, shift 0."""
    alone = {"gamma": np.ones_like, "beta": np.zeros_like}
    return problem.with_arrays(**{n: make(problem.arrays[n]) for n, make in alone.items() if n in problem.arrays})


def _labels(problem: Problem) -> tuple[str, ...]:
    """The axes of a statistic."""
    indices = next(d.indices for d in problem.recipe.equation.definitions if d.name == "r")
    return (*(["batch"] if problem.values()["r"].ndim > len(indices) else []), *indices)


def statistic_forms(problem: Problem, image: str) -> list[str]:
    """How a statistic may be laid out beside an image: without the other axes, or with one of length one for each."""
    labels = _labels(problem)
    axes = groups(image, problem.labels[problem.of])
    kept = [[n for n in axis if n in labels] for axis in axes]
    short = " ".join(f"({' '.join(names)})" for names in kept if names)
    whole = " ".join(f"({' '.join(names)})" if names else "1" for names in kept)
    more = [f"{short} 1", f"{short} 1 1", f"{short} 1 1 1"] if "g" in labels else []
    return list(dict.fromkeys([short, whole, *more]))


def with_epsilons(subject: Subject, source: Source) -> list[Subject]:
    """A layer with each epsilon that the function writes as a number, where it gets a variance and no epsilon.

    It gets numbers that were made with one, and has to go on with the same; without any it takes the variance alone.
    """
    if not isinstance(subject, LayerSubject) or "epsilon" in subject.given:
        return [subject]
    written = [n for n in source.numbers if 0 < n <= LARGEST][:MOST] or [NONE]
    return [*(replace(subject, given={**subject.given, "epsilon": e}) for e in written), subject]
