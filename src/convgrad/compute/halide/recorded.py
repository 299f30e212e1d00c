"""Programs kept in the cache as they are run: who asks for one again plans nothing, and does not load Halide.

An entry is JSON: which compiled functions are called, on which memory. It is kept under the name of all that was asked
and of all that the answer depends on (`quick_surroundings`), and says that name itself, so that what was kept under
another is noticed. No entry may make a kernel leave its memory: what it says of buffers is checked against that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.compute.arrays import aligned_zeros
from convgrad.compute.contract import Request
from convgrad.compute.halide.listed import Argument, Buffer, Call, Memory
from convgrad.compute.halide.options import Options, options, scheduling
from convgrad.compute.halide.runtime import cache, native
from convgrad.compute.halide.runtime.libraries import LIBRARIES
from convgrad.compute.halide.runtime.linked import Details, LinkedCalls
from convgrad.compute.halide.runtime.surroundings import edited, quick_surroundings
from convgrad.dtypes import DTYPES

Array = npt.NDArray[Any]
GIVEN, SHARED, OWN = "given", "shared", "own"
"""Where memory lies: in an array of the program, in the block of intermediate tensors, in one of its own."""


@dataclass(frozen=True)
class Asked:
    """A request with the arrays to compute on, and the options that it is planned under."""

    request: Request
    arrays: Mapping[str, Array]
    dtype: str
    options: Options

    @classmethod
    def now(cls, request: Request, arrays: Mapping[str, Array], dtype: str) -> Asked:
        """Planned under the options in force."""
        return cls(request, arrays, dtype, options())

    @property
    def key(self) -> str:
        """The name of the entry; empty where none can be kept."""
        if native.compiler() is None or not quick_surroundings():
            return ""
        told = [
            getattr(self.request, field.name) for field in fields(Request) if field.name not in ("dtype", "buffers")
        ]
        return "program-" + cache.digest("\n".join(map(repr, (quick_surroundings(), self.dtype, self.options, *told))))


def recorded(asked: Asked, key: str) -> tuple[LinkedCalls, int, int] | None:
    """The program that was kept, how many of its kernels `prepare` runs, and the bytes of its intermediate tensors;
    None where there is none."""
    content = cache.current().read(key) if key else None
    if content is None:
        return None
    try:
        entry = json.loads(content)
        if entry["key"] != key:
            raise ValueError(f"the entry is that of {entry['key']}")
        calls = [_call(*call) for call in entry["calls"]]
        memory = _memory(entry["memory"], entry["shared"], asked.arrays)
        titles, writes = [str(title) for title in entry["titles"]], entry["writes"]
        first, intermediate = int(entry["first"]), int(entry["intermediate"])
        _check(calls, memory, titles, writes, first)
    except (ValueError, TypeError, LookupError, RecursionError, AttributeError):
        cache.current().discard(key)
        return None
    functions = LIBRARIES.functions([call.function for call in calls])
    if functions is None:
        return None
    made = LinkedCalls(calls, memory, functions, titles, writes, lambda: _details(asked, calls, memory))
    return made, first, intermediate


def record(asked: Asked, key: str, calls: LinkedCalls, first: int, shared: Array, intermediate: int) -> None:
    """Keep a program that was planned and compiled, whose intermediate tensors lie in the block `shared`; its first so
    many kernels are those of `prepare`."""
    if not key or edited():
        return
    given = {array.ctypes.data: name for name, array in reversed([*asked.arrays.items()])}
    begin = shared.ctypes.data
    memory: list[list[str | int]] = []
    for array in calls.memory:
        address = array.ctypes.data
        if address in given:
            memory.append([GIVEN, given[address]])
        elif begin <= address < begin + shared.nbytes:
            memory.append([SHARED, address - begin, array.nbytes])
        else:
            memory.append([OWN, array.nbytes])
    entry = {
        "key": key,
        "calls": [_told(call) for call in calls.calls],
        "memory": memory,
        "first": first,
        "shared": shared.nbytes,
        "intermediate": intermediate,
        "titles": calls.titles,
        "writes": calls.writes,
    }
    cache.current().write(key, json.dumps(entry, separators=(",", ":")).encode())


def _told(call: Call) -> list[Any]:
    arguments = [
        [
            a.memory.block,
            a.buffer.first_byte,
            a.buffer.element,
            a.buffer.shape,
            a.buffer.strides,
            a.buffer.lows,
            a.movement,
        ]
        for a in call.arguments
    ]
    return [call.function, arguments, call.slices, call.together]


def _call(function: str, arguments: Sequence[Sequence[Any]], slices: int, together: int) -> Call:
    return Call(str(function), tuple(_argument(*argument) for argument in arguments), slices, together)


def _argument(
    block: int,
    first: int,
    element: str,
    shape: Sequence[int],
    strides: Sequence[int],
    lows: Sequence[int],
    movement: Sequence[int],
) -> Argument:
    by_slice, by_slot = movement
    buffer = Buffer(first, element, tuple(shape), tuple(strides), tuple(lows))
    return Argument(buffer, Memory(block, 0), (by_slice, by_slot))


def _memory(told: Sequence[Sequence[Any]], shared: int, arrays: Mapping[str, Array]) -> list[Array]:
    """The arrays that the calls compute on. Raises: ValueError, TypeError, LookupError where the entry can't be so."""
    block = aligned_zeros((shared,), np.uint8)
    memory = []
    for kind, *where in told:
        if kind == GIVEN:
            memory.append(arrays[where[0]])
        elif kind == SHARED:
            begin, size = where
            if not 0 <= begin <= begin + size <= shared:
                raise ValueError(f"bytes {begin} to {begin + size} of {shared}")
            memory.append(block[begin : begin + size])
        elif kind == OWN:
            memory.append(aligned_zeros((where[0],), np.uint8))
        else:
            raise ValueError(f"memory of the kind {kind}")
    return memory


def _check(
    calls: Sequence[Call], memory: Sequence[Array], titles: Sequence[str], writes: Sequence[Sequence[str]], first: int
) -> None:
    """Raises: ValueError, TypeError, LookupError where a call would leave its memory, or the parts don't fit."""
    if not len(calls) == len(titles) == len(writes):
        raise ValueError("calls, titles and what is written differ in number")
    if not 0 <= first <= len(calls):
        raise ValueError(f"{first} of {len(calls)} kernels are run once")
    expected = 0
    for number, call in enumerate(calls):
        if number == first and expected > 1:
            raise ValueError("a chain is run in part")
        expected = expected - 1 if expected > 1 else call.together
        moves = any(any(argument.movement) for argument in call.arguments)
        if call.together != expected or call.together < 1 or call.slices < 1 or (call.slices > 1) != moves:
            raise ValueError("a chain is not whole")
        for argument in call.arguments:
            seen, (by_slice, by_slot) = argument.buffer, argument.movement
            if argument.memory.block < 0 or not len(seen.shape) == len(seen.strides) == len(seen.lows):
                raise ValueError("axes differ in number")
            if min((*seen.shape, 1)) < 1 or min((*seen.strides, seen.first_byte, by_slice, by_slot)) < 0:
                raise ValueError("a buffer goes backwards")
            last = sum((size - 1) * stride for size, stride in zip(seen.shape, seen.strides, strict=True))
            end = seen.first_byte + (last + 1) * DTYPES[seen.element].bytes
            if end + (call.slices - 1) * max(by_slice, by_slot) > memory[argument.memory.block].nbytes:
                raise ValueError("a buffer is longer than its memory")


def _details(asked: Asked, calls: Sequence[Call], memory: Sequence[Array]) -> Details:
    """The kernels that are called, and their arguments: planned again, for who looks at them."""
    from convgrad.compute.halide.planned import planned
    from convgrad.compute.halide.runtime.compile import plain, symbol

    with scheduling(**asdict(asked.options)):
        plan = planned(asked.request, asked.arrays, asked.dtype)
        kernels = [
            kernel if symbol(kernel) == call.function else plain(kernel)
            for kernel, call in zip(plan.kernels, calls, strict=True)
        ]
    rows = [
        [
            replace(place, array=_as(place.array, memory[argument.memory.block]))
            for place, argument in zip(row, call.arguments, strict=True)
        ]
        for row, call in zip(plan.rows, calls, strict=True)
    ]
    return kernels, rows


def _as(planned: Array, there: Array) -> Array:
    """The memory that is computed on, as the array that was planned for it."""
    if planned.ctypes.data == there.ctypes.data:
        return planned
    return (
        there.reshape(-1)
        .view(np.uint8)[: prod(planned.shape) * planned.itemsize]
        .view(planned.dtype)
        .reshape(planned.shape)
    )
