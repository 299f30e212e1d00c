"""What a class has of its own: the learning rate in its code, told from how its parameters change, and weights that
each forward pass makes anew.

The rate is the factor between the changes and the right gradients; where a mistake is in one, that of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.convention import Convention
from convgrad.check.functions.layouts import taken_back
from convgrad.check.problems.problem import Problem
from convgrad.check.submissions.answers import Outcome, Trouble

AnyArray = npt.NDArray[Any]
CONSTANT = 1e-6
"""How far changes may be off a multiple of the right gradient; with a rate of 0.001 they keep that many digits."""


def with_own_rate(
    outcome: Outcome, roles: Mapping[str, AnyArray], expected: Mapping[str, AnyArray]
) -> tuple[Outcome, dict[str, AnyArray]]:
    """The outcome with the rate that fits, and the results divided by it; as they are where none fits."""
    how = outcome.how
    if how is None or how.rate or not how.recovered:
        return outcome, dict(roles)
    rates = [r for n in how.recovered if n in roles and (r := _rate(roles[n], expected[n])) is not None]
    if not rates:
        return outcome, dict(roles)
    divided = {n: a / rates[0] if n in how.recovered else a for n, a in roles.items()}
    return replace(outcome, how=replace(how, rate=rates[0], own=True)), divided


def with_own_weights(convention: Convention, problem: Problem, outcome: Outcome) -> tuple[Problem, Outcome]:
    """The problem with the weights that the object has made itself, which come back beside the results."""
    own = {k[1:]: a for k, a in zip(outcome.keys, outcome.arrays, strict=True) if k is not None and k.startswith("=")}
    if not own:
        return problem, outcome
    rest = [(k, a) for k, a in zip(outcome.keys, outcome.arrays, strict=True) if k is None or not k.startswith("=")]
    outcome = replace(outcome, keys=tuple(k for k, _ in rest), arrays=tuple(a for _, a in rest))
    arrays = {}
    for name, array in own.items():
        right = problem.arrays.get(name)
        if right is None or array.size != right.size or not np.isfinite(array).all() or _says_nothing(array):
            words = "each forward pass makes new weights, so none can be given to it, and those say nothing"
            return problem, replace(outcome, trouble=Trouble("Overwritten", words))
        pattern = convention.pattern(name, problem)
        arrays[name] = taken_back(np.asarray(array, np.float64), problem.labels[name], right.shape, pattern)
    return problem.with_arrays(**arrays), outcome


def _says_nothing(array: AnyArray) -> bool:
    """Whether many entries are alike, as in zeros: with such weights wrong gradients may look right."""
    return array.ndim > 1 and np.unique(array).size < array.size


def _rate(found: AnyArray, expected: AnyArray) -> float | None:
    """The factor between the two; None where there is none."""
    a, b = np.squeeze(np.asarray(found, np.float64)), np.squeeze(expected)
    if a.shape != b.shape or not b.any() or not np.isfinite(a).all():
        return None
    factor = float(np.sum(a * b) / np.sum(b * b))
    constant = np.abs(a - factor * b).max() <= CONSTANT * np.abs(a).max()
    return abs(factor) if factor and constant else None
