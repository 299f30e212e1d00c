"""Our side of single layers: the equation of each pass, compiled alone."""

from __future__ import annotations

from benchmarks.cases import PASSES, LayerCase
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


def bound_equation(case: LayerCase) -> Equation:
    """x from o and w, with sizes and batch."""
    built = case.layer.build(case.input_shape)
    shapes = {"o": built.input_shapes[0], "w": built.parameters["w"].shape}
    return batched(bind(built.equation, shapes, built.sizes, built.integers), {"o"}, case.batch)
