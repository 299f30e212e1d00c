"""An equation as operators of ONNX: whatever layer has none of its own is written as what its equation says.

Each term becomes a tensor whose axes have the names of indices. A position such as `s*i+d*m-p` is a Gather by a table
of whole numbers over (i, m), with a border around what is read outside; a sum of products is an Einsum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from convgrad.errors import ModelError
from convgrad.interop.graph import Array, Graph, Value
from convgrad.network.placed import PlacedLayer
from convgrad.notation.binding.bind import bind
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Divide,
    IndexValue,
    Multiply,
    Negate,
    Number,
    Power,
    Reduce,
    Term,
)

LARGEST_TABLE = 2**24
"""Numbers in a table of positions: 128 MiB of the file."""
CALLS = {
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
    "sin": "Sin",
    "cos": "Cos",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "erf": "Erf",
    "abs": "Abs",
    "floor": "Floor",
    "max": "Max",
    "min": "Min",
}
"""Function of the notation -> operator."""
COMPARED = {"<": "Less", "<=": "LessOrEqual", ">": "Greater", ">=": "GreaterOrEqual", "==": "Equal", "!=": "Equal"}
REDUCED = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin"}
BATCH = "batch"


@dataclass(frozen=True)
class Labelled:
    """A tensor whose axes are indices; `BATCH` is the first one of what differs from example to example."""

    name: str
    axes: tuple[str, ...] = ()

    @property
    def batched(self) -> bool:
        return BATCH in self.axes


def from_equation(graph: Graph, placed: PlacedLayer, *values: Value) -> Value:
    """The layer as a composition of operators.

    Raises: ModelError where the equation has what none says: numbers at random, and examples that meet.
    """
    built = placed.predicting.built
    if built.seeds:
        raise _refusal(placed, "it draws numbers at random when it predicts", "Let it draw in training only.")
    mixed = built.batch_index
    front = (2,) if mixed else ()
    shapes: dict[str, Any] = {n: (*front, *s) for n, s in zip(built.inputs, built.input_shapes, strict=True)}
    kept = {**{key: p.shape for key, p in built.parameters.items()}, **{key: s for key, (s, _) in built.state.items()}}
    shapes |= {key: shape for key, shape in kept.items() if key in built.equation.inputs}
    sizes = {**built.sizes, **({mixed.upper(): 2} if mixed else {})}
    bound = bind(built.equation, shapes, sizes, built.integers, built.numbers)
    writer = _Writer(graph, placed, mixed, dict(bound.shape_of))
    for name, value, shape in zip(built.inputs, values, built.input_shapes, strict=True):
        source = graph.last(value)
        if tuple(shape) != tuple(value.shape):
            source = graph.node("Reshape", source, graph.sizes(0, *shape))
        writer.known[name] = (source, True)
    for key, shape in kept.items():
        if key in shapes:
            array = graph.tensors[placed.tensor(key)].reshape(shape)
            writer.known[key] = (graph.weight(array, placed.tensor(key)), False)
    for definition in bound.definitions:
        writer.define(definition.name, definition.indices, definition.term, definition.sizes)
    name, batched = writer.known[built.output]
    shape = bound.shape_of[built.output][len(front) :]
    if not batched:
        raise _refusal(placed, "its result does not depend on its input", "Leave it out.")
    if tuple(shape) != tuple(placed.built.output_shape):
        name = graph.node("Reshape", name, graph.sizes(0, *placed.built.output_shape))
    return Value(name, placed.built.output_shape)


def _refusal(placed: PlacedLayer, why: str, instead: str) -> ModelError:
    return ModelError(f"Layer `{placed.name}`, {placed.layer!r}, can't be written as ONNX: {why}. {instead}")


class _Writer:
    """One layer's equation. `known`: tensor -> its name in the graph, and whether the batch is its first axis.

    mixed: the index by which the equation names the batch, or None.
    """

    def __init__(self, graph: Graph, placed: PlacedLayer, mixed: str | None, shapes: Mapping[str, tuple[int, ...]]):
        self.graph, self.placed, self.mixed, self.shapes = graph, placed, mixed, shapes
        self.known: dict[str, tuple[str, bool]] = {}
        self.sizes: dict[str, int] = {}

    def define(self, name: str, indices: tuple[str, ...], term: Term, sizes: dict[str, int]) -> None:
        self.sizes = sizes
        made = self.term(term)
        batched = made.batched
        wanted = tuple(BATCH if index == self.mixed else index for index in indices)
        if batched and BATCH not in wanted:  # where the equation names the batch, its index stands on the left
            wanted = (BATCH, *wanted)
        wanted = wanted if batched else tuple(index for index in wanted if index != BATCH)
        missing = tuple(index for index in wanted if index not in made.axes)
        result = self.arranged(made, wanted)
        if missing:  # the same for all places
            shape = self.graph.sizes(*(1 if index == BATCH else sizes[index] for index in wanted))
            result = self.graph.node("Expand", result, shape)
        self.known[name] = (result, batched)

    def term(self, term: Term) -> Labelled:
        graph = self.graph
        if isinstance(term, Number):
            return Labelled(graph.weight(np.float32(term.value)))
        if isinstance(term, IndexValue):
            return self.index_value(term.polynomial)
        if isinstance(term, Access):
            return self.access(term)
        if isinstance(term, Negate):
            made = self.term(term.term)
            return Labelled(graph.node("Neg", made.name), made.axes)
        if isinstance(term, (Add, Multiply)):
            made = self.term(term.children[0])
            for other in term.children[1:]:
                if isinstance(term, Add) and isinstance(other, Negate):
                    made = self.combined("Sub", made, self.term(other.term))
                else:
                    made = self.combined("Add" if isinstance(term, Add) else "Mul", made, self.term(other))
            return made
        if isinstance(term, Divide):
            return self.combined("Div", self.term(term.numerator), self.term(term.denominator))
        if isinstance(term, Power):
            made = self.term(term.base)
            if term.exponent == 2:
                return Labelled(graph.node("Mul", made.name, made.name), made.axes)
            return Labelled(graph.node("Pow", made.name, graph.weight(np.float32(term.exponent))), made.axes)
        if isinstance(term, Call):
            return self.call(term)
        assert isinstance(term, Reduce)
        return self.reduced(term)

    def call(self, term: Call) -> Labelled:
        if term.function == "stop":
            return self.term(term.arguments[0])
        if term.function == "where":
            condition, yes, no = term.arguments
            assert isinstance(condition, Compare)
            held = self.combined(COMPARED[condition.operator], self.term(condition.left), self.term(condition.right))
            if condition.operator == "!=":
                held = Labelled(self.graph.node("Not", held.name), held.axes)
            return self.combined("Where", held, self.term(yes), self.term(no))
        if term.function not in CALLS:
            raise _refusal(
                self.placed,
                f"no operator of ONNX is `{term.function}`",
                f"Write the equation with {', '.join(CALLS)} or where.",
            )
        return self.combined(CALLS[term.function], *(self.term(one) for one in term.arguments))

    def combined(self, operator: str, *made: Labelled) -> Labelled:
        """An operator of single elements on tensors with the same axes in the same order."""
        axes = self.union(made)
        names = [self.arranged(one, axes) if one.axes else one.name for one in made]
        return Labelled(self.graph.node(operator, *names), axes)

    def union(self, made: Sequence[Labelled]) -> tuple[str, ...]:
        every = dict.fromkeys(axis for one in made for axis in one.axes)
        return (*([BATCH] if BATCH in every else []), *(axis for axis in every if axis != BATCH))

    def arranged(self, made: Labelled, axes: tuple[str, ...]) -> str:
        """The tensor with these axes, of which those that it lacks have length 1."""
        graph, name = self.graph, made.name
        own = [axis for axis in axes if axis in made.axes]
        if own != list(made.axes):
            name = graph.node("Transpose", name, perm=[made.axes.index(axis) for axis in own])
        missing = [place for place, axis in enumerate(axes) if axis not in made.axes]
        return graph.node("Unsqueeze", name, graph.sizes(*missing)) if missing else name

    # Reductions

    def reduced(self, term: Reduce) -> Labelled:
        if self.mixed in term.indices:
            raise self._meet()
        factors = list(term.body.children) if isinstance(term.body, Multiply) else [term.body]
        made = [self.term(factor) for factor in factors]
        axes = self.union(made)
        bound = [index for index in term.indices if index in axes]
        absent = prod(self.sizes[index] for index in term.indices if index not in axes)
        kept = tuple(axis for axis in axes if axis not in bound)
        if term.kind in ("argmax", "argmin"):
            return self.place_of_extreme(term, self.product(made))
        if term.kind in ("sum", "mean") and bound and sum(bool(one.axes) for one in made) > 1:
            result = self.contracted(made, kept)
            many = prod(self.sizes[index] for index in bound)
            scale = 1 / many if term.kind == "mean" else absent
        else:
            result = self.product(made)
            if bound:
                places = self.graph.sizes(*(result.axes.index(index) for index in bound))
                kept = tuple(axis for axis in result.axes if axis not in bound)
                result = Labelled(self.graph.node(REDUCED[term.kind], result.name, places, keepdims=0), kept)
            scale = absent if term.kind == "sum" else 1
        if scale == 1:
            return result
        return self.combined("Mul", result, Labelled(self.graph.weight(np.float32(scale))))

    def product(self, made: Sequence[Labelled]) -> Labelled:
        result = made[0]
        for other in made[1:]:
            result = self.combined("Mul", result, other)
        return result

    def contracted(self, made: Sequence[Labelled], kept: tuple[str, ...]) -> Labelled:
        """The sum of products over all axes but `kept`."""
        tensors = [one for one in made if one.axes]
        letters = dict(zip(self.union(tensors), ascii_letters, strict=False))
        read = ",".join("".join(letters[axis] for axis in one.axes) for one in tensors)
        equation = f"{read}->{''.join(letters[axis] for axis in kept)}"
        result = Labelled(self.graph.node("Einsum", *(one.name for one in tensors), equation=equation), kept)
        return self.product([result, *(one for one in made if not one.axes)])

    def place_of_extreme(self, term: Reduce, made: Labelled) -> Labelled:
        """Over all indices in a row, the first one first; of those that the body lacks, the first place."""
        graph, kept = self.graph, tuple(axis for axis in made.axes if axis not in term.indices)
        shape = [0 if axis == BATCH else self.sizes[axis] for axis in kept]
        name = self.arranged(made, (*kept, *term.indices))
        full = [*shape, *(self.sizes[index] for index in term.indices)]
        if any(index not in made.axes for index in term.indices):
            name = graph.node("Expand", name, graph.sizes(*(size or 1 for size in full)))
        row = graph.node("Reshape", name, graph.sizes(*shape, prod(full[len(kept) :])))
        operator = {"argmax": "ArgMax", "argmin": "ArgMin"}[term.kind]
        place = graph.node(operator, row, axis=-1, keepdims=0)
        return Labelled(graph.node("Cast", place, to=graph.onnx.TensorProto.FLOAT), kept)

    # Reading

    def access(self, access: Access) -> Labelled:
        name, batched = self.known[access.tensor]
        positions, shape = access.positions, self.shapes[access.tensor]
        front: tuple[str, ...] = (BATCH,) if batched else ()
        if batched and self.mixed:
            if positions[0].as_name != self.mixed:
                raise self._meet()
            positions, shape = positions[1:], shape[1:]
        if any(self.mixed in position.names for position in positions):
            raise self._meet()
        names = [position.names for position in positions]
        if sum(map(len, names)) > len(frozenset().union(*names)):  # o[i,i], o[i+m,i]: axes that are read together
            return self.gathered_together(access, Labelled(name, front), positions, shape)
        axes: tuple[str, ...] = ()
        for axis in reversed(range(len(positions))):
            position, size = positions[axis], shape[axis]
            if position.as_name is not None and self.sizes[position.as_name] == size:
                axes = (position.as_name, *axes)
                continue
            at = len(front) + axis
            indices, table, inside = self.table(position, size)
            name = self.gathered(name, at, len(front) + len(shape), table, inside, size, access.outside, len(axes))
            axes = (*indices, *axes)
        return Labelled(name, (*front, *axes))

    def gathered(
        self, name: str, at: int, rank: int, table: Array, inside: Array, size: int, outside: float | None, behind: int
    ) -> str:
        """Elements of one axis by their positions; those outside are `outside`."""
        graph = self.graph
        if inside.all():
            return graph.node("Gather", name, graph.weight(table), axis=at)
        assert outside is not None, "reads outside without a value were refused"
        holds = graph.node("Gather", name, graph.weight(np.clip(table, 0, size - 1)), axis=at)
        mask = graph.weight(inside.reshape(*inside.shape, *[1] * behind))
        return graph.node("Where", mask, holds, graph.weight(np.float32(outside)))

    def gathered_together(
        self, access: Access, made: Labelled, positions: tuple[Position, ...], shape: tuple[int, ...]
    ) -> Labelled:
        graph, front = self.graph, made.axes
        indices = tuple(dict.fromkeys(name for position in positions for name in sorted(position.names)))
        place: Array = np.zeros((), np.int64)
        inside: Array = np.ones((), bool)
        for position, size in zip(positions, shape, strict=True):
            _, table, within = self.table(position, size, indices)
            place, inside = place * size + np.clip(table, 0, size - 1), inside & within
        row = graph.node("Reshape", made.name, graph.sizes(*([0] if front else []), prod(shape)))
        at = len(front)
        name = self.gathered(row, at, at + 1, place, inside, prod(shape), access.outside, 0)
        return Labelled(name, (*front, *indices))

    def table(
        self, position: Position, size: int, indices: tuple[str, ...] | None = None
    ) -> tuple[tuple[str, ...], Array, Array]:
        """The position for all values of its indices, and whether it lies in the tensor."""
        indices = tuple(sorted(position.names)) if indices is None else indices
        top, below = self.values(position.numerator, indices), position.divisor.constant_value
        place = np.asarray(top // below)
        return indices, place, np.asarray((top % below == 0) & (place >= 0) & (place < size))

    def values(self, polynomial: Polynomial, indices: tuple[str, ...]) -> Array:
        if prod(self.sizes[index] for index in indices) > LARGEST_TABLE:
            raise _refusal(self.placed, _TOO_LARGE, "Split the position into two definitions.")
        total: Array = np.full([self.sizes[index] for index in indices], polynomial.constant_value, np.int64)
        for axis, index in enumerate(indices):
            along = np.arange(self.sizes[index], dtype=np.int64).reshape(-1, *[1] * (len(indices) - 1 - axis))
            total = total + polynomial.slopes.get(index, 0) * along
        return total

    def index_value(self, polynomial: Polynomial) -> Labelled:
        if self.mixed in polynomial.names:
            raise self._meet()
        indices = tuple(sorted(polynomial.names))
        return Labelled(self.graph.weight(self.values(polynomial, indices).astype(np.float32)), indices)

    def _meet(self) -> ModelError:
        why = "examples of a batch meet in its equation to predict with"
        return _refusal(self.placed, why, "Give it one in which each example stands alone, as BatchNorm has.")


_TOO_LARGE = f"a table of the positions that it reads would have more than {LARGEST_TABLE:,} numbers"
