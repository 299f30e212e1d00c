"""How long a derivation would be, told before it is begun: the parts of all slopes, from one walk over each term."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from convgrad.notation.terms import Access, Call, Definition, Divide, Multiply, Power, Term

PARTS_OF_A_WAY = 3
"""Of each way in by itself: the upstream gradient, conditions, and the lines around them."""


@dataclass(frozen=True)
class _Counted:
    """Of a term: its own parts; the ways in which wanted tensors reach it; the parts of the slopes of all ways."""

    size: int
    ways: int
    parts: int

    def scaled(self, factor: int) -> int:
        """The parts where each way gets a factor of so many parts more."""
        return self.parts + self.ways * factor


def parts_of_slopes(definition: Definition, wanted: Collection[str]) -> int:
    """About how many parts the partial derivatives with respect to the `wanted` tensors have together: a product of n
    factors that all read one has n * (n - 1).
    """
    counted = _counted(definition.term, wanted)
    return counted.scaled(PARTS_OF_A_WAY)


def _counted(term: Term, wanted: Collection[str]) -> _Counted:
    if isinstance(term, Access):
        return _Counted(1 + len(term.positions), int(term.tensor in wanted), 0)
    inner = [_counted(child, wanted) for child in term.children]
    size = 1 + sum(child.size for child in inner)
    ways = sum(child.ways for child in inner)
    if isinstance(term, Multiply):
        parts = sum(child.scaled(size - 1 - child.size) for child in inner)
    elif isinstance(term, Divide):
        top, below = inner
        parts = top.scaled(1 + below.size) + below.scaled(1 + size + below.size)
    elif isinstance(term, Power):
        parts = inner[0].scaled(size)
    elif isinstance(term, Call):
        if term.function == "stop":
            return _Counted(size, 0, 0)
        parts = sum(child.scaled(2 * size) for child in inner)
    else:
        parts = sum(child.scaled(1) for child in inner)
    return _Counted(size, ways, parts)
