"""The oracle as an engine: the interface of the compiled programs, run by NumPy in float64.

It computes what the compiled engine computes, on every machine, and serves where that one does not exist (Linux on
ARM). It is slower by one to two orders of magnitude: the one who chooses it says so by `warn_slow`.
"""

from __future__ import annotations

import platform
import sys
import time
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import takes
from convgrad.compute import program
from convgrad.compute.contract import ASKED, Request, example_indices, last_reads, root
from convgrad.compute.oracle import grid
from convgrad.errors import ArgumentError
from convgrad.notation.terms import Equation, accesses


class SlowEngineWarning(UserWarning):
    """The network runs in NumPy, because there is no compiled engine here."""


def warn_slow(stacklevel: int = 2) -> None:
    """Warn that the oracle stands in for the compiled engine; `stacklevel` as in `warnings.warn`, 1 for this call."""
    here = f"Python {sys.version_info.major}.{sys.version_info.minor} on {platform.system()} {platform.machine()}"
    warnings.warn(
        f"There is no compiled engine for {here}: NumPy computes the equations instead. The numbers are the same, "
        "in float64 inside, but training takes ten to a hundred times as long.",
        SlowEngineWarning,
        stacklevel=stacklevel + 1,
    )


@takes(ArgumentError, **ASKED)
def compile_program(
    equation: Equation,
    outputs: Sequence[str],
    dtype: npt.DTypeLike = "float32",
    in_place: Mapping[str, str] | None = None,
    buffers: Mapping[str, npt.NDArray[Any]] | None = None,
    views: Mapping[str, str] | None = None,
    examples: Collection[str] = (),
    constants: Collection[str] = (),
    usual: int | None = None,
) -> Program:
    """A bound equation, ready to run on arrays that are laid out once.

    Args: as `convgrad.compute.contract.Request` says; the arithmetic is float64, and examples are computed one by one.

    Raises:
        ShapeError: the equation is not bound.
        EngineError: an output, a type, a buffer or a tensor in place can't be as asked.

    >>> from convgrad.notation import bind, parse
    >>> step = bind(parse("w_next[i] = w[i] - 0.5 * g[i]"), shapes={"w": (3,), "g": (3,)})
    >>> program = compile_program(step, ["w_next"], in_place={"w_next": "w"})
    >>> program.set("g", [2, 4, 6])
    >>> program.run()
    >>> program.arrays["w"]
    array([-1., -2., -3.], dtype=float32)
    """
    return Program(
        Request(
            equation,
            tuple(outputs),
            dtype,
            in_place or {},
            buffers or {},
            views or {},
            tuple(examples),
            tuple(constants),
            usual,
        )
    )


class Program(program.Program):
    """A bound equation that runs in NumPy; made by `compile_program`."""

    def __init__(self, request: Request) -> None:
        start = time.perf_counter()
        super().__init__(request)
        examples, views = request.examples, request.views
        self._along: frozenset[str] = frozenset()
        self._count = 1
        if examples:  # NumPy's bits depend on how many there are
            self._along = frozenset((*examples, *(example_indices(self.equation.definitions, views, examples) or ())))
            self._count = len(self.arrays[examples[0]])
            request = request.with_examples(1)
        self._views, self._shapes = views, request.equation.shape_of
        self._definitions = request.in_order()
        self._last_reads = last_reads(self._definitions, views)
        self._read = set().union(*self._last_reads)
        self.compile_seconds = time.perf_counter() - start

    def prepare(self) -> None:
        """Nothing: the oracle keeps nothing from one call to the next."""

    def run(self) -> None:
        """Compute all outputs from what the input arrays hold now."""
        for _ in self.in_parts():
            pass

    def in_parts(self) -> Iterator[int]:
        """Do what `run` does, definition by definition: yields how many are done, for each example anew."""
        kept: dict[str, npt.NDArray[np.float64]] = {}
        for number in range(self._count):
            yield from self._compute(number, kept)

    def parts_until(self, name: str) -> int:
        """How many definitions it takes until one is computed."""
        return 1 + [definition.name for definition in self._definitions].index(name)

    def _compute(self, number: int, kept: dict[str, npt.NDArray[np.float64]]) -> Iterator[int]:
        """All definitions once, for one of several examples; what these have in common is kept from one to the next."""
        values: dict[str, npt.NDArray[np.float64]] = {}
        for done, (definition, last) in enumerate(zip(self._definitions, self._last_reads, strict=True), 1):
            read = {access.tensor for access in accesses(definition.term)}
            for name in read:
                source = root(name, self._views)
                if source not in values:  # an input
                    values[source] = self._input(source, number, kept)
            arguments = {name: values[root(name, self._views)].reshape(self._shapes[name]) for name in read}
            value = grid.evaluate_definition(definition, arguments, most=None)  # training takes what it takes
            if definition.name in self.arrays:
                # A float64 beyond float32 becomes infinite, as it does in compiled code.
                with np.errstate(over="ignore"):
                    self._part(definition.name, number)[...] = value
            if definition.name in self._read:
                values[definition.name] = value
            for name in last:
                del values[name]
            yield done

    def _input(self, name: str, number: int, kept: dict[str, npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        if name in kept:
            return kept[name]
        value = self._part(name, number).astype(np.float64, copy=False)
        if self._count > 1 and name not in self._along:
            kept[name] = value
        return value

    def _part(self, name: str, number: int) -> npt.NDArray[Any]:
        """The array of an input or output, or an example of it."""
        return self.arrays[name][number : number + 1] if name in self._along else self.arrays[name]
