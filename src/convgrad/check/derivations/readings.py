"""What can mean two things in a derivation: which gradient `delta` is, or Kronecker's; the learning rate's name; sums
that are not written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from convgrad.check.derivations.asked import letters, position_names
from convgrad.check.derivations.latex_input import BY, Claim
from convgrad.check.derivations.local import CHANGE, NEXT
from convgrad.check.problems.choice import default_integers
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Equation,
    IndexValue,
    Negate,
    Number,
    Reduce,
    Term,
    gradient_name,
    rebuild,
    walk,
)

DELTA = re.compile(r"(?:[Dd]elta|deltas|g|grad|dout|grad_out|grad_output)(_before|_after|_last|_?\d+)?'*")
"""What the gradient from above is called beside `dx`; the layer in brackets."""
DELTAS = ("delta", "deltas", "g", "grad")
"""Of these the ones without a layer."""
RATES = ("alpha", "lr", "epsilon", "eps", "mu", "gamma", "rho", "lambda", "nu")
"""What a learning rate is called beside `eta`."""
MOST = 24
Notes = tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """A claim under our names. missing: indices on the right that no sum binds, where a sum over them was put in."""

    claim: Claim
    notes: Notes = ()
    missing: tuple[str, ...] = ()


def readings(claim: Claim, forward: Equation, sizes: Collection[str], einstein: bool) -> Iterator[Reading]:
    """A claim in each way that it can be read, with what was read as what.

    sizes: letters that stand for sizes. einstein: whether sums may be meant that are not written.
    """
    yield from _readings(claim, forward, sizes, einstein)
    split = _of_two_layers(claim)
    if split is not None:
        for reading in _readings(split, forward, sizes, einstein):
            told = tuple(note.replace(OTHER_DELTA, f"{claim.left.tensor} on the right") for note in reading.notes)
            yield replace(reading, notes=told)


def with_net(forward: Equation) -> Equation | None:
    """With a tensor of its own for what the last function is applied to; None where it has one, or there is none."""
    result = forward.result
    if not isinstance(result.term, Call) or len(result.term.arguments) != 1:
        return None
    inside = result.term.arguments[0]
    if isinstance(inside, Access):
        return None
    net = Definition(f"{result.name}_net", result.indices, inside)
    whole = Access(net.name, tuple(Position.name(index) for index in net.indices))
    last = replace(result, term=replace(result.term, arguments=(whole,)))
    return replace(forward, definitions=(*forward.definitions[:-1], net, last))


OTHER_DELTA = "delta''"


def _of_two_layers(claim: Claim) -> Claim | None:
    r"""With another name for \delta on the right where it is on the left with other indices: \delta_j of one layer from
    the \delta_k of the next. None where it is not so."""
    name, result = claim.left.tensor, claim.equation.result
    if not DELTA.fullmatch(name) or name != result.name or not result.indices:
        return None
    read = [access for access in _accesses(claim.equation) if access.tensor == name]
    if not read or any(access.positions == claim.left.positions for access in read):
        return None

    def change(term: Term) -> Term:
        return replace(term, tensor=OTHER_DELTA) if isinstance(term, Access) and term.tensor == name else term

    changed = replace(result, term=rebuild(result.term, change))
    return replace(claim, equation=replace(claim.equation, definitions=(*claim.equation.definitions[:-1], changed)))


def _readings(claim: Claim, forward: Equation, sizes: Collection[str], einstein: bool) -> Iterator[Reading]:
    claim, notes = _with_rate(claim, forward)
    claim, more, missing = _summed(claim, forward, sizes, einstein)
    notes = (*notes, *more)
    known = {*forward.inputs, *forward.defined}
    used = {*(a.tensor for a in _accesses(claim.equation)), *claim.equation.defined}
    names = [n for n in dict.fromkeys(sorted(used)) if DELTA.fullmatch(n) and n not in known]
    if not names:
        yield Reading(claim, notes, missing)
        return
    ways = list(product(*(_meanings(name, claim, forward) for name in names)))
    ways = [chosen for chosen in ways if len({one for one in chosen if one}) == sum(map(bool, chosen))]
    alike = [chosen for chosen in ways if len({base_of(one) for one in chosen if one}) <= 1]
    count = 0
    for chosen in alike or ways:  # the deltas of two layers are the same gradient of each
        count += 1
        if count > MOST:
            return
        found, told = claim, notes
        for name, gradient in zip(names, chosen, strict=True):
            if gradient is None:
                continue
            if not gradient:
                told = (*told, f"{name}[i,j] was read as Kronecker's: 1 where i = j, else 0.")
                found = _with_kronecker(found, name)
                continue
            tensor = gradient[1:] if "." not in gradient else gradient
            above = f", the gradient with respect to {tensor}"
            above = ", the gradient from above" if tensor == forward.result.name else above
            told = (*told, f"{name} was read as {gradient}{above}.")
            found = _renamed(found, {name: gradient})
        yield Reading(found, told, missing)


def base_of(name: str) -> str:
    """The name without its layer: dz of dz_after."""
    return re.sub(r"(_before|_after|_last|_?\d+)$", "", name)


def _meanings(name: str, claim: Claim, forward: Equation) -> list[str | None]:
    """Gradients that a delta may be; "" for Kronecker's, None for what it is called."""
    written = claim.equation
    axes = {len(a.positions) for a in (*_accesses(written), claim.left) if a.tensor == name}
    axes |= {len(d.indices) for d in written.definitions if d.name == name}
    ranks = {a.tensor: len(a.positions) for a in _accesses(forward)} | {
        d.name: len(d.indices) for d in forward.definitions
    }
    candidates = [d.name for d in reversed(forward.definitions) if {ranks[d.name]} == axes]
    if claim.left.tensor == name:  # it is what is derived
        candidates += [tensor for tensor in forward.inputs if {ranks[tensor]} == axes]
    match = DELTA.fullmatch(name)
    layer = match[1] if match else None
    if layer and any(tensor.endswith(layer) for tensor in candidates):
        candidates = [tensor for tensor in candidates if tensor.endswith(layer)]
    elif layer is None and name.startswith(("delta", "Delta")):
        candidates.sort(key=lambda tensor: bool(re.search(r"_(before|after|\d+)$", tensor)))
    found: list[str | None] = []
    for tensor in candidates:
        gradient = gradient_name(tensor)
        helper = gradient in written.defined and gradient != written.result.name
        if not helper and not (gradient == written.result.name != name and not _introduces(written, name)):
            found.append(gradient)
    if axes == {2} and name not in written.defined:
        found = [""] if BY in claim.left.tensor else [*found, ""]  # no gradient from above is in a local derivative
    return found or [None]


def _introduces(written: Equation, name: str) -> bool:
    """Whether a claim says no more than what delta is."""
    term = written.result.term
    return isinstance(term, Access) and term.tensor == name


def _accesses(equation: Equation) -> list[Access]:
    return [t for d in equation.definitions for t in walk(d.term) if isinstance(t, Access)]


def _renamed(claim: Claim, names: Mapping[str, str]) -> Claim:
    def change(term: Term) -> Term:
        return replace(term, tensor=names[term.tensor]) if isinstance(term, Access) and term.tensor in names else term

    definitions = tuple(
        replace(d, name=names.get(d.name, d.name), term=rebuild(d.term, change)) for d in claim.equation.definitions
    )
    left = replace(claim.left, tensor=names.get(claim.left.tensor, claim.left.tensor))
    return replace(claim, equation=replace(claim.equation, definitions=definitions), left=left)


def relabelled(claim: Claim, old: str, new: str) -> Claim:
    """With one tensor in place of another."""
    return _renamed(claim, {old: new})


def _with_kronecker(claim: Claim, name: str) -> Claim:
    def change(term: Term) -> Term:
        if isinstance(term, Access) and term.tensor == name:
            one, two = (_index(position) for position in term.positions)
            return Call("where", (Compare("==", one, two), Number(1.0), Number(0.0)))
        return term

    definitions = tuple(replace(d, term=rebuild(d.term, change)) for d in claim.equation.definitions)
    return replace(claim, equation=replace(claim.equation, definitions=definitions))


def _index(position: Position) -> Term:
    return IndexValue(position.numerator)


# The learning rate


def _with_rate(claim: Claim, forward: Equation) -> tuple[Claim, Notes]:
    """An update whose learning rate has another name than eta."""
    name = claim.left.tensor
    if BY in name or not (name.startswith(CHANGE) or name.endswith(NEXT)):
        return claim, ()
    reads = {a.tensor for a in _accesses(claim.equation) if not a.positions} - {*forward.inputs, *forward.defined}
    rates = [one for one in RATES if one in reads]
    if "eta" in reads or len(rates) != 1:
        return claim, ()
    return _renamed(claim, {rates[0]: "eta"}), (f"{rates[0]} was read as the learning rate.",)


# Sums that are not written


def _summed(
    claim: Claim, forward: Equation, sizes: Collection[str], einstein: bool
) -> tuple[Claim, Notes, tuple[str, ...]]:
    """With sums over the indices that stand on the right only."""
    result = claim.equation.result
    fixed = {*sizes, *default_integers(forward, ()), *(letter for bound in claim.bounds for letter in bound.letters)}
    indices = {i for d in forward.definitions for i in letters(d)}
    open_ones = {
        name
        for name in _open(result.term, frozenset(result.indices))
        if name in indices or (re.fullmatch(r"[a-z]'*", name) and name not in fixed)
    }
    if not open_ones:
        return claim, (), ()
    terms = result.term.terms if isinstance(result.term, Add) else (result.term,)
    summed: list[Term] = []
    twice = True
    for term in terms:
        own = [name for name in sorted(_open(term, frozenset(result.indices))) if name in open_ones]
        twice &= all(_count(term, name) > 1 for name in own)
        inner = term.term if isinstance(term, Negate) else term
        wrapped: Term = Reduce("sum", tuple(own), inner, span=term.span) if own else inner
        summed.append(Negate(wrapped) if isinstance(term, Negate) else wrapped)
    whole = summed[0] if len(summed) == 1 else Add(tuple(summed))
    definitions = (*claim.equation.definitions[:-1], replace(result, term=whole))
    found = replace(claim, equation=replace(claim.equation, definitions=definitions))
    names = ", ".join(sorted(open_ones))
    if einstein and twice:
        note = (
            f"No sum over {names} is written: it was read by Einstein's convention, as the sum over what occurs twice."
        )
        return found, (note,), ()
    return found, (), tuple(sorted(open_ones))


def _open(term: Term, bound: frozenset[str]) -> set[str]:
    """Names in positions that nothing binds."""
    if isinstance(term, Reduce):
        bound = bound | {*term.indices}
    found: set[str] = set()
    if isinstance(term, Access):
        found = {n for p in term.positions for n in p.names} - bound
    elif isinstance(term, IndexValue):
        found = {*term.polynomial.names} - bound
    for child in term.children:
        found |= _open(child, bound)
    return found


def _count(term: Term, name: str) -> int:
    """In how many axes of tensors a name occurs."""
    return sum(name in p.names for t in walk(term) if isinstance(t, Access) for p in t.positions)


def with_sums(equation: Equation) -> Equation:
    """An equation of a person with the sums that it leaves out by Einstein's convention."""
    definitions: list[Definition] = []
    for d in equation.definitions:
        open_ones = sorted(_open(d.term, frozenset(d.indices)) - position_names_of_integers(equation))
        own = [n for n in open_ones if re.fullmatch(r"[a-z]'*", n) and _count(d.term, n) > 1]
        definitions.append(replace(d, term=_wrapped(d.term, own)) if own else d)
    return replace(equation, definitions=tuple(definitions))


def position_names_of_integers(equation: Equation) -> set[str]:
    """Names that look like sizes, strides and paddings: they stand in sums of indices only, never alone."""
    alone = {
        p.as_name for d in equation.definitions for t in walk(d.term) if isinstance(t, Access) for p in t.positions
    }
    every = {n for d in equation.definitions for n in position_names(d.term)}
    return every - {one for one in alone if one}


def _wrapped(term: Term, names: list[str]) -> Term:
    parts = term.terms if isinstance(term, Add) else (term,)
    summed: list[Term] = []
    for part in parts:
        own = tuple(n for n in names if _count(part, n))
        inner = part.term if isinstance(part, Negate) else part
        wrapped: Term = Reduce("sum", own, inner) if own else inner
        summed.append(Negate(wrapped) if isinstance(part, Negate) else wrapped)
    return summed[0] if len(summed) == 1 else Add(tuple(summed))
