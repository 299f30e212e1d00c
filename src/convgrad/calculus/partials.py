"""Partial derivatives of one definition: for each place where a tensor is read, what a small change there does.

For `x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b` and the reading `w[m,n]` that is `sum[m,n](o[i+m,j+n])`, written as the
factors (`o[i+m,j+n]`) and the reductions (m, n) around the reading.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from convgrad.calculus.names import size_name
from convgrad.calculus.simplify import product, simplify
from convgrad.calculus.table import ONE, ZERO, has_slopes, remedy, slopes
from convgrad.errors import DerivationError
from convgrad.notation.exponents import exact
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Divide,
    IndexValue,
    Multiply,
    Negate,
    Number,
    Power,
    Reduce,
    Term,
    accesses,
    rebuild,
)


@dataclass(frozen=True)
class Partial:
    """d definition[I] / d reading = sum over `reductions` of the product of `factors`, at the reading's own place."""

    reading: Access
    reductions: tuple[str, ...]
    factors: tuple[Term, ...]


class Partials:
    """The partial derivatives of `definition` with respect to the tensors in `wanted`.

    Needs a prepared definition (`convgrad.calculus.prepare`). Where it is a max or min over indices, `place` is the
    name of the tensor that holds the place of the extreme.
    """

    def __init__(self, definition: Definition, wanted: Collection[str], place: str | None, source: str):
        self.definition, self.wanted, self.place, self.source = definition, wanted, place, source

    def all(self) -> Iterator[Partial]:
        for partial in self._of(self.definition.term):
            yield replace(partial, factors=self._known(partial.factors))

    def _known(self, factors: tuple[Term, ...]) -> tuple[Term, ...]:
        """Say x[i] where a factor, or all of them together, repeat the whole right-hand side of x[i] = ..."""
        whole = self.definition.term
        if isinstance(whole, Access | Number | Reduce):
            return factors
        itself = Access(self.definition.name, tuple(Position.name(i) for i in self.definition.indices))
        if simplify(product(factors)) == self._simplified:
            return (itself,)
        return tuple(rebuild(factor, lambda t: itself if t == whole else t) for factor in factors)

    @cached_property
    def _simplified(self) -> Term:
        return simplify(self.definition.term)

    def _of(self, term: Term) -> Iterator[Partial]:
        if isinstance(term, Access):
            if term.tensor in self.wanted:
                yield Partial(term, (), ())
        elif isinstance(term, Negate):
            yield from self._scaled(term.term, Negate(ONE))
        elif isinstance(term, Add):
            for part in term.terms:
                yield from self._of(part)
        elif isinstance(term, Multiply):
            for place, factor in enumerate(term.factors):
                yield from self._scaled(factor, *term.factors[:place], *term.factors[place + 1 :])
        elif isinstance(term, Divide):
            yield from self._scaled(term.numerator, Divide(ONE, term.denominator))
            yield from self._scaled(term.denominator, Negate(Divide(term, term.denominator)))
        elif isinstance(term, Power):
            slope = Multiply((Number(term.exponent), Power(term.base, exact(term.exponent - 1))))
            yield from self._scaled(term.base, slope)
        elif isinstance(term, Call):
            yield from self._of_call(term)
        elif isinstance(term, Reduce):
            yield from self._of_reduction(term)

    def _scaled(self, term: Term, *factors: Term) -> Iterator[Partial]:
        for partial in self._of(term):
            yield Partial(partial.reading, partial.reductions, (*factors, *partial.factors))

    def _of_call(self, call: Call) -> Iterator[Partial]:
        if not self._reads_wanted(call):
            return
        if not has_slopes(call.function):
            raise self._no_rule(call, call.function)
        for argument, slope in zip(call.arguments, slopes(call), strict=True):
            if slope is not None:
                yield from self._scaled(argument, slope)

    def _of_reduction(self, term: Reduce) -> Iterator[Partial]:
        if not self._reads_wanted(term):
            return
        if term.kind not in ("sum", "mean", "max", "min"):
            raise self._no_rule(term, term.kind)
        factors: tuple[Term, ...] = ()
        if term.kind == "mean":
            factors = (Divide(ONE, _count(term.indices, self.definition)),)
        elif term.kind in ("max", "min"):
            assert self.place is not None, "every extreme that a gradient passes has a place"
            at = Access(self.place, tuple(Position.name(i) for i in self.definition.indices))
            here = IndexValue(row_major(term.indices, self.definition))
            factors = (Call("where", (Compare("==", at, here), ONE, ZERO)),)
        for partial in self._of(term.body):
            yield Partial(partial.reading, (*term.indices, *partial.reductions), (*factors, *partial.factors))

    def _reads_wanted(self, term: Term) -> bool:
        return any(access.tensor in self.wanted for access in accesses(term))

    def _no_rule(self, term: Term, name: str) -> DerivationError:
        return DerivationError(
            f"There is no derivative rule for `{name}` in the definition of `{self.definition.name}`.",
            self.source,
            term.span,
            remedy(name),
        )


def extent(index: str, definition: Definition) -> Polynomial:
    """The size of an index: a number where sizes are bound, else its name."""
    sizes = definition.sizes
    return Polynomial.constant(sizes[index]) if index in sizes else Polynomial.name(size_name(index))


def row_major(indices: tuple[str, ...], definition: Definition) -> Polynomial:
    """The place of the indices in row-major order: N*m + n."""
    place = Polynomial()
    for index in indices:
        place = extent(index, definition) * place + Polynomial.name(index)
    return place


def _count(indices: tuple[str, ...], definition: Definition) -> Term:
    """How many values a reduction runs over, as a term."""
    sizes = definition.sizes
    if all(i in sizes for i in indices):
        count = 1.0
        for i in indices:
            count *= sizes[i]
        return Number(count)
    names = tuple(Access(size_name(i)) for i in indices)
    return names[0] if len(names) == 1 else Multiply(names)
