"""Sums over the windows in which an element lies, of which few add anything: gradients of max pooling.

do[e,p,q,c] = sum[m,n](where(place[e,(p-m+1)/2,(q-n+1)/2,c else 0] == 3*m+n, dx[e,(p-m+1)/2,(q-n+1)/2,c else 0], 0))
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Call, Compare, Number, Reduce, accesses

MOST_TERMS = 49
"""Windows that are written out: those of 7x7. As many terms are compiled up to nine times, with and without checks."""


@dataclass(frozen=True)
class Axis:
    """An axis that is read at (index + slope * window + first) / stride; `window` is None where it is read plainly."""

    index: str
    window: str | None
    slope: int
    first: int
    stride: int

    def place(self, phase: int, window: int) -> int | None:
        """Where what is read lies, as seen from the quotient of an index with this phase; None between two places."""
        top = phase + self.slope * window + self.first
        return top // self.stride if top % self.stride == 0 else None


@dataclass(frozen=True)
class Windows:
    """A sum over windows: the tensor that it adds numbers of, the one that says which, and their axes but the last."""

    added: Access
    chosen: Access
    axes: tuple[Axis, ...]


def windows_of(reduce: Reduce, indices: tuple[str, ...], sizes: dict[str, int]) -> Windows | None:
    """The parts of such a sum, whose last index runs along the last axis of all that it reads; None of any other."""
    body = reduce.body
    if reduce.kind != "sum" or not (isinstance(body, Call) and body.function == "where") or len(indices) < 2:
        return None
    test, added, other = body.arguments
    if not (isinstance(test, Compare) and test.operator == "==" and isinstance(test.left, Access)):
        return None
    if not isinstance(added, Access) or other != Number(0) or added.outside != 0 or any(accesses(test.right)):
        return None
    same = test.left.positions == added.positions and len(added.positions) == len(indices)
    if not same or added.positions[-1].as_name != indices[-1]:
        return None
    axes = [_axis(position, index) for position, index in zip(added.positions[:-1], indices[:-1], strict=True)]
    found = [axis for axis in axes if axis is not None]
    read = [axis.window for axis in found if axis.window is not None]
    if len(found) != len(axes) or sorted(read) != sorted(reduce.indices) or {*read} & {*indices}:
        return None
    return Windows(added, test.left, tuple(found)) if prod(sizes[name] for name in read) <= MOST_TERMS else None


def _axis(position: Position, index: str) -> Axis | None:
    slopes, stride = position.numerator.slopes, position.divisor.constant_value
    others = [name for name in slopes if name != index]
    if slopes.get(index) != 1 or len(others) > 1 or stride < 1:
        return None
    window = others[0] if others else None
    return Axis(index, window, slopes[window] if window else 0, position.numerator.constant_value, stride)
