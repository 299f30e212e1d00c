"""Sums of squared deviations from a mean, in slices: a slice needs its own mean only, not that of all.

    s[c] = sum[e,f](o[e,f,c]);  mu[c] = s[c] / N;  v[c] = sum[e,f]((o[e,f,c] - mu[c])^2)

With S[z,c] and m[z,c] = S[z,c] / n, the sum and the mean of slice z, of n elements,

    V[z,c] = sum[e,f in z]((o[e,f,c] - m[z,c])^2)
    v[c] = sum[z](V[z,c] + n * (m[z,c] - mu[c])^2)

is the same number, and never the difference of two large ones, as the mean of squares less the square of the mean is.

Reference: Chan, Golub and LeVeque, Algorithms for computing the sample variance, 1983, equation 2.1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Add, Definition, Divide, Multiply, Negate, Number, Power, Reduce, Term

SLICE = "slice#"  # the index of slices; no index of an equation has such a name


@dataclass(frozen=True)
class Deviations:
    """A sum of (element - mean)^2, where mean is total / count, and total the sum of the same elements."""

    element: Access
    mean: Access
    total: str
    count: int

    def of_slice(self, atom: Definition, partial_total: str, slices: int) -> Term:
        """The atom's sum in one slice, which has `partial_total` as its sum of elements."""
        assert isinstance(atom.term, Reduce)
        own = self._mean(Access(partial_total, self.mean.positions), slices)
        return replace(atom.term, body=Power(Add((self.element, Negate(own))), 2))

    def joined(self, partial: Access, partial_total: str, slices: int) -> Term:
        """What each slice adds to the sum."""
        own = self._mean(Access(partial_total, partial.positions), slices)
        squared = Power(Add((own, Negate(self.mean))), 2)
        return Add((partial, Multiply((Number(self.count // slices), squared))))

    def _mean(self, total: Access, slices: int) -> Term:
        return Multiply((total, Number(slices / self.count)))


def deviations(atom: Definition, sums: Iterable[Definition], others: Iterable[Definition]) -> Deviations | None:
    """How an atom is a sum of deviations from the mean of what one of `sums` adds up; `others` may define the mean."""
    term = atom.term
    if not isinstance(term, Reduce) or not isinstance(term.body, Power) or term.body.exponent != 2:
        return None
    difference = term.body.base
    if not isinstance(difference, Add) or len(difference.terms) != 2:
        return None
    element, negated = difference.terms
    if not isinstance(element, Access) or not isinstance(negated, Negate) or not isinstance(negated.term, Access):
        return None
    mean = negated.term
    own = tuple(Position.name(index) for index in atom.indices)
    count = prod(atom.sizes[index] for index in term.indices)
    definition = next((other for other in others if other.name == mean.tensor), None)
    if mean.positions != own or definition is None or not isinstance(definition.term, Divide):
        return None
    for total in sums:
        read = Access(total.name, tuple(Position.name(index) for index in definition.indices))
        same = isinstance(total.term, Reduce) and total.term == Reduce("sum", term.indices, element)
        if same and total.indices == atom.indices and definition.term == Divide(read, Number(count)):
            return Deviations(element, mean, total.name, count)
    return None
