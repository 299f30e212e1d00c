"""What is rewritten before kernels are formed, and sums that share one: repeats, signs, shapes of views."""

from __future__ import annotations

import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.program import Program
from convgrad.notation import Equation
from engine_support import bound, compare

BATCH_NORM = """
mu[c] = mean[e,f](o[e,f,c])
b[e,f,c] = o[e,f,c] - mu[c]
x[e,i,j,c] = max(v[e,i,j,c], 0)
do[e,i,j,c] = where(v[e,i,j,c] > 0, dx[e,i,j,c], 0)
dgamma[c] = sum[e,f](dy[e,f,c] * (o[e,f,c] - mu[c]))
s[c] = sum[e,i,j](x[e,i,j,c] * dx[e,i,j,c])
dr[c] = g[c] * sum[e,f](dy[e,f,c] * (o[e,f,c] - mu[c]))
"""
SHAPES = {"o": (19, 60, 33), "v": (19, 5, 12, 33), "dx": (19, 5, 12, 33), "dy": (19, 60, 33), "g": (33,)}
VIEWS = {"v": "b"}


def equation() -> Equation:
    return bound(BATCH_NORM, shapes=SHAPES)


def kernels(program: Program) -> list[set[str]]:
    return [{atom.name for atom in kernel.group.atoms} for kernel in program.kernels]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", [["x", "do", "dgamma", "dr"], ["do", "dr", "mu"], ["b", "x"]], ids=",".join)
def test_results_stay_the_same(dtype: str, outputs: list[str]) -> None:
    compare(equation(), dtype, outputs=outputs, views=VIEWS)


def test_one_pass_computes_what_reads_a_view() -> None:
    program = compare(equation(), "float32", outputs=["s"], views=VIEWS)
    assert any({"b", "x~"} <= names for names in kernels(program))


def test_a_pooled_delta_goes_back_in_the_pass_that_uses_it() -> None:
    """The delta of pooling is not stored: the derivative of the rectifier joins it, and not what it reads as a view."""
    text = """
    mu[c] = mean[e,f](o[e,f,c])
    b[e,f,c] = o[e,f,c] - mu[c]
    x[e,i,j,c] = max(v[e,i,j,c], 0)
    a[e,h,j,c] = argmax[m](x[e,2*h+m,j,c])
    dx[e,i,j,c] = sum[m](where(a[e,(i-m)/2,j,c else 0] == m, dp[e,(i-m)/2,j,c else 0], 0))
    do[e,i,j,c] = where(v[e,i,j,c] > 0, dx[e,i,j,c], 0)
    dbeta[c] = sum[e,f](dv[e,f,c])
    """
    shapes = {"o": (19, 60, 33), "v": (19, 6, 10, 33), "dp": (19, 3, 10, 33), "dv": (19, 60, 33)}
    sized = bound(text, shapes=shapes, sizes={"M": 2})
    program = compare(sized, "float32", outputs=["a", "dbeta"], views={"v": "b", "dv": "do"})
    assert any({"dx", "do"} <= names for names in kernels(program))
    assert "dx" not in {name for kernel in program.kernels for name in kernel.writes}


def test_a_sum_that_occurs_twice_is_computed_once() -> None:
    program = compare(equation(), "float32", outputs=["dgamma", "dr"], views=VIEWS)
    sums = [atom for kernel in program.kernels for atom in kernel.group.atoms if "dy[" in str(atom)]
    assert len(sums) == 1


def test_a_rectified_tensor_answers_for_its_sign() -> None:
    text = """
    x[e,k] = sum[c](w[c,k] * o[e,c])
    y[e,k] = max(x[e,k], 0)
    dx[e,k] = where(x[e,k] > 0, dy[e,k], 0)
    """
    shapes = {"w": (90, 70), "o": (300, 90), "dy": (300, 70)}
    program = compare(bound(text, shapes=shapes), "float32", outputs=["y", "dx"])
    assert "x" not in {name for kernel in program.kernels for name in kernel.writes}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(19, 60, 33), (3, 700, 11), (17, 5, 130)], ids=str)
def test_sums_through_the_same_tensor_share_a_pass(dtype: str, sizes: tuple[int, int, int]) -> None:
    text = """
    a[c] = sum[e,f](o[e,f,c])
    b[c] = sum[e,f](o[e,f,c] * p[e,f,c])
    d[c] = b[c] - a[c]
    """
    program = compare(bound(text, shapes={"o": sizes, "p": sizes}), dtype, outputs=["a", "d"])
    if sizes[0] * sizes[1] * sizes[2] > 2**14:
        assert {"a", "b"} <= kernels(program)[0]
