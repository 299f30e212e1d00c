"""Gradients of the equations that networks are made of, and of awkward ones, against central differences."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from convgrad.calculus.derive import derivation, gradients
from convgrad.calculus.names import names_used
from convgrad.errors import DerivationError
from convgrad.notation import batched, bind, parse
from convgrad.notation.terms import Definition, Equation, gradient_name
from convgrad.oracle.grid import evaluate
from gradient_checks import assert_gradients, derived


@dataclass(frozen=True)
class Case:
    text: str
    shapes: dict[str, tuple[int, ...]]
    sizes: dict[str, int] = field(default_factory=dict)
    integers: dict[str, int] = field(default_factory=dict)
    wrt: tuple[str, ...] | None = None
    labels: dict[str, int] = field(default_factory=dict)

    def bound(self) -> tuple[Equation, dict[str, np.ndarray]]:
        equation = bind(parse(self.text), self.shapes, self.sizes, self.integers)
        rng = np.random.default_rng(3)
        arrays = {name: rng.standard_normal(equation.shape_of[name]) for name in equation.inputs}
        arrays |= {name: np.asarray(float(value)) for name, value in self.labels.items()}
        return equation, arrays


CASES = {
    "conv1d": Case("x[i,k] = sum[m,c](w[m,c,k] * o[s*i+d*m-p,c else 0]) + b[k]",
                   {"w": (3, 2, 5), "o": (11, 2)}, {"I": 5}, {"s": 2, "d": 2, "p": 2}),
    "conv2d": Case("x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]", {"w": (2, 3, 2, 4), "o": (5, 7, 2)}),
    "conv2d strided and padded": Case(
        "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[s*i+d*m-p,s*j+d*n-p,c else 0]) + b[i,j,k]",
        {"w": (3, 2, 2, 3), "o": (7, 5, 2)}, {"I": 3, "J": 4}, {"s": 3, "d": 2, "p": 2}),
    "conv2d in groups": Case("x[i,j,g,k] = sum[m,n,c](w[m,n,c,g,k] * o[i+m,j+n,g,c]) + b[g,k]",
                             {"w": (2, 3, 2, 3, 4), "o": (4, 5, 3, 2)}),
    "conv3d": Case("x[i,j,l,k] = sum[m,n,r,c](w[m,n,r,c,k] * o[2*i+m,j+n,l+r,c])",
                   {"w": (2, 3, 1, 2, 2), "o": (5, 4, 3, 2)}),
    "depthwise": Case("x[i,j,c] = sum[m,n](w[m,n,c] * o[i+m,j+n,c]) + b[c]", {"w": (2, 3, 5), "o": (4, 5, 5)}),
    "transposed": Case("x[i,j,k] = sum[m,n,c](w[m,n,k,c] * o[(i+p-m)/s,(j+p-n)/s,c else 0]) + b[k]",
                       {"w": (3, 2, 2, 3), "o": (3, 4, 3)}, {"I": 7, "J": 9}, {"s": 2, "p": 1}),
    "max pooling": Case("x[i,j,c] = max[m,n](o[2*i+m,2*j+n,c])", {"o": (6, 4, 3)}, {"M": 2, "N": 2, "I": 3, "J": 2}),
    "max pooling, overlapping and padded": Case(
        "x[i,j,c] = max[m,n](o[2*i+m-1,2*j+n-1,c else -inf])", {"o": (7, 5, 2)}, {"M": 3, "N": 3, "I": 4, "J": 3}),
    "max pooling with gaps": Case("x[i] = max[m](o[3*i+m])", {"o": (11,)}, {"M": 2, "I": 4}),
    "min pooling of a product": Case("x[i] = min[m](w[m] * o[i+m])", {"w": (3,), "o": (7,)}),
    "average pooling": Case("x[i,j,c] = mean[m,n](o[2*i+m,3*j+n,c])", {"o": (5, 8, 2)},
                            {"M": 2, "N": 3, "I": 2, "J": 2}),
    "average pooling, padded, by count": Case(
        "x[i] = sum[m](o[2*i+m-1 else 0]) / sum[m](where(2*i+m-1 >= 0, where(2*i+m-1 < 7, 1, 0), 0))",
        {"o": (7,)}, {"M": 3, "I": 4}),
    "dense": Case("x[k] = sum[c](w[c,k] * o[c]) + b[k]", {"w": (5, 3), "o": (5,)}),
    "softmax": Case("z[k] = exp(o[k] - stop(max[l](o[l])))\nx[k] = z[k] / sum[l](z[l])", {"o": (5,)}),
    "half squared error": Case("E = 1/2 * sum[k]((t[k] - y[k])^2)", {"t": (5,), "y": (5,)}),
    "cross-entropy with smoothing": Case(
        "z[k] = y[k] - stop(max[l](y[l]))\ns = sum[k](exp(z[k]))\n"
        "E = log(s) - sum[k]((where(k == t, 0.9, 0) + 0.1/K) * z[k])",
        {"y": (5,), "t": ()}, wrt=("y",), labels={"t": 3}),
    "binary cross-entropy": Case("E = mean[k](softplus(y[k]) - t[k] * y[k])", {"y": (5,), "t": (5,)}),
    "batch normalization": Case(
        "mu[c] = mean[e,i](o[e,i,c])\nv[c] = mean[e,i]((o[e,i,c] - mu[c])^2)\n"
        "x[e,i,c] = gamma[c] * (o[e,i,c] - mu[c]) / sqrt(v[c] + 0.1) + beta[c]",
        {"o": (3, 5, 2), "gamma": (2,), "beta": (2,)}),
    "joined": Case("x[i,k] = a[i,k-z else 0] + b[i,k-A else 0]",
                   {"a": (3, 2), "b": (3, 4)}, {"K": 6}, {"z": 0, "A": 2}),
    "joined by a condition": Case("x[k] = where(k < A, a[k-z else 0], 2 * b[k-A else 0])",
                                  {"a": (2,), "b": (4,)}, {"K": 6}, {"z": 0, "A": 2}),
    # Awkward ones
    "every function": Case(
        "x[i] = exp(tanh(a[i])) + log(1 + a[i]^2) * sqrt(2 + sigmoid(a[i])) - erf(a[i]) / softplus(a[i]) + abs(a[i])"
        " + max(a[i], b[i]) * min(a[i], 0.3) + a[i]^3 + (1 + b[i]^2)^-0.5", {"a": (7,), "b": (7,)}),
    "read twice": Case("x[i] = a[i+z] * a[i+1] + a[2]", {"a": (7,)}, {"I": 6}, {"z": 0}),
    "read backwards": Case("x[i] = a[P-1-i] * w[i]", {"a": (7,), "w": (7,)}, integers={"P": 7}),
    "diagonal": Case("x[i] = a[i,i] * a[i,2]", {"a": (5, 5)}),
    "fixed element": Case("x[i] = a[0] * b[i] + a[4]^2", {"a": (5,), "b": (3,)}),
    "sheared": Case("x[i,j] = a[i+j,i-j+2] * w[i]", {"a": (6, 5), "w": (3,)}, {"I": 3, "J": 3}),
    "skewed by coefficients": Case("x[i,j] = a[2*i+3*j]", {"a": (14,)}, {"I": 3, "J": 4}),
    "a reduction alone": Case("x[i] = sum[m](a[2*m] * b[i,m])", {"a": (7,), "b": (3, 4)}),
    "a reduction that reads a part": Case("x[i] = sum[m](a[m+1] * b[i])", {"a": (7,), "b": (3,)}, {"M": 4}),
    "denominator read outside": Case("x[i] = sum[m](o[i+m-1 else 0] / (1 + w[i,m]^2))", {"o": (5,), "w": (5, 3)}),
    "slope inside the sum": Case("x[i] = sum[m](w[m] / (2 + u[i,m] * o[i+m]))", {"w": (3,), "o": (6,), "u": (4, 3)}),
    "sum of a sum": Case("x[i] = sum[m](w[m] * sum[n](v[n] * o[i+m+n])^2)", {"w": (2,), "v": (3,), "o": (7,)}),
    "product of sums": Case("x[i] = sum[m](a[i+m]) * sum[m](a[i+m] * w[m])", {"w": (3,), "a": (7,)}),
    "three factors": Case("x[i,k] = sum[m,c](u[m,c] * v[c,k] * o[i+m,c])", {"u": (2, 3), "v": (3, 4), "o": (5, 3)}),
    "index as a number": Case("x[i] = a[i] * (i + 1) / (I + 2)", {"a": (5,)}),
    "other value outside": Case("x[i] = sum[m](w[m] * a[i+m-1 else 2])", {"w": (3,), "a": (5,)}, {"I": 5}),
    "through three definitions": Case("y[i] = a[i] * b\nz[j] = sum[i](y[i] * w[i,j])\nx[i] = y[i] * z[0] + z[1]",
                                      {"a": (3,), "b": (), "w": (3, 2)}),
    "names that a derivation would take": Case("x[p,q] = sum[r](a[p+r,q] * b[r] * u[q])",
                                               {"a": (5, 3), "b": (2,), "u": (3,)}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_gradient(name: str) -> None:
    case = CASES[name]
    equation, arrays = case.bound()
    assert_gradients(equation, arrays, case.wrt)


@pytest.mark.parametrize("name", CASES)
def test_every_step_says_the_same(name: str) -> None:
    """All lines of one way in are the same numbers, and the ways in add up to the gradient."""
    case = CASES[name]
    equation, arrays = case.bound()
    upstream = np.random.default_rng(5).standard_normal(equation.result.shape)
    for wrt in case.wrt or arrays:
        _, adjoint = derived(equation, arrays, [wrt], upstream)
        values = dict(arrays) | evaluate(adjoint.forward, arrays) | {gradient_name(equation.result.name): upstream}
        values |= evaluate(adjoint.backward, {n: values[n] for n in adjoint.backward.inputs})
        ways: dict[str, list[list[np.ndarray]]] = {}
        for step in derivation(equation, wrt).steps:
            definition = step.definition
            if definition is None:
                continue
            assert parse(step.equation).result == parse(str(definition)).result
            value = value_of(definition, values)
            if step.rule in ("expand the sum", "no influence"):
                ways.setdefault(definition.name, []).append([])
            if step.rule in ("add up", "name the slope", "turn the kernel"):
                same(value, values[definition.name])
            else:
                ways[definition.name][-1].append(value)
        for gradient, found in ways.items():
            for lines in found:
                for line in lines:
                    same(line, lines[0])
            same(sum(lines[0] for lines in found), values[gradient])


def value_of(definition: Definition, values: dict[str, np.ndarray]) -> np.ndarray:
    shapes = {name: np.shape(value) for name, value in values.items()} | {definition.name: definition.shape}
    single = Equation((definition,), shapes=tuple(shapes.items()))
    return evaluate(single, {name: values[name] for name in single.inputs})[definition.name]


def same(value: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-12)


def test_a_wrong_gradient_is_refused() -> None:
    """The checker itself: a kernel that is not turned, and a factor 2, are found."""
    equation = bind(parse("x[i] = sum[m](w[m] * o[i+m])"), {"w": (3,), "o": (7,)})
    wrong = bind(parse("x[i] = sum[m](w[2-m] * o[i+m])"), {"w": (3,), "o": (7,)}, {"M": 3})
    arrays = {"w": np.array([1.0, 2, 4]), "o": np.arange(7.0)}
    upstream = np.arange(5.0)
    right, _ = derived(equation, arrays, ["o"], upstream)
    other, _ = derived(wrong, arrays, ["o"], upstream)
    assert np.abs(right["o"] - other["o"]).max() > 1


@pytest.mark.parametrize("name", ["conv2d strided and padded", "max pooling", "batch normalization", "transposed"])
def test_derived_before_or_after_sizes_are_known_is_the_same(name: str) -> None:
    case = CASES[name]
    bound, arrays = case.bound()
    upstream = np.random.default_rng(1).standard_normal(bound.result.shape)
    wrt = list(arrays)
    expected, _ = derived(bound, arrays, wrt, upstream)
    adjoint = gradients(parse(case.text), wrt)
    values: dict[str, np.ndarray] = dict(arrays)
    shapes = dict(bound.shape_of)
    sizes = {i.upper(): s for d in bound.definitions for i, s in d.ranges}
    forward = bind(adjoint.forward, case.shapes, case.sizes, case.integers)
    values |= evaluate(forward, arrays)
    values[gradient_name(bound.result.name)] = upstream
    shapes |= forward.shape_of | {gradient_name(bound.result.name): upstream.shape}
    shapes |= {gradient_name(n): s for n, s in shapes.items()}
    for definition in adjoint.backward.definitions:
        single = Equation((definition,))
        own = {n: shapes[n] for n in (*single.inputs, definition.name) if n in shapes and n not in sizes}
        used = names_used(single)
        line = bind(
            single,
            own,
            {n: size for n, size in sizes.items() if n in used},
            {n: v for n, v in case.integers.items() if n in used},
        )
        values |= evaluate(line, {n: values[n] for n in line.inputs})
    for tensor in wrt:
        np.testing.assert_allclose(values[gradient_name(tensor)], expected[tensor], rtol=1e-12, atol=1e-13)


def test_over_a_batch_gradients_of_parameters_add_up() -> None:
    text = "x[i,k] = tanh(sum[m,c](w[m,c,k] * o[i+m,c]) + b[k])"
    single = bind(parse(text), {"w": (2, 3, 4), "o": (5, 3), "b": (4,)})
    many = batched(single, {"o"}, 6)
    rng = np.random.default_rng(2)
    w, b, o = rng.standard_normal((2, 3, 4)), rng.standard_normal(4), rng.standard_normal((6, 5, 3))
    upstream = rng.standard_normal((6, 4, 4))
    together, _ = derived(many, {"w": w, "b": b, "o": o}, ["w", "b", "o"], upstream)
    apart = [derived(single, {"w": w, "b": b, "o": o[e]}, ["w", "b", "o"], upstream[e])[0] for e in range(6)]
    np.testing.assert_allclose(together["w"], sum(a["w"] for a in apart), rtol=1e-12)
    np.testing.assert_allclose(together["b"], sum(a["b"] for a in apart), rtol=1e-12)
    np.testing.assert_allclose(together["o"], [a["o"] for a in apart], rtol=1e-12)


def test_stop_holds_constant() -> None:
    equation = bind(parse("x[i] = a[i] * stop(a[i]) + stop(b[i])"), {"a": (3,), "b": (3,)})
    arrays = {"a": np.array([1.0, 2, 3]), "b": np.ones(3)}
    found, _ = derived(equation, arrays, ["a", "b"], np.ones(3))
    np.testing.assert_array_equal(found["a"], arrays["a"])
    np.testing.assert_array_equal(found["b"], 0)


def test_ties_and_kinks_follow_the_stated_rules() -> None:
    def slope(text: str, **arrays: list[float]) -> np.ndarray:
        values = {name: np.array(value, float) for name, value in arrays.items()}
        equation = bind(parse(text), {name: value.shape for name, value in values.items()})
        return derived(equation, values, ["a"], np.ones(equation.result.shape))[0]["a"]

    np.testing.assert_array_equal(slope("x[i] = max(a[i], 0)", a=[-1, 0, 2]), [0, 0, 1])
    np.testing.assert_array_equal(slope("x[i] = min(a[i], 0)", a=[-1, 0, 2]), [1, 0, 0])
    np.testing.assert_array_equal(slope("x[i] = abs(a[i])", a=[-1, 0, 2]), [-1, 0, 1])
    np.testing.assert_array_equal(slope("x[i] = max(a[i], b[i])", a=[1, 1, 1], b=[0, 1, 2]), [1, 0, 0])
    np.testing.assert_array_equal(slope("x = max[i](a[i])", a=[1, 5, 5, 2]), [0, 1, 0, 0])
    np.testing.assert_array_equal(slope("x = min[i](a[i])", a=[1, 0, 0, 2]), [0, 1, 0, 0])
    np.testing.assert_array_equal(slope("x[i] = where(a[i] > 0, 3 * a[i], a[i])", a=[-1, 0, 2]), [1, 1, 3])


def test_of_a_definition_in_between() -> None:
    """BatchNorm's result is not its last definition: `of` says which gradient is given."""
    equation = bind(parse("x[i] = 2 * a[i]\nm_next[i] = 0.9 * m[i] + a[i]"), {"a": (3,), "m": (3,)})
    found, _ = derived(equation, {"a": np.ones(3), "m": np.ones(3)}, ["a", "m"], np.array([1.0, 2, 3]), of="x")
    np.testing.assert_array_equal(found["a"], [2, 4, 6])
    np.testing.assert_array_equal(found["m"], 0)


@pytest.mark.parametrize(
    ("text", "wrt", "of", "message"),
    [
        ("x[i] = a[i]", "b", None, "does not read `b`, so there is no gradient with respect to it.\nIt reads `a`"),
        ("x[i] = a[i]", "a", "y", "The equation does not define `y`.\nIt defines `x`"),
        ("x[i] = a[i] * da[i]", "a", None, "`da` is a tensor of the equation, but it is also the name of the gradient"),
        ("x[i] = floor(a[i])", "a", None, "There is no derivative rule for `floor` in the definition of `x`"),
        ("x[i] = b[i] + argmax[m](a[i,m])", "a", None, "no derivative rule for `argmax`"),
        ("x[i] = argmin[m](a[i,m])", "a", None, "no derivative rule for `argmin`"),
    ],
)
def test_refusals(text: str, wrt: str, of: str | None, message: str) -> None:
    with pytest.raises(DerivationError) as caught:
        gradients(parse(text), [wrt], of)
    assert message in str(caught.value)
    if "rule" in message:
        assert "^" in str(caught.value)
        assert "Write stop(" in str(caught.value)
