"""The matrices of Winograd's short correlations.

    y[i] = sum[j](g[j] * d[i+j])  =  A^T ((G g) * (B^T d))

for M outputs and R terms takes M + R - 1 multiplications instead of M * R. It is the product of two polynomials,
evaluated at M + R - 2 points and at infinity (Cook and Toom), transposed. With a stride S,

    y[i] = sum[j](g[j] * d[S*i+j])  =  sum[r] of sum[q](g[S*q+r] * d[S*(i+q)+r])

is a sum of S such correlations; its gradients are S correlations side by side: those with respect to g give the terms
S*q+r of the result, those with respect to d the phases of the result.

Reference: S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for
Convolutional Neural Networks, 2016, equations 5 to 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod

Matrix = tuple[tuple[Fraction, ...], ...]

POINTS = {
    2: tuple(map(Fraction, ("0", "1"))),
    3: tuple(map(Fraction, ("0", "1", "-1"))),
    4: tuple(map(Fraction, ("1/2", "-1/2", "3/2", "-3/2"))),
    5: tuple(map(Fraction, ("0", "3/4", "-3/4", "3/2", "-3/2"))),
    7: tuple(map(Fraction, ("0", "1/2", "-1/2", "1", "-1", "2", "-2"))),
}
"""Where the polynomials are evaluated, by how many. In pairs, so that both of a pair share their even and odd
parts. The least errors of all such points of small numerators and denominators: of five points, 0, 1, -1, 2, -2 would
leave a few products fewer, but errors 4 times as large (twice in the mean square)."""


@dataclass(frozen=True)
class Correlation:
    """The matrices for a few results, each a sum of a kernel's elements times some of the data.

    Attributes:
        inverse: A^T, outputs x size.
        kernel: G, size x terms.
        data: B^T, size x reach.
        step: by how many elements of the data the results of the next tile are further on.
        longest: multiplications of the longest of the correlations that it consists of: errors grow with these.
    """

    inverse: Matrix
    kernel: Matrix
    data: Matrix
    step: int
    longest: int

    @property
    def outputs(self) -> int:
        return len(self.inverse)

    @property
    def size(self) -> int:
        """Multiplications."""
        return len(self.kernel)

    @property
    def terms(self) -> int:
        return len(self.kernel[0])

    @property
    def reach(self) -> int:
        """Elements of data that are read."""
        return len(self.data[0])


@lru_cache
def correlation(outputs: int, terms: int) -> Correlation:
    """F(outputs, terms).

    >>> [list(map(int, row)) for row in correlation(2, 3).data]
    [[-1, 0, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]]

    Raises:
        KeyError: no points are known for this size.
    """
    if 1 in (outputs, terms):  # nothing can be saved: each element of the data once
        size = outputs * terms
        unit, ones = _unit(size), ((Fraction(1),) * size,)
        if outputs == 1:
            return Correlation(ones, unit, unit, outputs, longest=1)
        return Correlation(unit, transposed(ones), unit, outputs, longest=1)
    points = POINTS[outputs + terms - 2]

    def last(place: int, count: int) -> Fraction:
        return Fraction(place == count - 1)

    rows = [(*(point**row for point in points), last(row, outputs)) for row in range(outputs)]
    kernel, data = [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = prod((point - other for other in others), start=Fraction(1))
        kernel.append(tuple(point**column / scale for column in range(terms)))
        data.append((*_with_roots(others), Fraction(0)))
    kernel.append(tuple(last(column, terms) for column in range(terms)))
    data.append(_with_roots(points))
    return Correlation(tuple(rows), tuple(kernel), tuple(data), outputs, len(data))


@lru_cache
def strided(outputs: int, terms: int, stride: int) -> Correlation:
    """y[i] = sum[j](g[j] * d[S*i+j])."""
    parts = []
    for first in range(stride):
        of_kernel = range(first, terms, stride)
        part = correlation(outputs, len(of_kernel))
        parts.append(_Part(part, range(outputs), of_kernel, range(first, first + stride * part.reach, stride)))
    return _joined(parts, outputs, terms, stride * outputs)


@lru_cache
def kernel_gradient(outputs: int, terms: int, stride: int) -> Correlation:
    """y[j] = sum[i](g[i] * d[S*i+j]): for `outputs` elements of a kernel, sums of `terms` upstream gradients."""
    parts = []
    for first in range(stride):
        results = range(first, outputs, stride)
        part = correlation(len(results), terms)
        parts.append(_Part(part, results, range(terms), range(first, first + stride * part.reach, stride)))
    return _joined(parts, outputs, terms, stride * terms)


@lru_cache
def spread(outputs: int, terms: int, stride: int, shift: int) -> Correlation:
    """y[p] = sum[j](g[j] * d[(p+shift-j)/S - first]), over all j where this is whole, for S * `outputs` p."""
    parts, least = [], first_of_spread(terms, stride, shift)
    for p in range(stride):
        residue = (p + shift) % stride
        of_kernel = range(residue, terms, stride)[::-1]
        first = (p + shift - of_kernel[0]) // stride - least
        part = correlation(outputs, len(of_kernel))
        parts.append(_Part(part, range(p, stride * outputs, stride), of_kernel, range(first, first + part.reach)))
    return _joined(parts, stride * outputs, terms, outputs)


def first_of_spread(terms: int, stride: int, shift: int) -> int:
    """The least element of the data that results 0, 1, ... of `spread` read; `terms` is not below `stride`."""
    lasts = (range((p + shift) % stride, terms, stride)[-1] for p in range(stride))
    return min((p + shift - last) // stride for p, last in enumerate(lasts))


@dataclass(frozen=True)
class _Part:
    """A correlation, and which results, elements of the kernel and of the data are its own."""

    correlation: Correlation
    results: Sequence[int]
    kernel: Sequence[int]
    data: Sequence[int]


def _joined(parts: Sequence[_Part], outputs: int, terms: int, step: int) -> Correlation:
    """All parts as one: what belongs to the same result is added."""
    reach = 1 + max(place for part in parts for place in part.data)
    inverse: list[tuple[Fraction, ...]] = []
    kernel: list[tuple[Fraction, ...]] = []
    data: list[tuple[Fraction, ...]] = []
    for part in parts:
        inverse += (_placed(column, part.results, outputs) for column in zip(*part.correlation.inverse, strict=True))
        kernel += (_placed(row, part.kernel, terms) for row in part.correlation.kernel)
        data += (_placed(row, part.data, reach) for row in part.correlation.data)
    longest = max(part.correlation.longest for part in parts)
    return Correlation(transposed(tuple(inverse)), tuple(kernel), tuple(data), step, longest)


def _placed(values: Sequence[Fraction], places: Sequence[int], length: int) -> tuple[Fraction, ...]:
    """A vector with some values at some places, zero elsewhere."""
    at = dict(zip(places, values, strict=True))
    return tuple(at.get(place, Fraction(0)) for place in range(length))


def _unit(size: int) -> Matrix:
    return tuple(tuple(Fraction(row == column) for column in range(size)) for row in range(size))


def transposed(matrix: Matrix) -> Matrix:
    """Rows as columns."""
    return tuple(zip(*matrix, strict=True))


def _with_roots(roots: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Coefficients of the monic polynomial with these roots, constant one first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [high - root * low for high, low in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return tuple(coefficients)
