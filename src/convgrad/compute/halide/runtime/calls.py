"""Compiled kernels with their buffers: through the shared library, or in memory where nothing can be linked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import halide as hl
import numpy as np

from convgrad.compute.halide.kernels.kernel import Kernel
from convgrad.compute.halide.listed import Argument, Call, Memory, from_each_on
from convgrad.compute.halide.planned import Place, buffer, extent, movement
from convgrad.compute.halide.runtime import native, threads
from convgrad.compute.halide.runtime.compile import COMPILER, compile_in_memory, symbol
from convgrad.compute.halide.runtime.floats import flushing
from convgrad.compute.halide.runtime.linked import LinkedCalls
from convgrad.errors import EngineError


def call_list(
    kernels: Sequence[Kernel], rows: Sequence[Sequence[Place]], together: Sequence[int]
) -> LinkedCalls | InMemoryCalls:
    """What runs all kernels, in order, on their arguments when it is called. It raises EngineError where one fails.

    together: of how many kernels each step is made; those of a step have the same number of slices.
    """
    calls = InMemoryCalls if native.compiler() is None else linked_calls
    return calls(kernels, rows, together)


def linked_calls(kernels: Sequence[Kernel], rows: Sequence[Sequence[Place]], together: Sequence[int]) -> LinkedCalls:
    """All kernels from shared libraries, in one call."""
    kernels, functions = COMPILER.compiled(kernels)
    memory = {(place.array.ctypes.data, place.array.nbytes): place.array for row in rows for place in row}
    blocks = {block: number for number, block in enumerate(memory)}
    calls = [
        Call(
            symbol(kernel),
            tuple(
                Argument(
                    buffer(kernel, place),
                    Memory(blocks[place.array.ctypes.data, place.array.nbytes], 0),
                    movement(kernel, place),
                )
                for place in row
            ),
            kernel.slices,
            count,
        )
        for kernel, row, count in zip(kernels, rows, from_each_on(together), strict=True)
    ]
    titles, writes = [kernel.title for kernel in kernels], [kernel.writes for kernel in kernels]
    return LinkedCalls(calls, [*memory.values()], functions, titles, writes, lambda: (kernels, rows))


class InMemoryCalls:
    """Kernels compiled in memory, called one by one: Python's lock is held meanwhile, and a call takes 1 us more.

    Attributes:
        kernels: as they are called.
        rows: the arguments of each kernel.
        writes: the tensors that each kernel stores.
        buffers: the arguments in each slice, as Halide's buffers.
    """

    def __init__(self, kernels: Sequence[Kernel], rows: Sequence[Sequence[Place]], together: Sequence[int]):
        threads.choose_threads()
        threads.watch_forks()
        self.kernels = [*kernels]
        self.rows, self.together = rows, together
        self.writes = [kernel.writes for kernel in kernels]
        self._functions = [_compiled_in_memory(symbol(kernel), kernel) for kernel in kernels]
        self.buffers = [
            [[_halide_buffer(kernel, place, n) for place in row] for n in range(kernel.slices)]
            for kernel, row in zip(kernels, rows, strict=True)
        ]

    def cut(self, count: int) -> tuple[InMemoryCalls, InMemoryCalls]:
        """The first so many kernels, whole steps, and the others."""
        steps = next(n for n in range(len(self.together) + 1) if sum(self.together[:n]) == count)
        return (
            InMemoryCalls(self.kernels[:count], self.rows[:count], self.together[:steps]),
            InMemoryCalls(self.kernels[count:], self.rows[count:], self.together[steps:]) if count else self,
        )

    def __call__(self) -> None:
        self.timed()

    def in_parts(self) -> Iterator[int]:
        """Run once, step by step; yields how many kernels are done."""
        times = [0] * len(self.kernels)
        done = 0
        for count in self.together:
            with flushing():
                self._step(done, count, times)
            done += count
            yield done

    def timed(self) -> list[int]:
        """Run once; the nanoseconds that each kernel took."""
        times = [0] * len(self.kernels)
        first = 0
        with flushing():
            for count in self.together:
                self._step(first, count, times)
                first += count
        return times

    def _step(self, first: int, count: int, times: list[int]) -> None:
        for number in range(self.kernels[first].slices):
            for place in range(first, first + count):
                start = time.perf_counter_ns()
                self._run(place, number)
                times[place] += time.perf_counter_ns() - start

    def _run(self, place: int, number: int) -> None:
        try:
            self._functions[place](*self.buffers[place][number])
        except (hl.HalideError, RuntimeError) as error:
            raise EngineError(f"{self.kernels[place].title} failed: {error}") from error


_in_memory: dict[str, Any] = {}


def _compiled_in_memory(name: str, kernel: Kernel) -> Any:
    with COMPILER.lock:
        if name not in _in_memory:
            _in_memory[name] = compile_in_memory(kernel)
        return _in_memory[name]


def _halide_buffer(kernel: Kernel, place: Place, number: int) -> Any:
    """The tensor in a slice, as Halide takes it."""
    layout, read = kernel.layouts[place.name], place.name in kernel.reads
    array = np.split(place.array.reshape(-1), kernel.slices)[number] if place.sliced else place.array
    whole = array.reshape(layout.whole_shape)
    shape, lows = extent(kernel, layout, read)
    if kernel.flat and layout.shape:
        return hl.Buffer(whole.reshape(-1))
    if not layout.bordered or read:
        buffer = hl.Buffer(whole)
    else:
        inner = tuple(slice(a, a + n) for a, n in zip(layout.low, shape, strict=True))
        buffer = hl.Buffer(whole[inner])
    if any(lows):
        buffer.translate([-low for low in reversed(lows)])
    return buffer
