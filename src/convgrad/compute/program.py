"""What the programs of both makers have in common: the arrays that a request is laid out in, and how inputs are set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.compute.arrays import laid_out, set_input
from convgrad.compute.contract import Request
from convgrad.notation.terms import Equation


class Program:
    """An equation that runs on its own arrays; made by `compile_program` of the oracle or of the compiled engine.

    Attributes:
        request: what was asked.
        arrays: input or output -> array, aligned and in C order. Write inputs, call `run`, read outputs.
        compile_seconds: what it took to plan and to compile.
    """

    request: Request
    arrays: dict[str, npt.NDArray[Any]]
    compile_seconds: float

    def __init__(self, request: Request) -> None:
        self.request = request
        self.arrays = laid_out(request)
        self._inputs: Sequence[str] = request.inputs

    @property
    def equation(self) -> Equation:
        """The bound equation that is computed."""
        return self.request.equation

    @property
    def dtype(self) -> str:
        """Of the arrays: "float32" or "float64"."""
        return str(np.dtype(self.request.dtype).name)

    def set(self, name: str, array: npt.ArrayLike) -> None:
        """Copy numbers into an input: any real type, any order in memory, the shape that the equation says.

        Raises:
            EngineError: `name` is not an input.
            DataError: the shape differs, these are not real numbers, or one is too large for the program's type.
        """
        set_input(self.arrays, self._inputs, name, array)

    def run(self) -> None:
        """Compute all outputs from what the input arrays hold now."""
        raise NotImplementedError("each maker's program has its own")

    def prepare(self) -> None:
        """Compute what depends on constants alone, from what their arrays hold now, and keep it for `run`. The first
        `run` does so where nobody has."""
        raise NotImplementedError("each maker's program has its own")

    def in_parts(self) -> Iterator[int]:
        """Do what `run` does, part by part, to the same bits: yields how many parts are done, after each."""
        raise NotImplementedError("each maker's program has its own")

    def parts_until(self, name: str) -> int:
        """How many parts it takes until a defined tensor is whole that is an output or computed in place."""
        raise NotImplementedError("each maker's program has its own")
