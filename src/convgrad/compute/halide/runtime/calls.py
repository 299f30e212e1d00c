"""Compiled kernels with their buffers: through the shared library, or in memory where nothing can be linked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import halide as hl
import numpy as np

from convgrad.compute.halide.kernels.kernel import Kernel
from convgrad.compute.halide.planned import Place, buffer, extent, from_each_on, movement
from convgrad.compute.halide.runtime import native, threads
from convgrad.compute.halide.runtime.compile import COMPILER, compile_in_memory, symbol
from convgrad.compute.halide.runtime.floats import flushing
from convgrad.errors import EngineError


def call_list(
    kernels: Sequence[Kernel], rows: Sequence[Sequence[Place]], together: Sequence[int]
) -> LinkedCalls | InMemoryCalls:
    """What runs all kernels, in order, on their arguments when it is called. It raises EngineError where one fails.

    together: of how many kernels each step is made; those of a step have the same number of slices.
    """
    calls = InMemoryCalls if native.compiler() is None else LinkedCalls
    return calls(kernels, rows, together)


def call_lists(
    kernels: Sequence[Kernel], rows: Sequence[Sequence[Place]], together: Sequence[int], first: int
) -> tuple[LinkedCalls | InMemoryCalls, LinkedCalls | InMemoryCalls]:
    """Two of them: of the first steps, and of the others. All kernels are compiled together."""
    held = None if native.compiler() is None or not first else COMPILER.compiled(kernels)
    count = sum(together[:first])
    lists = (
        call_list(kernels[:count], rows[:count], together[:first]),
        call_list(kernels[count:], rows[count:], together[first:]),
    )
    del held
    return lists


class LinkedCalls:
    """All kernels from shared libraries, in one call.

    Attributes:
        kernels: as they are called; some may be plainer than those asked for.
        rows: the arguments of each kernel.
        buffers: the same as Halide's structs.
    """

    def __init__(self, kernels: Sequence[Kernel], rows: Sequence[Sequence[Place]], together: Sequence[int]):
        kernels, self._functions = COMPILER.compiled(kernels)
        self.kernels = kernels
        self.rows, self.together = rows, together  # memory lives as long as the calls, and so do the functions
        self.buffers = [[_struct(kernel, place) for place in row] for kernel, row in zip(kernels, rows, strict=True)]
        from_here = from_each_on(together)
        self._calls = native.CallList(
            [
                native.Call(
                    function.address,
                    buffers,
                    [native.Movement(*movement(kernel, p)) for p in row],
                    kernel.slices,
                    count,
                )
                for function, buffers, row, kernel, count in zip(
                    self._functions, self.buffers, rows, kernels, from_here, strict=True
                )
            ]
        )

    def __call__(self) -> None:
        try:
            self._calls()
        except native.OutOfMemory as failure:
            raise self._error(failure) from None

    def in_parts(self) -> Iterator[int]:
        """Run once, step by step; yields how many kernels are done."""
        done = 0
        for count in self.together:
            try:
                self._calls.part(done, count)
            except native.OutOfMemory as failure:
                raise self._error(failure) from None
            done += count
            yield done

    def timed(self) -> list[int]:
        """Run once; the nanoseconds that each kernel took."""
        try:
            return self._calls.timed()
        except native.OutOfMemory as failure:
            raise self._error(failure) from None

    def meets_subnormals(self) -> list[bool]:
        """Run once, on this thread alone; whether each step computes with a subnormal number. For tests."""
        try:
            return self._calls.meets_subnormals(self.together)
        except native.OutOfMemory as failure:
            raise self._error(failure) from None

    def _error(self, failure: native.OutOfMemory) -> EngineError:
        title = self.kernels[failure.place].title
        return EngineError(f"{title} failed: there is no memory left for it. A smaller batch needs less.")


def _struct(kernel: Kernel, place: Place) -> native.BufferStruct:
    seen = buffer(kernel, place)
    return native.buffer_struct(
        place.array.ctypes.data + seen.first_byte, seen.element, seen.shape, seen.strides, seen.lows
    )


class InMemoryCalls:
    """Kernels compiled in memory, called one by one: Python's lock is held meanwhile, and a call takes 1 us more.

    Attributes:
        kernels: as they are called.
        rows: the arguments of each kernel.
        buffers: the same in each slice, as Halide's buffers.
    """

    def __init__(self, kernels: Sequence[Kernel], rows: Sequence[Sequence[Place]], together: Sequence[int]):
        threads.choose_threads()
        threads.watch_forks()
        self.kernels = [*kernels]
        self.rows, self.together = rows, together
        self._functions = [_compiled_in_memory(symbol(kernel), kernel) for kernel in kernels]
        self.buffers = [
            [[_halide_buffer(kernel, place, n) for place in row] for n in range(kernel.slices)]
            for kernel, row in zip(kernels, rows, strict=True)
        ]

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
