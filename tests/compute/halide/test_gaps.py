"""Short sums over places of which most are not whole are written out without the terms that are 0 for their gaps."""

from __future__ import annotations

from math import prod

import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.codegen.gaps import gaps_of
from convgrad.notation import Equation
from convgrad.notation.terms import Reduce, walk
from engine_support import bound, compare

BACK = "do[e,p,q,c] = sum[m,n](dx[e,(p-m+{a})/{s},(q-n+{b})/{t},c else 0]) / 9"
FORWARD = "x[i,c] = sum[m](o[(i+m-1)/3,c else 0]) + mean[n](o[(n-i+4)/2,c else 0])"


def back(size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> Equation:
    outputs = [(i + 2 * p - k) // s + 1 for i, k, s, p in zip(size, kernel, stride, padding, strict=True)]
    text = BACK.format(a=padding[0], b=padding[1], s=stride[0], t=stride[1])
    sizes = dict(zip("PQMN", (*size, *kernel), strict=True))
    return bound(text, shapes={"dx": (5, *outputs, 37)}, sizes=sizes)


CASES = {
    "3x3, 2": (back((9, 8), (3, 3), (2, 2), (0, 0)), 4),
    "3x3, 2, padded": (back((11, 7), (3, 3), (2, 2), (1, 1)), 4),
    "2x2, 2": (back((10, 7), (2, 2), (2, 2), (0, 0)), 1),
    "2x3, 3 and 1": (back((10, 7), (2, 3), (3, 1), (0, 1)), 3),
    "4x2, 3 and 2": (back((13, 6), (4, 2), (3, 2), (2, 0)), 2),
    "one place": (back((3, 3), (3, 3), (2, 2), (0, 0)), 4),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("equation", "terms"), CASES.values(), ids=CASES)
def test_gradients_of_average_pooling(equation: Equation, terms: int, dtype: str) -> None:
    (reduce,) = (term for term in walk(equation.definitions[0].term) if isinstance(term, Reduce))
    sizes = equation.definitions[0].sizes
    gaps = gaps_of(reduce, sizes)
    assert prod(gaps[index].count if index in gaps else sizes[index] for index in reduce.indices) == terms
    compare(equation, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_directions_and_means(dtype: str) -> None:
    compare(bound(FORWARD, shapes={"o": (6, 5)}, sizes={"I": 13, "M": 4, "N": 5}), dtype)


@pytest.mark.parametrize(
    "text",
    [
        "x[i] = sum[m](o[(i-m)/2,i+m else 0])",  # read elsewhere, too
        "x[i] = sum[m,n](o[(i-m-n)/2,i else 0])",  # which m goes with which n?
        "x[i] = sum[m](o[(i+m)/2,i else 0])",  # the last place may lie one beyond that of the last m
        "x[i] = sum[m](o[(i-2*m)/3,i else 0])",  # in steps of two
        "x[i] = sum[m](o[(i-m)/2,i else 1])",  # what is outside counts
        "x[i] = max[m](o[(i-m)/2,i else 0])",
        "x[i] = sum[m](o[(i-m)/2,i else 0]^2)",
    ],
)
def test_other_sums_are_written_out_whole(text: str) -> None:
    sizes = {"I": 8, "M": 4, "N": 3} if ",n]" in text else {"I": 8, "M": 4}
    equation = bound(text, shapes={"o": (9, 8)}, sizes=sizes)
    (reduce,) = (term for term in walk(equation.definitions[0].term) if isinstance(term, Reduce))
    assert gaps_of(reduce, equation.definitions[0].sizes) == {}
    compare(equation, "float32")
