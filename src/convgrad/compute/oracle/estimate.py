"""How much the oracle would compute for a definition, told before it begins."""

from __future__ import annotations

from math import prod

from convgrad.compute.oracle.contraction import as_product
from convgrad.errors import ShapeError
from convgrad.notation.terms import Definition, Reduce, Term

MOST_TERMS = 10**9
"""Values of terms that one definition may take: some ten seconds."""
STORED = 10
"""Values that one element of the result counts for: it is kept, with 8 bytes."""
BY_MATRICES = 100
"""Products that a matrix product computes in the time of one value on the grid."""


def check_terms(definition: Definition, most: int | None) -> None:
    """Refuse a bound definition that takes more than `most` values. Raises: ShapeError, with the figure."""
    if most is None:
        return
    terms = terms_of(definition)
    if terms > most:
        message = f"{definition.name} would take about {terms:,} values of terms in the oracle; the limit is {most:,}."
        sizes = ", ".join(f"{index.upper()} = {size:,}" for index, size in definition.ranges)
        remedy = (
            f"Its sizes are {sizes}. Choose smaller ones. In Python, evaluate(..., most=None) computes all the same."
        )
        raise ShapeError(message, remedy=remedy)


def terms_of(definition: Definition) -> int:
    """About how many values the oracle computes: of each term, one for all values of the indices in it."""
    sizes = definition.sizes
    return STORED * prod(definition.shape) + _values(definition.term, sizes)


def _values(term: Term, sizes: dict[str, int]) -> int:
    """Of the term and all in it."""

    def places(t: Term) -> int:
        return prod(sizes[name] for name in t.free_names if name in sizes)

    total = 0
    waiting = [term]
    while waiting:
        following = waiting.pop()
        inner = following.children
        if isinstance(following, Reduce):
            whole = prod(sizes[name] for name in {*following.indices} | following.body.free_names if name in sizes)
            total += whole
            product = as_product(following, sizes)
            if product is not None:
                total += whole // BY_MATRICES - whole
                inner = (*product.inner, *product.outer)
        total += places(following)
        waiting.extend(inner)
    return total
