"""A bound equation as a fixed list of compiled kernels on buffers laid out once."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy.typing as npt

from convgrad.arguments import takes
from convgrad.compute import program
from convgrad.compute.contract import ASKED, Request
from convgrad.compute.halide import available
from convgrad.compute.halide.recorded import Asked, record, recorded
from convgrad.compute.halide.runtime import ahead, native, threads
from convgrad.compute.halide.runtime.linked import LinkedCalls
from convgrad.errors import ArgumentError, EngineError
from convgrad.notation.terms import Equation

# What imports Halide is imported in functions: where there is none, this module can be loaded and says so.
if TYPE_CHECKING:
    from convgrad.compute.halide.kernels.kernel import Kernel
    from convgrad.compute.halide.runtime.calls import InMemoryCalls

    Calls = LinkedCalls | InMemoryCalls

Array = npt.NDArray[Any]


@takes(ArgumentError, **ASKED)
def compile_program(
    equation: Equation,
    outputs: Sequence[str],
    dtype: npt.DTypeLike = "float32",
    in_place: Mapping[str, str] | None = None,
    buffers: Mapping[str, Array] | None = None,
    views: Mapping[str, str] | None = None,
    examples: Collection[str] = (),
    constants: Collection[str] = (),
    usual: int | None = None,
) -> Program:
    """A bound equation, compiled for this processor, with arrays that are laid out once.

    Args: as `convgrad.compute.contract.Request` says; the arithmetic has the dtype of the arrays.

    Raises:
        ShapeError: the equation is not bound.
        EngineError: Halide is not available here; an output, a type, a buffer, a tensor in place or a size can't be as
            asked; a kernel can't be compiled; an example depends on others.

    >>> from convgrad.notation import bind, parse
    >>> conv = bind(parse("x[i,k] = sum[m](w[m,k] * o[i+m])"), shapes={"w": (3, 2), "o": (5,)})
    >>> program = compile_program(conv, ["x"])
    >>> program.set("o", [1, 2, 3, 4, 5])
    >>> program.set("w", [[1, 0], [0, 1], [1, 0]])
    >>> program.run()
    >>> program.arrays["x"]
    array([[4., 2.],
           [6., 3.],
           [8., 4.]], dtype=float32)
    """
    there, reason = available()
    if not there:
        raise EngineError(f"Equations can't be compiled here: {reason}")
    threads.refuse_forked_child()
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
    """A compiled equation; made by `compile_program`.

    Attributes:
        kernels: what is run, in order; `print(program)` shows it. What `prepare` runs is not among them. Of a program
            that was kept it is planned when asked for.
        intermediate_bytes: the memory of tensors that are neither inputs nor outputs.
    """

    intermediate_bytes: int

    def __init__(self, request: Request) -> None:
        start = time.perf_counter()
        super().__init__(request)
        asked = Asked.now(request, self.arrays, self.dtype)
        key = asked.key
        calls, first, self.intermediate_bytes = recorded(asked, key) or _made(asked, key)
        lists: tuple[Calls, Calls] = calls.cut(first)
        self._first, self._call = lists
        self._prepared = not self._first.writes
        self.compile_seconds = time.perf_counter() - start

    @property
    def kernels(self) -> Sequence[Kernel]:
        """What is run, in order."""
        return self._call.kernels

    def __reduce__(self) -> NoReturn:
        raise EngineError(
            "A compiled program can't be pickled or copied: it is machine code of this process. Pickle its equation "
            "(program.equation), and compile that where it arrives."
        )

    def run(self) -> None:
        """Compute all outputs from what the input arrays hold now. Other Python threads go on meanwhile.

        Raises: EngineError in a forked child process, or where a kernel fails (memory).
        """
        threads.refuse_forked_child()
        if not self._prepared:
            self.prepare()
        self._call()

    def set(self, name: str, array: npt.ArrayLike) -> None:
        super().set(name, array)
        if name in self.request.constants:
            self._prepared = False

    def prepare(self) -> None:
        """Compute what depends on constants alone, from what their arrays hold now: kernels transformed, weights in
        another order, factors of a normalization. Raises EngineError as `run` does.
        """
        threads.refuse_forked_child()
        self._first()
        self._prepared = True

    def in_parts(self) -> Iterator[int]:
        """Do what `run` does, kernel by kernel, to the same bits: yields how many of `kernels` are done, after each one
        or chain. Raises EngineError as `run` does.
        """
        threads.refuse_forked_child()
        if not self._prepared:
            self.prepare()
        return self._call.in_parts()

    def parts_until(self, name: str) -> int:
        """How many of `kernels` it takes until a tensor is whole that they store."""
        return max(number for number, writes in enumerate(self._call.writes, 1) if name in writes)

    def timed(self) -> list[int]:
        """Run once; the nanoseconds that each of `kernels` took. Raises EngineError as `run` does."""
        threads.refuse_forked_child()
        if not self._prepared:
            self.prepare()
        return self._call.timed()

    def __str__(self) -> str:
        return "\n".join(f"{number}. {kernel}" for number, kernel in enumerate(self.kernels, 1))


def _made(asked: Asked, key: str) -> tuple[Calls, int, int]:
    """A program planned and compiled now, and kept; as `recorded` has it."""
    from convgrad.compute.halide.passes.atoms import sized_walk
    from convgrad.compute.halide.passes.fusion import SMALL_WORK

    long = sum(sized_walk(definition) > SMALL_WORK for definition in asked.request.equation.definitions)
    with ahead.started(long if native.compiler() else 0):  # there are about as many kernels
        from convgrad.compute.halide.planned import planned
        from convgrad.compute.halide.runtime import calls

        plan = planned(asked.request, asked.arrays, asked.dtype)
        made = calls.call_list(plan.kernels, plan.rows, plan.together)
    if isinstance(made, LinkedCalls):
        record(asked, key, made, plan.first, plan.shared, plan.intermediate_bytes)
    return made, plan.first, plan.intermediate_bytes
