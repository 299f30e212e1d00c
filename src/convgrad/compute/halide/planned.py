"""From a request to kernels on memory laid out once: all that is known of a program before anything is compiled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.compute.arrays import aligned_zeros
from convgrad.compute.contract import Request, root
from convgrad.compute.halide.kernels.chains import in_steps
from convgrad.compute.halide.kernels.kernel import Kernel
from convgrad.compute.halide.kernels.packing import with_packing
from convgrad.compute.halide.kernels.steps import Step
from convgrad.compute.halide.listed import Buffer
from convgrad.compute.halide.passes import in_atoms
from convgrad.compute.halide.passes.borders import with_borders
from convgrad.compute.halide.passes.constants import apart
from convgrad.compute.halide.passes.fusion import partition
from convgrad.compute.halide.passes.memory import Layout, Lifetime, packed
from convgrad.compute.halide.passes.nominal import NOMINAL, for_real
from convgrad.compute.halide.passes.plan import Plan
from convgrad.compute.rounding import is_rounded
from convgrad.dtypes import HALF
from convgrad.errors import EngineError
from convgrad.notation.terms import Definition, Equation, Reduce

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Place:
    """A tensor (or view) as an argument of a kernel, and the memory it lies in, border included.

    In a chain: sliced, whether each slice of examples has a part of that memory; local, whether nothing but the chain
    reads that part, so that the thread's next slice may write over it.
    """

    name: str
    array: npt.NDArray[Any]
    sliced: bool = False
    local: bool = False


def buffer(kernel: Kernel, place: Place) -> Buffer:
    """A kernel's argument as compiled code takes it; axes in the equation's order."""
    layout, read = kernel.layouts[place.name], place.name in kernel.reads
    shape, lows = extent(kernel, layout, read)
    strides = (1,) if kernel.flat and layout.shape else layout.strides
    return Buffer(0 if read else layout.first * place.array.itemsize, layout.element, shape, strides, lows)


def extent(kernel: Kernel, layout: Layout, read: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Size along each axis, and where the axis begins (minus that)."""
    if kernel.flat and layout.shape:
        return (prod(layout.shape),), (0,)
    if read and layout.bordered:
        return layout.whole_shape, layout.low
    return layout.shape, (0,) * len(layout.shape)


def movement(kernel: Kernel, place: Place) -> tuple[int, int]:
    """Bytes by which an argument moves from slice to slice, and from slot to slot."""
    step = place.array.nbytes // kernel.slices if place.sliced else 0
    return (0, step) if place.local else (step, 0)


@dataclass(frozen=True)
class Planned:
    """Kernels in running order, with their memory.

    Attributes:
        rows: the arguments of each kernel.
        together: of how many kernels each step is made; those of a step have the same number of slices.
        first: how many of the kernels depend on constants alone.
        shared: the block in which intermediate tensors lie.
        intermediate_bytes: the memory of tensors that are neither inputs nor outputs.
    """

    kernels: list[Kernel]
    rows: list[list[Place]]
    together: list[int]
    first: int
    shared: Array
    intermediate_bytes: int


def planned(request: Request, arrays: Mapping[str, Array], dtype: str) -> Planned:
    """The kernels that compute what is asked, on these arrays of its inputs and outputs.

    Raises: EngineError where a tensor has no elements, or no order lets a tensor be computed in place.
    """
    equation = request.equation
    _refuse_empty(equation)
    examples = request.examples
    plan = Plan.of(request.with_examples(NOMINAL) if examples else request)
    plan = in_atoms(plan, bool(request.constants))
    once, rest, constant = apart(plan, request.constants)
    first, groups, views = partition(once), partition(rest), plan.views
    layouts = _layouts(plan, arrays, dtype)
    if examples:
        count = equation.shape_of[examples[0]][0]
        both, layouts = for_real([*first, *groups], layouts, views, examples, count, request.usual)
        first, groups = both[: len(first)], both[len(first) :]
    packing, groups = with_packing(groups, layouts, views, constant)
    before = [Step([group]) for group in (*first, *packing)]
    steps = [*before, *in_steps(groups, layouts, views, arrays.keys())]
    kernels = [step.kernels(layouts, views, dtype) for step in steps]
    memory, shared, intermediate_bytes = _memory(steps, kernels, arrays, layouts, views, len(before))
    rows = [
        [
            Place(
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
    flat = [kernel for together in kernels for kernel in together]
    together = [*map(len, kernels)]
    return Planned(flat, rows, together, sum(together[: len(before)]), shared, intermediate_bytes)


def _refuse_empty(equation: Equation) -> None:
    for name, shape in equation.shapes:
        if 0 in shape:
            raise EngineError(f"{name} has shape {shape}, which has no elements; every size must be at least 1.")


def _layouts(plan: Plan, arrays: Mapping[str, Array], dtype: str) -> dict[str, Layout]:
    """Type and place of the elements of every tensor, views included."""
    atoms, views = plan.definitions, plan.views
    layouts = {name: Layout(shape, dtype) for name, shape in plan.shapes.items()}
    halves: set[str] = set()
    for atom in atoms:
        element = dtype if atom.name in arrays else _element(atom, dtype)
        if element == "float32" and is_rounded(atom.term, halves, views):
            halves.add(atom.name)
            element = element if atom.name in arrays else HALF
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
    first: int,
) -> tuple[dict[Block, Array], Array, int]:
    """The array of every tensor that is stored, the block that intermediate ones share, and the bytes of all of these.

    kernels: of each step; what a step touches is in use from its start to its end.
    first: how many steps are run once; what they make is in use until the last step's end.
    """
    uses: dict[Block, list[int]] = {}
    for number, (step, together) in enumerate(zip(steps, kernels, strict=True)):
        for name in (name for kernel in together for name in (*kernel.reads, *kernel.writes)):
            uses.setdefault(_block(number, step, name, views), []).append(number)
    memory: dict[Block, Array] = {(name, None): array for name, array in arrays.items()}
    blocks = [
        Lifetime(block, layouts[block[0]].bytes, min(numbers), max(numbers) if min(numbers) >= first else len(steps))
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
    return memory, arena, total
