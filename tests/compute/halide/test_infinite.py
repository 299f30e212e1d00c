"""Infinite constants where compiled code asks whether a number is whole."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad import bind, parse
from convgrad.compute.oracle import evaluate

pytest.importorskip("halide")


@pytest.mark.parametrize(
    "text",
    [
        "x[i] = where(i < inf, o[i], 0)",
        "x[i] = where(-inf == i, o[i], 3)",
        "a[i] = argmax[m](o[m]) + 0*i\nx[i] = a[i]*1\ny[i] = where(a[i+1 else -inf] < 0, 1, 2)",
        "x[i] = uniform(2, i) * max(inf, i)",
    ],
)
def test_as_in_the_oracle(text: str) -> None:
    from convgrad.compute.halide.program import compile_program

    equation = bind(parse(text), {"o": (5,)} if "o[" in text else {}, {"I": 5} | ({"M": 5} if "[m]" in text else {}))
    given = {name: np.arange(5.0) for name in equation.inputs}
    wanted = evaluate(equation, given)
    program = compile_program(equation, [equation.result.name], "float64")
    for name, values in given.items():
        program.set(name, values)
    program.run()
    np.testing.assert_array_equal(program.arrays[equation.result.name], wanted[equation.result.name])
