"""The compiled engine against the oracle: every function, reduction, way of reading, on odd sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.program import compile_program
from engine_support import bound, compare

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])

FUNCTIONS = [
    "exp(o[i,j])",
    "log(abs(o[i,j]) + 0.01)",
    "sqrt(abs(o[i,j]))",
    "tanh(o[i,j])",
    "tanh(0.01*o[i,j])",
    "sigmoid(3*o[i,j])",
    "softplus(9*o[i,j])",
    "erf(o[i,j])",
    "erf(0.01*o[i,j])",
    "abs(o[i,j])",
    "floor(3*o[i,j])",
    "stop(o[i,j])",
    "max(o[i,j], 0.1)",
    "min(o[i,j], 0.1)",
    "where(o[i,j] > 0.2, log(o[i,j]), o[i,j])",
    "where(i == j, o[i,j], -1)",
    "where(i + 2*j >= 5, i*o[i,j], j)",
    "o[i,j]^2 - o[i,j]^3 + (o[i,j]^2 + 1)^-1.5 + (1 + abs(o[i,j]))^0.3",
    "o[i,j] / (2 + o[i,j]^2) - -o[i,j]",
]


@DTYPES
@pytest.mark.parametrize("expression", FUNCTIONS)
def test_a_function(expression: str, dtype: str) -> None:
    compare(bound(f"x[i,j] = {expression}", shapes={"o": (7, 11)}), dtype)


@DTYPES
def test_functions_in_vectors_and_threads(dtype: str) -> None:
    text = "\n".join(f"x{n}[i,j] = {expression}" for n, expression in enumerate(FUNCTIONS[:14]))
    compare(bound(text, shapes={"o": (211, 37)}), dtype)


@DTYPES
@pytest.mark.parametrize("kind", ["sum", "mean", "max", "min", "argmax", "argmin"])
@pytest.mark.parametrize("shape", [(3, 2, 5), (11, 7, 13), (130, 31, 17)])
def test_a_reduction(kind: str, shape: tuple[int, ...], dtype: str) -> None:
    o = {"o": np.random.default_rng(1).random(shape)}  # positive: a sum that cancels out has no relative accuracy
    compare(bound(f"x[c] = {kind}[i,j](o[i,j,c])", shapes={"o": shape}), dtype, o)
    compare(bound(f"x[i] = {kind}[j,c](o[i,j,c])", shapes={"o": shape}), dtype, o)
    compare(bound(f"x = {kind}[i,j,c](o[i,j,c])", shapes={"o": shape}), dtype, o)


@DTYPES
@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_the_first_of_equals_wins(kind: str, dtype: str) -> None:
    equation = bound(f"x[c] = {kind}[i,j](o[i,j,c]); y[i] = {kind}[j](o[i,j,2])", shapes={"o": (5, 3, 7)})
    compare(equation, dtype, inputs={"o": np.ones((5, 3, 7))})
    equation = bound(f"x[c] = {kind}[i,j](o[i,j,c])", shapes={"o": (19, 23, 7)})
    compare(equation, dtype, inputs={"o": np.random.default_rng(0).integers(0, 3, (19, 23, 7))})


READS: list[tuple[str, dict[str, Any]]] = [
    ("x[i,j] = o[i-2,j+3 else 0]", {"I": 11, "J": 13}),
    ("x[i,j] = o[i-2,j else -inf]", {"I": 11}),
    ("x[i,j] = o[2*i,6-j]", {"I": 3, "J": 7}),
    ("x[i,j] = o[(i-1)/2,(j+1)/3 else 0.5]", {"I": 11, "J": 23}),
    ("x[i,j] = o[(2-i)/2,(3*j-1)/2 else 0]", {"I": 11, "J": 5}),
    ("x[i,j] = sum[m,n](o[i+m-1,j+2*n-2 else 0] * (1 + m + n))", {"I": 5, "J": 7, "M": 3, "N": 3}),
    ("x[i,j] = max[m,n](o[2*i+m-1,3*j+n-1 else -inf])", {"I": 3, "J": 3, "M": 3, "N": 2}),
    ("x[i,j] = argmax[m,n](o[2*i+m-1,3*j+n-1 else -inf])", {"I": 3, "J": 3, "M": 3, "N": 2}),
    ("x[i,j] = sum[m,n](where(i+m == n, o[m,n], 0))", {"I": 5, "J": 2}),
    ("x[i,j] = o[0,3] + o[i,0]", {"I": 5, "J": 2}),
]


@DTYPES
@pytest.mark.parametrize(("text", "sizes"), READS)
def test_a_way_of_reading(text: str, sizes: dict[str, int], dtype: str) -> None:
    compare(bound(text, shapes={"o": (5, 7)}, sizes=sizes), dtype)


@DTYPES
@pytest.mark.parametrize(("text", "sizes"), READS[:6])
def test_a_way_of_reading_in_vectors(text: str, sizes: dict[str, int], dtype: str) -> None:
    large = {name: size * 11 if name in "IJ" and "6-j" not in text else size for name, size in sizes.items()}
    text = text.replace("o[", "o[e,").replace("x[", "x[e,")
    compare(bound(text, shapes={"o": (17, 70, 80)}, sizes=large), dtype)


@DTYPES
def test_the_branch_not_taken_does_not_matter(dtype: str) -> None:
    text = "x[i] = where(o[i] > 0, log(o[i]), 0) + where(o[i] == 0, 1, 1/o[i]) + where(i < 3, inf, o[i])"
    compare(bound(text, shapes={"o": (7,)}), dtype, inputs={"o": [-1, 0, 2, 3, -4, 0, 5]})


@DTYPES
def test_infinities_and_not_a_number_are_passed_on(dtype: str) -> None:
    text = "x[i] = max(o[i], 0); y[i] = exp(o[i]); z[i] = sigmoid(o[i]) + tanh(o[i]) + erf(o[i]); w[i] = log(o[i])"
    equation = bound(text, shapes={"o": (4,)})
    program = compile_program(equation, ["x", "y", "z", "w"], dtype)
    program.set("o", [np.inf, -np.inf, np.nan, 0])
    program.run()
    np.testing.assert_array_equal(program.arrays["x"], [np.inf, 0, np.nan, 0])
    np.testing.assert_array_equal(program.arrays["y"], [np.inf, 0, np.nan, 1])
    np.testing.assert_array_equal(program.arrays["z"], [3, -2, np.nan, 0.5])
    np.testing.assert_array_equal(program.arrays["w"], [np.inf, np.nan, np.nan, -np.inf])


@DTYPES
def test_uniform_is_the_documented_hash(dtype: str) -> None:
    program = compare(
        bound("x[i,j] = uniform(seed, 7*i + j); y = seed", shapes={"seed": ()}, sizes={"I": 5, "J": 7}),
        dtype,
        {"seed": 12345},
    )
    h = (3 * 7 + 2) * 0x9E3779B1 + 12345 & 0xFFFFFFFF
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    h ^= h >> 16
    assert program.arrays["x"][3, 2] == (h >> 8) / 2**24


@DTYPES
def test_softmax_with_cross_entropy(dtype: str) -> None:
    text = """
    z[e,k] = y[e,k] - stop(max[l](y[e,l]))
    s[e] = sum[k](exp(z[e,k]))
    p[e,k] = exp(z[e,k]) / s[e]
    E = mean[e](log(s[e]) - sum[k](where(k == t[e], z[e,k], 0)))
    """
    for batch, classes in ((3, 5), (11, 37)):
        labels = np.arange(batch) % classes
        compare(bound(text, shapes={"y": (batch, classes), "t": (batch,)}), dtype, {"t": labels})


@DTYPES
@pytest.mark.parametrize("shape", [(3, 2, 5, 7), (16, 13, 11, 20)])
def test_batch_normalization(shape: tuple[int, ...], dtype: str) -> None:
    text = """
    mu[c] = mean[e,i,j](o[e,i,j,c])
    v[c] = mean[e,i,j]((o[e,i,j,c] - mu[c])^2)
    x[e,i,j,c] = gamma[c] * (o[e,i,j,c] - mu[c]) / sqrt(v[c] + 1e-5) + beta[c]
    """
    compare(bound(text, shapes={"o": shape, "gamma": shape[-1:], "beta": shape[-1:]}), dtype, tolerance=3)


@DTYPES
@pytest.mark.parametrize("shape", [(3, 5, 7, 2), (8, 24, 26, 20)])
def test_pooling_and_its_gradient(shape: tuple[int, ...], dtype: str) -> None:
    text = """
    x[e,i,j,c] = max[m,n](o[e,2*i+m,2*j+n,c])
    x_arg[e,i,j,c] = argmax[m,n](o[e,2*i+m,2*j+n,c])
    do[e,p,q,c] = sum[m,n](where(x_arg[e,(p-m)/2,(q-n)/2,c else -1] == 2*m+n, dx[e,(p-m)/2,(q-n)/2,c else 0], 0))
    """
    sizes = {"M": 2, "N": 2, "P": shape[1], "Q": shape[2]}
    halved = (shape[0], shape[1] // 2, shape[2] // 2, shape[3])
    equation = bound(text, shapes={"o": shape, "dx": halved}, sizes=sizes)
    compare(equation, dtype)
    compare(equation, dtype, outputs=["do"])


@DTYPES
def test_dropout_of_a_large_tensor(dtype: str) -> None:
    text = "x[e,i] = where(uniform(seed, 307*e + i) < 0.4, 0, o[e,i] / 0.6)"
    program = compare(bound(text, shapes={"o": (301, 307), "seed": ()}), dtype, {"seed": 7})
    assert abs(np.mean(program.arrays["x"] == 0) - 0.4) < 0.01  # 300^2 draws: sigma is 0.0016
