"""A bound equation as a fixed list of compiled kernels on buffers laid out once."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from convgrad.arguments import takes
from convgrad.compute import program
from convgrad.compute.arrays import aligned_zeros
from convgrad.compute.contract import ASKED, Request, root
from convgrad.compute.halide import available
from convgrad.compute.halide.runtime import threads
from convgrad.errors import ArgumentError, EngineError
from convgrad.notation.terms import Definition, Equation, Reduce

# What imports Halide is imported in functions: where there is none, this module can be loaded and says so.
if TYPE_CHECKING:
    from convgrad.compute.halide.kernels.kernel import Kernel
    from convgrad.compute.halide.kernels.steps import Step
    from convgrad.compute.halide.passes.memory import Layout
    from convgrad.compute.halide.passes.plan import Plan
    from convgrad.compute.halide.runtime.calls import InMemoryCalls, LinkedCalls

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
        Request(equation, tuple(outputs), dtype, in_place or {}, buffers or {}, views or {}, tuple(examples))
    )


class Program(program.Program):
    """A compiled equation; made by `compile_program`.

    Attributes:
        kernels: what is run, in order; `print(program)` shows it.
        intermediate_bytes: the memory of tensors that are neither inputs nor outputs.
    """

    kernels: Sequence[Kernel]
    intermediate_bytes: int

    def __init__(self, request: Request) -> None:
        from convgrad.compute.halide.kernels.chains import in_steps
        from convgrad.compute.halide.passes import in_atoms
        from convgrad.compute.halide.passes.fusion import partition
        from convgrad.compute.halide.passes.nominal import NOMINAL, for_real
        from convgrad.compute.halide.passes.plan import Plan

        start = time.perf_counter()
        super().__init__(request)
        _refuse_empty(self.equation)
        examples = request.examples
        plan = in_atoms(Plan.of(request.with_examples(NOMINAL) if examples else request))
        groups, views = partition(plan), plan.views
        layouts = _layouts(plan, self.arrays, self.dtype)
        if examples:
            groups, layouts = for_real(groups, layouts, views, examples, self.equation.shape_of[examples[0]][0])
        steps = in_steps(groups, layouts, views, self.arrays.keys())
        kernels = [step.kernels(layouts, views, self.dtype) for step in steps]
        memory, self.intermediate_bytes = _memory(steps, kernels, self.arrays, layouts, views)
        self._call = _linked(steps, kernels, memory, views)
        self.kernels = self._call.kernels
        self.compile_seconds = time.perf_counter() - start

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
        self._call()

    def timed(self) -> list[int]:
        """Run once; the nanoseconds that each of `kernels` took. Raises EngineError as `run` does."""
        threads.refuse_forked_child()
        return self._call.timed()

    def __str__(self) -> str:
        return "\n".join(f"{number}. {kernel}" for number, kernel in enumerate(self.kernels, 1))


def _refuse_empty(equation: Equation) -> None:
    for name, shape in equation.shapes:
        if 0 in shape:
            raise EngineError(f"{name} has shape {shape}, which has no elements; every size must be at least 1.")


def _layouts(plan: Plan, arrays: Mapping[str, Array], dtype: str) -> dict[str, Layout]:
    """Type and place of the elements of every tensor, views included."""
    from convgrad.compute.halide.passes.borders import with_borders
    from convgrad.compute.halide.passes.memory import Layout

    atoms, views = plan.definitions, plan.views
    layouts = {name: Layout(shape, dtype) for name, shape in plan.shapes.items()}
    for atom in atoms:
        element = dtype if atom.name in arrays else _element(atom, dtype)
        layouts[atom.name] = Layout(atom.shape, element)
    for view in views:
        if view in layouts:
            layouts[view] = Layout(layouts[view].shape, layouts[root(view, views)].element)
    fixed = {*arrays, *views, *(root(view, views) for view in views)}
    return with_borders(layouts, atoms, fixed)


def _element(atom: Definition, dtype: str) -> str:
    """Places (argmax) are stored in whole numbers: a byte where the window is small enough."""
    if isinstance(atom.term, Reduce) and atom.term.kind in ("argmax", "argmin"):
        sizes = atom.sizes
        return "uint8" if prod(sizes[i] for i in atom.term.indices) <= 256 else "int32"
    return dtype


def _linked(
    steps: Sequence[Step],
    kernels: Sequence[list[Kernel]],
    memory: Mapping[Block, Array],
    views: Mapping[str, str],
) -> LinkedCalls | InMemoryCalls:
    """The call that runs all kernels, given for each step."""
    from convgrad.compute.halide.runtime import calls

    rows = [
        [
            calls.Place(
                name,
                memory[_block(number, step, kernel.group.in_place.get(name, name), views)],
                name in kernel.sliced,
                name in step.local,
            )
            for name in (*kernel.reads, *kernel.writes)
        ]
        for number, (step, together) in enumerate(zip(steps, kernels, strict=True))
        for kernel in together
    ]
    return calls.call_list([kernel for together in kernels for kernel in together], rows, [*map(len, kernels)])


Block = tuple[str, int | None]
"""A tensor in memory, and the step that it is local to."""


def _block(number: int, step: Step, name: str, views: Mapping[str, str]) -> Block:
    """Where a step finds a tensor."""
    return root(name, views), number if name in step.local else None


def _memory(
    steps: Sequence[Step],
    kernels: Sequence[list[Kernel]],
    arrays: Mapping[str, Array],
    layouts: Mapping[str, Layout],
    views: Mapping[str, str],
) -> tuple[dict[Block, Array], int]:
    """The array of every tensor that is stored, and the bytes of the intermediate ones, which share a block.

    kernels: of each step; what a step touches is in use from its start to its end.
    """
    from convgrad.compute.halide.passes.memory import Lifetime, packed

    uses: dict[Block, list[int]] = {}
    for number, (step, together) in enumerate(zip(steps, kernels, strict=True)):
        for name in (name for kernel in together for name in (*kernel.reads, *kernel.writes)):
            uses.setdefault(_block(number, step, name, views), []).append(number)
    memory: dict[Block, Array] = {(name, None): array for name, array in arrays.items()}
    blocks = [
        Lifetime(block, layouts[block[0]].bytes, min(numbers), max(numbers))
        for block, numbers in uses.items()
        if block not in memory and not layouts[block[0]].bordered
    ]
    offsets, total = packed(blocks)
    arena = aligned_zeros((total,), np.uint8)
    for block in uses.keys() & offsets.keys():
        layout, begin = layouts[block[0]], offsets[block]
        memory[block] = arena[begin : begin + layout.bytes].view(layout.element)
    for block in uses:
        if block not in memory:
            layout = layouts[block[0]]
            memory[block] = aligned_zeros(layout.whole_shape, layout.element)
            total += layout.bytes
    return memory, total
