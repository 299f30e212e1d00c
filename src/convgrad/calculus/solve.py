"""Turn a scatter into a gather: which loop indices make a reading hit the wanted element?

The gradient of `x[I] = ... a[g(I,R)] ...` at element P sums over all I, R with g(I,R) = P. Each axis gives one linear
equation; solving it for an index removes that index from the sum: `i+m = p` gives `i = p-m`, `2*i+m = p` gives
`i = (p-m)/2`, to be read as zero where it is no whole number. What can't be solved stays as a condition.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from convgrad.notation.polynomial import ONE, Polynomial, Position


@dataclass(frozen=True)
class Solution:
    """`values`: index -> position in terms of P and the other indices. `conditions`: pairs that must be equal.

    `bare` are the indices that are simply an index of P. Every other solved index may leave its range.
    """

    values: Mapping[str, Position]
    bare: frozenset[str]
    conditions: tuple[tuple[Polynomial, Polynomial], ...]


def solve(
    positions: Sequence[Position], targets: Sequence[str], outputs: Sequence[str], reductions: Sequence[str]
) -> Solution:
    """Solve `positions[a] = targets[a]` for loop indices; output indices go first, since reading the upstream gradient
    outside its range as zero then takes care of their bounds. A reduction index is solved for only where it stands
    alone on its axis: in compound positions its bounds and divisibility would have to be conditions anyway.
    """
    values: dict[str, Position] = {}
    bare: set[str] = set()
    remaining: list[tuple[Polynomial, Polynomial]] = []
    unknown = [*outputs, *reductions]
    for position, target in zip(positions, targets, strict=True):
        index = position.as_name
        if index in unknown and index not in values:
            values[index] = Position.name(target)
            bare.add(index)
        else:
            remaining.append((position.numerator, position.divisor * Polynomial.name(target)))
    conditions = []
    while remaining:
        left, right = remaining.pop(0)
        plain = {name: value.numerator for name, value in values.items() if value.is_whole}
        left = left.substitute(plain)
        others = [equation for pair in remaining for equation in pair]
        solved = _solve_for(left, right, [i for i in outputs if i not in values], others)
        if solved is None:
            conditions.append((left, right))
            continue
        name, value = solved
        values = {n: v.substitute({name: value}) for n, v in values.items()}
        values[name] = value
    return Solution(values, frozenset(bare), tuple(conditions))


def _solve_for(
    left: Polynomial, right: Polynomial, candidates: Collection[str], others: Sequence[Polynomial]
) -> tuple[str, Position] | None:
    """Solve left = right for one of the candidates: one with coefficient 1 if there is one, else one that can be
    divided for and occurs in no other equation.
    """
    usable = [name for name in candidates if name in left.names]
    for name in usable:
        coefficient = left.coefficient(name)
        if coefficient == ONE:
            return name, Position(right - left.without(name))
        if coefficient == -ONE:
            return name, Position(left.without(name) - right)
    for name in usable:
        coefficient = left.coefficient(name)
        if any(name in other.names for other in others) or len(coefficient.terms) != 1:
            continue
        if coefficient.terms[0][1] > 0:
            return name, Position(right - left.without(name), coefficient)
        return name, Position(left.without(name) - right, -coefficient)
    return None
