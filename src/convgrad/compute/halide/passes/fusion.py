"""Which definitions are computed by one kernel: a partition of the atoms that saves passes over memory and compiling.

Three styles of kernels:

- small: any number of small atoms, each with plain loops of its own; a whole step of a tiny network is one of them;
- map: pointwise atoms of one shape that read each other at their own element only, computed in one pass;
- reduction: one long reduction, and pointwise atoms of its shape that follow it, applied before its values leave the
  registers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from convgrad.compute.contract import root
from convgrad.compute.halide.passes.atoms import is_reduction, sized_walk
from convgrad.compute.halide.passes.expansion import MOST_EXPANDED, expanded
from convgrad.compute.halide.passes.plan import Plan
from convgrad.notation.terms import Definition, Reduce, accesses

SMALL_WORK = 1 << 14
"""Operations below which an atom joins a small kernel: at one a nanosecond, 16 us; a parallel start takes 5 to 10."""
MOST_SMALL = 64  # atoms in a small kernel: it takes a millisecond and more to compile each
MOST_SIBLINGS = 3  # sums of one pass: each has accumulators of its own, some 8 of 32 registers
MOST_STORED = 8  # tensors that a map writes at once: each needs a pointer in a register


class Style(Enum):
    """How the loops of a kernel are written: plainly, over the elements of tensors of one shape, or for a sum; or that
    it packs the constant operand of its atom, a sum, for another kernel (`kernels/packing.py`)."""

    SMALL = "small"
    MAP = "map"
    REDUCTION = "reduction"
    PACKING = "packing"
    PLAIN_PACKING = "plain packing"


@dataclass
class Group:
    """The atoms of one kernel, in order.

    Attributes:
        stored: tensors of the group that later kernels or the caller read.
        in_place: tensor of the group -> input in whose memory it is stored.
        nominal: atom's name -> the atom by whose sizes its schedule rounds, where these are not its own.
        frozen: whether an operand of its sum is constant, so that what is made of it alone is made once.
        packed: constant operand -> tensor that is made of it once.
    """

    style: Style
    atoms: list[Definition] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    in_place: dict[str, str] = field(default_factory=dict)
    nominal: dict[str, Definition] = field(default_factory=dict)
    frozen: bool = False
    packed: dict[str, str] = field(default_factory=dict)

    @property
    def packs(self) -> bool:
        return self.style in (Style.PACKING, Style.PLAIN_PACKING)

    @property
    def names(self) -> set[str]:
        return {*self.stored} if self.packs else {atom.name for atom in self.atoms}

    @property
    def shape(self) -> tuple[int, ...]:
        return self.atoms[0].shape

    def reads(self) -> list[str]:
        """Tensors (or views) read from outside of the group, in order of first appearance."""
        if self.packs:
            return [*self.packed]
        own = self.names
        read = (a.tensor for atom in self.atoms for a in accesses(atom.term) if a.tensor not in own)
        return list(dict.fromkeys((*read, *self.packed.values())))


def style_of(atom: Definition) -> Style:
    """Of a kernel that begins with this atom."""
    if sized_walk(atom) <= SMALL_WORK:
        return Style.SMALL
    return Style.REDUCTION if is_reduction(atom) else Style.MAP


def partition(plan: Plan) -> list[Group]:
    """Groups of a plan's atoms, in running order."""
    planner = _Planner(plan.in_place, plan.views)
    for atom in plan.definitions:
        planner.place(atom)
    planner.mark_stored(plan.kept)
    return planner.groups


class _Planner:
    def __init__(self, in_place: Mapping[str, str], views: Mapping[str, str]):
        self.in_place, self.views = in_place, views
        self.groups: list[Group] = []
        self.group_of: dict[str, int] = {}
        self.readers: dict[str, set[int]] = {}

    def place(self, atom: Definition) -> None:
        """Put an atom into the best group that comes late enough."""
        reads = {root(a.tensor, self.views) for a in accesses(atom.term)}
        earliest = max((self.group_of[name] for name in reads if name in self.group_of), default=0)
        if atom.name in self.in_place:
            # Other readers of what is written over: in earlier groups, or elements of the same pass.
            others = self.readers.get(self.in_place[atom.name], set())
            earliest = max([earliest, *(n + 1 for n in others)])
        number = self._joined(atom, reads, earliest)
        if number is None:
            number = len(self.groups)
            self.groups.append(Group(style_of(atom)))
        group = self.groups[number]
        group.atoms.append(atom)
        self.group_of[atom.name] = number
        if atom.name in self.in_place:
            group.in_place[atom.name] = self.in_place[atom.name]
        for name in reads:
            self.readers.setdefault(name, set()).add(number)

    def _joined(self, atom: Definition, reads: set[str], earliest: int) -> int | None:
        style = style_of(atom)
        candidates = range(len(self.groups) - 1, earliest - 1, -1)
        if style is Style.REDUCTION:
            return next((n for n in candidates if self._is_sibling(atom, reads, self.groups[n])), None)
        if style is Style.SMALL:
            fits = (
                n for n in candidates if self.groups[n].style is Style.SMALL and len(self.groups[n].atoms) < MOST_SMALL
            )
            return next(fits, None)
        fitting = [n for n in candidates if self._fits(atom, self.groups[n])]
        # Best the group that computes what the atom reads, then one that reads the same tensors.
        for n in fitting:
            if self.groups[n].names & reads:
                return n
        for n in fitting:
            if {root(name, self.views) for name in self.groups[n].reads()} & reads:
                return n
        return None

    def _fits(self, atom: Definition, group: Group) -> bool:
        if group.style is Style.SMALL or group.shape != atom.shape or len(group.atoms) >= MOST_STORED:
            return False
        if group.in_place or atom.name in self.in_place:
            if group.style is Style.REDUCTION or not all(map(reads_own_elements, (*group.atoms, atom))):
                return False
            if writing_order([*group.atoms, atom], self.in_place) is None:
                return False
        if self._expanded(atom, group) > MOST_EXPANDED or (group.style is Style.REDUCTION and reads_backwards(atom)):
            return False
        own = group.names
        return all(
            is_own_element(access.positions, atom)
            for access in accesses(atom.term)
            if root(access.tensor, self.views) in own
        ) and not any(root(a.tensor, self.views) in own for a in accesses(atom.term) if a.tensor in self.views)

    def _expanded(self, atom: Definition, group: Group) -> float:
        """The words of an atom's expression, with those of the group's atoms that it reads put in."""
        others: dict[str, float] = {}
        for other in (*group.atoms, atom):
            others[other.name] = 1 if is_reduction(other) else expanded(other.term, other.sizes, others)
        return others[atom.name]

    def _is_sibling(self, atom: Definition, reads: set[str], group: Group) -> bool:
        """Whether a sum goes through the same tensor once, as the sums of a group do: one pass then does for all."""
        return (
            group.style is Style.REDUCTION
            and len(group.atoms) < MOST_SIBLINGS
            and all(are_siblings(atom, other) for other in group.atoms)
            and not group.names & reads
            and not {root(name, self.views) for name in group.reads()}.isdisjoint(reads)
        )

    def mark_stored(self, kept: Collection[str]) -> None:
        for number, group in enumerate(self.groups):
            for atom in group.atoms:
                readers = self.readers.get(atom.name, set()) - {number}
                if readers or atom.name in kept:
                    group.stored.append(atom.name)
            if group.in_place and group.style is Style.MAP:
                order = writing_order(group.atoms, group.in_place)
                assert order is not None, "no atom joins a group that has no order"
                group.stored.sort(key=lambda name: order.index(name) if name in order else -1)


def are_siblings(atom: Definition, other: Definition) -> bool:
    """Whether two sums run over the same indices, through each element of what they read once."""
    return (
        is_reduction(atom)
        and is_reduction(other)
        and atom.indices == other.indices
        and atom.term.indices == other.term.indices  # type: ignore[attr-defined]
        and all(map(_goes_through_once, (atom, other)))
        and [atom.sizes[i] for i in _loops(atom)] == [other.sizes[i] for i in _loops(other)]
    )


def _loops(atom: Definition) -> tuple[str, ...]:
    assert isinstance(atom.term, Reduce)
    return (*atom.indices, *atom.term.indices)


def _goes_through_once(atom: Definition) -> bool:
    """Whether what a sum reads has all of its indices, bare, or just some of those on the left."""
    assert isinstance(atom.term, Reduce)
    if atom.term.kind != "sum" or not atom.indices:
        return False
    for access in accesses(atom.term):
        names = [position.as_name for position in access.positions]
        whole = {*names} == {*_loops(atom)} and names[-1] == atom.indices[-1]
        if access.outside is not None or not (whole or {*names} <= {*atom.indices}):
            return False
    return True


def writing_order(atoms: Sequence[Definition], in_place: Mapping[str, str]) -> list[str] | None:
    """An order of the atoms in place in which none writes over what the expression of a later one reads.

    The expressions have those of other atoms of the group put in, down to what the group reads from memory. (Halide
    21 may compute the second value of a Func after it has stored the first.) None where there is no such order.
    """
    reads: dict[str, set[str]] = {}
    for atom in atoms:
        direct = {a.tensor for a in accesses(atom.term)}
        reads[atom.name] = direct.union(*(reads[name] for name in direct if name in reads))
    waiting = [atom.name for atom in atoms if atom.name in in_place]
    order: list[str] = []
    while waiting:
        free = (n for n in waiting if not any(in_place[n] in reads[other] for other in waiting if other != n))
        name = next(free, None)
        if name is None:
            return None
        order.append(name)
        waiting.remove(name)
    return order


def is_own_element(positions: tuple[object, ...], definition: Definition) -> bool:
    """Whether positions are just the definition's indices."""
    return tuple(getattr(p, "as_name", None) for p in positions) == definition.indices


def reads_own_elements(definition: Definition) -> bool:
    """Whether all that a definition reads is at its own element, or a scalar."""
    return all(not a.positions or is_own_element(a.positions, definition) for a in accesses(definition.term))


def reads_backwards(definition: Definition) -> bool:
    """Whether something is read from its end along the last index: vectors of it can't be loaded in part (Halide 21),
    as is done where a tile reaches beyond a result's end."""
    last = definition.indices[-1:]
    positions = [access.positions[-1] for access in accesses(definition.term) if access.positions]
    return any(position.numerator.slopes.get(index, 0) < 0 for position in positions for index in last)
