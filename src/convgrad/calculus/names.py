"""Fresh names for the indices and tensors that a derivation introduces."""

from __future__ import annotations

from collections.abc import Collection
from itertools import count

from convgrad.notation.terms import Equation, Reduce, Term, gradient_name, walk

LETTERS = "pqruvhlgabdsxyzfot"


def names_used(equation: Equation) -> set[str]:
    """Every name in the equation: tensors, indices, parameters, and the sizes that go with the indices."""
    used = set().union(*(definition.names for definition in equation.definitions))
    return used | {size_name(name) for name in used}


def bound_in_order(term: Term) -> tuple[str, ...]:
    """The indices of all reductions in the term, from left to right."""
    return tuple(dict.fromkeys(i for t in walk(term) if isinstance(t, Reduce) for i in t.indices))


def size_name(index: str) -> str:
    """The name of an index's size: the same in upper case, m -> M, m1 -> M1."""
    return index.upper()


def fresh_index(*used: Collection[str]) -> str:
    """An index name that nothing uses, and whose size name nothing uses either."""
    names = (f"{letter}{number or ''}" for number in count() for letter in LETTERS)
    return next(name for name in names if not any(n in taken for n in (name, size_name(name)) for taken in used))


def primed(index: str, *used: Collection[str]) -> str:
    """The index with a prime, or as many as make it new."""
    name = f"{index}'"
    while any(name in names for names in used):
        name += "'"
    return name


class FreshTensors:
    """Names for new tensors, beside those of `used` and those that were taken here."""

    def __init__(self, used: Collection[str]):
        self._used = used
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def name(self, base: str) -> str:
        """`base`, or `base` with the first number that makes it new, and the name of its gradient, too."""
        number = self._counts.get(base, 1)
        while not self._is_free(name := f"{base}{number if number > 1 else ''}"):
            number += 1
        self._counts[base] = number  # where to go on, however many have this base
        return name

    def take(self, name: str) -> str:
        """From now on it is in use."""
        self._taken.add(name)
        return name

    def _is_free(self, name: str) -> bool:
        return not any(n in used for n in (name, gradient_name(name)) for used in (self._used, self._taken))
