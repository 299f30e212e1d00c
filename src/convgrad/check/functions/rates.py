"""The learning rate that a class has written in its code, told from how its parameters change.

It is the factor between the changes and the right gradients; where a mistake is in one of them, that of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.submissions.answers import Outcome

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


def _rate(found: AnyArray, expected: AnyArray) -> float | None:
    """The factor between the two; None where there is none."""
    a, b = np.squeeze(np.asarray(found, np.float64)), np.squeeze(expected)
    if a.shape != b.shape or not b.any() or not np.isfinite(a).all():
        return None
    factor = float(np.sum(a * b) / np.sum(b * b))
    constant = np.abs(a - factor * b).max() <= CONSTANT * np.abs(a).max()
    return abs(factor) if factor and constant else None
