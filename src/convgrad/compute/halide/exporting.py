"""Programs as something to leave Python with: object files of their kernels, and what calls them as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from convgrad.compute.arrays import laid_out
from convgrad.compute.contract import Request
from convgrad.compute.halide.listed import Argument, Call, Memory, from_each_on
from convgrad.compute.halide.planned import buffer, movement, planned
from convgrad.compute.halide.runtime.compile import written_objects

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Listing:
    """Programs that share memory.

    Attributes:
        calls: of each program, by its name.
        blocks: the bytes of each block of memory.
        places: of each program, where its inputs and outputs lie.
    """

    calls: Mapping[str, Sequence[Call]]
    blocks: Sequence[int]
    places: Mapping[str, Mapping[str, Memory]]


def listing(requests: Mapping[str, Request], folder: Path) -> Listing:
    """What programs consist of, with `<function>.o` in `folder` for each kernel.

    The code is for `CONVGRAD_TARGET`, or for this processor. Programs share the buffers of their requests.

    Raises: ShapeError, EngineError as `compile_program` does.
    """
    arrays = {name: laid_out(request) for name, request in requests.items()}
    plans = {name: planned(r, arrays[name], str(arrays[name][r.outputs[0]].dtype)) for name, r in requests.items()}
    rows = [row for plan in plans.values() for row in plan.rows]
    own = [array for each in arrays.values() for array in each.values()]
    blocks = _Blocks([*own, *(place.array for row in rows for place in row)])
    calls = {}
    for name, plan in plans.items():
        kernels, functions = written_objects(plan.kernels, folder)
        from_here = from_each_on(plan.together)
        calls[name] = [
            Call(
                function,
                tuple(Argument(buffer(kernel, p), blocks.place(p.array), movement(kernel, p)) for p in row),
                kernel.slices,
                together,
            )
            for kernel, function, row, together in zip(kernels, functions, plan.rows, from_here, strict=True)
        ]
    places = {name: {each: blocks.place(a) for each, a in own.items()} for name, own in arrays.items()}
    return Listing(calls, blocks.sizes, places)


class _Blocks:
    """Memory of arrays, some of which overlap: each block is what hangs together."""

    def __init__(self, arrays: Sequence[Array]):
        self._starts: list[int] = []
        self.sizes: list[int] = []
        for start, size in sorted({(array.ctypes.data, array.nbytes) for array in arrays}):
            if self._starts and start < self._starts[-1] + self.sizes[-1]:
                self.sizes[-1] = max(self.sizes[-1], start + size - self._starts[-1])
            else:
                self._starts.append(start)
                self.sizes.append(size)
        self._kept = arrays  # so that no address is given away

    def place(self, array: Array) -> Memory:
        address = array.ctypes.data
        for block, (start, size) in enumerate(zip(self._starts, self.sizes, strict=True)):
            if start <= address < start + size:
                return Memory(block, address - start)
        raise AssertionError("every array that is asked for lies in a block")
