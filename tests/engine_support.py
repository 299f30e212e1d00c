"""Compile an equation, run it on random numbers, and compare with the oracle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.engine.program import Program, compile_program
from convgrad.notation import Equation, bind, parse
from convgrad.oracle.program import compile_program as oracle_program

TOLERANCES = {"float32": 3e-6, "float64": 1e-12}
"""Relative to the greatest value of a tensor: 20 and 4000 times the rounding of the type; a sum of n products in
another order differs by the root of n roundings, some 30 for n = 1000."""


def random_inputs(equation: Equation, seed: int = 0) -> dict[str, npt.NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(equation.shape_of[name]) for name in equation.inputs}


def compare(
    equation: Equation,
    dtype: str,
    inputs: Mapping[str, Any] | None = None,
    outputs: list[str] | None = None,
    tolerance: float = 1.0,
    **options: Any,
) -> Program:
    """Raises AssertionError unless the compiled values are those of the oracle; `tolerance` is a factor."""
    wanted = outputs or list(equation.defined)
    program = compile_program(equation, wanted, dtype, **options)
    oracle = oracle_program(equation, wanted, "float64", **options)
    for name, array in (random_inputs(equation) | dict(inputs or {})).items():
        if name in program.arrays and name not in options.get("views", {}):
            program.set(name, array)
            oracle.set(name, program.arrays[name])
    program.run()
    oracle.run()
    for name in wanted:
        expected, found = oracle.arrays[name], program.arrays[name]
        scale = np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected)) or 1.0
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCES[dtype] * tolerance * scale, err_msg=name)
    return program


def bound(text: str, **arguments: Any) -> Equation:
    return bind(parse(text), **arguments)
