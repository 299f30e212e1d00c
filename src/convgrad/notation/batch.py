"""The batch axis: an equation written for one example, for many.

    x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n])    becomes    x[e,i,j] = sum[m,n](w[m,n] * o[e,i+m,j+n])

A first index is put in front of every tensor that depends on the examples; parameters stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from convgrad.arguments import NAMES, takes
from convgrad.errors import ArgumentError, EquationError
from convgrad.notation.binding.given import check_elements, hint, positive_size
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    EQUATION,
    Access,
    Definition,
    Equation,
    IndexValue,
    Term,
    accesses,
    bound_indices,
    rebuild,
    walk,
)

PREFERRED = "e"


@takes(ArgumentError, equation=EQUATION, examples=NAMES)
def batched(equation: Equation, examples: Collection[str], size: int | None = None) -> Equation:
    """The equation for a batch: a first axis for every tensor in `examples` and all that depends on one of them.

    `size`, the number of examples, is needed for an equation with bound sizes and has no place in others.

    >>> from convgrad.notation.parsing.parser import parse
    >>> print(batched(parse("x[i] = sum[m](w[m] * o[i+m]) + b"), {"o"}))
    x[e,i] = sum[m](w[m] * o[e,i+m]) + b

    Raises: EquationError.
    """
    known = {*equation.inputs, *equation.defined}
    for name in examples:
        if name not in known:
            message = f"{name} has no place in this equation, so it can't have a batch axis."
            raise EquationError(message, remedy=hint(name, known))
    bound = bool(equation.shapes)
    if bound != (size is not None):
        message = (
            "The sizes of this equation are bound: the batch needs one, too." if bound else "Sizes are not bound yet."
        )
        remedy = "Pass size, the number of examples." if bound else "Pass the size of the batch index to bind."
        raise EquationError(message, remedy=remedy)
    size = None if size is None else positive_size("The size of the batch", size)
    index = fresh_index(equation)
    dependent = dependents(equation, examples)
    definitions = tuple(_with_axis(d, dependent, index, size) for d in equation.definitions)
    # A gradient of a sum over examples has no axis for them, though the tensor has one.
    return replace(equation, definitions=definitions, shapes=_shapes(equation, dependent, size), alike=())


def dependents(equation: Equation, sources: Collection[str]) -> set[str]:
    """The tensors `sources`, and those defined here that read one of them, directly or not."""
    result = set(sources)
    for definition in equation.definitions:
        if any(access.tensor in result for access in accesses(definition.term)):
            result.add(definition.name)
    return result


def fresh_index(equation: Equation) -> str:
    """`e`, or e1, e2, ... where that is taken by an index, a parameter, a scalar, or, in upper case, by a size."""
    taken: set[str] = set()
    for definition in equation.definitions:
        taken |= {*definition.indices, *bound_indices(definition.term)}
        for term in walk(definition.term):
            if isinstance(term, Access):
                taken |= {n for p in term.positions for n in p.names} if term.positions else {term.tensor}
            elif isinstance(term, IndexValue):
                taken |= term.polynomial.names
    sizes = taken - set(equation.defined)  # the loss E does not stand for a size
    number, index = 0, PREFERRED
    while index in taken or index.upper() in sizes:
        number += 1
        index = f"{PREFERRED}{number}"
    return index


def _with_axis(definition: Definition, dependent: set[str], index: str, size: int | None) -> Definition:
    if definition.name not in dependent:
        return definition

    def with_position(term: Term) -> Term:
        if not isinstance(term, Access) or term.tensor not in dependent:
            return term
        spans = (term.span, *term.position_spans) if term.span and len(term.position_spans) else ()
        return replace(term, positions=(Position.name(index), *term.positions), position_spans=spans)

    spans = (definition.span, *definition.index_spans) if definition.span and definition.index_spans else ()
    return replace(
        definition,
        indices=(index, *definition.indices),
        term=rebuild(definition.term, with_position),
        ranges=definition.ranges if size is None else ((index, size), *definition.ranges),
        index_spans=spans,
    )


def _shapes(equation: Equation, dependent: set[str], size: int | None) -> tuple[tuple[str, tuple[int, ...]], ...]:
    if size is None:
        return equation.shapes
    shapes = {name: (size, *shape) if name in dependent else shape for name, shape in equation.shapes}
    for name, shape in shapes.items():
        check_elements(name, shape)
    return tuple(shapes.items())
