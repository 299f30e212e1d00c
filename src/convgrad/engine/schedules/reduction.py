"""One long reduction and the pointwise atoms that follow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convgrad.engine.schedules.pointwise import schedule_map
from convgrad.notation.terms import Definition


def schedule_reduction(
    func: Any, variables: Sequence[Any], sums: Any, pure: Any, over: Sequence[Any], atom: Definition, width: int
) -> None:
    sums.compute_root()
    if atom.shape:
        schedule_map(func, variables, atom.shape, width, False)
