"""The matrices of Winograd's short correlations, and products with them written out.

    y[i] = sum[j](g[j] * d[i+j])  =  A^T ((G g) * (B^T d))

for M outputs and R terms takes M + R - 1 multiplications instead of M * R. It is the product of two polynomials,
evaluated at M + R - 2 points and at infinity (Cook and Toom), transposed.

Reference: S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for
Convolutional Neural Networks, 2016, equations 5 to 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Any

import halide as hl

Matrix = tuple[tuple[Fraction, ...], ...]

POINTS = {
    3: tuple(map(Fraction, ("0", "1", "-1"))),
    5: tuple(map(Fraction, ("0", "3/4", "-3/4", "3/2", "-3/2"))),
}
"""Where the polynomials are evaluated, by how many. In pairs, so that both of a pair share their even and odd
parts. 0, 1, -1, 2, -2 would leave a few products fewer, but errors 4 times as large (twice in the mean square)."""


@dataclass(frozen=True)
class Correlation:
    """The matrices for `outputs` results of `terms` terms each.

    Attributes:
        inverse: A^T, outputs x size.
        kernel: G, size x terms.
        data: B^T, size x size.
    """

    outputs: int
    terms: int
    inverse: Matrix
    kernel: Matrix
    data: Matrix

    @property
    def size(self) -> int:
        """Multiplications, and elements of data read."""
        return self.outputs + self.terms - 1


@lru_cache
def correlation(outputs: int, terms: int) -> Correlation:
    """F(outputs, terms).

    >>> [list(map(int, row)) for row in correlation(2, 3).data]
    [[-1, 0, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]]
    """
    size = outputs + terms - 1
    points = POINTS[size - 1]

    def last(place: int, count: int) -> Fraction:
        return Fraction(place == count - 1)

    inverse = [(*(point**row for point in points), last(row, outputs)) for row in range(outputs)]
    kernel, data = [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = prod((point - other for other in others), start=Fraction(1))
        kernel.append(tuple(point**column / scale for column in range(terms)))
        data.append((*_with_roots(others), Fraction(0)))
    kernel.append(tuple(last(column, terms) for column in range(terms)))
    data.append(_with_roots(points))
    return Correlation(outputs, terms, tuple(inverse), tuple(kernel), tuple(data))


def _with_roots(roots: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Coefficients of the monic polynomial with these roots, constant one first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [high - root * low for high, low in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return tuple(coefficients)


def product(matrix: Matrix, values: Sequence[Any]) -> list[Any]:
    """The product of a constant matrix and a vector of Halide expressions, with what pairs of points share made once.

    Two rows that differ in the sign of some columns are a sum and a difference of the same two parts; and two columns
    that differ in the sign of some rows are taken as their sum and their difference.

    Products and sums are rounded one by one: which of them the compiler would fuse depends on the loops around, and the
    bits of the result are not to depend on these.
    """
    matrix, values = _columns_paired(matrix, list(values))
    results: list[Any] = []
    while len(results) < len(matrix):
        rows = matrix[len(results) : len(results) + 2]
        if len(rows) == 2 and _signs_differ(*rows):
            same, opposite = (_weighted(part, values) for part in _same_and_opposite(*rows))
            results += [same + opposite, same - opposite]
        else:
            results.append(_weighted(rows[0], values))
    return [hl.strict_float(result) for result in results]


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
