"""Which schedule a long reduction gets, from its kind and sizes alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from convgrad.engine.lowering import Lowering
from convgrad.engine.schedules.contraction import TiledReduction
from convgrad.engine.schedules.generic import reduction
from convgrad.engine.schedules.pointwise import schedule_map
from convgrad.notation.terms import Definition, Reduce


class ScheduledReduction(Protocol):
    """The Func of a reduction, and the schedule of it and of the Func that reads it at its own element."""

    sums: Any

    def schedule(self, func: Any, variables: Sequence[Any]) -> None: ...


class PlainReduction:
    """Computed whole, with plain loops, before it is read."""

    def __init__(self, atom: Definition, lowering: Lowering, element_bytes: int):
        self.atom, self.element_bytes = atom, element_bytes
        self.sums, _, _ = reduction(atom, lowering, "sums")

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        self.sums.compute_root()
        if self.atom.shape:
            schedule_map(func, variables, self.atom.shape, self.element_bytes, in_place=False)


def scheduled_reduction(atom: Definition, lowering: Lowering, element_bytes: int) -> ScheduledReduction:
    """The reduction of an atom with the schedule that suits it."""
    assert isinstance(atom.term, Reduce)
    if atom.term.kind.startswith("arg") or not atom.indices:
        return PlainReduction(atom, lowering, element_bytes)
    return TiledReduction(atom, lowering, element_bytes)
