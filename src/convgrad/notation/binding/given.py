"""What the caller gives to `bind`, checked: shapes, sizes, integers and numbers, each name with one meaning only."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import SupportsFloat, SupportsIndex

from convgrad.arguments import shown
from convgrad.errors import ShapeError, suggestion
from convgrad.notation.legality import counted
from convgrad.notation.terms import Access, Equation, IndexValue, accesses, bound_indices, walk

LARGEST = 2**31 - 1  # compiled code counts elements and positions in 32 bits

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Given:
    """Values by name. `shapes` holds those that an equation already had, too."""

    shapes: dict[str, Shape]
    sizes: dict[str, int]
    integers: dict[str, int]
    numbers: dict[str, float]


def checked(
    equation: Equation,
    shapes: Mapping[str, Sequence[SupportsIndex]],
    sizes: Mapping[str, SupportsIndex],
    integers: Mapping[str, SupportsIndex],
    numbers: Mapping[str, SupportsFloat],
) -> Given:
    """All values as plain Python numbers. Raises ShapeError for what is not legal or not used."""
    given = Given(
        {**equation.shape_of, **{name: _shape(name, shape) for name, shape in shapes.items()}},
        {name: positive_size(f"sizes[{name!r}]", size) for name, size in sizes.items()},
        {name: _whole(f"integers[{name!r}]", value) for name, value in integers.items()},
        {name: _number(name, value) for name, value in numbers.items()},
    )
    for name, shape in equation.shapes:
        if given.shapes[name] != shape:
            message = f"{name} is already bound to the shape {shape} and can't become {given.shapes[name]}."
            raise ShapeError(message, remedy="Bind the equation as it was before its sizes were bound.")
    _check_one_meaning(equation, given)
    _check_shapes(equation, given)
    _check_used(equation, given)
    return given


def positive_size(what: str, value: SupportsIndex) -> int:
    """A size as an int, 1 at least."""
    size = _whole(what, value)
    if not 1 <= size <= LARGEST:
        raise ShapeError(f"{what} is {size}: a size is a whole number from 1 to {LARGEST}.")
    return size


def check_elements(name: str, shape: Shape) -> None:
    """Refuse a tensor with more elements than 32 bits count."""
    if math.prod(shape) > LARGEST:
        message = f"{name} with shape {shape} would have {math.prod(shape)} elements; the limit is {LARGEST}."
        raise ShapeError(message, remedy="Work on a smaller batch or smaller images.")


def _whole(what: str, value: SupportsIndex) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise ShapeError(f"{what} is {shown(value)}, which is not a whole number.") from None
    if abs(number) > LARGEST:
        raise ShapeError(f"{what} is {number}; whole numbers must not exceed {LARGEST} here.")
    return number


def _shape(name: str, shape: Sequence[SupportsIndex]) -> Shape:
    try:
        axes = list(shape)
    except TypeError:
        message = f"shapes[{name!r}] is {shown(shape)}: a shape is a tuple of sizes."
        raise ShapeError(message, remedy="Write (28,) for one axis and () for a scalar.") from None
    result = tuple(positive_size(f"Axis {n} of {name}", size) for n, size in enumerate(axes))
    check_elements(name, result)
    return result


def _number(name: str, value: SupportsFloat) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ShapeError(f"numbers[{name!r}] is {shown(value)}, which is not a number.") from None
    if math.isnan(number):
        raise ShapeError(f"numbers[{name!r}] is not a number (nan).")
    return number


def _check_one_meaning(equation: Equation, given: Given) -> None:
    kinds: dict[str, Iterable[str]] = {"sizes": given.sizes, "integers": given.integers, "numbers": given.numbers}
    seen: dict[str, str] = {}
    for kind, values in kinds.items():
        for name in values:
            other = seen.setdefault(name, kind)
            if other != kind:
                raise ShapeError(f"{name} is given twice, in {other} and in {kind}.", remedy="Give it once.")
            # A size may be named like a tensor: E is the loss by custom, and the size of a batch index e.
            if kind != "sizes" and (name in given.shapes or name in equation.defined):
                message = f"{name} is given in {kind}, but it is a tensor, too."
                raise ShapeError(message, remedy="Give one of the two another name.")


def axes_of(equation: Equation) -> dict[str, int]:
    """Tensor -> how many axes it has where the equation reads or defines it."""
    axes = {a.tensor: len(a.positions) for d in equation.definitions for a in accesses(d.term)}
    return axes | {d.name: len(d.indices) for d in equation.definitions}


def _check_shapes(equation: Equation, given: Given) -> None:
    axes = axes_of(equation)
    axes |= {other: axes[one] for one, other in equation.alike if other not in axes and one in axes}
    for name, shape in given.shapes.items():
        if name not in axes:
            raise ShapeError(
                f"shapes names {name}, which the equation neither reads nor defines.", remedy=hint(name, axes)
            )
        if len(shape) != axes[name]:
            own = counted(axes[name], "axis")
            raise ShapeError(
                f"{name} has {own} in the equation, but its shape {shape} has {len(shape)}.",
                remedy=f"Give {name} a shape with {own}, or read it with {counted(len(shape), 'index')}.",
            )


def _check_used(equation: Equation, given: Given) -> None:
    indices, names = _names(equation)
    size_names = {index.upper() for index in indices}
    for name in given.sizes:
        if name not in size_names and name not in names:
            remedy = hint(name, size_names)
            if name in indices:
                remedy = f"The size of index {name} is named {name.upper()}: pass sizes={{{name.upper()!r}: ...}}."
            raise ShapeError(f"sizes names {name}, but the equation has no index {name.lower()}.", remedy=remedy)
    for kind, values in (("integers", given.integers), ("numbers", given.numbers)):
        for name in values:
            if name in names:
                continue
            remedy = hint(name, names)
            if name in size_names:
                remedy = f"It is the size of index {name.lower()}: pass sizes={{{name!r}: ...}}."
            elif name in indices:
                remedy = f"{name} is a loop index there."
            raise ShapeError(f"{kind} names {name}, which the equation does not use as a parameter.", remedy=remedy)


def _names(equation: Equation) -> tuple[set[str], set[str]]:
    """All loop indices, and all names that may be parameters."""
    indices: set[str] = set()
    names: set[str] = set()
    for definition in equation.definitions:
        own = set(definition.indices) | bound_indices(definition.term)
        indices |= own
        for term in walk(definition.term):
            if isinstance(term, Access):
                names |= {n for p in term.positions for n in p.names} if term.positions else {term.tensor}
            elif isinstance(term, IndexValue):
                names |= term.polynomial.names
    return indices, names - (indices - _used_outside(equation, indices))


def _used_outside(equation: Equation, indices: set[str]) -> set[str]:
    """Indices of one definition that another one uses as a parameter."""
    result: set[str] = set()
    for definition in equation.definitions:
        own = set(definition.indices) | bound_indices(definition.term)
        for access in accesses(definition.term):
            used = {n for p in access.positions for n in p.names} if access.positions else {access.tensor}
            result |= (used & indices) - own
    return result


def hint(name: str, known: Iterable[str]) -> str:
    """`Did you mean ...?`, or the list of known names, or nothing where there are none."""
    names = list(known)
    return suggestion(name, names).strip() if names else ""
