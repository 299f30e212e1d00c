"""Sums of products by matrix multiplication.

    x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m,j+n,c])

touches I*J*K*M*N*C products an example: too many for a grid of temporaries. Seen as strided views, `w` has the
indices m, n, c, k and `o` has e, i, m, j, n, c; what both have and the result has not is the inner dimension of one
matrix product.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf, isinf, prod

import numpy as np

from convgrad.compute.oracle.inputs import Array
from convgrad.notation.terms import Divide, Multiply, Negate, Number, Reduce, Term, free_names


@dataclass(frozen=True)
class Product:
    """`coefficient * outer * sum[indices](product of inner)`: a sum with what does not vary in it taken out."""

    coefficient: float
    outer: tuple[Term, ...]
    inner: tuple[Term, ...]


def as_product(term: Reduce, sizes: dict[str, int]) -> Product | None:
    """Read a sum or mean as the sum of a product of two factors at least; None where it is something else."""
    if term.kind not in ("sum", "mean"):
        return None
    coefficient, factors = _factors(term.body)
    bound = set(term.indices)
    inner = tuple(f for f in factors if free_names(f) & bound)
    outer = tuple(f for f in factors if not free_names(f) & bound)
    if len(inner) < 2:
        return None
    used = {name for f in inner for name in free_names(f)}
    coefficient *= prod(sizes[i] for i in bound - used)
    if term.kind == "mean":
        coefficient /= prod(sizes[i] for i in bound)
    return None if isinf(coefficient) else Product(coefficient, outer, inner)


def _factors(term: Term) -> tuple[float, list[Term]]:
    """A number, and terms whose product with it is `term`."""
    if isinstance(term, Number):
        return term.value, []
    if isinstance(term, Negate):
        coefficient, factors = _factors(term.term)
        return -coefficient, factors
    if isinstance(term, Multiply):
        parts = [_factors(f) for f in term.factors]
        return prod(c for c, _ in parts), [f for _, factors in parts for f in factors]
    if isinstance(term, Divide):
        coefficient, factors = _factors(term.numerator)
        if isinstance(term.denominator, Number) and term.denominator.value != 0:
            return coefficient / term.denominator.value, factors
        return coefficient, [*factors, Divide(Number(1.0), term.denominator)]
    return 1.0, [term]


@dataclass(frozen=True)
class Operand:
    """An array with the index that each of its axes stands for."""

    array: Array
    indices: tuple[str, ...]


def contract(operands: Sequence[Operand], result: Sequence[str], sizes: dict[str, int], most: int) -> Array | None:
    """Multiply and sum over every index that is not in `result`; None if that needs more than `most` elements at once.

    The two operands that give the smallest product go first. Axes of the array follow `result`.
    """
    pending = list(operands)
    while len(pending) > 1:
        best, size = (0, 1), inf
        for pair in combinations(range(len(pending)), 2):
            indices = set(pending[pair[0]].indices) | set(pending[pair[1]].indices)
            left = prod(sizes[i] for i in indices & _needed(pending, pair, result))
            if left < size:
                best, size = pair, left
        if size > most:
            return None
        needed = _needed(pending, best, result)
        product = _multiply(pending[best[0]], pending[best[1]], needed)
        pending = [o for place, o in enumerate(pending) if place not in best] + [product]
    last = _summed(pending[0], set(result))
    order = [last.indices.index(i) for i in result]
    return np.asarray(last.array.transpose(order))


def _needed(operands: Sequence[Operand], pair: tuple[int, int], result: Sequence[str]) -> set[str]:
    """The indices that the result or an operand outside the pair still has."""
    others = (o for place, o in enumerate(operands) if place not in pair)
    return set(result).union(*(o.indices for o in others))


def _summed(operand: Operand, keep: Collection[str]) -> Operand:
    """Sum over the indices that are not to be kept."""
    axes = tuple(axis for axis, i in enumerate(operand.indices) if i not in keep)
    if not axes:
        return operand
    return Operand(np.asarray(operand.array.sum(axis=axes)), tuple(i for i in operand.indices if i in keep))


def _multiply(left: Operand, right: Operand, needed: set[str]) -> Operand:
    """One matrix product for each value of the indices that both operands have and that are still needed."""
    left = _summed(left, needed | set(right.indices))
    right = _summed(right, needed | set(left.indices))
    both = [i for i in left.indices if i in right.indices]
    batch = [i for i in both if i in needed]
    inner = [i for i in both if i not in needed]
    rows = [i for i in left.indices if i not in both]
    columns = [i for i in right.indices if i not in both]
    product = _matrices(left, batch, rows, inner) @ _matrices(right, batch, inner, columns)
    sizes = dict(zip(left.indices, left.array.shape, strict=True)) | dict(
        zip(right.indices, right.array.shape, strict=True)
    )
    indices = (*batch, *rows, *columns)
    return Operand(product.reshape([sizes[i] for i in indices]), indices)


def _matrices(operand: Operand, *groups: Sequence[str]) -> Array:
    """The array with its axes in the order of the groups, each group made one axis."""
    sizes = dict(zip(operand.indices, operand.array.shape, strict=True))
    order = [operand.indices.index(i) for group in groups for i in group]
    return np.asarray(operand.array.transpose(order).reshape([prod(sizes[i] for i in group) for group in groups]))
