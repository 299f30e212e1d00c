"""Gradients as equations against the derivative that Halide makes itself of the forward equation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("halide")

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, from_function
from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.schedules.generic import reduction
from convgrad.notation import Equation
from engine_support import bound, random_inputs

Shapes = dict[str, tuple[int, ...]]
Case = tuple[str, str, Shapes, dict[str, int]]

CONVOLUTION: Case = (
    "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[2*i+m,j+n,c])",
    """
    do[p,q,c] = sum[m,n,k](dx[(p-m)/2,q-n,k else 0] * w[m,n,c,k])
    dw[m,n,c,k] = sum[i,j](dx[i,j,k] * o[2*i+m,j+n,c])
    """,
    {"o": (11, 7, 5), "w": (3, 2, 5, 13), "dx": (5, 6, 13)},
    {"P": 11, "Q": 7, "M": 3, "N": 2},
)
DENSE: Case = (
    "x[e,k] = sum[c](w[c,k] * o[e,c])",
    "do[e,c] = sum[k](dx[e,k] * w[c,k]); dw[c,k] = sum[e](dx[e,k] * o[e,c])",
    {"o": (7, 41), "w": (41, 23), "dx": (7, 23)},
    {},
)


@pytest.mark.parametrize(("forward", "backward", "shapes", "sizes"), [CONVOLUTION, DENSE])
def test_halide_derives_the_same(forward: str, backward: str, shapes: Shapes, sizes: dict[str, int]) -> None:
    equation = bound(forward, shapes={name: shapes[name] for name in ("o", "w")})
    gradients = bound(backward, shapes=shapes, sizes=sizes)
    inputs = random_inputs(gradients)
    program = compile_program(gradients, ["do", "dw"], "float64")
    for name, array in inputs.items():
        program.set(name, array)
    program.run()
    derivative, functions = halide_derivative(equation, inputs)
    for name in ("o", "w"):
        found = np.empty(shapes[name])
        derivative[functions[name]].realize(hl.Buffer(found))
        # Sums of up to 80 products of numbers of size 1.
        np.testing.assert_allclose(program.arrays[f"d{name}"], found, rtol=0, atol=1e-13)


def halide_derivative(equation: Equation, inputs: dict[str, np.ndarray]) -> tuple[Any, dict[str, Any]]:
    """The derivative of the equation's result for the upstream gradient inputs["dx"], and the Funcs of its inputs."""
    functions = {name: as_function(name, array) for name, array in inputs.items()}
    tensors = {name: from_function(functions[name], inputs[name].shape) for name in equation.inputs}
    atom = equation.result
    x, _, _ = reduction(atom, Lowering(hl.Float(64), tensors, atom.sizes), "x")
    ranges = [hl.Range(0, size - 1) for size in reversed(atom.shape)]  # least and greatest, not extent
    return hl.propagate_adjoints(x, functions["dx"], ranges), functions


def as_function(name: str, array: np.ndarray) -> Any:
    """A Func that is 0 outside of the array."""
    buffer = hl.Buffer(array)
    variables = [hl.Var(f"{name}{axis}") for axis in range(array.ndim)]
    inside, places = None, []
    for variable, size in zip(variables, reversed(array.shape), strict=True):
        here = (variable >= 0) & (variable < size)
        inside = here if inside is None else inside & here
        places.append(hl.clamp(variable, 0, size - 1))
    func = hl.Func(name)
    func[tuple(variables)] = hl.select(inside, buffer[tuple(places)], hl.f64(0.0))
    return func
