"""Fresh names for the indices and tensors that a derivation introduces."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import count

from convgrad.notation.terms import (
    Definition,
    Equation,
    IndexValue,
    Reduce,
    Term,
    accesses,
    bound_indices,
    gradient_name,
    walk,
)

LETTERS = "pqruvhlgabdsxyzfot"


def names_used(equation: Equation) -> set[str]:
    """Every name in the equation: tensors, indices, parameters, and the sizes that go with the indices."""
    used: set[str] = set()
    for definition in equation.definitions:
        used |= names_of_definition(definition)
    return used | {size_name(name) for name in used}


def names_of_definition(definition: Definition) -> set[str]:
    used = {definition.name, *definition.indices} | bound_indices(definition.term)
    for access in accesses(definition.term):
        used.add(access.tensor)
        for position in access.positions:
            used |= position.names
    for term in walk(definition.term):
        if isinstance(term, IndexValue):
            used |= term.polynomial.names
    return used


def bound_in_order(term: Term) -> tuple[str, ...]:
    """The indices of all reductions in the term, from left to right."""
    return tuple(dict.fromkeys(i for t in walk(term) if isinstance(t, Reduce) for i in t.indices))


def size_name(index: str) -> str:
    """The name of an index's size: the same in upper case, m -> M, m1 -> M1."""
    return index.upper()


def fresh_index(used: Collection[str], letters: Iterable[str] = LETTERS) -> str:
    """An index name that nothing uses, and whose size name nothing uses either."""
    pool = tuple(letters)
    names = (f"{letter}{number or ''}" for number in count() for letter in pool)
    return next(name for name in names if name not in used and size_name(name) not in used)


def primed(index: str, used: Collection[str]) -> str:
    """The index with a prime, or as many as make it new."""
    name = f"{index}'"
    while name in used:
        name += "'"
    return name


def fresh_tensor(base: str, used: Collection[str]) -> str:
    """`base`, or `base` with the first number that makes it new, and the name of its gradient, too."""
    name = base
    number = 1
    while name in used or gradient_name(name) in used:
        number += 1
        name = f"{base}{number}"
    return name
