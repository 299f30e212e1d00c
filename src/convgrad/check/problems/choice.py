"""Sizes for an equation that comes without: different on every axis, found by trying."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod

from convgrad.errors import ConvgradError, ShapeError
from convgrad.notation.binding.bind import bind
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Definition, Equation, IndexValue, walk

MOST_ELEMENTS = 2_000_000
"""Of a tensor that a check makes numbers for."""


def space_labels(equation: Equation, labels: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """The labels of axes along which something slides: read by a sum of indices, or by one that is part of such."""
    sliding: set[str] = set()
    reads = [t for d in equation.definitions for t in walk(d.term) if isinstance(t, Access)]
    for access in reads:
        for position in access.positions:
            if position.as_name is None:
                sliding |= position.names
    found = {label for label in labels.get(equation.result.name, ()) if label in sliding}
    for access in reads:
        for label, position in zip(labels.get(access.tensor, ()), access.positions, strict=False):
            if position.as_name is None or position.as_name in sliding:
                found.add(label)
    return frozenset(found)


def default_integers(equation: Equation, given: Collection[str]) -> dict[str, int]:
    """Values for whole-number parameters that positions name and the caller did not give."""
    loops: set[str] = set()
    names: set[str] = set()
    for definition in equation.definitions:
        loops |= set(definition.indices)
        for term in walk(definition.term):
            loops |= set(getattr(term, "indices", ()))
            if isinstance(term, Access):
                names |= {n for p in term.positions for n in p.names}
            elif isinstance(term, IndexValue):
                names |= term.polynomial.names
    free = sorted(n for n in names - loops if n.lower() not in loops and n not in given)
    usual = {"s": 2, "p": 1, "d": 2}
    return {n: usual.get(n[0], 2) for n in free}


def bound_by_choice(
    equation: Equation,
    shapes: Mapping[str, tuple[int, ...]],
    sizes: Mapping[str, int],
    integers: Mapping[str, int],
    numbers: Mapping[str, float],
) -> Equation:
    """The equation with sizes that differ, found by trying: small ones for reductions, larger ones for images."""
    integers = {**default_integers(equation, {*integers, *sizes}), **integers}
    equal = equal_sizes(equation)
    sizes = {**{i.upper(): sizes[one.upper()] for i in equal for one in equal[i] if one.upper() in sizes}, **sizes}
    indices = list(dict.fromkeys(i for d in equation.definitions for i in _indices(d)))
    free = [i for i in indices if i.upper() not in sizes]
    first = {i: next(one for one in free if one in equal[i]) for i in free}  # of each set of equal ones
    alone = [i for i in free if first[i] == i]
    reduced = [i for i in alone if not any(one in d.indices for one in equal[i] for d in equation.definitions)]
    last: ConvgradError | None = None
    pools = ((2, 3, 4, 5, 7, 6), (2, 3, 2, 3, 2, 3))
    for pool in pools:
        small = dict(zip(reduced, pool, strict=False))
        large = dict(zip([i for i in alone if i not in reduced], (5, 6, 4, 3, 7, 2), strict=False))
        for chosen in ({**small, **large}, large, small, {}):
            wanted = {**{i.upper(): chosen[one] for i, one in first.items() if one in chosen}, **sizes}
            try:
                inferred = inferred_shapes(equation, wanted, integers)
                tensors = {n: shape for n, shape in inferred.items() if n not in numbers}
                bound = bind(equation, {**tensors, **shapes}, wanted, integers, numbers)
                check_size(bound)
                return bound
            except ConvgradError as error:
                last = last or error
    assert last is not None
    raise last


def equal_sizes(equation: Equation) -> dict[str, frozenset[str]]:
    """For each index, those that have its size whatever that is, itself among them: they read one axis, all of it.

    >>> from convgrad.notation import parse
    >>> sorted(equal_sizes(parse("y[i] = o[i] + sum[j](w[i,j] * o[j])"))["i"])
    ['i', 'j']
    """
    sets: dict[str, frozenset[str]] = {i: frozenset([i]) for d in equation.definitions for i in _indices(d)}
    along: dict[tuple[str, int], str] = {}

    def join(tensor: str, axis: int, index: str) -> None:
        other = along.setdefault((tensor, axis), index)
        joined = sets[index] | sets[other]
        sets.update(dict.fromkeys(joined, joined))

    for definition in equation.definitions:
        for axis, index in enumerate(definition.indices):
            join(definition.name, axis, index)
        for access in (t for t in walk(definition.term) if isinstance(t, Access)):
            for axis, position in enumerate(access.positions):
                if access.outside is None and position.as_name in sets:
                    join(access.tensor, axis, position.as_name)
    return sets


def check_size(bound: Equation) -> None:
    """Refuse to invent numbers for tensors that are too large for it. Raises: ShapeError."""
    for name, shape in bound.shapes:
        if prod(shape) > MOST_ELEMENTS:
            message = f"For this check {name} would have the shape {shape}: {prod(shape):,} elements."
            raise ShapeError(message, remedy=f"The limit is {MOST_ELEMENTS:,}. Write smaller numbers or fewer indices.")


def inferred_shapes(
    equation: Equation, sizes: Mapping[str, int], integers: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    """The least shapes of inputs at which nothing outside is read; where `else` is given, as if it were not."""
    reach: dict[tuple[str, int], int] = {}
    axes: dict[str, int] = {}
    for definition in equation.definitions:
        for access in (t for t in walk(definition.term) if isinstance(t, Access)):
            if access.tensor in equation.defined:
                continue
            if not access.positions and access.tensor in {*integers, *sizes}:
                continue
            axes[access.tensor] = len(access.positions)
            for axis, position in enumerate(access.positions):
                high = _high(position, sizes, integers)
                reach[access.tensor, axis] = max(reach.get((access.tensor, axis), 1), high + 1)
    return {n: tuple(reach[n, axis] for axis in range(count)) for n, count in axes.items()}


def _high(position: Position, sizes: Mapping[str, int], integers: Mapping[str, int]) -> int:
    """The greatest place that is read; 0 where the size of an index is still to be told by another reading."""
    total = 0
    for monomial, coefficient in position.numerator.terms:
        value = coefficient
        for name in monomial:
            if name not in integers and name.upper() not in sizes:
                return 0
            value *= (
                integers[name] if name in integers else sizes[name.upper()] - 1 if name != name.upper() else sizes[name]
            )
        total += value if value > 0 or not monomial or all(n in integers for n in monomial) else 0
    below = position.divisor.evaluate(integers) if position.divisor.names else position.divisor.constant_value
    return max(total // max(below, 1), 0)


def _indices(definition: Definition) -> list[str]:
    return [*definition.indices, *(i for t in walk(definition.term) for i in getattr(t, "indices", ()))]
