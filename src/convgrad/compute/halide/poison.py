"""Memory that nobody has written, filled with numbers that show where they are used. For tests and benchmarks.

A kernel may read what no one wrote, in places of vectors that do not count, but should not compute with it: if these
are subnormal numbers, each instruction takes some processors 150 cycles more.

    with poisoned(SUBNORMAL):
        program.run()
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from convgrad.compute.halide.program import Program
from convgrad.compute.halide.runtime import native
from convgrad.compute.halide.runtime.linked import LinkedCalls
from convgrad.errors import EngineError

SUBNORMAL = 0x000116C2
"""A word of memory that is 1e-40 in float32; two of them are 1.5e-309 in float64, subnormal, too."""
NOT_A_NUMBER = 0x7FFFFFFF
"""A word that is not a number in float32, and so are two of them in float64."""
FRESH, EVERY = 1, 2


@contextmanager
def poisoned(word: int, every: bool = False) -> Iterator[None]:
    """Fill what kernels allocate with a word: what is kept now, and blocks that the system hands out meanwhile.

    every: each block whenever a kernel gets it, and the stack below each kernel, which takes much longer.
    """
    native.fill_unwritten(EVERY if every else FRESH, word)
    try:
        yield
    finally:
        native.fill_unwritten(0, 0)


def poison(program: Program, word: int) -> None:
    """Fill all tensors that a program computes before it reads them: intermediate ones, and outputs that replace no
    input. The zeros stored around a tensor stay: they were written when the program was made."""
    given = {program.arrays[name].ctypes.data for name in program._inputs}
    program._prepared = not program._first.kernels
    lists = program._first, program._call
    for kernel, row in (pair for calls in lists for pair in zip(calls.kernels, calls.rows, strict=True)):
        for place in row:
            if place.array.ctypes.data in given:
                continue
            layout = kernel.layouts[place.name]
            parts = np.split(place.array.reshape(-1), kernel.slices) if place.sliced else [place.array]
            for part in parts:
                inside = part.reshape(layout.whole_shape)
                if layout.bordered:
                    inside = inside[tuple(slice(a, a + n) for a, n in zip(layout.low, layout.shape, strict=True))]
                words = -(-inside.nbytes // 4)
                inside[...] = (
                    np.full(words, word, np.uint32)
                    .view(np.uint8)[: inside.nbytes]
                    .view(inside.dtype)
                    .reshape(inside.shape)
                )


def computing_with_poison(program: Program) -> list[str]:
    """The kernels that compute with memory that nobody wrote, on inputs without subnormal numbers. It runs the program,
    on one thread. Raises EngineError where the processor does not tell, or kernels are not linked."""
    lists = program._first, program._call
    if not isinstance(program._call, LinkedCalls):
        raise EngineError("Kernels that are compiled in memory get their memory from Halide; a C compiler is needed.")
    poison(program, SUBNORMAL)
    with poisoned(SUBNORMAL, every=True):
        found = [calls.meets_subnormals() for calls in lists if isinstance(calls, LinkedCalls)]
    return [
        calls.kernels[first].title
        for calls, list_found in zip(lists, found, strict=True)
        for first, meets in zip(np.cumsum([0, *calls.together]), list_found, strict=False)
        if meets
    ]
