"""The suite `poison`: each schedule in memory full of subnormal numbers, beside the same in memory full of zeros.

A kernel that computes with memory that nobody wrote is slower there on processors that are slow with such numbers, and
takes the same time on others. What does not depend on the processor is whether one does, and that is told, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.cases import PASSES, LayerCase, random_arrays
from benchmarks.models import named
from benchmarks.programs import program_for
from benchmarks.tables import Columns, number
from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.poison import SUBNORMAL, computing_with_poison, poison, poisoned
from convgrad.compute.halide.program import Program
from convgrad.compute.halide.runtime.linked import LinkedCalls
from convgrad.errors import EngineError
from convgrad.optimizers import SGD

ZEROS = 0
CALLS = 5
"""Calls of each in a round."""
MOST = 1.2
"""By how much a run in poisoned memory may be slower."""
SCHEDULES: dict[str, dict[str, bool | str]] = {
    "chosen": {},
    "plain": {"winograd": False, "reduction": "plain"},
    "tiled": {"winograd": False, "reduction": "tiled"},
    "sliced": {"winograd": False, "reduction": "sliced"},
    "folded": {"winograd": False, "reduction": "folded"},
    "Winograd": {"winograd": True},
    "chains": {"chains": True},
}
LAYERS = (
    LayerCase("3x3 33->37 at 18", "conv", 16, 18, 33, 37, 3, 1, 1),
    LayerCase("3x3 20->50 at 15 stride 2", "conv", 16, 15, 20, 50, 3, 2, 1),
    LayerCase("dense 403->85", "dense", 64, 0, 403, 85),
)
NETWORK, BATCH = "lenet5", 64


@dataclass(frozen=True)
class Found:
    """Of one program: milliseconds in memory full of zeros, and of subnormal numbers; the same on one thread with
    operands that the processor does not take for 0; the kernels that compute with what nobody wrote."""

    case: str
    schedule: str
    clean: float
    poisoned: float
    clean_slow: float
    poisoned_slow: float
    kernels: tuple[str, ...]

    @property
    def ratio(self) -> float:
        return self.poisoned / self.clean

    @property
    def slow_ratio(self) -> float:
        return self.poisoned_slow / self.clean_slow


def run(rounds: int, layers: Sequence[LayerCase] | None = None) -> Iterator[Found]:
    """A row for each schedule and case. Raises EngineError where kernels are not linked."""
    for schedule, forced in SCHEDULES.items():
        for case in LAYERS if layers is None else layers:
            for part in PASSES:
                with scheduling(**forced):
                    program = program_for(case, part)
                for name, array in random_arrays(case).items():
                    if name in program.arrays:
                        program.set(name, array)
                yield measure(f"{case.name}, {part}", schedule, program, rounds)
        with scheduling(**forced):
            program = _step()
        yield measure(f"{NETWORK}, step of {BATCH}", schedule, program, rounds)


def measure(case: str, schedule: str, program: Program, rounds: int) -> Found:
    """The quickest of some calls, in turns; the memory is filled anew before each call, which does not count.

    What else the machine does makes a call slower, and never quicker; what a kernel computes with is in each one.
    """
    calls = program._call
    if not isinstance(calls, LinkedCalls):
        raise EngineError("Memory can't be filled where kernels are compiled in memory; a C compiler is needed.")
    kernels = tuple(computing_with_poison(program))
    ways: tuple[Callable[[], object], ...] = (program.run, calls.meets_subnormals)
    times: dict[tuple[int, int], list[float]] = {(way, word): [] for way in (0, 1) for word in (ZEROS, SUBNORMAL)}
    for _ in range(rounds * CALLS):
        for (way, word), found in times.items():
            poison(program, word)
            with poisoned(word):
                start = time.perf_counter()
                ways[way]()
                found.append(time.perf_counter() - start)
    clean, poisoned_, clean_slow, poisoned_slow = (min(found) * 1e3 for found in times.values())
    return Found(case, schedule, clean, poisoned_, clean_slow, poisoned_slow, kernels)


def _step() -> Program:
    """A training step with its inputs set."""
    case = named(NETWORK)
    network = case.make()
    network.initialize(1)
    step = network.training_step(case.loss, SGD(1e-9, momentum=0.9), BATCH)
    rng = np.random.default_rng(5)
    images = rng.standard_normal((BATCH, *network.input_shape))
    target = rng.random((BATCH, *network.output_shape))
    step.run(images, target if case.loss == "half_squared_error" else target.argmax(1))
    program = step.program
    assert isinstance(program, Program)
    return program


def table(found: Sequence[Found]) -> Columns:
    """A line for each program."""
    heads = [
        "schedule",
        "case",
        "clean, ms",
        "poisoned, ms",
        "ratio",
        "ratio without flushing",
        "computing with poison",
    ]
    columns = Columns("poison", heads, range(2, 6))
    for row in found:
        figures = [number(value) for value in (row.clean, row.poisoned, row.ratio, row.slow_ratio)]
        columns.lines.append([row.schedule, row.case, *figures, ", ".join(row.kernels) or "none"])
    return columns


def summary(found: Sequence[Found]) -> str:
    """The worst of each schedule, in a line each."""
    lines = []
    for schedule in dict.fromkeys(row.schedule for row in found):
        rows = [row for row in found if row.schedule == schedule]
        computing = sum(bool(row.kernels) for row in rows)
        worst, slow = max(row.ratio for row in rows), max(row.slow_ratio for row in rows)
        lines.append(
            f"{schedule}: {computing} of {len(rows)} programs compute with poison; "
            f"poisoned / clean is {worst:.2f} at most, {slow:.2f} without flushing"
        )
    return "\n".join(lines)
