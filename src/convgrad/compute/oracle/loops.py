"""An equation evaluated by nested loops, one number at a time: slow, and right at a glance.

It checks `grid.py`, which checks everything else; so it shares no arithmetic with it. For small sizes only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

import numpy as np
import numpy.typing as npt

from convgrad.compute.oracle.inputs import Array, checked_inputs
from convgrad.errors import EquationError, ShapeError
from convgrad.functions import FUNCTIONS
from convgrad.notation.terms import (
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
)


def evaluate(equation: Equation, arrays: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Every tensor that a bound equation defines; the same as `oracle.grid.evaluate`, by plain loops."""
    tensors = checked_inputs(equation, arrays)
    for definition in equation.definitions:
        result = np.empty(definition.shape)
        for place in product(*(range(n) for n in definition.shape)):
            indices = dict(zip(definition.indices, place, strict=True))
            result[place] = value(definition.term, definition, tensors, indices)
        tensors[definition.name] = result
    return {name: tensors[name] for name in equation.defined}


def value(term: Term, definition: Definition, tensors: Mapping[str, Array], indices: Mapping[str, int]) -> float:
    """The term where its indices have the given values. `definition` tells the sizes of the reduction indices."""

    def at(t: Term) -> float:
        return value(t, definition, tensors, indices)

    if isinstance(term, Number):
        return term.value
    if isinstance(term, IndexValue):
        return float(term.polynomial.evaluate(indices))
    if isinstance(term, Access):
        return _read(term, tensors[term.tensor], indices)
    if isinstance(term, Negate):
        return -at(term.term)
    if isinstance(term, Add):
        total = at(term.terms[0])
        for t in term.terms[1:]:
            total = total + at(t)
        return total
    if isinstance(term, Multiply):
        total = at(term.factors[0])
        for t in term.factors[1:]:
            total = total * at(t)
        return total
    if isinstance(term, Divide):
        return divide(at(term.numerator), at(term.denominator))
    if isinstance(term, Power):
        return power(at(term.base), term.exponent)
    if isinstance(term, Reduce):
        sizes = definition.sizes
        places = product(*(range(sizes[i]) for i in term.indices))
        bodies = [
            value(term.body, definition, tensors, {**indices, **dict(zip(term.indices, place, strict=True))})
            for place in places
        ]
        return reduce(term.kind, bodies)
    if isinstance(term, Call) and term.function == "where":
        condition, taken, other = term.arguments
        if not isinstance(condition, Compare):
            raise EquationError("The condition of `where` must be a comparison.", span=term.span)
        return at(taken) if holds(condition.operator, at(condition.left), at(condition.right)) else at(other)
    if isinstance(term, Call):
        return call(term.function, [at(a) for a in term.arguments])
    raise EquationError(f"The oracle does not know terms of type {type(term).__name__}.", span=term.span)


def _read(access: Access, array: Array, indices: Mapping[str, int]) -> float:
    place = []
    for axis, (position, size) in enumerate(zip(access.positions, array.shape, strict=True)):
        numerator = position.numerator.evaluate(indices)
        quotient, remainder = divmod(numerator, position.divisor.constant_value)
        if remainder == 0 and 0 <= quotient < size:
            place.append(quotient)
        elif access.outside is not None:
            return access.outside
        else:
            raise ShapeError(
                f"{access.tensor} is read outside its axis {axis}: {position} is not in 0..{size - 1}.",
                span=access.span,
                remedy="Write `else` and a number after the positions, or make the output smaller.",
            )
    return float(array[tuple(place)])


def reduce(kind: str, values: list[float]) -> float:
    """sum, mean, max, min, argmax or argmin. The first that is not a number goes before any extreme, as in NumPy."""
    if kind in ("sum", "mean"):
        total = 0.0
        for v in values:
            total += v
        return total / len(values) if kind == "mean" else total
    best = 0
    for place, v in enumerate(values):
        if math.isnan(values[best]):
            break
        greater = v > values[best] if kind in ("max", "argmax") else v < values[best]
        if greater or math.isnan(v):
            best = place
    return float(best) if kind in ("argmax", "argmin") else values[best]


def holds(operator: str, left: float, right: float) -> bool:
    """Whether a comparison is true."""
    if operator == "==":
        return left == right
    if operator == "!=":
        return left != right
    if operator == "<":
        return left < right
    if operator == "<=":
        return left <= right
    if operator == ">":
        return left > right
    return left >= right


def call(function: str, arguments: list[float]) -> float:
    """A function of numbers. Where Python's `math` raises, the value is that of IEEE 754."""
    if function not in FUNCTIONS:
        raise EquationError(f"The oracle does not know the function `{function}`.")
    return FUNCTIONS[function].loop(*arguments)


def divide(a: float, b: float) -> float:
    """a/b with IEEE 754's infinities."""
    if b != 0:
        return a / b
    if a == 0 or math.isnan(a):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def power(base: float, exponent: float) -> float:
    """base^exponent, not a number for a root of a negative number."""
    if base < 0 and exponent == 0.5:
        return math.nan  # also of minus infinity, where math.pow differs from math.sqrt
    if base == 0 and exponent < 0:
        odd = exponent == math.floor(exponent) and exponent % 2 == 1
        return math.copysign(math.inf, base) if odd else math.inf
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        return math.nan
