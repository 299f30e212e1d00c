"""Equations as functions: `value_and_grad` on both engines, against differences and against NumPy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import convgrad
from convgrad.compute.halide import available
from convgrad.compute.oracle import central_difference, evaluate
from convgrad.errors import ArgumentError, ConvgradError, DataError, DerivationError, EngineError, ShapeError
from convgrad.gradient_function import MOST_PROGRAMS

ENGINES = ["oracle", pytest.param("halide", marks=pytest.mark.skipif(not available()[0], reason="no Halide here"))]

ATTENTION = """
s[i,j] = sum[d](q[i,d] * k[j,d]) / sqrt(D)
a[i,j] = exp(s[i,j] - max[l](s[i,l])) / sum[n](exp(s[i,n] - max[l](s[i,l])))
y[i,d] = sum[j](a[i,j] * v[j,d])
"""
LSTM = """
g[e,u] = sigmoid(sum[p](x[e,p] * wg[p,u]) + sum[r](h[e,r] * ug[r,u]) + bg[u])
f[e,u] = sigmoid(sum[p](x[e,p] * wf[p,u]) + sum[r](h[e,r] * uf[r,u]) + bf[u])
o[e,u] = sigmoid(sum[p](x[e,p] * wo[p,u]) + sum[r](h[e,r] * uo[r,u]) + bo[u])
z[e,u] = tanh(sum[p](x[e,p] * wz[p,u]) + sum[r](h[e,r] * uz[r,u]) + bz[u])
c_new[e,u] = f[e,u] * c[e,u] + g[e,u] * z[e,u]
h_new[e,u] = o[e,u] * tanh(c_new[e,u])
"""
COSINE = "s[i,j] = sum[d](a[i,d]*b[j,d]) / (sqrt(sum[d](a[i,d]^2)) * sqrt(sum[d](b[j,d]^2)) + eps)"
CORRELATION = "v[i,j,p,q] = mean[c](f[i,j,c] * g[i+p-R,j+q-R,c else 0])"
RESPONSE = "y[i,j,c] = x[i,j,c] / (k + alpha/N * sum[n](x[i,j,c+n-2 else 0]^2))^0.75"
INVOLUTION = """
r[i,j,d] = max(sum[c](x[i,j,c] * wr[c,d]) + br[d], 0)
w[i,j,m,n] = sum[d](r[i,j,d] * ws[d,m,n]) + bs[m,n]
y[i,j,c] = sum[m,n](w[i,j,m,n] * x[i+m-1,j+n-1,c else 0])
"""
EXCITATION = """
s[c] = mean[i,j](x[i,j,c])
r[d] = max(sum[c](w[c,d] * s[c]) + a[d], 0)
e[c] = sigmoid(sum[d](v[d,c] * r[d]) + b[c])
y[i,j,c] = x[i,j,c] * e[c]
"""


def gates(kind: str) -> dict[str, tuple[int, ...]]:
    return {f"w{kind}": (2, 4), f"u{kind}": (4, 4), f"b{kind}": (4,)}


CASES: dict[str, tuple[str, dict[str, tuple[int, ...]], dict[str, Any]]] = {
    "attention": (ATTENTION, {"q": (2, 3), "k": (5, 3), "v": (5, 3)}, {}),
    "lstm": (
        LSTM,
        {"x": (3, 2), "h": (3, 4), "c": (3, 4), **gates("g"), **gates("f"), **gates("o"), **gates("z")},
        {},
    ),
    "cosine similarity": (COSINE, {"a": (2, 3), "b": (4, 3)}, {"numbers": {"eps": 1e-8}}),
    "correlation volume": (
        CORRELATION,
        {"f": (4, 5, 2), "g": (4, 5, 2)},
        {"sizes": {"P": 3, "Q": 3}, "integers": {"R": 1}},
    ),
    "local response normalization": (RESPONSE, {"x": (2, 3, 7), "k": (), "alpha": ()}, {"sizes": {"N": 5}}),
    "involution": (
        INVOLUTION,
        {"x": (4, 5, 2), "wr": (2, 6), "br": (6,), "ws": (6, 3, 3), "bs": (3, 3)},
        {"sizes": {"I": 4, "J": 5}},
    ),
    "squeeze and excitation": (
        EXCITATION,
        {"x": (2, 3, 4), "w": (4, 5), "a": (5,), "v": (5, 4), "b": (4,)},
        {},
    ),
}  # fmt: skip


def drawn(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, npt.NDArray[np.float64]]:
    rng = np.random.default_rng(5)
    return {name: rng.uniform(0.3, 1.2, shape) * rng.choice([-1, 1], shape or None) for name, shape in shapes.items()}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_one_line_from_text_to_gradients(name: str, engine: str) -> None:
    text, shapes, given = CASES[name]
    arrays = drawn(shapes)
    if name.startswith("local"):
        arrays |= {"k": np.array(2.0), "alpha": np.array(0.3)}
    wrt = list(shapes)
    function = convgrad.value_and_grad(text, wrt, engine=engine, **given)
    bound = convgrad.bind(convgrad.parse(text), shapes, **given)
    right = evaluate(bound, arrays)[bound.result.name]
    upstream = np.random.default_rng(7).normal(size=right.shape)
    value, found = function(arrays, upstream)
    np.testing.assert_allclose(value, right, rtol=1e-12, atol=1e-13)
    assert [*found] == wrt
    for tensor in wrt:
        expected = central_difference(bound, arrays, tensor, upstream)
        assert found[tensor].shape == shapes[tensor]
        np.testing.assert_allclose(found[tensor], expected, rtol=1e-8, atol=1e-9, err_msg=tensor)


def test_attention_is_that_of_its_definition() -> None:
    arrays = drawn(CASES["attention"][1])
    q, k, v = arrays["q"], arrays["k"], arrays["v"]
    scores = np.exp(q @ k.T / np.sqrt(3))
    weights = scores / scores.sum(axis=1, keepdims=True)
    value, d_v = convgrad.value_and_grad(ATTENTION, "v", engine="oracle")(arrays, np.ones((2, 3)))
    np.testing.assert_allclose(value, weights @ v, rtol=1e-13)
    np.testing.assert_allclose(d_v, weights.T @ np.ones((2, 3)), rtol=1e-13)


@pytest.mark.parametrize("engine", ENGINES)
def test_several_values_with_a_gradient_from_above_each(engine: str) -> None:
    """The state of an LSTM cell goes on to the next step twice, and c_new is read by h_new as well."""
    text, shapes, _ = CASES["lstm"]
    arrays = drawn(shapes)
    above = {"h_new": np.random.default_rng(2).normal(size=(3, 4)), "c_new": np.full((3, 4), 0.5)}
    both = convgrad.value_and_grad(text, ["c", "wf"], of=["h_new", "c_new"], engine=engine)
    values, found = both(arrays, above)
    each = [convgrad.value_and_grad(text, ["c", "wf"], of=name, engine=engine)(arrays, above[name]) for name in above]
    for (name, value), (alone, _) in zip(values.items(), each, strict=True):
        np.testing.assert_allclose(value, alone, rtol=1e-12, err_msg=name)
    for name, gradient in found.items():
        np.testing.assert_allclose(gradient, each[0][1][name] + each[1][1][name], rtol=1e-10, atol=1e-14)
    assert "\ntotal = c_new_weighted + h_new_weighted\n" in str(both)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_type_is_kept(dtype: str, engine: str) -> None:
    function = convgrad.value_and_grad("E = sum[i](w[i] * o[i]^2) * scale", ["w", "o"], engine=engine)
    w, o = np.array([1, -2, 3], dtype), np.array([0.5, 2, -1], dtype)
    value, found = function({"w": w, "o": o, "scale": 2})
    assert {value.dtype, found["w"].dtype, found["o"].dtype} == {np.dtype(dtype)}
    assert float(value) == 2 * (0.25 - 8 + 3)
    assert found["w"].tolist() == [0.5, 8, 2]
    assert found["o"].tolist() == [2, -16, -12]


def test_whole_numbers_are_computed_with_in_float64() -> None:
    value, found = convgrad.value_and_grad("E = sum[i](o[i]^3)", "o", engine="oracle")({"o": [1, 2]})
    assert (value.dtype, found.dtype) == (np.dtype("float64"),) * 2
    assert found.tolist() == [3, 12]


def test_other_shapes_make_other_programs_and_results_are_the_callers_own() -> None:
    function = convgrad.value_and_grad("x[i] = sum[m](w[m] * o[i+m])", ["w", "o"], engine="oracle")
    first, kept = function({"w": [1.0, 2.0], "o": [1.0, 2.0, 3.0]}, [1, 1])
    for size in range(2, 2 * MOST_PROGRAMS):
        function({"w": [1.0, 2.0], "o": np.ones(size)}, np.ones(size - 1))
    function({"w": [7.0, 7.0], "o": [7.0, 7.0, 7.0]}, [1, 1])
    assert first.tolist() == [5, 8]
    assert {name: array.tolist() for name, array in kept.items()} == {"w": [3, 5], "o": [1, 3, 2]}


def test_upstream_tells_a_size_that_no_array_has() -> None:
    """A padded convolution: how far the windows go is not in the arrays."""
    function = convgrad.value_and_grad("x[i] = sum[m](w[m] * o[i+m-1 else 0])", "o", engine="oracle")
    value, found = function({"w": [1.0, 10.0, 100.0], "o": [1.0, 2.0, 3.0]}, upstream=[1, 1, 1])
    assert value.tolist() == [210, 321, 32]
    assert found.tolist() == [11, 111, 110]


def test_an_intermediate_tensor_can_be_asked_for() -> None:
    function = convgrad.value_and_grad("h[i] = 2 * o[i]; E = sum[i](h[i]^2)", ["h", "o"], engine="oracle")
    assert {n: g.tolist() for n, g in function({"o": [1.0, 3.0]})[1].items()} == {"h": [4, 12], "o": [8, 24]}


def test_it_prints_what_it_computes() -> None:
    function = convgrad.value_and_grad("x[i] = o[i] / sum[j](o[j])", "o", engine="oracle")
    assert str(function).splitlines()[-2:] == [
        "dx_sum = -sum[i](dx[i] * x[i]) / x_sum",
        "do[i] = dx[i] / x_sum + dx_sum",
    ]


CONV = "x[i] = sum[m](w[m] * o[i+m]) + b"
GOOD: dict[str, Any] = {"w": [1.0, 2.0], "o": [1.0, 2.0, 3.0], "b": 0.5}


@pytest.mark.parametrize(
    ("arrays", "upstream", "error", "words"),
    [
        ({"w": [1.0, 2.0], "b": 1}, None, DataError, "No array is given for `o`; it is read as o[i+m]. Give b, o, w."),
        ({"w": [1.0], "o": [1.0]}, None, DataError, "No array is given for `b`; it is a number of the equation."),
        (GOOD | {"bias": 1}, None, DataError, "The equation does not read `bias`."),
        (GOOD | {"x": [1, 2]}, None, DataError, "`x` is what the equation defines"),
        (GOOD | {"m": 1}, None, DataError, "`m` is no tensor of the equation."),
        (GOOD | {"w": [[1.0, 2.0]]}, [1, 1], ShapeError, "w has 1 axis in the equation, but its shape (1, 2) has 2"),
        (GOOD | {"w": np.ones(4)}, [1, 1], ShapeError, "Not even I = 1 would fit"),
        (GOOD | {"o": ["a", "b"]}, [1, 1], DataError, "o must be an array of real numbers"),
        (GOOD | {"o": np.ones(3, complex)}, [1, 1], DataError, "o must be an array of real numbers"),
        (GOOD | {"o": np.ones(3, np.float16), "w": np.ones(2, np.float16)}, [1, 1], EngineError, "not in 'float16'"),
        (GOOD, None, DataError, "`x` has shape (2,): give upstream, the gradient of an error with respect to it"),
        (GOOD, [1, 1, 1], DataError, "upstream has shape (3,), but `x` has shape (2,)."),
        (GOOD, [1], DataError, "upstream has shape (1,), but `x` has shape (2,)."),
        (GOOD, "ones", DataError, "upstream must be an array of real numbers"),
        (GOOD, {"x": [1, 1]}, DataError, "upstream must be the array for `x` alone, not a table"),
        ([1, 2], None, DataError, "arrays must be a table from names to values"),
        (GOOD | {"w": np.ones((2, 2)), "b": np.ones(3)}, [1, 1], ShapeError, "w has 1 axis in the equation"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit(arrays: Any, upstream: Any, error: type[ConvgradError], words: str) -> None:
    function = convgrad.value_and_grad(CONV, ["w", "o"], engine="oracle")
    with pytest.raises(error, match=re.escape(words)):
        function(arrays, upstream)


def test_sizes_that_contradict_each_other_are_told_with_both_tensors() -> None:
    function = convgrad.value_and_grad("s[i,j] = sum[d](q[i,d] * k[j,d])", "q", engine="oracle")
    words = "3 (axis 1 of q, shape (2, 3)), but 4 (axis 1 of k, shape (5, 4))"
    with pytest.raises(ShapeError, match=re.escape(words)):
        function({"q": np.ones((2, 3)), "k": np.ones((5, 4))}, np.ones((2, 5)))


def test_a_whole_number_of_a_position_is_no_array() -> None:
    function = convgrad.value_and_grad("x[i] = o[s*i]", "o", engine="oracle")
    with pytest.raises(DataError, match="Whole numbers in positions are given as integers"):
        function({"o": [1.0], "s": 2})


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("x[i] = o[i", "o"), convgrad.EquationSyntaxError, "x[i] = o[i"),
        (("x[i] = o[i]", "w"), DerivationError, "The equation does not read `w`"),
        (("x[i] = o[i]", []), ArgumentError, "wrt must be the name of a tensor, or a collection of names"),
        ((7, "o"), ArgumentError, "equation must be an equation or its text"),
        (("x[i] = o[i]", "x"), DerivationError, "`dx`, which is given"),
    ],
)
def test_what_can_not_be_made_a_function(arguments: tuple[Any, Any], error: type[ConvgradError], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)):
        convgrad.value_and_grad(*arguments, engine="oracle")


def test_of_must_be_defined_and_the_engine_known() -> None:
    with pytest.raises(DerivationError, match="The equation does not define `y`"):
        convgrad.value_and_grad("x[i] = o[i]", "o", of="y")
    with pytest.raises(EngineError, match="There is no engine 'fast'"):
        convgrad.value_and_grad("x[i] = o[i]", "o", engine="fast")
    with pytest.raises(ArgumentError, match="the equation is bound already"):
        convgrad.value_and_grad(convgrad.bind(convgrad.parse("x[i] = o[i]"), {"o": (2,)}), "o")


def test_several_values_need_a_table_of_gradients_from_above() -> None:
    function = convgrad.value_and_grad("a = 2 * o; b = 3 * o", "o", of=["a", "b"], engine="oracle")
    values, found = function({"o": 1.5})
    assert ({name: float(value) for name, value in values.items()}, float(found)) == ({"a": 3, "b": 4.5}, 5)
    assert float(function({"o": 1.5}, {"a": 1, "b": 0})[1]) == 2
    with pytest.raises(DataError, match="upstream must be a table with an array for each of a, b"):
        function({"o": 1.5}, {"a": 1})


def test_a_call_with_other_arguments_is_told_what_it_takes() -> None:
    function = convgrad.value_and_grad("x = 2 * o", "o", engine="oracle")
    call: Any = function
    with pytest.raises(DataError, match="the function of value_and_grad has no argument 'up'"):
        call({"o": 1.0}, up=1)
    with pytest.raises(DataError, match="the function of value_and_grad needs arrays, which is missing"):
        call()


def test_the_arrays_that_disagree_are_told_and_not_upstream() -> None:
    function = convgrad.value_and_grad("x[i,k] = sum[m](w[m,k] * o[i+m]) + b[k]", "o", engine="oracle")
    with pytest.raises(ShapeError, match=re.escape("3 (axis 1 of w, shape (2, 3)), but 4 (axis 0 of b, shape (4,))")):
        function({"o": np.ones(5), "w": np.ones((2, 3)), "b": np.ones(4)}, np.ones((4, 3)))
