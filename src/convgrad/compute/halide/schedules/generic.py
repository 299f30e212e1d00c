"""Plain loops for any atom: always right, and quick to compile. Small kernels use nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen import functions
from convgrad.compute.halide.codegen.lowering import Lowering, Tensor, expression, from_function
from convgrad.compute.halide.passes.atoms import is_contraction, is_reduction, summed_along_memory
from convgrad.compute.halide.target import machine
from convgrad.notation.terms import Definition, Reduce, accesses

Expr = Any
FEW_TERMS = 16
"""Of a sum or a maximum, such as those of a window, that may be added up in parts of vectors."""


def variables(definition: Definition) -> dict[str, Any]:
    """A Halide variable for each index on the left, in the equation's order."""
    return {index: hl.Var(f"v{number}") for number, index in enumerate(definition.indices)}


def coordinates(indices: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a Func is indexed with: the last index first."""
    return tuple(reversed(list(indices.values())))


def body_of(reduce: Reduce, lowering: Lowering, indices: Mapping[str, Any]) -> Expr:
    """The expression that a reduction runs over. Sums of products may be contracted to fused multiply-adds."""
    value = lowering.value(reduce.body, indices)
    return value if is_contraction(reduce) else hl.strict_float(value)


def neutral(kind: str, floating: Any) -> Expr:
    """What a reduction begins with."""
    start = {"sum": 0.0, "max": -math.inf, "argmax": -math.inf, "min": math.inf, "argmin": math.inf}
    return functions.constant(start[kind], floating)


def combined(kind: str, so_far: Expr, value: Expr) -> Expr:
    """One step of a sum, max or min."""
    if kind == "sum":
        return so_far + value
    better = value > so_far if kind == "max" else value < so_far
    return hl.strict_float(hl.select(better, value, so_far))


Rule = Callable[[dict[str, Any]], list[Expr]]


def reduction(
    atom: Definition, lowering: Lowering, name: str, rule: Rule | None = None
) -> tuple[Any, list[Any], dict[str, Any]]:
    """The Func of a long reduction, its reduction variables in the order of the equation, and its pure ones.

    A place (argmax) is a Func of two values, the place and the best so far. `rule` may add to the values of indices,
    and gives the conditions under which there is something to add.
    """
    reduce = atom.term
    assert isinstance(reduce, Reduce)
    sizes = atom.sizes
    pure = variables(atom)
    domain = hl.RDom([(0, sizes[i]) for i in reversed(reduce.indices)], "r")
    over = [domain[n] for n in reversed(range(len(reduce.indices)))]
    indices = {**pure, **dict(zip(reduce.indices, over, strict=True))}
    for condition in rule(indices) if rule else []:
        domain.where(condition)
    value = body_of(reduce, lowering, indices)
    func, where = hl.Func(name), coordinates(pure)
    start = neutral(reduce.kind, lowering.kind)
    if reduce.kind not in ("argmax", "argmin"):
        func[where] = start
        func[where] = combined(reduce.kind, expression(func[where]), value)
        return func, over, pure
    place: Expr = hl.i32(0)
    for index, variable in zip(reduce.indices, over, strict=True):
        place = place * sizes[index] + variable
    # The place goes first: Halide 21 may compute the second value after it has stored the first.
    func[where] = (hl.i32(0), start)
    best_place, best = expression(func[where][0]), expression(func[where][1])
    better = hl.strict_float(value > best if reduce.kind == "argmax" else value < best)
    func[where] = (hl.select(better, place, best_place), hl.select(better, value, best))
    return func, over, pure


def pointwise(atom: Definition, lowering: Lowering, indices: Mapping[str, Any]) -> Expr:
    """The value of a pointwise atom."""
    return hl.strict_float(lowering.value(atom.term, indices))


def stored_value(value: Expr, element: Any) -> Expr:
    """The value in the type of the memory it goes to."""
    if value.type() == element:
        return value
    return functions.in_half(value) if element == hl.UInt(16) else hl.cast(element, value)


def small_function(
    atom: Definition, lowering: Lowering, element: Any, replaced: str | None, name: str
) -> tuple[Any, Tensor]:
    """The Func of an atom with plain loops, and the tensor that others read."""
    sizes = atom.sizes
    if is_reduction(atom):
        func, over, pure = reduction(atom, lowering, name)
        assert isinstance(atom.term, Reduce)
        _vectorize_sum(func, atom, over, machine().lanes(element.bytes()))
        if atom.term.kind.startswith("arg") or replaced is not None:
            inner = func.compute_root()
            func = hl.Func(f"{name}_stored")
            where = coordinates(pure)
            value = expression(inner[where][0] if atom.term.kind.startswith("arg") else inner[where])
            func[where] = stored_value(value, element)
    else:
        func, pure = hl.Func(name), variables(atom)
        where = coordinates(pure)
        if replaced is not None:
            func[where] = hl.undef(element)
            lowering.tensors = {**lowering.tensors, replaced: _of(func, atom)}
        func[where] = stored_value(pointwise(atom, lowering, pure), element)
    func.compute_root()
    for index, variable in pure.items():
        func.bound(variable, 0, sizes[index])
    _vectorize(func, atom, machine().lanes(element.bytes()), replaced is not None)
    return func, _of(func, atom)


def _vectorize_sum(func: Any, atom: Definition, over: Sequence[Any], lanes: int) -> None:
    """Vectors along the index of a sum of products that lies along memory in all factors, where there is one: number by
    number, each addition waits for the one before it."""
    assert isinstance(atom.term, Reduce)
    index = summed_along_memory(atom.term)
    if index is None or atom.sizes[index] < SHORTEST_SUM:
        return
    while lanes > atom.sizes[index]:
        lanes //= 2
    chunk, lane = hl.RVar("chunk"), hl.RVar("lanes")
    variable = over[atom.term.indices.index(index)]
    func.update().split(variable, chunk, lane, lanes, hl.TailStrategy.GuardWithIf)
    func.update().atomic().vectorize(lane)


SHORTEST_SUM = 8
"""Terms of a sum from which vectors along it pay, whose elements are added up at the end."""
LEAST_LANES = 4
"""Elements of the shortest vectors of small kernels: two numbers take as long one by one."""


def _vectorize(func: Any, atom: Definition, lanes: int, in_place: bool) -> None:
    """Vectors along the last index, where all that is read lies along it in memory, or does not depend on it.

    One that is longer than the index is stored in part, and such a store has to reach the cache before it can be read
    again. So there is none where results are added up, or written over: LeNet-5's ReLU and pooling of 6 channels for
    one image take 1.4 us so instead of 5.0, but sums of 6 channels 5.8 instead of 5.2. These get shorter vectors.
    """
    if not atom.indices or atom.shape[-1] < 2:
        return
    in_part = not in_place and _terms(atom) <= FEW_TERMS
    longest = 2 * atom.shape[-1] - 1 if in_part else max(atom.shape[-1], LEAST_LANES)
    while lanes > longest:
        lanes //= 2
    last = atom.indices[-1]
    along = [
        place == 0 and position.as_name == last
        for access in accesses(atom.term)
        for place, position in enumerate(reversed(access.positions))
        if last in position.names
    ]
    if (atom.shape[-1] < lanes and not in_part) or not all(along):
        return
    stages = [func.update()] if in_place else [func, *(func.update(n) for n in range(func.num_update_definitions()))]
    for stage in stages:
        variable, lane = hl.Var(f"v{len(atom.indices) - 1}"), hl.Var("lane")
        stage.split(variable, variable, lane, lanes, hl.TailStrategy.GuardWithIf).vectorize(lane)


def _terms(atom: Definition) -> int:
    """Of how many numbers an element is a sum or a maximum."""
    return math.prod(atom.sizes[index] for index in atom.term.indices) if isinstance(atom.term, Reduce) else 1


def _of(func: Any, atom: Definition) -> Tensor:
    return from_function(func, atom.shape)
