"""What mistakes make of a problem, kept: the same numbers are asked for with each way to call that was tried."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from convgrad.check.mistakes import Mistake, Prediction
from convgrad.check.problems.problem import Problem

MOST = 8
"""Problems whose predictions are kept."""


@dataclass(frozen=True)
class Made:
    """Every mistake of a table made in a problem by itself, where it can be, and the rules that failed."""

    problem: Problem
    table: Sequence[Mistake]
    predictions: list[Prediction]
    failed: dict[str, str]


_MADE: OrderedDict[tuple[int, int, tuple[str, ...]], Made] = OrderedDict()


def made(problem: Problem, table: Sequence[Mistake], outputs: Sequence[str], make: Callable[[], Made]) -> Made:
    """As `make` gives it, once for these very objects, which it holds, so that no other gets their place."""
    key = (id(problem), id(table), tuple(outputs))
    if key not in _MADE:
        _MADE[key] = make()
        if len(_MADE) > MOST:
            _MADE.popitem(last=False)
    return _MADE[key]
