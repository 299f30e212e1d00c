"""Turn a scatter into a gather: which loop indices make a reading hit the wanted element?

The gradient of `x[I] = ... a[g(I,R)] ...` at element P sums over all I, R with g(I,R) = P. Each axis gives one linear
equation; solving it for an index removes that index from the sum: `i+m = p` gives `i = p-m`, `2*i+m = p` gives
`i = (p-m)/2`, to be read as zero where it is not a whole number. What can't be solved stays as a condition.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from convgrad.notation.polynomial import ONE, Polynomial, Position

Pair = tuple[Polynomial, Polynomial]


@dataclass(frozen=True)
class Solution:
    """`values`: index -> position in terms of P and the other indices. `conditions`: pairs that must be equal.

    `bare` are the indices that are simply an index of P. Every other solved index may leave its range.
    """

    values: Mapping[str, Position]
    bare: frozenset[str]
    conditions: tuple[Pair, ...]


def solve(
    positions: Sequence[Position],
    targets: Sequence[str],
    outputs: Sequence[str],
    reductions: Sequence[str],
    covered: Collection[str] = (),
) -> Solution:
    """Solve `positions[a] = targets[a]` for loop indices; output indices go first, since reading the upstream gradient
    outside its range as zero then takes care of their bounds. `covered` are the reduction indices of which something
    else takes care in the same way; a position of another one is never divided.
    """
    values: dict[str, Position] = {}
    unsolved: list[Pair] = []
    unknown = (*outputs, *reductions)
    for position, target in zip(positions, targets, strict=True):
        index = position.as_name
        if index in unknown and index not in values:
            values[index] = Position.name(target)
        else:
            unsolved.append((position.numerator, position.divisor * Polynomial.name(target)))
    bare = frozenset(values)
    for indices, divisible in ((outputs, outputs), (reductions, covered)):
        progress = True
        while progress:
            progress = False
            for pair in unsolved:
                others = [side for other in unsolved if other is not pair for side in other]
                solved = _solved(pair, values, indices, divisible, others)
                if solved is not None:
                    name, value = solved
                    values = {n: v.substitute({name: value}) for n, v in values.items()} | {name: value}
                    unsolved = [other for other in unsolved if other is not pair]
                    progress = True
                    break
    return Solution(values, bare, tuple(unsolved))


def _solved(
    pair: Pair,
    values: Mapping[str, Position],
    candidates: Collection[str],
    divisible: Collection[str],
    others: Sequence[Polynomial],
) -> tuple[str, Position] | None:
    """Solve `left = right` for a candidate: one with coefficient 1 if there is one, else one that may be divided for
    and occurs in no other equation.
    """
    left, right = pair
    if any(not values[name].is_whole for name in left.names & values.keys()):
        return None
    left = left.substitute({name: value.numerator for name, value in values.items()})
    usable = [name for name in candidates if name in left.names and name not in values]
    for name in usable:
        coefficient = left.coefficient(name)
        if coefficient == ONE:
            return name, Position(right - left.without(name))
        if coefficient == -ONE:
            return name, Position(left.without(name) - right)
    for name in usable:
        coefficient = left.coefficient(name)
        if name not in divisible or any(name in other.names for other in others) or len(coefficient.terms) != 1:
            continue
        if coefficient.terms[0][1] > 0:
            return name, Position(right - left.without(name), coefficient)
        return name, Position(left.without(name) - right, -coefficient)
    return None
