"""The reference values of an equation, in float64, straight from its terms.

    evaluate(equation, {"o": o, "w": w})["x"]

Each term is an array over the grid of the indices in use. A definition is computed in blocks of its elements, and a
reduction in blocks of its indices, so that no temporary grows beyond `BLOCK` elements; sums of products, where
nearly all the work is, go through matrix products (`contraction.py`). `loops.py` computes the same, one number at a
time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from convgrad.arguments import TABLE, at_least, takes
from convgrad.compute.arrays import number_of, place_of
from convgrad.compute.oracle.contraction import Operand, as_product, contract
from convgrad.compute.oracle.estimate import MOST_TERMS, check_terms
from convgrad.compute.oracle.functions import COMPARISONS, power
from convgrad.compute.oracle.inputs import Array, checked_inputs
from convgrad.compute.oracle.views import Spans, blocks, lengths, view
from convgrad.errors import ArgumentError, EquationError
from convgrad.functions import FUNCTIONS
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    EQUATION,
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Divide,
    Equation,
    IndexValue,
    Multiply,
    Negate,
    Number,
    Power,
    Reduce,
    Term,
    free_names,
    rebuild,
)

BLOCK = 2**18
"""Elements of a temporary: 2 MiB, which stays in the second-level cache."""
LARGEST = 2**23
"""Elements of an operand or a result of one matrix product, 64 MiB; with 0 there are none, and sums are added up."""


@takes(ArgumentError, equation=EQUATION, arrays=TABLE, block=at_least(1))
def evaluate(
    equation: Equation,
    arrays: Mapping[str, npt.ArrayLike],
    *,
    block: int = BLOCK,
    most: int | None = MOST_TERMS,
) -> dict[str, Array]:
    """Every tensor that a bound equation defines.

    Args:
        equation: bound (`convgrad.notation.binding.bind.bind`), so that every index has its size.
        arrays: input -> array of real numbers, in the shape that `equation.shapes` says. Other entries are ignored.
        block: elements a temporary may have; results do not depend on it beyond rounding.
        most: values of terms that each definition may take, estimated beforehand; None for as many as it takes.

    Returns:
        Defined tensor -> float64 array, in the order of the definitions.

    Raises:
        ShapeError: the equation is not bound, an access leaves its tensor and has no `else`, or a definition takes more
            than `most` values.
        DataError: an input is missing, has the wrong shape, or holds no real numbers.
    """
    tensors = checked_inputs(equation, arrays)
    for definition in equation.definitions:
        tensors[definition.name] = evaluate_definition(definition, tensors, block=block, most=most)
    return {name: tensors[name] for name in equation.defined}


def evaluate_definition(
    definition: Definition,
    tensors: Mapping[str, Array],
    *,
    block: int = BLOCK,
    most: int | None = MOST_TERMS,
) -> Array:
    """The tensor of one bound definition; `tensors` holds all that it reads. ShapeError beyond `most` values."""
    check_terms(definition, most)
    grid = _Grid(dict(tensors), definition.sizes, block)
    with np.errstate(all="ignore"):
        left = grid.without_products(definition.term)
        whole = grid.read_whole(left, definition.indices)
        return grid.filled(left, definition.indices) if whole is None else whole


@dataclass
class _Grid:
    """One definition's evaluation. `tensors` also gets the sums that were computed as matrix products."""

    tensors: dict[str, Array]
    sizes: dict[str, int]
    block: int

    @property
    def everything(self) -> dict[str, tuple[int, int]]:
        """All values of all indices."""
        return {index: (0, size) for index, size in self.sizes.items()}

    def filled(self, term: Term, indices: Sequence[str]) -> Array:
        """The term at every value of `indices`, one axis each."""
        whole = self.everything
        result = np.empty(lengths(indices, whole))
        for part in blocks(indices, whole, self.block):
            corner = tuple(slice(*part[i]) for i in indices)
            result[corner] = self.value(term, tuple(indices), part)
        return result

    def value(self, term: Term, axes: tuple[str, ...], spans: Spans) -> Array:
        """The term over a part of the grid: one axis per index in `axes`, of length 1 where it does not matter."""
        if isinstance(term, Number):
            return np.full((1,) * len(axes), term.value)
        if isinstance(term, Access):
            return view(self.tensors[term.tensor], term, axes, spans)
        if isinstance(term, IndexValue):
            return _index_value(term, axes, spans)
        if isinstance(term, Reduce):
            return self.reduced(term, axes, spans)
        values = [self.value(child, axes, spans) for child in term.children]
        if isinstance(term, Negate):
            return -values[0]
        if isinstance(term, Add):
            return sum(values[1:], values[0])
        if isinstance(term, Multiply):
            return prod(values[1:], start=values[0])
        if isinstance(term, Divide):
            return values[0] / values[1]
        if isinstance(term, Power):
            return power(values[0], term.exponent)
        if isinstance(term, Compare):
            return np.asarray(COMPARISONS[term.operator](*values))
        if isinstance(term, Call):
            if term.function not in FUNCTIONS:
                raise EquationError(f"The oracle does not know the function `{term.function}`.", span=term.span)
            return np.asarray(FUNCTIONS[term.function].grid(*values))
        raise EquationError(f"The oracle does not know terms of type {type(term).__name__}.", span=term.span)

    def reduced(self, term: Reduce, axes: tuple[str, ...], spans: Spans) -> Array:
        """A reduction, in blocks of its indices taken in row-major order."""
        spans = {**spans, **{i: (0, self.sizes[i]) for i in term.indices}}
        inner = (*axes, *term.indices)
        around = prod(lengths([a for a in axes if a in free_names(term)], spans))
        running = _Reduction(term.kind, lengths(term.indices, spans))
        for part in blocks(term.indices, spans, self.block // around):
            body = self.value(term.body, inner, {**spans, **part})
            counts = lengths(term.indices, part)
            full = np.broadcast_to(body, (*body.shape[: len(axes)], *counts))
            running.take(full, [part[i][0] for i in term.indices])
        return running.result()

    def without_products(self, term: Term) -> Term:
        """Compute every sum of products as a matrix product; in the term that is left, read the results."""

        def change(t: Term) -> Term:
            if not isinstance(t, Reduce):
                return t
            indices = tuple(i for i in self.sizes if i in free_names(t))
            total = self.contracted(t, indices)
            if total is None:
                return t
            return self.named(Operand(total, indices))

        return rebuild(term, change)

    def read_whole(self, term: Term, indices: Sequence[str]) -> Array | None:
        """The array that a sum became, where the term is nothing else and reads each element once."""
        if not isinstance(term, Access) or " " not in term.tensor:
            return None
        own = [p.as_name for p in term.positions]
        if set(own) != set(indices):
            return None
        return np.asarray(self.tensors[term.tensor].transpose([own.index(i) for i in indices]), order="C")

    def contracted(self, term: Reduce, indices: tuple[str, ...]) -> Array | None:
        """A sum of products over all values of `indices`; None where it is none, or too large, or not finite."""
        product = as_product(term, self.sizes)
        if product is None or prod(self.sizes[i] for i in indices) > LARGEST:
            return None
        result = tuple(i for i in indices if any(i in free_names(f) for f in product.inner))
        computed: list[Access | Operand] = []
        for factor in product.inner:
            operand = factor if isinstance(factor, Access) else self.on_own_indices(factor)
            if operand is None:
                return None
            computed.append(operand)
        total = self.contracted_in_blocks(computed, result)
        if total is None:
            return None
        if not product.outer and result == indices:
            return total if product.coefficient == 1 else product.coefficient * total
        coefficient = Number(product.coefficient)
        outer = self.on_own_indices(Multiply((coefficient, *product.outer)) if product.outer else coefficient)
        if outer is None or np.isinf(outer.array).any():
            return None
        return self.filled(Multiply((self.named(outer), self.named(Operand(total, result)))), indices)

    def on_own_indices(self, term: Term) -> Operand | None:
        """The term at every value of the indices that it depends on; None if that is too large."""
        own = tuple(i for i in self.sizes if i in free_names(term))
        return Operand(self.filled(term, own), own) if prod(self.sizes[i] for i in own) <= LARGEST else None

    def named(self, operand: Operand) -> Access:
        """Keep an array as a tensor of a new name; the access that reads it."""
        name = f"value {len(self.tensors)}"  # no tensor's name has a space
        self.tensors[name] = operand.array
        return Access(name, tuple(Position.name(i) for i in operand.indices))

    def contracted_in_blocks(self, factors: Sequence[Access | Operand], result: tuple[str, ...]) -> Array | None:
        """The contraction, in blocks of the indices of the factor that has most elements when written out."""
        owns = [_own_indices(f) for f in factors]
        widest = max(owns, key=lambda own: prod(self.sizes[i] for i in own))
        whole = self.everything
        total = np.zeros(lengths(result, whole))
        for part in blocks(widest, whole, LARGEST):
            spans = {**whole, **part}
            operands = [self.operand(f, own, spans) for f, own in zip(factors, owns, strict=True)]
            # An infinite factor would make the order in which sums and products are taken matter.
            if any(np.isinf(o.array).any() for o in operands):
                return None
            counts = {i: stop - start for i, (start, stop) in spans.items()}
            added = contract(operands, result, counts, LARGEST)
            if added is None:
                return None
            total[tuple(slice(*spans[i]) for i in result)] += added
        return total

    def operand(self, factor: Access | Operand, own: tuple[str, ...], spans: Spans) -> Operand:
        """The part of a factor that lies in the spans."""
        if isinstance(factor, Access):
            return Operand(view(self.tensors[factor.tensor], factor, own, spans), own)
        return Operand(factor.array[tuple(slice(*spans[i]) for i in own)], own)


def _own_indices(factor: Access | Operand) -> tuple[str, ...]:
    """The indices of a factor, in the order of its memory."""
    if isinstance(factor, Operand):
        return factor.indices
    names = (m[0] for p in factor.positions for m, _ in p.numerator.terms if m)
    return tuple(dict.fromkeys(names))


def _index_value(term: IndexValue, axes: tuple[str, ...], spans: Spans) -> Array:
    total = np.full((1,) * len(axes), float(term.polynomial.constant_value))
    for axis, index in enumerate(axes):
        coefficient = term.polynomial.coefficient(index).constant_value
        if coefficient:
            shape = [1] * len(axes)
            shape[axis] = -1
            total = total + coefficient * np.arange(*spans[index]).reshape(shape)
    return total


class _Reduction:
    """A reduction that takes its values block by block, each with the reduced axes last."""

    def __init__(self, kind: str, counts: tuple[int, ...]) -> None:
        self.kind, self.counts = kind, counts
        self.total: Array | None = None
        self.place: Array | None = None

    def take(self, values: Array, first: Sequence[int]) -> None:
        """Add a block; `first` is where it begins along each reduced axis."""
        if self.kind in ("argmax", "argmin"):
            self.take_place(values, first)
            return
        combine = {"max": np.maximum, "min": np.minimum}.get(self.kind, np.add)
        part = combine.reduce(values, axis=tuple(range(values.ndim - len(first), values.ndim)))
        self.total = part if self.total is None else combine(self.total, part)

    def take_place(self, values: Array, first: Sequence[int]) -> None:
        """Keep the first extreme so far; as in NumPy, the first that is not a number goes before all others."""
        kept = values.ndim - len(first)
        counts = values.shape[kept:]
        flat = values.reshape(*values.shape[:kept], -1)
        local = flat.argmax(axis=-1) if self.kind == "argmax" else flat.argmin(axis=-1)
        part = np.take_along_axis(flat, local[..., None], axis=-1)[..., 0]
        steps = [p + f for p, f in zip(place_of(local, counts), first, strict=True)]
        place = np.asarray(number_of(steps, self.counts), np.float64)
        if self.total is None or self.place is None:
            self.total, self.place = part, place
            return
        better = part > self.total if self.kind == "argmax" else part < self.total
        better = better | (np.isnan(part) & ~np.isnan(self.total))
        self.total, self.place = np.where(better, part, self.total), np.where(better, place, self.place)

    def result(self) -> Array:
        value = self.place if self.kind in ("argmax", "argmin") else self.total
        assert value is not None, "an index has one value at least"
        return value / prod(self.counts) if self.kind == "mean" else value
