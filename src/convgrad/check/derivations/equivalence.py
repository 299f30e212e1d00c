"""Whether two definitions say the same, whatever the names and the order of their indices: decided on the terms alone.

A yes is a proof for all sizes: one is turned into the other by renaming bound indices, by the commutative and
associative laws, and by joining nested sums. A no means only that these laws are not enough.
"""

from __future__ import annotations

from itertools import permutations

from convgrad.calculus.derive import renamed_indices
from convgrad.calculus.simplify import simplify
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    IndexValue,
    Multiply,
    Negate,
    Number,
    Power,
    Reduce,
    Term,
    rebuild,
    walk,
)

MOST_INDICES = 6


def same(one: Definition, two: Definition) -> bool:
    """Whether the two definitions are the same up to names and order, an `else 0` said or not."""
    return matching(one, two) is not None


def matching(one: Definition, two: Definition) -> dict[str, str] | None:
    """Names of `two`'s indices -> those of `one` at which the two are the same; None where there are none."""
    if len(one.indices) != len(two.indices):
        return None
    wanted = key(normal(one.term))
    left = _bound(one.term)
    for mapping in renamings(one, two):
        if len(_bound(two.term)) == len(left) and key(normal(renamed(two.term, mapping))) == wanted:
            return mapping
    return None


def renamings(one: Definition, two: Definition) -> list[dict[str, str]]:
    """All ways to name `two`'s indices after `one`'s."""
    free = dict(zip(two.indices, one.indices, strict=True))
    theirs, ours = _bound(two.term), _bound(one.term)
    if max(len(theirs), len(ours)) > MOST_INDICES:
        return []
    shorter = min(len(theirs), len(ours))
    found = []
    for order in permutations(ours, shorter):
        mapping = {**free, **dict(zip(theirs, order, strict=False))}
        if len(set(mapping.values())) == len(mapping):
            found.append(mapping)
    return found


def renamed(term: Term, mapping: dict[str, str]) -> Term:
    """The term with its indices renamed, all at once."""
    aside = {old: f"{old} " for old in mapping}  # no name has a space, so none is taken twice on the way
    return renamed_indices(renamed_indices(term, aside), {aside[old]: new for old, new in mapping.items()})


def normal(term: Term) -> Term:
    """Simplified, with nested sums joined and factors that a sum does not run over pulled in."""

    def step(t: Term) -> Term:
        if isinstance(t, Multiply):
            flat: list[Term] = []
            for factor in t.factors:
                flat += factor.factors if isinstance(factor, Multiply) else (factor,)
            sums = [f for f in flat if isinstance(f, Reduce) and f.kind == "sum"]
            indices = [i for s in sums for i in s.indices]
            if sums and len(set(indices)) == len(indices):
                factors = tuple(f.body if isinstance(f, Reduce) and f.kind == "sum" else f for f in flat)
                return step(Reduce("sum", tuple(indices), step(Multiply(factors))))
            return Multiply(tuple(flat))
        if isinstance(t, Reduce) and t.kind == "sum":
            body = t.body
            if isinstance(body, Reduce) and body.kind == "sum":
                return Reduce("sum", (*t.indices, *body.indices), body.body)
            if isinstance(body, Negate):
                return Negate(step(Reduce("sum", t.indices, body.term)))
        return t

    return rebuild(simplify(term), step)


def key(term: Term) -> object:
    """Equal for terms that differ only in the order of factors, summands and sum indices."""
    if isinstance(term, Access):
        return ("access", term.tensor, tuple(_position(p) for p in term.positions), term.outside or 0.0)
    if isinstance(term, Add | Multiply):
        return (type(term).__name__, tuple(sorted((key(c) for c in term.children), key=repr)))
    if isinstance(term, Reduce):
        return ("reduce", term.kind, tuple(sorted(term.indices)), key(term.body))
    if isinstance(term, Number):
        return ("number", term.value)
    if isinstance(term, IndexValue):
        return ("index", _polynomial(term.polynomial))
    if isinstance(term, Power):
        return ("power", term.exponent, key(term.base))
    name = term.function if isinstance(term, Call) else term.operator if isinstance(term, Compare) else ""
    return (type(term).__name__, name, tuple(key(c) for c in term.children))


def _polynomial(polynomial: object) -> object:
    assert isinstance(polynomial, Polynomial)
    return tuple(sorted((tuple(sorted(names)), coefficient) for names, coefficient in polynomial.terms))


def _position(position: object) -> object:
    assert isinstance(position, Position)
    return _polynomial(position.numerator), _polynomial(position.divisor)


def _bound(term: Term) -> list[str]:
    return [i for t in walk(term) if isinstance(t, Reduce) for i in t.indices]
