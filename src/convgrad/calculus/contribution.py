"""The gradient that flows to a tensor through one reading of it: from the chain rule to a sum over what remains."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isinf

from convgrad.calculus.names import primed
from convgrad.calculus.partials import Partial, extent
from convgrad.calculus.simplify import product, simplify
from convgrad.calculus.solve import Solution, solve
from convgrad.calculus.table import ZERO
from convgrad.functions import FUNCTIONS
from convgrad.notation.polynomial import ONE, Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Call,
    Compare,
    Definition,
    Divide,
    IndexValue,
    Power,
    Reduce,
    Term,
    accesses,
    bound_indices,
    free_names,
    gradient_name,
    rebuild,
    substitute_indices,
    walk,
)


@dataclass(frozen=True)
class Contribution:
    """One summand of a gradient, in its stages: `expanded` still tests every combination of the indices, `gathered`
    sums over those that remain. Both use `targets` as the indices of the gradient's element.

    `helper` is a definition that must be computed before (a slope that can't be read outside its range), or None.
    `changed` holds the indices that were replaced by a compound position, with that position; `bounded` is the stage
    at which their bounds are still written out, None where no index was. Those of `conditioned` stay written out.
    """

    targets: tuple[str, ...]
    expanded: Term
    gathered: Term
    ranges: dict[str, int]
    changed: Mapping[str, Position]
    bounded: Term | None
    conditioned: tuple[str, ...]
    helper: Definition | None


def contribution(
    home: Definition,
    partial: Partial,
    indices: Sequence[str],
    shape: tuple[int, ...] | None,
    shapes: dict[str, tuple[int, ...]],
    helper_name: str,
) -> Contribution:
    """How the gradient with respect to `home` reaches the tensor of `partial.reading`.

    indices: the names that the axes of the wanted gradient shall have in the end.
    shape: of the wanted gradient, None where sizes are not bound.
    shapes: of all tensors.
    helper_name: free for a definition, should one be needed.
    """
    return _Gathering(home, partial, indices, shape, ChainMap({}, shapes), helper_name).result()


def _targets(
    home: Definition, positions: Sequence[Position], indices: Sequence[str], shape: tuple[int, ...] | None
) -> tuple[str, ...]:
    """The indices of the element of a gradient, as long as those of the reading are around, too: one with the same
    name gets a prime. Not so an index of the result that the axis is read by: the others can't reach that element.
    """
    own = home.names
    used = {*indices}
    targets: list[str] = []
    for axis, (position, index) in enumerate(zip(positions, indices, strict=True)):
        is_shared = index in home.indices and position.as_name == index
        is_whole = shape is None or shape[axis] == home.sizes.get(index)
        if index in own and not (is_shared and is_whole):
            index = primed(index, own, used)
        used.add(index)
        targets.append(index)
    return tuple(targets)


class _Gathering:
    def __init__(
        self,
        home: Definition,
        partial: Partial,
        indices: Sequence[str],
        shape: tuple[int, ...] | None,
        shapes: ChainMap[str, tuple[int, ...]],
        helper_name: str,
    ):
        self.home, self.partial, self.shape = home, partial, shape
        self.shapes, self.helper_name = shapes, helper_name
        positions = partial.reading.positions
        self.targets = _targets(home, positions, indices, shape)
        self.upstream = Access(gradient_name(home.name), tuple(Position.name(i) for i in home.indices))
        self.covered = {index for index in partial.reductions if self._is_covered(index)}
        self.solution: Solution = solve(positions, self.targets, home.indices, partial.reductions, self.covered)
        self.ranges = home.sizes
        if shape is not None:
            self.ranges.update(zip(self.targets, shape, strict=True))
        self.leaving = {index for index in self.solution.values if self._may_leave(index)}
        self.helper: Definition | None = None

    def result(self) -> Contribution:
        factors = (self.upstream, *self.partial.factors)
        expanded = self._expanded(simplify(product(factors), self.ranges))
        moved = self._moved(simplify(product(self._with_safe_slopes(factors)), self.ranges))
        remaining = tuple(i for i in (*self.partial.reductions, *self.home.indices) if i not in self.solution.values)
        uncovered = tuple(i for i in self.partial.reductions if i in self.leaving - self.covered)
        gathered = _total(self._conditioned(self._explicit_bounds(moved, uncovered)), remaining)
        changed = {i: v for i, v in self.solution.values.items() if i in self.leaving}
        bounded = _total(self._conditioned(self._explicit_bounds(moved, tuple(changed))), remaining)
        return Contribution(
            self.targets,
            expanded,
            simplify(gathered, self.ranges),
            self.ranges,
            changed,
            bounded if changed else None,
            uncovered,
            self.helper,
        )

    def _expanded(self, body: Term) -> Term:
        """`sum(where(g1 == p1, where(g2 == p2, body, 0), 0))`: only readings of the wanted element count."""
        pairs = list(zip(self.partial.reading.positions, self.targets, strict=True))
        shared = {target for position, target in pairs if position.as_name == target}
        for position, target in reversed(pairs):
            if position.as_name != target:
                wanted = IndexValue(position.divisor * Polynomial.name(target))
                body = Call("where", (Compare("==", IndexValue(position.numerator), wanted), body, ZERO))
        return _total(body, tuple(i for i in (*self.home.indices, *self.partial.reductions) if i not in shared))

    def _is_covered(self, index: str) -> bool:
        """Whether a factor is zero wherever the index is outside its range or no whole number, once the factor is read
        as zero outside its tensor.
        """
        for factor in self.partial.factors:
            if not isinstance(factor, Access) or factor.outside not in (None, 0.0):
                continue
            for axis, position in enumerate(factor.positions):
                if position.as_name != index:
                    continue
                if self.shape is None or self.shapes[factor.tensor][axis] == self.home.sizes[index]:
                    return True
        return False

    def _may_leave(self, index: str) -> bool:
        """Whether the index, once it is replaced, can take values outside its range. One that reads an axis alone is
        replaced by the axis's own index, which has the same range unless an offset of 0 hides that only a part is read.
        """
        if index not in self.solution.bare:
            return True
        target = self.solution.values[index].as_name
        return self.shape is not None and target is not None and self.ranges[target] != self.ranges[index]

    def _with_safe_slopes(self, factors: tuple[Term, ...]) -> tuple[Term, ...]:
        """Factors that could become infinite when read outside go into a helper definition, inside its own range."""
        unsafe = tuple(f for f in factors[1:] if _could_be_infinite(f, self.leaving))
        if not unsafe:
            return factors
        free = {n for f in unsafe for n in free_names(f)}
        # Where the slope depends on the output's indices only, it is scaled into delta: the delta of the inner sum.
        if not free & set(self.partial.reductions):
            unsafe = (factors[0], *unsafe)
            indices = self.home.indices
        else:
            indices = tuple(i for i in (*self.home.indices, *self.partial.reductions) if i in free)
        term = simplify(product(unsafe), self.ranges)
        inside = {*indices, *bound_indices(term)}
        ranges = tuple((i, s) for i, s in self.home.ranges if i in inside)
        self.helper = Definition(self.helper_name, indices, term, ranges)
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
        if self.shape is None:
            return was_inside and not before.names & self.leaving
        if not position.is_whole:
            return False
        low, high = position.numerator.bounds(self.ranges)
        return low >= 0 and high < self.shapes[access.tensor][axis]

    def _conditioned(self, body: Term) -> Term:
        """Put what could not be solved around the body as conditions."""
        for left, right in reversed(self.solution.conditions):
            difference = Position(left - right).substitute(self.solution.values).numerator
            above, below = (
                IndexValue(Polynomial(tuple((m, abs(c)) for m, c in difference.terms if c * sign > 0)))
                for sign in (1, -1)
            )
            sides = (below, above) if above.polynomial.is_constant else (above, below)
            body = Call("where", (Compare("==", *sides), body, ZERO))
        return body

    def _explicit_bounds(self, body: Term, indices: Sequence[str]) -> Term:
        """The same with the bounds of replaced indices written as conditions."""
        for index in reversed(indices):
            position = self.solution.values[index]
            top, below = position.numerator, position.divisor
            last = (extent(index, self.home) - ONE) * below
            body = Call("where", (_compared("<=", top, last), body, ZERO))
            body = Call("where", (_compared(">=", top, Polynomial()), body, ZERO))
            if not position.is_whole:
                value = Divide(IndexValue(top), IndexValue(below))
                whole = Compare("==", value, Call("floor", (value,)))
                body = Call("where", (whole, body, ZERO))
        return body


def _compared(operator: str, left: Polynomial, right: Polynomial) -> Compare:
    """The comparison; p >= 1 for p - 1 >= 0."""
    if len(left.names) == 1:
        constant = Polynomial.constant(left.constant_value)
        left, right = left - constant, right - constant
    return Compare(operator, IndexValue(left), IndexValue(right))


def _total(body: Term, indices: tuple[str, ...]) -> Term:
    return Reduce("sum", indices, body) if indices else body


def _could_be_infinite(factor: Term, leaving: set[str]) -> bool:
    """Whether the factor may be infinite or not a number where an index is outside its range and accesses read 0."""
    for term in walk(factor):
        risky: Term | None = None
        if isinstance(term, Divide):
            risky = term.denominator
        elif isinstance(term, Power) and (term.exponent < 0 or term.exponent != int(term.exponent)):
            risky = term.base
        elif isinstance(term, Call) and (FUNCTIONS[term.function].defined or _is_large_exponential(term)):
            risky = term.arguments[0]
        elif isinstance(term, Access) and term.outside is not None and isinf(term.outside):
            risky = term
        if risky is not None and free_names(risky) & leaving:
            return True
    return False


def _is_large_exponential(term: Call) -> bool:
    """exp(a[i]) is 1 outside, but exp(a[i] - b) may be anything there."""
    return term.function == "exp" and len(list(accesses(term))) > 1
