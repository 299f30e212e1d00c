"""Cut definitions into atoms: pointwise ones, and ones that are a single long reduction.

    x[e,i,j,k] = max(sum[m,n,c](w[m,n,c,k] * o[e,i+m,j+n,c]) + b[k], 0)

becomes `x#1[e,i,j,k] = sum[m,n,c](...)` and `x[e,i,j,k] = max(x#1[e,i,j,k] + b[k], 0)`. Reductions of a few elements
(pooling windows, say) stay in the expressions and are written out by `lowering`, and so do nested functions as long as
there is not too much to compile (`expansion`). No name of the notation holds a `#`.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from convgrad.compute.halide.passes.expansion import MOST_EXPANDED, expanded
from convgrad.compute.halide.passes.plan import Plan
from convgrad.compute.halide.passes.windows import windows_of
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Access,
    Call,
    Compare,
    Definition,
    Divide,
    Multiply,
    Number,
    Power,
    Reduce,
    Term,
    accesses,
    free_names,
    rebuild,
    walk,
)

WRITTEN_OUT = 16  # elements of a reduction that becomes an expression: a 4x4 pooling window, ten classes
WRITTEN_OUT_NODES = 400  # and the nodes of that expression, which bound the time to compile it
WORTH_STORING = 16  # words from which it can pay to store a part of an expression that is too large
CONTRACTION_WORK = 1 << 14  # from so many products on a sum of products is worth a schedule of its own


def split(definition: Definition) -> list[Definition]:
    """The atoms of a bound definition, in running order; the last one has its name."""
    atoms = _Splitter(_prepared(definition)).split()
    return [part for atom in atoms for part in _along_memory(atom)]


def split_into_atoms(plan: Plan) -> Plan:
    """The plan with atoms for definitions."""
    return replace(plan, definitions=tuple(atom for definition in plan.definitions for atom in split(definition)))


def is_reduction(atom: Definition) -> bool:
    """Whether an atom is one long reduction (else it is pointwise)."""
    return isinstance(atom.term, Reduce) and is_long(atom.term, atom)


def is_long(reduce: Reduce, definition: Definition) -> bool:
    """Whether a reduction becomes a loop instead of an expression."""
    sizes = definition.sizes
    count = prod(sizes[i] for i in reduce.indices)
    if count > WRITTEN_OUT or count * nodes(reduce.body, sizes) > WRITTEN_OUT_NODES:
        return True
    if reduce.kind not in ("sum", "mean") and expanded(reduce, sizes) > MOST_EXPANDED:
        return True
    if windows_of(reduce, definition.indices, sizes) is not None:
        return True
    return is_contraction(reduce) and count >= 4 and count * prod(definition.shape) >= CONTRACTION_WORK


def is_contraction(reduce: Reduce) -> bool:
    """A sum of products of tensors."""
    body = reduce.body
    return reduce.kind == "sum" and isinstance(body, Multiply) and sum(1 for _ in accesses(body)) >= 2


def summed_along_memory(reduce: Reduce) -> str | None:
    """The index of a sum of products that lies along memory in all factors, where there is one: vectors can run along
    it."""
    if not is_contraction(reduce):
        return None
    index, *others = {access.positions[-1].as_name if access.positions else None for access in accesses(reduce)}
    return None if others or index not in reduce.indices else index


def nodes(term: Term, sizes: dict[str, int]) -> int:
    """How many nodes the expression of a term has once its reductions are written out."""
    below = 1 + sum(nodes(child, sizes) for child in term.children)
    return below * prod(sizes[i] for i in term.indices) if isinstance(term, Reduce) else below


def _prepared(definition: Definition) -> Definition:
    """Without `stop` and without reductions over indices of size 1."""
    sizes = definition.sizes

    def change(term: Term) -> Term:
        if isinstance(term, Call) and term.function == "stop":
            return term.arguments[0]
        if isinstance(term, Reduce) and prod(sizes[i] for i in term.indices) == 1 and term.kind.startswith("arg"):
            return Number(0)
        if (
            isinstance(term, Reduce)
            and term.kind == "sum"
            and isinstance(term.body, Reduce)
            and term.body.kind == "sum"
        ):
            return Reduce("sum", term.indices + term.body.indices, term.body.body)
        return term

    return replace(definition, term=rebuild(definition.term, change))


class _Splitter:
    """Moves the long reductions of one definition, and parts that would be repeated too often, into ones before it."""

    def __init__(self, definition: Definition):
        self.definition = definition
        self.sizes = definition.sizes
        self.moved: dict[tuple[Term, tuple[str, ...]], Definition] = {}

    def split(self) -> list[Definition]:
        definition = self.definition
        term = self._without(definition.term, definition.indices, top=True)
        return [*self.moved.values(), replace(definition, term=term)]

    def _without(self, term: Term, scope: tuple[str, ...], top: bool = False) -> Term:
        """`term` with its long reductions replaced by accesses; `scope` are the indices bound around it."""
        if not isinstance(term, Reduce):
            children = tuple(self._without(child, scope) for child in term.children)
            term = term.with_children(children) if children != term.children else term
            return self._shared(term, scope) if isinstance(term, Call | Compare | Power) else term
        inner = replace(term, body=self._without(term.body, scope + term.indices))
        if not is_long(inner, self._around(scope)):
            return inner
        if inner.kind == "mean":
            count = prod(self.sizes[i] for i in inner.indices)
            return Divide(self._move(replace(inner, kind="sum"), scope), Number(count))
        return inner if top else self._move(inner, scope)

    def _shared(self, term: Term, scope: tuple[str, ...]) -> Term:
        """A function of what is stored, where its expression would repeat the expression of its arguments too often."""
        if expanded(term, self.sizes) <= MOST_EXPANDED:
            return term
        whole = isinstance(term, Compare) or (isinstance(term, Call) and term.function in ("where", "uniform"))
        change = self._with_stored_parts if whole else self._stored
        return term.with_children(tuple(change(child, scope) for child in term.children))

    def _stored(self, term: Term, scope: tuple[str, ...]) -> Term:
        return self._move(term, scope) if expanded(term, self.sizes) >= WORTH_STORING else term

    def _with_stored_parts(self, term: Term, scope: tuple[str, ...]) -> Term:
        """A term that may be a whole number, which would lose digits if it were stored as a floating one."""
        if isinstance(term, Call | Power | Reduce):
            return self._stored(term, scope)
        return term.with_children(tuple(self._with_stored_parts(child, scope) for child in term.children))

    def _around(self, scope: tuple[str, ...]) -> Definition:
        return replace(self.definition, indices=scope)

    def _move(self, term: Term, scope: tuple[str, ...]) -> Access:
        used = free_names(term)
        indices = tuple(i for i in scope if i in used)
        key = (term, indices)
        if key not in self.moved:
            name = f"{self.definition.name}#{len(self.moved) + 1}"
            self.moved[key] = Definition(name, indices, term, self.definition.ranges)
        return Access(self.moved[key].name, tuple(Position.name(i) for i in indices))


def _along_memory(atom: Definition) -> list[Definition]:
    """A reduction of which no vectors can be made, in two: first all but the innermost indices, then those.

        s = sum[e,i,j,k](o[e,i,j,k]^2)   becomes   s#k[k] = sum[e,i,j](o[e,i,j,k]^2);  s = sum[k](s#k[k])

    It is done where neighbours of the last index on the left (none here) are not neighbours in memory, and a copy of
    the tensor in another order would not pay.
    """
    if not is_reduction(atom) or sized_walk(atom) < LANES_WORK or _has_vectors(atom):
        return [atom]
    reduce = atom.term
    assert isinstance(reduce, Reduce)
    sizes = atom.sizes
    if reduce.kind not in ("sum", "max", "min"):
        return [atom]
    rest = list(reduce.indices)
    inner: list[str] = []
    while rest and prod(sizes[i] for i in inner) < LANES:
        inner.insert(0, rest.pop())
    if not rest or not any(a.positions and a.positions[-1].as_name == inner[-1] for a in accesses(reduce)):
        return [atom]
    name = f"{atom.name}#{''.join(inner)}"
    first = replace(atom, name=name, indices=(*atom.indices, *inner), term=replace(reduce, indices=tuple(rest)))
    access = Access(name, tuple(Position.name(i) for i in first.indices))
    return [first, replace(atom, term=Reduce(reduce.kind, tuple(inner), access))]


LANES = 16  # elements of the longest vector
LANES_WORK = 1 << 14  # operations below which one after the other is fast enough
COPY_WORTH = 8
"""Operations on each element of a tensor from which a transposed copy of it pays: copying takes 2 to 4."""


def _has_vectors(atom: Definition) -> bool:
    """Whether something read has, or can be copied to have, the atom's last index along memory; or all factors of a sum
    of products have an index of the sum there, so that vectors run along it (`schedules/folded.py`)."""
    if not atom.indices:
        return False
    assert isinstance(atom.term, Reduce)
    sizes = atom.sizes
    last = atom.indices[-1]
    along = summed_along_memory(atom.term)
    if along is not None and sizes[along] >= LANES:
        return True
    work = prod(sizes[i] for i in (*atom.indices, *atom.term.indices))
    for access in accesses(atom.term):
        names = [position.as_name for position in access.positions]
        if access.positions and last in access.positions[-1].names:
            return True
        if last in names and work >= COPY_WORTH * prod(sizes.get(name or "", 1) for name in names):
            return True
    return False


def sized_walk(definition: Definition) -> int:
    """The number of elementary operations that one evaluation of an atom takes, roughly."""
    term = definition.term
    sizes = definition.sizes
    inner = prod(sizes[i] for i in term.indices) if isinstance(term, Reduce) else 1
    body = term.body if isinstance(term, Reduce) else term
    return prod(definition.shape) * inner * max(1, sum(1 for _ in walk(body)) // 2)
