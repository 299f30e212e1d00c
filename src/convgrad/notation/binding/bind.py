"""Sizes and parameters into an equation: every position gets plain numbers, every index its range.

Until then an equation holds for all sizes. What is inferred and what must be said: `docs/notation.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, SupportsFloat, SupportsIndex

from convgrad.arguments import TABLE, optional, takes
from convgrad.errors import ArgumentError, ShapeError, SizesDifferError
from convgrad.notation.binding.given import LARGEST, Given, check_elements, checked, hint
from convgrad.notation.binding.inference import Sizes, Use, counted_places
from convgrad.notation.places import place_of
from convgrad.notation.polynomial import Polynomial
from convgrad.notation.printing.text import text
from convgrad.notation.terms import EQUATION, Access, Definition, Equation, IndexValue, Number, Reduce, Term, walk

LARGEST_PLACE = 2**24  # whole numbers below it are exact in float32, which argmax and argmin are stored in


@takes(
    ArgumentError,
    equation=EQUATION,
    shapes=optional(TABLE),
    sizes=optional(TABLE),
    integers=optional(TABLE),
    numbers=optional(TABLE),
)
def bind(
    equation: Equation,
    shapes: Mapping[str, Sequence[SupportsIndex]] | None = None,
    sizes: Mapping[str, SupportsIndex] | None = None,
    integers: Mapping[str, SupportsIndex] | None = None,
    numbers: Mapping[str, SupportsFloat] | None = None,
) -> Equation:
    """The equation with `ranges` of all definitions and `shapes` of all tensors, and numbers for all parameters.

    `shapes` gives shapes of input tensors, () for scalars, and may give those of defined ones; `sizes` the sizes of
    indices, named in upper case; `integers` and `numbers` the values of parameters.

    >>> from convgrad.notation.parsing.parser import parse
    >>> conv = parse("x[i,j] = sum[m,n](w[m,n] * o[s*i+m,j+n-p else 0])")
    >>> bound = bind(conv, {"o": (11, 7), "w": (2, 3)}, sizes={"I": 5, "J": 7}, integers={"s": 2, "p": 1})
    >>> print(bound)
    x[i,j] = sum[m,n](w[m,n] * o[2*i+m,j+n-1 else 0])
    >>> bound.shape_of["x"], bound.result.sizes
    ((5, 7), {'i': 5, 'j': 7, 'm': 2, 'n': 3})

    Raises: ShapeError, with the place in the equation, what is wrong, and what would be right.
    """
    given = checked(equation, shapes or {}, sizes or {}, integers or {}, numbers or {})
    known = Sizes(equation, given)
    known.infer()
    definitions = tuple(_bound_definition(known, given, n, d) for n, d in enumerate(equation.definitions))
    bound = replace(equation, definitions=definitions)
    _check_inside(known)
    return replace(bound, shapes=_shapes(bound, known))


def bound_by(
    equation: Equation,
    shapes: Mapping[str, Sequence[int]],
    results: Mapping[str, Sequence[int]],
    **given: Mapping[str, Any],
) -> Equation:
    """Bound with the sizes that `shapes` tell; only where these leave one open, `results` tell it, too: shapes of
    defined tensors, such as those of gradients with respect to them. `given` is what `bind` takes beside shapes.

    >>> from convgrad.notation.parsing.parser import parse
    >>> padded = parse("x[i] = sum[m](w[m] * o[i+m-1 else 0])")
    >>> bound_by(padded, {"w": (3,), "o": (5,)}, {"x": (5,)}).shape_of["x"]
    (5,)

    Raises: ShapeError as `bind`.
    """
    try:
        return bind(equation, shapes, **given)
    except SizesDifferError:
        raise
    except ShapeError:
        if not {*results} - {*shapes}:
            raise
        return bind(equation, {**results, **shapes}, **given)


def _bound_definition(known: Sizes, given: Given, number: int, definition: Definition) -> Definition:
    ranges = tuple((index, known.size(number, index)) for index in known.indices[number])
    check_elements(definition.name, tuple(size for index, size in ranges if index in definition.indices))

    def bound_term(term: Term, scope: tuple[str, ...]) -> Term:
        if isinstance(term, Reduce):
            scope = scope + term.indices
        if isinstance(term, Access | IndexValue):
            return _bound_leaf(known, given, Use(number, definition, term, scope))
        children = tuple(bound_term(child, scope) for child in term.children)
        return term.with_children(children) if children else term

    bound = replace(definition, term=bound_term(definition.term, definition.indices), ranges=ranges)
    _check_places(known.equation, bound)
    return bound


def _bound_leaf(known: Sizes, given: Given, use: Use) -> Term:
    term = use.term
    if isinstance(term, IndexValue):
        polynomial = _whole_polynomial(known, use, term.polynomial)
        if polynomial.is_constant:
            return Number(float(polynomial.constant_value), span=term.span)
        return replace(term, polynomial=polynomial)
    if not term.positions:
        return _bound_name(known, given, use, term)
    positions = []
    for axis in range(len(term.positions)):
        position = known.position(use, axis)
        assert position is not None
        positions.append(position)
    return replace(term, positions=tuple(positions))


def _whole_polynomial(known: Sizes, use: Use, polynomial: Polynomial) -> Polynomial:
    bound = known.polynomial(use, polynomial)
    assert bound is not None
    return bound


def _bound_name(known: Sizes, given: Given, use: Use, access: Access) -> Term:
    """A bare name of an expression: a scalar tensor stays, a parameter becomes its number."""
    name = access.tensor
    if name in known.scalars:
        return access
    if name in given.numbers:
        return Number(given.numbers[name], span=access.span)
    sizes = {index.upper() for indices in known.indices for index in indices}
    if name in given.integers or name in given.sizes or name in sizes:
        value = known.parameter(use, name)
        assert value is not None
        return Number(float(value), span=access.span)
    message = f"{name} has no value."
    remedy = (
        f'Pass numbers={{"{name}": ...}} for a fixed number, or shapes={{"{name}": ()}} for a scalar that comes later.'
    )
    remedy += " " + hint(name, {*use.scope, *known.scalars, *given.numbers, *given.integers})
    raise ShapeError(message, *place_of(known.equation, use.definition, access), remedy.rstrip())


def _check_places(equation: Equation, definition: Definition) -> None:
    for term in walk(definition.term):
        if isinstance(term, Reduce) and term.kind in ("argmax", "argmin"):
            places = 1
            for index in term.indices:
                places *= definition.sizes[index]
            if places > LARGEST_PLACE:
                message = f"{term.kind} runs over {places} places; the limit is {LARGEST_PLACE}."
                raise ShapeError(message, *place_of(equation, definition, term))


def _shapes(equation: Equation, known: Sizes) -> tuple[tuple[str, tuple[int, ...]], ...]:
    axes = dict.fromkeys((*equation.inputs, *equation.defined), 0)
    for name, axis in known.of_axis:
        if name in known.axes:
            axes[name] = max(axes.get(name, 0), axis + 1)
    shapes = {name: tuple(known.of_axis[name, axis].size for axis in range(n)) for name, n in axes.items()}
    for name, shape in shapes.items():
        check_elements(name, shape)
    return tuple(shapes.items())


# Bounds


def _check_inside(known: Sizes) -> None:
    """Every access without `else` stays inside its tensor, and no index arithmetic leaves 32 bits."""
    for use in known.uses:
        if isinstance(use.term, IndexValue):
            bounds = _bounds(known, use, _whole_polynomial(known, use, use.term.polynomial))
            if max(map(abs, bounds)) > LARGEST:
                raise _too_large(known, use, bounds, place_of(known.equation, use.definition, use.term))
            continue
        for axis in range(len(use.term.positions)):
            position = known.position(use, axis)
            assert position is not None
            bounds = _bounds(known, use, position.numerator)
            if max(map(abs, bounds)) > LARGEST:
                raise _too_large(known, use, bounds, known.place_of_axis(use, axis))
            size = known.of_axis[use.term.tensor, axis].size
            if use.term.outside is None and not (bounds[0] >= 0 and bounds[1] < size):
                raise _outside(known, use, use.term, axis, bounds)


def _bounds(known: Sizes, use: Use, polynomial: Polynomial) -> tuple[int, int]:
    return polynomial.bounds({index: known.size(use.number, index) for index in polynomial.names})


def _too_large(known: Sizes, use: Use, bounds: tuple[int, int], place: tuple[str, object]) -> ShapeError:
    message = f"This index expression runs {bounds[0]}..{bounds[1]}, beyond the {LARGEST} of 32-bit arithmetic."
    return ShapeError(message, *place)  # type: ignore[arg-type]


def _outside(known: Sizes, use: Use, access: Access, axis: int, bounds: tuple[int, int]) -> ShapeError:
    low, high = bounds
    size = known.of_axis[access.tensor, axis].size
    position = known.position(use, axis)
    assert position is not None
    runs = f"{position} runs {low}..{high}" if position.numerator.names else f"{position} is read"
    lines = []
    if position.as_name is None and position.numerator.names:
        lines.append(f"  {known.ranges(use, position.numerator)}")
    lines.append(f"  So {runs}, but axis {axis} of {access.tensor} has {counted_places(size)}.")
    for index in use.definition.indices:
        if index in position.numerator.names:
            limit = known.limit(use, axis, index)
            if limit == 0 and low >= 0:
                lines.append(f"  Not even {known.size_name(index)} = 1 would fit.")
            elif limit and limit < known.size(use.number, index):
                lines.append(f"  The largest legal {known.size_name(index)} is {limit}.")
    padded = replace(access, outside=0.0)
    pads = [f"{-low} before"] if low < 0 else []
    pads += [f"{high - size + 1} after"] if high >= size else []
    lines.append(
        f"  Either choose sizes that fit, or pad ({' and '.join(pads)}) by saying what is read there: {text(padded)}"
    )
    message = f"{access.tensor} is read outside its axis {axis}."
    return ShapeError(message, *known.place_of_axis(use, axis), "\n".join(lines))
