"""Maps: pointwise atoms of one shape in one pass over memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, Tensor, expression
from convgrad.compute.halide.schedules.generic import pointwise, stored_value
from convgrad.compute.halide.target import machine
from convgrad.notation.terms import Definition

PARALLEL_ELEMENTS = 1 << 16
"""Elements from which a pass is spread over threads: 64 Ki floats take about 20 us, a parallel start 5 to 10."""
PARALLEL_WORK = 1 << 19
"""Multiply-adds from which a reduction is spread over threads: at 60 a nanosecond 9 us; a parallel start takes 5."""
FLAT_CHUNK = 1 << 14
"""Elements of a task of a flat pass: 64 KiB a tensor; a fixed size, so that nothing depends on the threads."""


def map_function(
    atoms: Sequence[Definition],
    stored: Sequence[str],
    elements: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    kind: Any,
    in_place: Mapping[str, str],
    variables: Sequence[Any],
    flat: bool,
    name: str = "out",
    places: Sequence[Any] | None = None,
) -> Any:
    """A Func with one value for each stored tensor, in that order.

    `variables` are Halide's, in the equation's order of the axes; a flat map has one variable for all axes. `places`
    are what pointwise atoms read at instead, where the Func is also computed, but not stored, beyond its end.
    """
    func = hl.Func(name)
    where = tuple(reversed(variables))
    known = dict(tensors)
    if in_place:
        start = tuple(hl.undef(elements[tensor]) for tensor in stored)
        func[where] = start if len(start) > 1 else start[0]
        for tensor, source in in_place.items():
            place = stored.index(tensor)
            known[source] = _held(func, where, len(stored) > 1, place, known[source].shape)
    values: dict[str, Any] = {}
    for atom in atoms:
        indices = dict.fromkeys(atom.indices, 0) if flat else dict(zip(atom.indices, places or variables, strict=True))
        lowering = Lowering(kind, known, atom.sizes)
        if atom.name not in tensors:  # a reduction of the group has its own Func
            values[atom.name] = pointwise(atom, lowering, indices)
            known[atom.name] = _constant_tensor(values[atom.name], atom.shape)
        else:
            values[atom.name] = known[atom.name].load(list(variables))
            known[atom.name] = _constant_tensor(values[atom.name], atom.shape)
    results = tuple(stored_value(values[tensor], elements[tensor]) for tensor in stored)
    func[where] = results if len(results) > 1 else results[0]
    return func


def _held(func: Any, where: tuple[Any, ...], several: bool, place: int, shape: tuple[int, ...]) -> Tensor:
    """The element being computed, as it was."""
    return Tensor(shape, lambda _: expression(func[where][place] if several else func[where]))


def _constant_tensor(value: Any, shape: tuple[int, ...]) -> Tensor:
    """A tensor that is read at the element being computed only."""
    return Tensor(shape, lambda _: value)


def schedule_flat(func: Any, variable: Any, element_bytes: int, parallel: bool, in_place: bool) -> None:
    """One loop over all elements, whatever their number."""
    stage = func.update() if in_place else func
    inner = hl.Var("inner")
    lanes = machine().lanes(element_bytes)
    if parallel:
        chunk = hl.Var("chunk")
        stage.split(variable, chunk, variable, FLAT_CHUNK, hl.TailStrategy.GuardWithIf).parallel(chunk)
    stage.split(variable, variable, inner, lanes, hl.TailStrategy.GuardWithIf).vectorize(inner)


def schedule_map(func: Any, variables: Sequence[Any], shape: Sequence[int], element_bytes: int, in_place: bool) -> None:
    """Vectors along the last axis, threads along the first ones."""
    stage = func.update() if in_place else func
    tail = hl.TailStrategy.GuardWithIf if in_place else hl.TailStrategy.ShiftInwards
    lanes = machine().lanes(element_bytes)
    while lanes > shape[-1]:
        lanes //= 2
    if lanes > 1:
        inner = hl.Var("inner")
        stage.split(variables[-1], variables[-1], inner, lanes, tail).vectorize(inner)
    if prod(shape) >= PARALLEL_ELEMENTS and len(shape) > 1:
        spread_evenly(stage, variables[:-1], shape[:-1], tail)


def spread(stage: Any, variables: Sequence[Any], shape: Sequence[int]) -> tuple[Any, int]:
    """Threads along the leading axes, as many of them as make ENOUGH_TASKS.

    Returns the variable of the tasks, and how many axes it stands for.
    """
    task, tasks, axes = variables[0], shape[0], 1
    for variable, size in zip(variables[1:], shape[1:], strict=True):
        if tasks >= ENOUGH_TASKS:
            break
        both = hl.Var(f"task_{variable.name()}")
        stage.fuse(variable, task, both)
        task, tasks, axes = both, tasks * size, axes + 1
    stage.parallel(task)
    return task, axes


def spread_evenly(stage: Any, variables: Sequence[Any], shape: Sequence[int], tail: Any) -> None:
    """Threads along the leading axes, in little more than ENOUGH_TASKS tasks: the last of these axes in stretches.

    With (8, 3136, 64) elements, a task for each of 8*3136 rows would take longer to start than to run.
    """
    tasks = 1
    for axis, (variable, size) in enumerate(zip(variables, shape, strict=True)):
        wanted = -(-ENOUGH_TASKS // tasks)
        if size >= 2 * wanted:
            stretch = hl.Var("stretch")
            stage.split(variable, stretch, variable, -(-size // wanted), tail)
            spread(stage, [*variables[:axis], stretch], [*shape[:axis], wanted])
            return
        tasks *= size
        if tasks >= ENOUGH_TASKS:
            break
    spread(stage, variables, shape)


ENOUGH_TASKS = 16
"""Tasks that keep 16 threads busy, and 2 to 8 evenly loaded."""
