"""Compile an equation, run it on random numbers, and compare with the oracle, in memory that is full of poison."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.compute.halide import poison
from convgrad.compute.halide.program import Program, compile_program
from convgrad.compute.halide.runtime.linked import LinkedCalls
from convgrad.compute.oracle.program import compile_program as oracle_program
from convgrad.notation import Equation, bind, parse

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
    """Raises AssertionError unless the compiled values are those of the oracle; `tolerance` is a factor.

    The values are computed in memory that is full of NaN, and no kernel may compute with any of it.
    """
    wanted = outputs or list(equation.defined)
    program = compile_program(equation, wanted, dtype, **options)
    oracle = oracle_program(equation, wanted, "float64", **options)
    given = {
        name: array
        for name, array in (random_inputs(equation) | dict(inputs or {})).items()
        if name in program.arrays and name not in options.get("views", {})
    }
    if TELLS and isinstance(program._call, LinkedCalls) and not any(map(_subnormal, given.values())):
        _set(program, given)
        assert poison.computing_with_poison(program) == []
    _set(program, given)
    for name in given:
        oracle.set(name, program.arrays[name])
    run_in_poison(program)
    oracle.run()
    for name in wanted:
        expected, found = oracle.arrays[name], program.arrays[name]
        scale = np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected)) or 1.0
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCES[dtype] * tolerance * scale, err_msg=name)
    return program


def same_in_any_batch(equation: Callable[[int], Equation], given: Mapping[str, Any], batches: Sequence[int]) -> None:
    """Raises AssertionError unless the first examples of `o` have the same bits of x in programs for all numbers.

    equation: for a number of examples. given: the inputs, `o` for the most examples.
    """
    results = []
    for count in batches:
        program = compile_program(equation(count), ["x"], examples=["o"])
        _set(program, {name: array[:count] if name == "o" else array for name, array in given.items()})
        program.run()
        results.append(program.arrays["x"].copy())
    whole = max(results, key=len)
    for result in results:
        np.testing.assert_array_equal(result, whole[: len(result)])


TELLS = platform.machine() in ("x86_64", "AMD64")
"""Whether the processor tells that code computes with subnormal numbers."""


def run_in_poison(program: Program) -> None:
    """Run a program whose memory is full of NaN, but for its inputs."""
    poison.poison(program, poison.NOT_A_NUMBER)
    if isinstance(program._call, LinkedCalls):
        with poison.poisoned(poison.NOT_A_NUMBER, every=True):
            program.run()
    else:
        program.run()


def _set(program: Program, values: Mapping[str, Any]) -> None:
    for name, array in values.items():
        program.set(name, array)


def _subnormal(values: npt.ArrayLike) -> bool:
    sizes = np.abs(np.asarray(values, float))
    return bool(np.any((sizes > 0) & (sizes < np.finfo(np.float32).tiny)))


def bound(text: str, **arguments: Any) -> Equation:
    return bind(parse(text), **arguments)
