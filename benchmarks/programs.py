"""Our side of single layers: the equation of each pass, compiled alone."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.cases import PASSES, LayerCase
from benchmarks.verify import Array
from convgrad.calculus.derive import gradients
from convgrad.compute.halide.program import Program, compile_program
from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind
from convgrad.notation.terms import Equation


def program_for(case: LayerCase, part: str) -> Program:
    """The layer's equation, or the one derived from it, compiled alone."""
    forward = bound_equation(case)
    if part == "forward":
        return compile_program(forward, ["x"])
    wanted = PASSES[part]
    return compile_program(gradients(forward, [wanted.removeprefix("d")], of="x").backward, [wanted])


def fill(program: Program, case: LayerCase, part: str, arrays: Mapping[str, Array]) -> None:
    """Set all inputs. What a backward pass reads and the forward pass leaves (the places of maxima) is computed; in a
    training step the forward pass does it, as PyTorch's does."""
    inputs = program.arrays.keys() - {PASSES[part]}
    left = sorted(inputs - arrays.keys())
    for name in inputs & arrays.keys():
        program.set(name, arrays[name])
    if left:
        whole = compile_program(gradients(bound_equation(case), ["o"], of="x").whole, left)
        for name in whole.arrays.keys() & arrays.keys():
            whole.set(name, arrays[name])
        whole.run()
        for name in left:
            program.set(name, whole.arrays[name])


def bound_equation(case: LayerCase) -> Equation:
    """x from o and w, with sizes and batch."""
    built = case.built
    shapes = {"o": built.input_shapes[0], **{name: parameter.shape for name, parameter in built.parameters.items()}}
    return batched(bind(built.equation, shapes, built.sizes, built.integers), {"o"}, case.batch)
