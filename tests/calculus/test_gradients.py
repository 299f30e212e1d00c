"""Gradients of the equations that networks are made of, and of awkward ones, against central differences."""

from __future__ import annotations

import numpy as np
import pytest

from calculus_cases import CASES
from convgrad.calculus import derivation, gradients
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import DerivationError, ShapeError
from convgrad.notation import batched, bind, parse, rename
from convgrad.notation.terms import Equation, gradient_name
from gradient_checks import assert_differences, assert_gradients, assert_steps, assert_unbound_is_the_same, derived


@pytest.mark.parametrize("name", CASES)
def test_gradient(name: str) -> None:
    equation, arrays = CASES[name].bound()
    assert_gradients(equation, arrays, CASES[name].differentiable)


@pytest.mark.parametrize("name", CASES)
def test_every_step_says_the_same(name: str) -> None:
    equation, arrays = CASES[name].bound()
    upstream = np.random.default_rng(5).standard_normal(equation.result.shape)
    for wrt in CASES[name].differentiable:
        assert_steps(equation, arrays, wrt, upstream)


@pytest.mark.parametrize("name", [name for name in CASES if name != "the names of an index with two sizes"])
def test_derived_before_or_after_sizes_are_known_is_the_same(name: str) -> None:
    bound, arrays = CASES[name].bound()
    equation, integers = parse(CASES[name].text), CASES[name].integers
    assert_unbound_is_the_same(equation, bound, integers, arrays, CASES[name].differentiable)


@pytest.mark.parametrize(
    "wrong",
    [
        "do[p] = sum[m](dx[p+m-2 else 0] * w[m])",  # the kernel is not turned
        "do[p] = 2 * sum[m](dx[p-m else 0] * w[m])",
        "do[p] = -sum[m](dx[p-m else 0] * w[m])",
        "do[p] = sum[m](dx[p-m-1 else 0] * w[m])",
        "do[p] = sum[m](dx[p-m else 1e-3] * w[m])",
        "do[p] = sum[m](dx[p-m else 0] * w[m]) + 1e-3",
        "do[p] = sum[m](dx[p-m else 0] * w[m]) / where(p == 3, 0, 1)",  # not a number
    ],
)
@pytest.mark.parametrize("most", [10_000, 0], ids=["by elements", "by directions"])
def test_a_wrong_gradient_is_refused(wrong: str, most: int) -> None:
    """The checker itself tells right from wrong."""
    equation = bind(parse("x[i] = sum[m](w[m] * o[i+m])"), {"w": (3,), "o": (7,)})
    arrays = {"w": np.array([1.0, 2, 4]), "o": np.arange(7.0)}
    upstream = np.arange(1.0, 6)

    def check(text: str) -> None:
        backward = bind(parse(text), {"dx": (5,), "w": (3,), "do": (7,)})
        found = evaluate(backward, {"dx": upstream, "w": arrays["w"]})
        assert_differences(equation, arrays, {"o": found["do"]}, upstream, np.random.default_rng(0), most=most)

    check("do[p] = sum[m](dx[p-m else 0] * w[m])")
    with pytest.raises(AssertionError, match=r"by differences|do is"):
        check(wrong)


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


@pytest.mark.parametrize("name", ["conv1d", "max pooling, overlapping and padded", "transposed", "attention"])
def test_a_gradient_can_be_derived_once_more(name: str) -> None:
    """The derived equations are equations: a gradient of the gradient is right as well."""
    equation, arrays = CASES[name].bound()
    adjoint = gradients(equation, CASES[name].differentiable)
    both = Equation(
        adjoint.forward.definitions + adjoint.backward.definitions,
        shapes=tuple((adjoint.forward.shape_of | adjoint.backward.shape_of).items()),
    )
    # The gradient of x is now to be named as the one that is given for it: begin all names with z.
    again = rename(both, {n: f"z{n}" for n in both.shape_of})
    rng = np.random.default_rng(4)
    values = {n: arrays[n[1:]] if n[1:] in arrays else rng.standard_normal(again.shape_of[n]) for n in again.inputs}
    assert_gradients(again, values)


def test_nothing_is_computed_twice_or_in_vain() -> None:
    """Conditions that do not depend on a sum stand in front of it, equal sums get one name, sizes replace sums."""

    def backward(text: str, shapes: dict[str, tuple[int, ...]], **sizes: int) -> str:
        equation = bind(parse(text), shapes, sizes)
        return str(gradients(equation, [next(iter(shapes))]).backward)

    assert backward("x[i] = a[0] * b[i]", {"a": (5,), "b": (3,)}) == "da[p] = where(p == 0, sum[i](dx[i] * b[i]), 0)"
    assert backward("x[i] = sum[m](a[i])", {"a": (5,)}, M=3) == "da[i] = 3 * dx[i]"
    assert backward("x[i] = a[i] * a[i]", {"a": (5,)}) == "da[i] = 2 * dx[i] * a[i]"
    assert backward("x[k] = sum[m](o[2*m] * w[m,k])", {"o": (5,), "w": (3, 2)}) == (
        "do[p] = sum[k](dx[k] * w[p/2,k else 0])"
    )
    assert backward("x[c] = mean[m](o[m+1,c])", {"o": (6, 2)}, M=4) == (
        "do[p,c] = where(p >= 1, where(p <= 4, dx[c] / 4, 0), 0)"
    )
    twice = gradients(parse("x[i] = sum[m](a[m]) / (1 + sum[m](a[m])^2) + o[i]"), ["a"]).forward
    assert twice.defined == ("x_sum", "x")


def test_several_gradients_come_in_an_order_in_which_they_can_be_computed() -> None:
    equation = parse("y[i] = a[i] * b[i]\nx[i] = exp(y[i])")
    assert gradients(equation, ["b", "y", "a", "b"]).backward.defined == ("dy", "db", "da")
    assert gradients(equation, "a").backward == gradients(equation, ["a"]).backward
    assert gradients(equation, []).backward.definitions == ()
    assert str(gradients(equation, ["x", "a"], of="y").backward) == "dx[i] = 0\nda[i] = dy[i] * b[i]"


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
        ("x[i] = a[i] * da[i]", "a", None, "The equation has a name `da`, but that is also the name of the gradient"),
        ("x[i] = sum[da](a[i+da])", "a", None, "has a name `da`, but that is also the name of the gradient"),
        ("y[i] = a[i]\nx[i] = y[i]", "x", None, "The gradient with respect to `x` is `dx`, which is given.\nAsk for"),
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


def test_forward_and_backward_are_one_equation_that_reads_what_the_forward_equation_reads() -> None:
    text = (
        "m[i] = max[j](o[i,j]); a[i,j] = exp(o[i,j] - m[i]) / sum[k](exp(o[i,k] - m[i])); y[i] = sum[j](a[i,j] * v[j])"
    )
    unbound = gradients(parse(text), ["o", "v"])
    assert {"a_sum", "m_arg"} <= {*unbound.backward.inputs}
    assert unbound.whole.inputs == ("o", "v", "dy")
    rng = np.random.default_rng(3)
    arrays = {"o": rng.normal(size=(2, 3)), "v": rng.normal(size=3), "dy": rng.normal(size=2)}
    late = evaluate(bind(unbound.whole, {"o": (2, 3), "v": (3,)}), arrays)
    early = evaluate(gradients(bind(parse(text), {"o": (2, 3), "v": (3,)}), ["o", "v"]).whole, arrays)
    for name in ("y", "do", "dv"):
        np.testing.assert_allclose(late[name], early[name], rtol=1e-13)
    told = evaluate(bind(derivation(parse(text), "o").whole, {"o": (2, 3), "v": (3,)}), arrays)
    np.testing.assert_allclose(told["do"], early["do"], rtol=1e-13)


def test_a_gradient_has_the_shape_of_its_tensor() -> None:
    """The size of `do` can't be seen in its terms, and that of `dx` need not be given."""
    adjoint = gradients(parse("x[i] = sum[m](w[m] * o[i+m])"), ["o"])
    assert bind(adjoint.backward, {"o": (7,), "w": (3,), "dx": (5,)}).shape_of["do"] == (7,)
    assert bind(adjoint.whole, {"o": (7,), "w": (3,)}).shape_of["dx"] == (5,)
    error = gradients(parse("E = sum[i](x[i]^2)"), ["x"])
    assert bind(error.whole, {"x": (3,)}).shape_of["dE"] == ()
    renamed = rename(adjoint.whole, {"o": "in.o", "do": "in.do"})
    assert bind(renamed, {"in.o": (7,), "w": (3,)}).shape_of["in.do"] == (7,)
    with pytest.raises(ShapeError, match="do is the gradient with respect to o, but their shapes differ on axis 0"):
        bind(adjoint.whole, {"o": (7,), "w": (3,), "do": (6,)})


ASKED_AGAIN = ("product of sums", "not to be read outside: a denominator with indices")
"""Cases in which a part that gets a name of its own no longer shows a size: an error says so."""


@pytest.mark.parametrize("name", [name for name in CASES if name not in ASKED_AGAIN])
def test_both_passes_are_bound_with_what_the_forward_pass_is_bound_with(name: str) -> None:
    case = CASES[name]
    bound, arrays = case.bound()
    gradient = gradient_name(bound.result.name)
    arrays[gradient] = np.random.default_rng(1).normal(size=bound.result.shape)
    early = evaluate(gradients(bound, case.differentiable).whole, arrays)
    unbound = gradients(parse(case.text), case.differentiable).whole
    late = evaluate(bind(unbound, case.shapes, case.sizes, case.integers), arrays)
    for tensor in case.differentiable:
        found = gradient_name(tensor)
        np.testing.assert_allclose(late[found], early[found], rtol=1e-9, atol=1e-12, err_msg=found)
