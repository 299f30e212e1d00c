"""What can mean two things in a derivation: which gradient `delta` is, or Kronecker's delta."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from convgrad.notation.polynomial import Position
from convgrad.notation.rename import rename
from convgrad.notation.terms import (
    Access,
    Call,
    Compare,
    Definition,
    Equation,
    IndexValue,
    Number,
    Term,
    gradient_name,
    rebuild,
    walk,
)

DELTAS = ("delta", "deltas", "g", "grad")
"""What the gradient from above is called beside `dx`."""
Notes = tuple[str, ...]


def readings(written: Equation, forward: Equation) -> Iterator[tuple[Equation, Notes]]:
    """An equation by hand under our names, in each way that it can be read, with what was read as what."""
    known = {*forward.inputs, *forward.defined}
    used = {*(a.tensor for a in _accesses(written)), *written.defined}
    name = next((n for n in DELTAS if n in used - known), None)
    if name is None:
        yield written, ()
        return
    axes = {len(a.positions) for a in _accesses(written) if a.tensor == name}
    axes |= {len(d.indices) for d in written.definitions if d.name == name}
    candidates = [d.name for d in reversed(forward.definitions) if {len(d.indices)} == axes]
    if written.result.name == name:  # it is what is derived
        ranks = {a.tensor: len(a.positions) for a in _accesses(forward)}
        candidates += [tensor for tensor in forward.inputs if {ranks[tensor]} == axes]
    for tensor in candidates:
        gradient = gradient_name(tensor)
        if gradient in used:
            continue
        above = (
            ", the gradient from above" if tensor == forward.result.name else f", the gradient with respect to {tensor}"
        )
        yield rename(written, {name: gradient}), (f"{name} was read as {gradient}{above}.",)
    if axes == {2} and name not in written.defined:
        note = f"{name}[i,j] was read as Kronecker's: 1 where i = j, else 0."
        yield _with_kronecker(written, name), (note,)
    elif not any(gradient_name(tensor) not in used for tensor in candidates):
        yield written, ()


def _accesses(equation: Equation) -> list[Access]:
    return [t for d in equation.definitions for t in walk(d.term) if isinstance(t, Access)]


def _with_kronecker(written: Equation, name: str) -> Equation:
    def change(term: Term) -> Term:
        if isinstance(term, Access) and term.tensor == name:
            one, two = (_index(position) for position in term.positions)
            return Call("where", (Compare("==", one, two), Number(1.0), Number(0.0)))
        return term

    definitions = tuple(Definition(d.name, d.indices, rebuild(d.term, change), d.ranges) for d in written.definitions)
    return replace(written, definitions=definitions)


def _index(position: Position) -> Term:
    return IndexValue(position.numerator)
