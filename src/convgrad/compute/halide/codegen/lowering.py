"""Terms as Halide expressions.

Halide's first axis is the innermost one, so coordinates are reversed here and nowhere else: everything outside of
`Tensor` counts axes as the equation does.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen import functions
from convgrad.compute.halide.codegen.gaps import Gap, gaps_of
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

Expr = Any
Indices = Mapping[str, Any]  # loop index -> its value, an Expr or a Python int


@dataclass(frozen=True)
class Tensor:
    """A tensor as the expressions of a kernel read it.

    `load` takes coordinates in the equation's order. `low` and `high` are the zeros stored before and behind each
    axis, at which it may be read, too. `bits`: the same as the 16 bits of bfloat16 numbers, where these lie in memory.
    """

    shape: tuple[int, ...]
    load: Callable[[Sequence[Expr]], Expr]
    low: tuple[int, ...] = ()
    high: tuple[int, ...] = ()
    bits: Callable[[Sequence[Expr]], Expr] | None = None


def from_function(function: Any, shape: tuple[int, ...], element: int | None = None) -> Tensor:
    """The tensor that a Func or an ImageParam holds; `element` picks from a Func of several values."""

    def load(coordinates: Sequence[Expr]) -> Expr:
        value = function[tuple(reversed(coordinates))]
        return as_number(value if element is None else value[element])

    return Tensor(shape, load)


def as_number(value: Any) -> Expr:
    """What memory holds as an Expr; bits of a bfloat16 number (`HALF` of `convgrad.dtypes`) as that number."""
    element = expression(value)
    return functions.from_half(element) if element.type() == hl.UInt(16) else element


def reshaped(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same memory, row-major, in another shape."""
    same = 0
    while same < min(len(shape), len(tensor.shape)) and shape[same] == tensor.shape[same]:
        same += 1

    def load(coordinates: Sequence[Expr]) -> Expr:
        place: Expr = 0
        for coordinate, size in zip(coordinates[same:], shape[same:], strict=True):
            place = place * size + coordinate
        inner = []
        for size in reversed(tensor.shape[same + 1 :]):
            inner.append(place % size)
            place = place // size
        rest = [place, *reversed(inner)] if len(tensor.shape) > same else []
        return tensor.load([*coordinates[:same], *rest])

    return Tensor(shape, load)


class Lowering:
    """Makes the expressions of one definition.

    Attributes:
        kind: the floating type that it computes in.
        tensors: all that the definition reads.
        sizes: index -> size.
        substitutes: access -> how to read it instead (schedules make these).
        copied: those that are read from a copy, which lies in an order of its own.
    """

    def __init__(self, kind: Any, tensors: Mapping[str, Tensor], sizes: Mapping[str, int]):
        self.kind, self.tensors, self.sizes = kind, tensors, sizes
        self.substitutes: dict[Access, Callable[[Indices], Expr]] = {}
        self.copied: set[Access] = set()

    def read_from_copy(self, access: Access, read: Callable[[Indices], Expr]) -> None:
        """Read an access from a copy from now on."""
        self.substitutes[access] = read
        self.copied.add(access)

    def value(self, term: Term, indices: Indices) -> Expr:
        """The floating-point value of a term."""
        match term:
            case Number(value):
                return functions.constant(value, self.kind)
            case IndexValue(polynomial):
                return self._floating(self.whole_position(polynomial, indices))
            case Access():
                return self._floating(self.access(term, indices))
            case Negate(inner):
                return -self.value(inner, indices)
            case Add(terms):
                return _added([(self.value(_positive(t), indices), isinstance(t, Negate)) for t in terms])
            case Multiply(factors):
                result = self.value(factors[0], indices)
                for factor in factors[1:]:
                    result = result * self.value(factor, indices)
                return result
            case Divide(numerator, denominator):
                return self.value(numerator, indices) / self.value(denominator, indices)
            case Power(base, exponent):
                return functions.power(self.value(base, indices), exponent)
            case Call(function, arguments):
                return self._call(function, arguments, indices)
            case Reduce():
                return self._floating(self._written_out(term, indices))
            case _:
                raise TypeError(f"{term!r} has no value")

    def whole(self, term: Term, indices: Indices) -> Expr | None:
        """The value of a term as a 32-bit integer, or None where it may not be whole."""
        match term:
            case Number(value) if abs(value) < 2**30 and value == math.floor(value):
                return hl.i32(int(value))
            case IndexValue(polynomial):
                return self.whole_position(polynomial, indices)
            case Access():
                element = self.access(term, indices)
                return None if element.type().is_float() else hl.cast(hl.Int(32), element)
            case Negate(inner):
                negated = self.whole(inner, indices)
                return None if negated is None else -negated
            case Add(parts) | Multiply(parts):
                return _joined([self.whole(part, indices) for part in parts], isinstance(term, Add))
            case Reduce(kind=kind) if kind in ("argmax", "argmin"):
                return self._written_out(term, indices)
            case _:
                return None

    def whole_position(self, polynomial: Polynomial, indices: Indices) -> Expr:
        """The value of an index expression."""
        return expression(self._position(polynomial, indices))

    def _position(self, polynomial: Polynomial, indices: Indices) -> Any:
        total: Any = polynomial.constant_value
        for monomial, coefficient in polynomial.terms:
            if monomial:
                (name,) = monomial
                value = indices[name]
                part = value if coefficient == 1 else value * coefficient
                total = part if isinstance(total, int) and total == 0 else total + part
        return total

    # Reading

    def access(self, access: Access, indices: Indices) -> Expr:
        """An element of a tensor, in the tensor's type (32-bit where it is whole and may lie outside)."""
        if access in self.substitutes:
            return self.substitutes[access](indices)
        return self._read(access, [self._position(p.numerator, indices) for p in access.positions])

    def numerators(self, access: Access, indices: Indices) -> list[Expr]:
        """The numerators of an access's positions."""
        return [expression(self._position(p.numerator, indices)) for p in access.positions]

    def at_numerators(self, access: Access, tops: Sequence[Expr]) -> Expr:
        """What an access reads where the numerators of its positions are `tops`."""
        return self._read(access, tops, likely=True)

    def at(self, access: Access, tops: Sequence[Expr]) -> Expr:
        """The same, where neighbouring places fall on both sides of an edge, so that no loop is free of checks."""
        return self._read(access, tops)

    def inside(self, access: Access, indices: Indices) -> Expr:
        """What an access reads where it is known to read inside, or the zeros that are stored around the tensor: the
        compiler, which does not know, gets bounds."""
        tensor = self.tensors[access.tensor]
        tops = self.numerators(access, indices)
        ends = [self._ends(tensor, axis, access.outside) for axis in range(len(tops))]
        places = [hl.max(hl.min(top, last), first) for top, (first, last) in zip(tops, ends, strict=True)]
        return tensor.load([top if p.as_name else q for p, top, q in zip(access.positions, tops, places, strict=True)])

    def _ends(self, tensor: Tensor, axis: int, outside: float | None) -> tuple[int, int]:
        """The first and the last place along an axis that may be read from memory."""
        before, behind = (tensor.low[axis], tensor.high[axis]) if tensor.low and outside == 0 else (0, 0)
        return -before, tensor.shape[axis] + behind - 1

    def may_leave(self, access: Access) -> bool:
        """Whether an access may read outside of its tensor, or has positions that are divided."""
        tensor = self.tensors[access.tensor]
        return any(any(self.leaves(p, tensor, axis, access.outside)) for axis, p in enumerate(access.positions))

    def leaves(self, position: Position, tensor: Tensor, axis: int, outside: float | None) -> tuple[bool, bool, bool]:
        """Whether a position may be not whole, below the tensor's first place, beyond its last one."""
        low, high = position.numerator.bounds(self.sizes)
        divisor = position.divisor.constant_value
        low, high = sorted((low // divisor, high // divisor))
        first, last = self._ends(tensor, axis, outside)
        return abs(divisor) != 1, low < first, high > last

    def _read(self, access: Access, tops: Sequence[Any], likely: bool = False) -> Expr:
        """The element at given numerators; `likely`: have a loop without checks where none is needed."""
        tensor = self.tensors[access.tensor]
        coordinates, inside = [], []
        for axis, (position, top) in enumerate(zip(access.positions, tops, strict=True)):
            divided, below, beyond = self.leaves(position, tensor, axis, access.outside)
            place = expression(top)
            divisor = position.divisor.constant_value
            if divisor < 0:
                place, divisor = -place, -divisor
            if divided:
                inside.append(place % divisor == 0)
            if divisor != 1:
                place = place // divisor
            if below:
                inside.append(place >= 0)
            if beyond:
                inside.append(place < tensor.shape[axis])
            if below or beyond:
                # Each side by itself: zeros that are stored on the other side are read as they are.
                place = hl.max(place, 0) if below else place
                place = hl.min(place, tensor.shape[axis] - 1) if beyond else place
                place = hl.likely(place) if likely else place
            coordinates.append(place)
        value = tensor.load(coordinates)
        if not inside:
            return value
        condition = inside[0]
        for other in inside[1:]:
            condition = condition & other
        condition = hl.likely(condition) if likely else condition
        # An access without `else` stays inside, but for vectors that reach beyond the last index; these are not used.
        outside = access.outside or 0.0
        if not value.type().is_float():
            if abs(outside) < 2**30 and outside == math.floor(outside):
                return hl.select(condition, hl.cast(hl.Int(32), value), hl.i32(int(outside)))
            value = hl.cast(self.kind, value)
        return hl.select(condition, value, functions.constant(outside, self.kind))

    # Functions and reductions

    def _call(self, function: str, arguments: tuple[Term, ...], indices: Indices) -> Expr:
        if function == "where":
            condition = self._condition(arguments[0], indices)
            return hl.select(condition, self.value(arguments[1], indices), self.value(arguments[2], indices))
        if function == "uniform":
            seed, k = (self._unsigned(argument, indices) for argument in arguments)
            bits = hl.cast(hl.Int(32), functions.uniform(seed, k))
            return hl.cast(self.kind, bits) * functions.constant(2.0**-24, self.kind)
        values = [self.value(argument, indices) for argument in arguments]
        return functions.FUNCTIONS[function](*values)

    def _condition(self, compare: Term, indices: Indices) -> Expr:
        assert isinstance(compare, Compare)
        left, right = self.whole(compare.left, indices), self.whole(compare.right, indices)
        if left is None or right is None:
            left, right = self.value(compare.left, indices), self.value(compare.right, indices)
        return COMPARISONS[compare.operator](left, right)

    def _unsigned(self, term: Term, indices: Indices) -> Expr:
        """A whole number as 32 bits without sign, modulo 2^32."""
        value = self.whole(term, indices)
        if value is None and isinstance(term, Add | Multiply | Negate):
            parts = [self._unsigned(child, indices) for child in term.children]
            result = parts[0] if not isinstance(term, Negate) else hl.cast(hl.UInt(32), hl.u32(0)) - parts[0]
            for part in parts[1:]:
                result = result + part if isinstance(term, Add) else result * part
            return result
        if value is None:
            value = hl.cast(hl.Int(64), self.value(term, indices))
        return hl.cast(hl.UInt(32), value)

    def _written_out(self, reduce: Reduce, indices: Indices) -> Expr:
        """A short reduction as an expression, in row-major order; a place (argmax) is a 32-bit integer."""
        gaps = {} if reduce.body in self.substitutes else gaps_of(reduce, self.sizes)
        ranges = [range(gaps[i].count if i in gaps else self.sizes[i]) for i in reduce.indices]
        inner = [{**indices, **dict(zip(reduce.indices, places, strict=True))} for places in itertools.product(*ranges)]
        values = [self._between(reduce.body, gaps, at) if gaps else self.value(reduce.body, at) for at in inner]
        if reduce.kind in ("sum", "mean"):
            total = _added([(value, False) for value in values])
            count = math.prod(self.sizes[i] for i in reduce.indices)
            return total if reduce.kind == "sum" else total / functions.constant(count, self.kind)
        best, place = values[0], hl.i32(0)
        for number, value in enumerate(values[1:], 1):
            better = value > best if reduce.kind in ("max", "argmax") else value < best
            place = hl.select(better, hl.i32(number), place)
            best = hl.select(better, value, best)
        return place if reduce.kind.startswith("arg") else best

    def _between(self, access: Term, gaps: Mapping[str, Gap], indices: Indices) -> Expr:
        """A term of a sum with gaps; `indices` says as the how many-th an index of these is read."""
        assert isinstance(access, Access)
        tops, whole = self.numerators(access, indices), []
        for index, gap in gaps.items():
            rest, number = self.whole_position(gap.rest, indices), indices[index]
            tops[gap.axis] = gap.place(rest, number) * gap.stride
            if gap.size % gap.stride:
                whole.append(gap.value(rest, number) < gap.size)
        value = self._floating(self._read(access, tops))
        for condition in whole:
            value = hl.select(condition, value, functions.constant(0.0, self.kind))
        return value

    def _floating(self, value: Expr) -> Expr:
        return value if value.type().is_float() else hl.cast(self.kind, value)


def expression(value: Any) -> Expr:
    """A number, a variable or a reference to a Func as an Expr."""
    if isinstance(value, int):
        return hl.i32(value)
    return value if isinstance(value, hl.Expr) else hl.Expr(value)


def _positive(term: Term) -> Term:
    return term.term if isinstance(term, Negate) else term


def _joined(values: list[Expr | None], added: bool) -> Expr | None:
    """The sum or the product of values; None where one is."""
    result: Expr = values[0]
    for value in values[1:]:
        if result is None or value is None:
            return None
        result = result + value if added else result * value
    return result


def _added(parts: list[tuple[Expr, bool]]) -> Expr:
    """The sum of values, each with whether it is subtracted."""
    value, negative = parts[0]
    total = -value if negative else value
    for value, negative in parts[1:]:
        total = total - value if negative else total + value
    return total


COMPARISONS: dict[str, Callable[[Expr, Expr], Expr]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    # Halide takes a <= b for !(b < a), which differs for not-a-number.
    "<=": lambda a, b: (a < b) | (a == b),
    ">": lambda a, b: a > b,
    ">=": lambda a, b: (a > b) | (a == b),
}
