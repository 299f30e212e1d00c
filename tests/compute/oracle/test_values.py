"""The two evaluators against each other, and against values known otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import correlate2d

import convgrad
from convgrad.compute.oracle import grid, loops
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Equation

EPS = np.finfo(float).eps
PLACES = ("unravel_index(", "ravel_multi_index(")

# (equation, shapes of its inputs, sizes): sizes differ on every axis.
EQUATIONS: dict[str, tuple[str, dict[str, tuple[int, ...]], dict[str, int]]] = {
    "convolution": (
        "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]",
        {"w": (2, 3, 5, 7), "o": (6, 8, 5), "b": (7,)},
        {},
    ),
    "strides, dilation and padding": (
        "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[2*i+3*m-2,3*j+n-1,c else 0])",
        {"w": (2, 3, 2, 3), "o": (7, 11, 2)},
        {"I": 5, "J": 4},
    ),
    "divided positions": (
        "do[p,q,c] = sum[m,n,k](dx[(p-m)/2,(q-n+1)/3,k else 0] * w[m,n,c,k])",
        {"dx": (3, 4, 2), "w": (3, 2, 3, 2)},
        {"P": 9, "Q": 11},
    ),
    "another number outside": ("x[i] = sum[m](w[m] * o[2*i-m-1 else 2.5])", {"w": (3,), "o": (5,)}, {"I": 4}),
    "infinity outside": (
        "x[i,j] = max[m,n](o[2*i+m-1,2*j+n-1 else -inf])",
        {"o": (5, 7)},
        {"I": 3, "J": 4, "M": 2, "N": 3},
    ),
    "rotated kernel": ("x[i,j] = sum[m,n](w[M-1-m,N-1-n] * o[i+m,j+n])", {"w": (2, 3), "o": (5, 7)}, {"M": 2, "N": 3}),
    "one index on two axes": ("x[i] = sum[j](a[i,i] * a[j,i+j else 0])", {"a": (5, 5)}, {"I": 5, "J": 5}),
    "transposed": ("x[j,i] = a[i,j] * b[j,i]", {"a": (2, 3), "b": (3, 2)}, {}),
    "a sum of products that is one number": ("E = sum[i,j](a[i,j] * b[j,i])", {"a": (2, 3), "b": (3, 2)}, {}),
    "its half, and a mean": ("E = 1/2 * mean[i,j](a[i,j] * b[j,i])", {"a": (2, 3), "b": (3, 2)}, {}),
    "a sum of products transposed": ("x[k,i] = sum[j](a[i,j] * b[j,k])", {"a": (2, 3), "b": (3, 5)}, {}),
    "its double with an index more": ("x[l,k,i] = 2 * sum[j](a[i,j] * b[j,k])", {"a": (2, 3), "b": (3, 5)}, {"L": 7}),
    "scalars": ("E = 1/2 * sum[k]((t[k] - r*y[k])^2)", {"t": (7,), "y": (7,), "r": ()}, {}),
    "batch normalization": (
        """
        mu[c] = mean[e,i,j](o[e,i,j,c])
        v[c] = mean[e,i,j]((o[e,i,j,c] - mu[c])^2)
        x[e,i,j,c] = gamma[c] * (o[e,i,j,c] - mu[c]) / sqrt(v[c] + 0.001) + beta[c]
        """,
        {"o": (2, 3, 5, 7), "gamma": (7,), "beta": (7,)},
        {},
    ),
    "softmax": (
        "s[k] = exp(y[k] - stop(max[l](y[l]))) / sum[l](exp(y[l] - max[m](y[m])))",
        {"y": (5,)},
        {"L": 5, "M": 5, "K": 5},
    ),
    "cross entropy": (
        "z[k] = y[k] - max[l](y[l])\nE = log(sum[k](exp(z[k]))) - sum[k](where(k == t, z[k], 0))",
        {"y": (5,), "t": ()},
        {},
    ),
    "max pooling and its gradient": (
        """
        a[i,j,c] = argmax[m,n](o[2*i+m,2*j+n,c])
        do[p,q,c] = sum[m,n](where(a[(p-m)/2,(q-n)/2,c else -1] == 2*m+n, dx[(p-m)/2,(q-n)/2,c else 0], 0))
        """,
        {"o": (6, 8, 2), "dx": (3, 4, 2)},
        {"M": 2, "N": 2, "I": 3, "J": 4, "P": 7, "Q": 9},
    ),
    "condition form": ("do[p] = sum[i,m](where(i+m == p, w[m] * dx[i], 0))", {"w": (3,), "dx": (5,)}, {"P": 7}),
    "functions": (
        "x[i] = exp(o[i]) + log(abs(o[i])) * sqrt(abs(o[i])) + tanh(o[i]) - sigmoid(o[i]) / softplus(o[i]) + erf(o[i])",
        {"o": (11,)},
        {},
    ),
    "more functions": (
        "x[i] = max(o[i],p[i]) - min(o[i],2*p[i]) + floor(3*o[i]) + o[i]^3 + abs(p[i])^-1.5 + stop(o[i])",
        {"o": (11,), "p": (11,)},
        {},
    ),
    "comparisons": (
        "x[i] = where(o[i] < 0, 1, 0) + where(i != 3, 2, 0) + where(i <= 4, 4, 0) + where(o[i] > 1, 8, 0) "
        "+ where(2*i >= 6, 16, 0) + where(i == 5, 32, 0)",
        {"o": (11,)},
        {},
    ),
    "uniform": ("x[i,j] = uniform(seed, 7*i+j) + uniform(i, seed)", {"seed": ()}, {"I": 5, "J": 7}),
    "places": ("x[i] = argmax[m,n](o[i,m,n]) + 100*argmin[m,n](o[i,m,n])", {"o": (3, 4, 5)}, {}),
    "greatest and least": ("x[i] = max[m,n](o[i,m,n]) + 100*min[m,n](o[i,m,n])", {"o": (3, 4, 5)}, {}),
    "nothing that varies in the sum": ("x[i] = sum[m](o[i]) + mean[m](2)", {"o": (3,)}, {"M": 4}),
    "an index of no factor": ("x[i] = sum[m,n](a[i,m] * b[m])", {"a": (2, 3), "b": (3,)}, {"N": 5}),
    "mean of products": (
        "x[i] = mean[m,n](-a[i,m] * b[m,n] / 2 * r / c[i])",
        {"a": (2, 3), "b": (3, 5), "r": (), "c": (2,)},
        {},
    ),
    "three factors": (
        "x[i,j] = sum[m,n](a[i,m] * b[m,n] * exp(c[n,j]) / d[m])",
        {"a": (2, 3), "b": (3, 5), "c": (5, 7), "d": (3,)},
        {},
    ),
    "an index of one factor only": ("x[i] = sum[m,n,l](a[i,m,n] * b[m,l])", {"a": (2, 3, 5), "b": (3, 7)}, {}),
    "a product of vectors": ("x[i,j] = sum[e](a[e,i] * b[e,j])", {"a": (7, 2), "b": (7, 3)}, {}),
    "depthwise": ("x[i,c] = sum[m](w[m,c] * o[i+m,c])", {"w": (3, 5), "o": (9, 5)}, {}),
    "a sum inside a sum": (
        "x[i] = sum[j](tanh(sum[m](a[i,m] * b[m,j])) * c[j])",
        {"a": (2, 3), "b": (3, 5), "c": (5,)},
        {},
    ),
    "a sum of sums of one index": (
        "x[i] = sum[m](a[i,m] * b[m,i] * sum[n](a[i,n] * b[n,i])) / sum[m](b[m,i])",
        {"a": (2, 3), "b": (3, 2)},
        {"N": 3},
    ),
}


def case(name: str) -> tuple[Equation, dict[str, np.ndarray]]:
    source, shapes, sizes = EQUATIONS[name]
    random = np.random.default_rng(len(source))
    arrays = {tensor: random.normal(size=shape) for tensor, shape in shapes.items()}
    for whole in ("t", "seed"):
        if shapes.get(whole) == ():
            arrays[whole] = np.array(3.0)
    return bind(parse(source), shapes=shapes, sizes=sizes), arrays


def assert_same(actual: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    assert list(actual) == list(expected)
    for name, value in expected.items():
        assert actual[name].dtype == np.float64
        assert actual[name].shape == value.shape
        # Sums of at most 60 numbers of size 1 to 10 in another order.
        np.testing.assert_allclose(actual[name], value, rtol=200 * EPS, atol=600 * EPS, err_msg=name)


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("by_matrices", [True, False])
@pytest.mark.parametrize("block", [grid.BLOCK, 7, 1])
def test_grid_agrees_with_loops(monkeypatch: pytest.MonkeyPatch, name: str, by_matrices: bool, block: int) -> None:
    equation, arrays = case(name)
    if not by_matrices:
        monkeypatch.setattr(grid, "LARGEST", 0)
    actual = grid.evaluate(equation, arrays, block=block)
    assert_same(actual, loops.evaluate(equation, arrays))


@pytest.mark.parametrize(
    ("name", "largest"),
    [
        ("convolution", 110),
        ("divided positions", 300),
        ("three factors", 15),
        ("depthwise", 40),
        ("a product of vectors", 6),  # blocks of the reduction
        ("three factors", 1),  # too large for matrix products
    ],
)
def test_matrix_products_in_blocks_agree_with_one(monkeypatch: pytest.MonkeyPatch, name: str, largest: int) -> None:
    equation, arrays = case(name)
    expected = grid.evaluate(equation, arrays)
    monkeypatch.setattr(grid, "LARGEST", largest)
    assert_same(grid.evaluate(equation, arrays), expected)


def test_the_classic_example() -> None:
    o = np.array(
        [
            [0.51, 0.9, 0.88, 0.84, 0.05],
            [0.4, 0.62, 0.22, 0.59, 0.1],
            [0.11, 0.2, 0.74, 0.33, 0.14],
            [0.47, 0.01, 0.85, 0.7, 0.09],
            [0.76, 0.19, 0.72, 0.17, 0.57],
        ]
    )
    dx = np.zeros((4, 4))
    dx[0, 2], dx[1, 1], dx[2, 1], dx[3, 3] = 0.0686, 0.0364, 0.0467, -0.0681
    equation = bind(parse("dw[m,n] = sum[i,j](dx[i,j] * o[i+m,j+n])"), shapes={"dx": (4, 4), "o": (5, 5)})
    for evaluate in (grid.evaluate, loops.evaluate):
        dw = evaluate(equation, {"dx": dx, "o": o})["dw"]
        assert np.array_equal(dw.round(6), [[0.044606, 0.094061], [0.011262, 0.068288]])
        # Every product has six decimals, so these six are all there are.
        np.testing.assert_allclose(dw, dw.round(6), rtol=0, atol=4 * EPS)
        np.testing.assert_allclose(dw, correlate2d(o, dx, "valid"), rtol=0, atol=4 * EPS)


@pytest.mark.parametrize("reduction", ["argmax", "argmin"])
@pytest.mark.parametrize("shape", [(9001, 1), (3, 2750, 1), (9001, 1, 1), (9001,)])
def test_places_of_many_results(reduction: str, shape: tuple[int, ...]) -> None:
    """NumPy's own function for places is wrong beyond 8,192 results whose last axis has length 1."""
    indices = ",".join("ijk"[: len(shape)])
    equation = bind(parse(f"x[{indices}] = {reduction}[m,n](o[{indices},m,n])"), shapes={"o": (*shape, 3, 5)})
    o = np.random.default_rng(7).normal(size=(*shape, 3, 5))
    expected = getattr(o.reshape(*shape, 15), reduction)(-1)
    np.testing.assert_array_equal(grid.evaluate(equation, {"o": o})["x"], expected)


def test_no_code_asks_numpy_for_places() -> None:
    """All versions of NumPy that are supported must give the same (numpy/numpy#31980)."""
    source = Path(convgrad.__file__).parent
    calls = [f"{path.name}: {name}" for path in source.rglob("*.py") for name in PLACES if name in path.read_text()]
    assert not calls
