"""Whether an equation by hand is the derived one on its terms alone, and where it is not, which reading differs."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from convgrad.calculus.derive import derivation, gradients
from convgrad.calculus.simplify import simplify
from convgrad.check.derivations.equivalence import key, normal, renamed, renamings, same
from convgrad.errors import pointed
from convgrad.notation.terms import Access, Definition, Equation, Number, Term, gradient_name, rebuild, walk


def proved(written: Definition, forward: Equation, target: str) -> bool:
    """Whether it is the derived equation up to names and order."""
    return any(same(d, written) for d in _derived(forward, target, written.name))


@lru_cache(maxsize=64)  # each claim of a document is asked for it
def derived(forward: Equation, target: str) -> Equation:
    """The derived equation in the form that a reader wants."""
    return derivation(forward, target).result


@lru_cache(maxsize=64)
def _derived(forward: Equation, target: str, name: str) -> tuple[Definition, ...]:
    """The derived equation in its forms; the gradient of an error with respect to itself is 1."""
    found = [*gradients(forward, [target]).backward.definitions, *derived(forward, target).definitions]
    right = [d for d in found if d.name == name]
    if not forward.result.indices:
        error = gradient_name(forward.result.name)

        def one(term: Term) -> Term:
            return Number(1.0) if isinstance(term, Access) and term.tensor == error else term

        right += [replace(d, term=simplify(rebuild(d.term, one))) for d in right]
    return tuple(right)


def _exchanged(term: Term, old: Term, new: Term) -> Term:
    return rebuild(term, lambda t: new if t == old else t)


def repair(written: Equation, forward: Equation, target: str) -> str:
    """The one reading that has to be written otherwise, where that alone makes the equation the derived one."""
    mine = written.result
    for right in _derived(forward, target, mine.name):
        if len(right.indices) != len(mine.indices):
            continue
        theirs = [t for t in walk(right.term) if isinstance(t, Access)]
        for mapping in renamings(right, mine):
            back = {new: old for old, new in mapping.items()}
            for old in (t for t in walk(mine.term) if isinstance(t, Access)):
                for new in theirs:
                    wanted = renamed(new, back)
                    if not isinstance(wanted, Access) or wanted.tensor != old.tensor or wanted == old:
                        continue
                    if same(right, replace(mine, term=_exchanged(mine.term, old, wanted))):
                        return f"With {wanted} in place of {old} it is the derived equation; that is proved."
    return ""


def outside_notes(written: Equation, right: Definition) -> tuple[str, ...]:
    """A reading that leaves its tensor, where the person has not said what is read there."""
    padded = {a.tensor for a in walk(right.term) if isinstance(a, Access) and a.outside is not None}
    for access in walk(written.result.term):
        if not isinstance(access, Access) or all(position.as_name is not None for position in access.positions):
            continue
        if access.outside is None and access.tensor in padded:
            return (f"{access.tensor} is read outside its range: say `else 0`, as in {replace(access, outside=0.0)}.",)
    return ()


def place(written: Equation, forward: Equation, target: str) -> str:
    """A caret under the first factor that the derived equation does not have, at the best naming of indices."""
    mine = written.result
    best: tuple[int, Access | None] = (99, None)
    for right in (d for d in _derived(forward, target, mine.name) if len(d.indices) == len(mine.indices)):
        theirs = {key(t) for t in walk(normal(right.term)) if isinstance(t, Access)}
        for mapping in renamings(right, mine):
            pairs = [(t, renamed(t, mapping)) for t in walk(mine.term) if isinstance(t, Access)]
            strange = [old for old, new in pairs if key(new) not in theirs]
            if strange and len(strange) < best[0]:
                best = (len(strange), strange[0])
    access = best[1]
    if access is None or access.span is None or not written.source:
        return ""
    return pointed(written.source, access.span)
