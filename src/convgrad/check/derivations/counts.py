r"""Letters for how many there are, as D in \frac{1}{D} \sum_i x_i, where no bound says what D is."""

from __future__ import annotations

from collections.abc import Collection

from convgrad.check.derivations.latex.setting import Bound
from convgrad.check.problems.choice import equal_sizes
from convgrad.notation.terms import Access, Divide, Equation, Multiply, Negate, Reduce, Term, walk

COUNTS = {*"NMDKBCHLFPnmdk"}
"""What a number of things is called; not T, which may be a temperature."""


def counted(equation: Equation, said: Collection[Bound]) -> tuple[Bound, ...]:
    """The bounds of sums that are divided by a letter for their number of terms, as if they had been written.

    A letter that bounds give a meaning, or that divides sums of unlike lengths, gets none here, nor one of an index
    whose size has the name of a tensor, as K of k beside K_{jk}.
    """
    found: dict[str, str] = {}
    unlike: set[str] = {letter for bound in said for letter in bound.letters}
    equal = equal_sizes(equation)
    tensors = {t.tensor for d in equation.definitions for t in walk(d.term) if isinstance(t, Access) and t.positions}
    for definition in equation.definitions:
        for term in walk(definition.term):
            letter, index = _mean(term)
            if not letter or letter in equation.defined or index.upper() in tensors:
                continue
            if found.setdefault(letter, index) not in equal[index]:
                unlike.add(letter)
    return tuple(Bound(index, "0", f"{letter}-1") for letter, index in found.items() if letter not in unlike)


def _mean(term: Term) -> tuple[str, str]:
    """The letter and the index of 1/N * sum[i](...), and of sum[i](...) / N; empty for anything else."""
    above, below = _parts(term)
    letters = [t.tensor for t in below if isinstance(t, Access) and not t.positions]
    sums = [t for t in above if isinstance(t, Reduce) and t.kind == "sum"]
    if len(letters) == len(sums) == 1 and letters[0] in COUNTS and len(sums[0].indices) == 1:
        return letters[0], sums[0].indices[0]
    return "", ""


def _parts(term: Term) -> tuple[list[Term], list[Term]]:
    """Factors above and below the line."""
    if isinstance(term, Negate):
        return _parts(term.term)
    if isinstance(term, Divide):
        one, two = _parts(term.numerator), _parts(term.denominator)
        return one[0] + two[1], one[1] + two[0]
    if isinstance(term, Multiply):
        parts = [_parts(factor) for factor in term.factors]
        return [t for above, _ in parts for t in above], [t for _, below in parts for t in below]
    return [term], []


def told(bounds: Collection[Bound]) -> tuple[str, ...]:
    """What was taken for granted, for a report."""
    return tuple(f"{b.last.removesuffix('-1')} was read as the number of values of {b.index}." for b in bounds)
