"""Compiled kernels of shared libraries with their buffers, in one call. Needs no Halide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy.typing as npt

from convgrad.compute.halide.listed import Argument, Call
from convgrad.compute.halide.runtime import native
from convgrad.compute.halide.runtime.libraries import Function
from convgrad.errors import EngineError

Array = npt.NDArray[Any]
Details = tuple[Sequence[Any], Sequence[Sequence[Any]]]
"""Kernels as they are called, and the arguments of each one (`planned.Place`)."""


class LinkedCalls:
    """All kernels from shared libraries, in one call.

    Attributes:
        calls: what is called, on which of the arrays `memory`.
        titles: of the kernels, in a few words; `writes`, the tensors that each stores.
        together: of how many kernels each step is made; those of a step have the same number of slices.
    """

    def __init__(
        self,
        calls: Sequence[Call],
        memory: Sequence[Array],
        functions: Sequence[Function],
        titles: Sequence[str],
        writes: Sequence[Sequence[str]],
        details: Callable[[], Details],
    ):
        self.calls, self.memory, self.titles, self.writes = calls, memory, titles, writes
        self.together = _steps(calls)
        self._functions = functions  # memory lives as long as the calls, and so do the functions
        self._make_details = details
        addresses = [array.ctypes.data for array in memory]
        self._calls = native.CallList(
            [
                native.Call(
                    function.address,
                    [_struct(argument, addresses) for argument in call.arguments],
                    [native.Movement(*argument.movement) for argument in call.arguments],
                    call.slices,
                    call.together,
                )
                for function, call in zip(functions, calls, strict=True)
            ]
        )

    def cut(self, count: int) -> tuple[LinkedCalls, LinkedCalls]:
        """The first so many kernels, whole steps, and the others."""
        return self._part(slice(None, count)), self._part(slice(count, None)) if count else self

    def _part(self, places: slice) -> LinkedCalls:
        return LinkedCalls(
            self.calls[places],
            self.memory,
            self._functions[places],
            self.titles[places],
            self.writes[places],
            lambda: (self.kernels[places], self.rows[places]),
        )

    @cached_property
    def _details(self) -> Details:
        return self._make_details()

    @property
    def kernels(self) -> Sequence[Any]:
        """The kernels as they are called; some may be plainer than those asked for."""
        return self._details[0]

    @property
    def rows(self) -> Sequence[Sequence[Any]]:
        """The arguments of each kernel."""
        return self._details[1]

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
        title = self.titles[failure.place]
        return EngineError(f"{title} failed: there is no memory left for it. A smaller batch needs less.")


def _steps(calls: Sequence[Call]) -> list[int]:
    """Of how many kernels each step is made."""
    steps: list[int] = []
    while sum(steps) < len(calls):
        steps.append(calls[sum(steps)].together)
    return steps


def _struct(argument: Argument, addresses: Sequence[int]) -> native.BufferStruct:
    seen, memory = argument.buffer, argument.memory
    address = addresses[memory.block] + memory.offset + seen.first_byte
    return native.buffer_struct(address, seen.element, seen.shape, seen.strides, seen.lows)
