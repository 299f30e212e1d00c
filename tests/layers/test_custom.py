"""Layers from the user's own equations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import correlate2d

from convgrad.compute.halide import available
from convgrad.errors import EquationSyntaxError, ModelError, ShapeError
from convgrad.layers import Equation
from convgrad.layers.base import registry
from layer_runs import Run, close, normal

HALIDE = pytest.mark.skipif(not available()[0], reason=available()[1])


def test_convolution_with_a_bias_for_each_position() -> None:
    layer = Equation("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b[i,j]", sizes={"M": 2, "N": 3})
    o = normal(5, 11, 7)
    run = Run(layer, o)
    w, b = run.parameters["w"], run.parameters["b"]
    assert (w.shape, b.shape) == ((2, 3), (10, 5))
    close(run.x, np.stack([correlate2d(one, w, "valid") for one in o]) + b)


def test_all_kinds_of_names() -> None:
    layer = Equation(
        "y[k] = sum[c](w[k,c] * o[c]) - b[k] + shift\nz[k] = a * y[k] + 1/K\nx[k] = z[k] + s*k",
        sizes={"K": 3},
        integers={"s": 2},
        numbers={"a": 0.5},
        shapes={"shift": ()},
        initial={"shift": "ones", "w": "he_normal"},
    )
    o = normal(2, 5)
    run = Run(layer, o)
    p = run.parameters
    assert {name: value.shape for name, value in p.items()} == {"w": (3, 5), "b": (3,), "shift": ()}
    close(run.x, 0.5 * (o @ p["w"].T - p["b"] + p["shift"]) + 1 / 3 + 2 * np.arange(3))
    assert run.built.output == "x"


def test_shapes_may_be_given_instead_of_sizes() -> None:
    layer = Equation("x[i] = sum[m](w[m] * o[i+m])", shapes={"w": (3,)})
    assert layer.build((7,)).output_shape == (5,)
    assert repr(Equation.from_config(layer.config())) == repr(layer)


def test_two_inputs() -> None:
    layer = Equation("x[i,j] = a[i] * b[j]", inputs=("a", "b"))
    a, b = normal(2, 3), normal(2, 5)
    close(Run(layer, a, b).x, np.einsum("ei,ej->eij", a, b))


def test_what_is_only_added_begins_at_zero() -> None:
    parameters = Equation("x[k] = g[k] * sum[c](w[c,k] * o[c]) + b[k] - d[k]", sizes={"K": 3}).build((5,)).parameters
    begins = {name: p.initializer for name, p in parameters.items()}
    assert begins == {"g": "glorot_uniform", "w": "glorot_uniform", "b": "zeros", "d": "zeros"}
    assert parameters["w"].fans == (5, 3)


def test_what_is_added_and_multiplied_does_not_begin_at_zero() -> None:
    parameters = Equation("x[f] = (o[f] + b[f]) * b[f]").build((5,)).parameters
    assert parameters["b"].initializer == "glorot_uniform"


def test_initial_values_by_function() -> None:
    layer = Equation("x[f] = w[f] * o[f]", initial={"w": lambda rng, shape, fan_in, fan_out: np.full(shape, 3.0)})
    assert (layer.build((5,)).parameters["w"].initial(np.random.default_rng(0)) == 3).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Equation("x[f] = o[f"), EquationSyntaxError, r"x\[f\] = o\[f"),
        (lambda: Equation("x[f] = o[f]", inputs="o"), ModelError, r"inputs is a tuple of names; write inputs=\('o',\)"),  # type: ignore[arg-type]
        (lambda: Equation(7), ModelError, r"the equation must be text, not 7"),  # type: ignore[arg-type]
        (
            lambda: Equation("x[f] = o[f]", sizes=[3]),  # type: ignore[arg-type]
            ModelError,
            r"sizes must be a table from names .*, not \[3\]",
        ),
        (lambda: Equation("x[f] = out[f]", ("o",)), ModelError, r"its input 'o' is not read by the equation.*'?out'?"),
        (
            lambda: Equation("x[f] = w[f] * o[f]", initial={"v": "ones"}),
            ModelError,
            r"initial names 'v', which is not a tensor that is trained. Available: w",
        ),
        (
            lambda: Equation("x[f] = w[f] * o[f]", initial={"w": "one"}),
            ModelError,
            r"no initializer called 'one'. Did you mean 'ones'",
        ),
        (
            lambda: Equation("x[f] = w[f] * o[f]").build((3,), (3,)),
            ModelError,
            r"Equation reads o from other layers, but got 2 of them",
        ),
        (
            lambda: Equation("x[i] = sum[m](w[m] * o[i+m])").build((7,)),
            ShapeError,
            r"(?s)The size of axis 0 of w can't be determined",
        ),
        (lambda: Equation("x[f] = a * o[f]").build((7,)), ShapeError, r"a has no value"),
        (lambda: Equation("x[i,j] = o[i,j]").build((7,)), ShapeError, r"o has 2 axes in the equation"),
    ],
)
def test_refuses(make: Callable[..., np.ndarray], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_errors_name_the_layer_and_point_at_the_place() -> None:
    layer = Equation("x[i] = sum[m](w[m] * o[i+m])", sizes={"M": 9}, name="mine")
    with pytest.raises(ShapeError, match=r"(?s)^layer `mine`: x would have no element.*\n +\^") as caught:
        layer.build((7,))
    assert caught.value.span is not None


def test_is_in_the_registry() -> None:
    assert registry["Equation"] is Equation
