"""How far Winograd's convolutions are from exact, layer by layer, beside direct sums and the bound that is promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.cases import LAYERS, PASSES, LayerCase, random_arrays
from benchmarks.verify import Array
from convgrad.calculus.derive import gradients
from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.passes.atoms import split
from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.schedules.winograd.reduction import promised_error
from convgrad.notation.terms import Equation

BEGIN, END = "<!-- table of errors: python -m benchmarks winograd-error -->", "<!-- end of the table -->"


@dataclass(frozen=True)
class Error:
    """The largest error of a pass, as a share of the largest exact value.

    Attributes:
        bound: what is promised for these sizes.
        direct: of direct sums in float32.
    """

    case: str
    part: str
    winograd: float
    bound: float
    direct: float

    @property
    def row(self) -> str:
        figures = " | ".join(f"{value * 1e6:.2f}" for value in (self.winograd, self.bound, self.direct))
        return f"| {self.case} | {self.part} | {figures} |"


def run(cases: Sequence[LayerCase] = LAYERS) -> Iterator[Error]:
    """An entry for each pass that is computed by Winograd's algorithm."""
    for case in cases:
        arrays = random_arrays(case)
        for part, tensor in PASSES.items():
            equation = _equation(case, part)
            (definition,) = (d for d in equation.definitions if d.name == tensor)
            bound = promised_error(split(definition)[0], equation.shape_of)
            if bound is None:
                continue
            exact = _computed(equation, tensor, arrays, "float64", winograd=False)
            largest = float(np.abs(exact).max())
            errors = [
                float(np.abs(_computed(equation, tensor, arrays, "float32", winograd) - exact).max()) / largest
                for winograd in (None, False)
            ]
            yield Error(case.name, part, errors[0], bound, errors[1])


def _equation(case: LayerCase, part: str) -> Equation:
    from benchmarks.programs import bound_equation

    forward = bound_equation(case)
    if part == "forward":
        return forward
    return gradients(forward, [PASSES[part].removeprefix("d")], of="x").backward


def _computed(equation: Equation, tensor: str, arrays: Mapping[str, Array], dtype: str, winograd: bool | None) -> Array:
    with scheduling(winograd=winograd):
        program = compile_program(equation, [tensor], dtype)
    for name, array in arrays.items():
        if name in program.arrays and name != tensor:
            program.set(name, array)
    program.run()
    return program.arrays[tensor]


def table(errors: Sequence[Error]) -> str:
    """In Markdown, in millionths."""
    head = "| layer | pass | Winograd | bound | direct |\n| --- | --- | --- | --- | --- |"
    return "\n".join([head, *(error.row for error in errors)])


def write(errors: Sequence[Error], docs: Path) -> Path:
    """Put the table into docs/winograd.md, between its two comments."""
    page = docs / "winograd.md"
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{table(errors)}\n{END}{after}")
    return page
