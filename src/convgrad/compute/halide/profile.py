"""Where the time of a program goes: each kernel's time beside the arithmetic and the memory that its equations need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from statistics import median

from convgrad.compute.contract import root
from convgrad.compute.halide.kernels.kernel import Kernel
from convgrad.compute.halide.program import Program
from convgrad.dtypes import DTYPES
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Definition,
    Divide,
    Multiply,
    Power,
    Reduce,
    Term,
    walk,
)

LEAST_RUNS, MOST_RUNS = 5, 200


@dataclass(frozen=True)
class Stage:
    """One kernel in several runs of a program.

    Attributes:
        names: the tensors that it stores.
        kind: "reduction", "map" or "small", as the engine groups them.
        flops: additions, subtractions, multiplications, divisions and calls of functions in its equations, however
            they are computed.
        bytes: of the tensors that it reads and writes, each once.
        seconds: median of the runs; `least_seconds` the shortest.
    """

    names: tuple[str, ...]
    kind: str
    flops: int
    bytes: int
    seconds: float
    least_seconds: float

    @property
    def gflops(self) -> float:
        """10^9 operations a second."""
        return self.flops / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def gbytes(self) -> float:
        """10^9 bytes a second."""
        return self.bytes / self.seconds / 1e9 if self.seconds else 0.0

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.flops / self.bytes if self.bytes else 0.0


@dataclass(frozen=True)
class Profile:
    """The stages of a program in running order; `seconds` is the median of whole runs, `runs` their number."""

    stages: tuple[Stage, ...]
    seconds: float
    runs: int

    @property
    def flops(self) -> int:
        return sum(stage.flops for stage in self.stages)

    @property
    def bytes(self) -> int:
        return sum(stage.bytes for stage in self.stages)


def profile(program: Program, runs: int | None = None, seconds: float = 2.0) -> Profile:
    """Run a program again and again on what its inputs hold.

    Args:
        runs: how often; where None, as often as fits in `seconds`, 5 times at least and 200 times at most.

    >>> from convgrad.compute.halide.program import compile_program
    >>> from convgrad.notation import bind, parse
    >>> product = bind(parse("x[i,k] = sum[c](o[i,c] * w[c,k])"), shapes={"o": (20, 30), "w": (30, 40)})
    >>> (stage,) = profile(compile_program(product, ["x"]), runs=3).stages
    >>> stage.flops, stage.bytes
    (48000, 10400)
    """
    program.run()
    times: list[list[int]] = []
    end = time.perf_counter() + seconds
    while len(times) < (runs or LEAST_RUNS) or (not runs and len(times) < MOST_RUNS and time.perf_counter() < end):
        times.append(program.timed())
    stages = tuple(
        Stage(
            tuple(kernel.writes),
            kernel.group.style.value,
            kernel.slices * sum(operations(atom) for atom in kernel.group.atoms),
            _bytes(kernel),
            median(nanoseconds) / 1e9,
            min(nanoseconds) / 1e9,
        )
        for kernel, nanoseconds in zip(program.kernels, zip(*times, strict=True), strict=True)
    )
    return Profile(stages, median(map(sum, times)) / 1e9, len(times))


def operations(definition: Definition) -> int:
    """Additions, multiplications, divisions and calls that a bound definition asks for.

    A sum of n products has n multiplications and n additions. Of terms that read at `(p-m)/2`, every other one is read.

    >>> from convgrad.notation import bind, parse
    >>> conv = bind(parse("x[i] = sum[m](w[m] * o[i+m]) + b"), shapes={"w": (3,), "o": (12,), "b": ()})
    >>> operations(conv.result)
    70
    """
    return prod(definition.shape) * _operations(definition.term, definition.sizes)


def _operations(term: Term, sizes: Mapping[str, int]) -> int:
    below = sum(_operations(child, sizes) for child in term.children)
    if isinstance(term, Reduce):
        count = prod(sizes[index] for index in term.indices) // prod(_divisors(term))
        return count * (below + (term.kind in ("sum", "mean")))
    if isinstance(term, (Add, Multiply)):
        return below + len(term.children) - 1
    return below + isinstance(term, (Divide, Power, Call))


def _divisors(reduce: Reduce) -> list[int]:
    """Of the positions that are read where they are whole, each position once."""
    positions: set[Position] = set()
    for term in walk(reduce.body):
        if isinstance(term, Access):
            positions.update(position for position in term.positions if term.outside is not None)
    return [position.divisor.constant_value or 1 for position in positions]


def _bytes(kernel: Kernel) -> int:
    reads = {root(name, kernel.views): name for name in kernel.reads}
    return sum(_size(kernel, name) for name in (*reads.values(), *kernel.writes))


def _size(kernel: Kernel, name: str) -> int:
    layout = kernel.layouts[name]
    times = kernel.slices if name in kernel.sliced else 1
    return times * prod(layout.shape) * DTYPES[layout.element].bytes
