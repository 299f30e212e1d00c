"""Programs as C: tables of buffers and calls, and the memory that they lie in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convgrad.dtypes import ALIGNMENT, DTYPES

if TYPE_CHECKING:
    from convgrad.compute.halide.exporting import Listing
    from convgrad.compute.halide.listed import Argument, Call, Memory

Array = npt.NDArray[Any]

PER_LINE = 8


def numbers(values: Array) -> str:
    """Constants that a C compiler reads as these very numbers, float32, float64 or whole ones."""
    suffix = "f" if values.dtype == np.float32 else ""
    whole = values.dtype.kind == "i"
    texts = [str(value) if whole else _number(value, suffix) for value in values.reshape(-1)]
    lines = (", ".join(texts[n : n + PER_LINE]) for n in range(0, len(texts), PER_LINE))
    return ",\n    ".join(lines)


def _number(value: Any, suffix: str) -> str:
    if np.isfinite(value):
        text = np.format_float_scientific(value, unique=True, trim="0")
        return f"{text}{suffix}"
    return "NAN" if np.isnan(value) else ("INFINITY" if value > 0 else "-INFINITY")


def memory_name(block: int) -> str:
    return f"memory_{block}"


def blocks(listing: Listing, constants: Mapping[int, Array], c_type: str) -> Iterator[str]:
    """The memory: numbers that never change, by block, and zeros for the others."""
    aligned = f"static _Alignas({ALIGNMENT})"
    for block, size in enumerate(listing.blocks):
        if block in constants:
            values = constants[block]
            yield f"{aligned} const {c_type} {memory_name(block)}[{values.size}] = {{\n    {numbers(values)}}};"
        else:
            yield f"{aligned} uint8_t {memory_name(block)}[{size}];"


def kernels(listing: Listing) -> Iterator[str]:
    """The functions that are called, each once."""
    functions = dict.fromkeys(call.function for calls in listing.calls.values() for call in calls)
    for function in functions:
        yield f"extern int {function}_argv(void **arguments);"


def calls(name: str, listed: Sequence[Call]) -> Iterator[str]:
    """The list of calls of one program, `<name>_calls`."""
    rows = []
    for number, call in enumerate(listed):
        own = f"{name}_{number}"
        for place, argument in enumerate(call.arguments):
            yield from _buffer(f"{own}_{place}", argument)
        count = len(call.arguments)
        yield f"static const buffer *const {own}[] = {{{_joined(f'&{own}_{place}' for place in range(count))}}};"
        moves = _joined(f"{{{by_slice}, {by_slot}}}" for by_slice, by_slot in (a.movement for a in call.arguments))
        yield f"static const movement {own}_moves[] = {{{moves}}};"
        rows.append(f"    {{{call.function}_argv, {own}, {own}_moves, {count}, {call.slices}, {call.together}}},")
    yield "\n".join([f"static const call {name}_calls[] = {{", *rows, "};"])


def _buffer(name: str, argument: Argument) -> Iterator[str]:
    seen = argument.buffer
    axes = [*reversed(range(len(seen.shape)))]
    if axes:
        each = (f"{{{-seen.lows[axis]}, {seen.shape[axis]}, {seen.strides[axis]}, 0}}" for axis in axes)
        yield f"static const dimension {name}_axes[] = {{{_joined(each)}}};"
    dtype = DTYPES[seen.element]
    host = address(argument.memory, seen.first_byte)
    kind = f"{{{dtype.code}, {dtype.bits}, 1}}"
    dim = f"{name}_axes" if axes else "0"
    yield f"static const buffer {name} = {{0, 0, {host}, 0, {kind}, {len(axes)}, {dim}, 0}};"


def address(memory: Memory, more: int = 0) -> str:
    """A byte of a block, as a pointer."""
    return f"(uint8_t *){memory_name(memory.block)} + {memory.offset + more}"


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)
