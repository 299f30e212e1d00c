"""Products of a constant matrix and a vector of Halide expressions, written out with what rows share made once."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import halide as hl

from convgrad.compute.halide.schedules.winograd.matrices import Matrix


def product(matrix: Matrix, values: Sequence[Any]) -> list[Any]:
    """The product of a constant matrix and a vector of Halide expressions, with what pairs of points share made once.

    Products and sums are rounded one by one: which of them the compiler would fuse depends on the loops around, and the
    bits of the result are not to depend on these.
    """
    return [hl.strict_float(result) for result in _product(matrix, list(values))]


@lru_cache
def operations(matrix: Matrix) -> int:
    """Additions and multiplications that `product` writes.

    >>> from convgrad.compute.halide.schedules.winograd.matrices import correlation
    >>> operations(correlation(2, 3).data)
    4
    """
    counter = _Counter()
    _product(matrix, [counter] * len(matrix[0]))
    return counter.count


class _Counter:
    """A value of which only the operations are of interest."""

    def __init__(self) -> None:
        self.count = 0

    def _counted(self, _: Any) -> _Counter:
        self.count += 1
        return self

    __add__ = __sub__ = __mul__ = _counted


def _product(matrix: Matrix, values: list[Any]) -> list[Any]:
    """As `product`, but for the rounding.

    Two rows that differ in the sign of some columns are a sum and a difference of the same two parts; and two columns
    that differ in the sign of some rows are taken as their sum and their difference.
    """
    matrix, values = _columns_paired(matrix, values)
    results: list[Any] = []
    while len(results) < len(matrix):
        rows = matrix[len(results) : len(results) + 2]
        if len(rows) == 2 and _signs_differ(*rows):
            same, opposite = (_weighted(part, values) for part in _same_and_opposite(*rows))
            results += [same + opposite, same - opposite]
        else:
            results.append(_weighted(rows[0], values))
    return results


def _columns_paired(matrix: Matrix, values: list[Any]) -> tuple[Matrix, list[Any]]:
    """The same product with sums and differences of pairs of values, where this saves additions."""
    columns = list(zip(*matrix, strict=True))
    place = 0
    while place < len(columns) - 1:
        one, other = columns[place], columns[place + 1]
        if _signs_differ(one, other) and sum(map(bool, one)) > 2:
            values[place : place + 2] = values[place] + values[place + 1], values[place] - values[place + 1]
            columns[place : place + 2] = _same_and_opposite(one, other)
            place += 1
        place += 1
    return tuple(zip(*columns, strict=True)), values


def _signs_differ(one: Sequence[Fraction], other: Sequence[Fraction]) -> bool:
    """Whether two vectors are equal but for signs, and neither equal nor opposite."""
    pairs = list(zip(one, other, strict=True))
    return (
        all(abs(a) == abs(b) for a, b in pairs) and any(a == b != 0 for a, b in pairs) and any(a != b for a, b in pairs)
    )


def _same_and_opposite(
    one: Sequence[Fraction], other: Sequence[Fraction]
) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """What two vectors have in common, and what differs in sign."""
    zero = Fraction(0)
    same = tuple(a if a == b else zero for a, b in zip(one, other, strict=True))
    opposite = tuple(a if a != b else zero for a, b in zip(one, other, strict=True))
    return same, opposite


def _weighted(weights: Sequence[Fraction], values: Sequence[Any]) -> Any:
    """The sum of weights times values, written out, beginning with one that is not subtracted where there is one."""
    terms = [(weight, value) for weight, value in zip(weights, values, strict=True) if weight]
    terms.sort(key=lambda term: (term[0] != 1, term[0] == -1))
    total = None
    for weight, value in terms:
        if total is None:
            total = value if weight == 1 else value * hl.f32(float(weight))
        elif abs(weight) == 1:
            total = total + value if weight > 0 else total - value
        else:
            total = total + value * hl.f32(float(weight))
    return total
