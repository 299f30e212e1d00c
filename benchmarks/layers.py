"""The suite `layers`: forward, input gradient and weight gradient of single layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks import torch_layers
from benchmarks.cases import LAYERS, PASSES, LayerCase, random_arrays
from benchmarks.programs import fill, program_for
from benchmarks.rows import Row
from benchmarks.timing import Call, Effort, against_best, interleaved, medians
from benchmarks.verify import Array, check
from convgrad.compute.halide.program import Program
from convgrad.compute.halide.runtime.peak import Peak

TOLERANCE = 1e-4
"""Winograd's F(4x4,3x3) loses up to 1e-5 in float32; one missing term of a sum of 65,536 (64 images of 32x32) random
terms shows as about 1e-3 of the largest sum."""

Rivals = Callable[[LayerCase, Mapping[str, Array], str], dict[str, Call]]


def run(
    peak: Peak, effort: Effort, *, cases: Sequence[LayerCase] = LAYERS, against: Sequence[str] = ("torch",)
) -> Iterator[Row]:
    """A row for every case and pass, as soon as it is there. Raises WrongResult where our result is wrong."""
    for case in cases:
        arrays = random_arrays(case)
        for part in case.passes:
            yield measure(case, part, arrays, peak, effort, against)


def measure(
    case: LayerCase, part: str, arrays: Mapping[str, Array], peak: Peak, effort: Effort, against: Sequence[str]
) -> Row:
    """Verify one pass, then time it."""
    program = verified(case, part, arrays)
    ours, best, theirs, jax = 0.0, "", None, None
    if "torch" in against:
        with torch_layers.without_autograd():
            ours, best, theirs = against_best(program.run, torch_layers.contenders(case, arrays, part), effort)
    else:
        ours = medians(interleaved({"ours": program.run}, effort))["ours"]
    if "jax" in against:
        from benchmarks import jax_layers

        _, _, jax = against_best(program.run, jax_layers.contenders(case, arrays, part), effort)
    return Row("layers", case.name, part, ours, theirs, case.gflop, peak.gflops, best, jax)


def verified(case: LayerCase, part: str, arrays: Mapping[str, Array]) -> Program:
    """Our program of one pass with its inputs, its result compared with PyTorch's. Raises WrongResult."""
    program = program_for(case, part)
    fill(program, case, part, arrays)
    program.run()
    expected = torch_layers.reference(case, arrays, part)
    check(f"{case.name}, {part}", program.arrays[PASSES[part]], expected, TOLERANCE)
    return program
