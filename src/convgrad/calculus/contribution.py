"""The gradient that flows to a tensor through one reading of it: from the chain rule to a sum over what remains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from convgrad.calculus.partials import Partial, extent
from convgrad.calculus.simplify import product, simplify
from convgrad.calculus.solve import Solution, solve
from convgrad.notation.polynomial import ONE, Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Call,
    Compare,
    Definition,
    Divide,
    IndexValue,
    Number,
    Power,
    Reduce,
    Term,
    accesses,
    free_names,
    gradient_name,
    rebuild,
    substitute_indices,
    walk,
)

ZERO = Number(0.0)


@dataclass(frozen=True)
class Contribution:
    """One summand of a gradient, in its stages: `expanded` still tests every combination of the indices, `gathered`
    sums over those that remain. Both use the target indices for the element of the gradient.

    `helper` is a definition that must be computed before (a slope that can't be read outside its range), or None.
    `changed` holds the indices that were replaced by a compound position, with that position.
    """

    expanded: Term
    gathered: Term
    ranges: dict[str, int]
    changed: Mapping[str, Position]
    bounded: Term | None
    helper: Definition | None


def contribution(
    home: Definition,
    partial: Partial,
    targets: Sequence[str],
    shape: tuple[int, ...] | None,
    shapes: Mapping[str, tuple[int, ...]],
    helper_name: str,
) -> Contribution:
    """`shape` is that of the tensor whose gradient is wanted, None where sizes are not bound."""
    return _Gathering(home, partial, targets, shape, dict(shapes), helper_name).result()


class _Gathering:
    def __init__(
        self,
        home: Definition,
        partial: Partial,
        targets: Sequence[str],
        shape: tuple[int, ...] | None,
        shapes: dict[str, tuple[int, ...]],
        helper_name: str,
    ):
        self.home, self.partial, self.targets, self.shape = home, partial, targets, shape
        self.shapes, self.helper_name = shapes, helper_name
        self.upstream = Access(gradient_name(home.name), tuple(Position.name(i) for i in home.indices))
        self.solution: Solution = solve(partial.reading.positions, targets, home.indices, partial.reductions)
        self.ranges = home.sizes
        if shape is not None:
            self.ranges.update(zip(targets, shape, strict=True))
        self.helper: Definition | None = None

    def result(self) -> Contribution:
        factors = (self.upstream, *self.partial.factors)
        body = simplify(product(factors), self.ranges)
        expanded = self._total(self._where_equal(body), (*self.home.indices, *self.partial.reductions))
        kept = self._with_safe_slopes(factors)
        body = simplify(product(kept), self.ranges)
        moved = self._moved(body)
        moved = self._conditioned(moved)
        remaining = [i for i in (*self.partial.reductions, *self.home.indices) if i not in self.solution.values]
        gathered = simplify(self._total(moved, tuple(remaining)), self.ranges)
        changed = {
            i: v for i, v in self.solution.values.items() if i not in self.solution.bare and self._is_compound(v)
        }
        bounded = self._total(self._explicit_bounds(moved, changed), tuple(remaining)) if changed else None
        return Contribution(expanded, gathered, self.ranges, changed, bounded, self.helper)

    def _is_compound(self, position: Position) -> bool:
        return position.as_name is None

    def _total(self, body: Term, indices: tuple[str, ...]) -> Term:
        return Reduce("sum", indices, body) if indices else body

    def _where_equal(self, body: Term) -> Term:
        """`where(g1 == p1, where(g2 == p2, body, 0), 0)`: only readings of the wanted element count."""
        pairs = list(zip(self.partial.reading.positions, self.targets, strict=True))
        for position, target in reversed(pairs):
            wanted = IndexValue(position.divisor * Polynomial.name(target))
            body = Call("where", (Compare("==", IndexValue(position.numerator), wanted), body, ZERO))
        return body

    def _may_leave(self, index: str) -> bool:
        """Whether the index, once solved for, can take values outside its range."""
        if index not in self.solution.values:
            return False
        if index not in self.solution.bare:
            return True
        target = self.solution.values[index].as_name
        return self.shape is not None and target is not None and self.ranges[target] > self.ranges[index]

    def _with_safe_slopes(self, factors: tuple[Term, ...]) -> tuple[Term, ...]:
        """Factors that could become infinite when read outside go into a helper definition, inside its own range."""
        leaving = {i for i in (*self.home.indices, *self.partial.reductions) if self._may_leave(i)}
        unsafe = tuple(f for f in factors[1:] if _could_be_infinite(f, leaving))
        if not unsafe:
            return factors
        free = {n for f in unsafe for n in free_names(f)}
        # Where the slope depends on the output's indices only, it is scaled into delta: the delta of the inner sum.
        own = free & set(self.partial.reductions)
        if not own:
            unsafe = (factors[0], *unsafe)
            indices = self.home.indices
        else:
            indices = tuple(i for i in (*self.home.indices, *self.partial.reductions) if i in free)
        ranges = tuple((i, s) for i, s in self.home.ranges if i in indices)
        term = simplify(product(unsafe), self.ranges)
        self.helper = Definition(self.helper_name, indices, term, _with_bound(ranges, term, self.home))
        if self.home.ranges:
            self.shapes[self.helper_name] = self.helper.shape
        rest = tuple(f for f in factors if f not in unsafe)
        return (Access(self.helper_name, tuple(Position.name(i) for i in indices)), *rest)

    def _moved(self, term: Term) -> Term:
        """Change the indices; say what an access reads outside, where the change can lead it there."""
        values = self.solution.values

        def change(t: Term) -> Term:
            if isinstance(t, IndexValue):
                return substitute_indices(t, values)
            if not isinstance(t, Access) or not t.positions:
                return t
            after = substitute_indices(t, values)
            assert isinstance(after, Access)
            axes = range(len(t.positions))
            if all(self._axis_inside(after, axis, t.positions[axis], t.outside is None) for axis in axes):
                return replace(after, outside=None)
            return replace(after, outside=0.0) if after.outside is None else after

        return rebuild(term, change)

    def _axis_inside(self, access: Access, axis: int, before: Position, was_inside: bool) -> bool:
        """Whether an axis is read within the tensor, `before` being the position before the change of indices."""
        position = access.positions[axis]
        if access.tensor == self.partial.reading.tensor and position.as_name == self.targets[axis]:
            return True
        if self.shape is not None:
            return self._within_bounds(access.tensor, axis, position)
        return was_inside and not any(self._may_leave(index) for index in before.names)

    def _within_bounds(self, tensor: str, axis: int, position: Position) -> bool:
        if self.shape is None or not position.is_whole:
            return False
        low, high = position.numerator.bounds(self.ranges)
        return low >= 0 and high < self.shapes[tensor][axis]

    def _conditioned(self, body: Term) -> Term:
        """Put what could not be solved, and the range of a bare reduction index, around the body as conditions."""
        for index in self.partial.reductions:
            if index in self.solution.bare and self._may_leave(index):
                target = self.solution.values[index]
                size = Number(float(self.ranges[index]))
                body = Call("where", (Compare("<", IndexValue(target.numerator), size), body, ZERO))
        for left, right in reversed(self.solution.conditions):
            difference = Position(left - right).substitute(self.solution.values).numerator
            positive = Polynomial(tuple((m, c) for m, c in difference.terms if c > 0))
            body = Call("where", (Compare("==", IndexValue(positive), IndexValue(positive - difference)), body, ZERO))
        return body

    def _explicit_bounds(self, body: Term, changed: Mapping[str, Position]) -> Term:
        """The same with the bounds of the replaced indices written as conditions."""
        for index, position in reversed(list(changed.items())):
            top, below = position.numerator, position.divisor
            last = (extent(index, self.home) - ONE) * below
            body = Call("where", (Compare("<=", IndexValue(top), IndexValue(last)), body, ZERO))
            body = Call("where", (Compare(">=", IndexValue(top), ZERO), body, ZERO))
            if not position.is_whole:
                value = Divide(IndexValue(top), IndexValue(below))
                whole = Compare("==", value, Call("floor", (value,)))
                body = Call("where", (whole, body, ZERO))
        return body


def _with_bound(ranges: tuple[tuple[str, int], ...], term: Term, home: Definition) -> tuple[tuple[str, int], ...]:
    """The ranges together with those of the reductions inside the term."""
    inside = {i for t in walk(term) if isinstance(t, Reduce) for i in t.indices}
    known = dict(ranges)
    return ranges + tuple((i, s) for i, s in home.ranges if i in inside and i not in known)


def _could_be_infinite(factor: Term, leaving: set[str]) -> bool:
    """Whether the factor may be infinite or not a number where an access in it reads 0 instead of its value."""
    for term in walk(factor):
        risky: Term | None = None
        if isinstance(term, Divide):
            risky = term.denominator
        elif isinstance(term, Power) and (term.exponent < 0 or term.exponent != int(term.exponent)):
            risky = term.base
        elif isinstance(term, Call) and term.function == "log":
            risky = term.arguments[0]
        if risky is not None and any(free_names(a) & leaving for a in accesses(risky)):
            return True
    return False
