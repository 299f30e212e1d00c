"""Chains: neighbouring kernels that run slice by slice of the batch, so that what one writes is still in the cache when
the next one reads it.

    d[e,f,c] = g[c] * dx[e,f,c] + h[c] * o[e,f,c]
    dw[c,k] = sum[e,f](d[e,f,k] * y[e,f,c])
    dy[e,f,c] = sum[k](d[e,f,k] * w[c,k])

For all 64 examples, each kernel would write or read all of d in memory. A slice of two examples goes through all three
on one thread instead, d staying in its second-level cache; threads share the slices. A kernel of a chain is the kernel
for fewer examples, called with buffers that move. Sums over the examples become a partial sum for each slice, added
in order at the end; there are as many slices as the sizes say, so no bit depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from convgrad.compute.contract import root
from convgrad.compute.halide.kernels.deviations import SLICE, Deviations, deviations
from convgrad.compute.halide.kernels.rematerialization import recomputed
from convgrad.compute.halide.kernels.steps import Step
from convgrad.compute.halide.options import options
from convgrad.compute.halide.passes.atoms import is_reduction
from convgrad.compute.halide.passes.fusion import MOST_SMALL, Group, Style, style_of
from convgrad.compute.halide.passes.memory import Layout
from convgrad.compute.halide.schedules.across import vector_index
from convgrad.compute.halide.schedules.winograd.reduction import winograd_pattern
from convgrad.dtypes import ALIGNMENT, DTYPES
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Definition, IndexValue, Reduce, Term, accesses, walk

ENOUGH_SLICES = 16
"""Slices that keep 16 threads busy, and 2 to 8 evenly loaded, where there are as many examples."""
LEAST_SLICES = 8
SLICE_BYTES = 3 << 19
"""Bytes of all tensors of a slice: 1.5 MiB, of which a kernel and the one before it touch about half, so that a
second-level cache of 1 MiB has room for weights as well."""
WORTH = 3 << 22
"""Bytes that a kernel finds in a cache since the one before it has just touched them, from which a chain pays: 12 MiB.
Other chains work on tensors that the third level holds anyway: without them, a step of the small CIFAR network takes
1.65 ms instead of 1.75, and one of a MobileNet as long as with them."""


def in_steps(
    groups: Sequence[Group], layouts: dict[str, Layout], views: Mapping[str, str], kept: Collection[str]
) -> list[Step]:
    """The groups in order, with chains where these pay; `layouts` gets the layouts of partial sums.

    kept: tensors that the caller reads.
    """

    def read(group: Group) -> set[str]:
        return {root(name, views) for name in group.reads()}

    reads = [read(group) for group in groups]
    wanted = {root(name, views) for name in kept}
    steps: list[Step] = []
    number = 0
    while number < len(groups):
        chain = _Chain(groups[number:], layouts, views)
        if chain.pays():
            others = [*reads[:number], *reads[number + chain.length :], *map(read, chain.behind)]
            steps.append(chain.step(wanted.union(*others)))
            steps += [Step([group]) for group in _joined(chain.behind)]
            number += chain.length
        else:
            steps.append(Step([groups[number]]))
            number += 1
    return recomputed(steps, layouts, views, kept)


@dataclass(frozen=True)
class _Part:
    """A group as a part of a chain.

    Attributes:
        batch: the index of each of its atoms that runs over the examples.
        summed: whether these are sums over them.
        along, whole: what it reads and writes of each slice, and what it reads in every slice.
        around: where the sum is one of deviations from a mean.
    """

    group: Group
    batch: tuple[str, ...]
    summed: bool
    along: frozenset[str]
    whole: frozenset[str]
    around: Deviations | None = None

    @property
    def sums(self) -> list[Definition]:
        return [atom for atom in self.group.atoms if is_reduction(atom)] if self.summed else []


class _Chain:
    """The longest chain that begins with the first of some groups.

    Attributes:
        length: how many of the groups it takes, with those that come behind it instead of between its kernels.
        behind: these, and what adds up partial sums.
    """

    def __init__(self, groups: Sequence[Group], layouts: dict[str, Layout], views: Mapping[str, str]):
        self._layouts, self._views = layouts, views
        self._parts: list[_Part] = []
        self._size = 0  # examples
        self.slices = 1
        self._late: set[str] = set()  # what is there only after the chain
        self.length = 0
        order: list[Group | _Part] = []
        placed = 0
        for number, group in enumerate(groups):
            part = self._part(group, order)
            if part is not None:
                self._size = group.atoms[0].sizes[part.batch[0]]
                self.slices = _least_slices(self._size)
                self._parts.append(part)
                order += [part] if part.summed else []
                self._late |= {atom.name for atom in group.atoms} if part.summed else set()
                self.length, placed = number + 1, len(order)
                continue
            waits_for = self._roots(group.reads()) & self._late
            if not self._parts or (waits_for and group.style is not Style.SMALL):
                break
            order.append(group)
            self._late |= group.names | set(group.in_place.values())
        self._cut()
        self.behind = [group for item in order[:placed] for group in self._afterwards(item)]

    def pays(self) -> bool:
        """Whether there is something to be kept in caches, and enough of it."""
        if len(self._parts) < 2 or self.slices < 2 or options().chains is False:
            return False
        if options().chains:
            return True
        touched = [name for part in self._parts for name in self._roots(part.along)]
        saved = sum(self._bytes(name) for name in touched) - self._bytes(*set(touched))
        return self.slices >= LEAST_SLICES and saved >= WORTH

    def step(self, outside: Collection[str]) -> Step:
        """The chain; its tensors `outside` are read elsewhere, too."""
        written = {name for part in self._parts if not part.summed for name in part.group.stored}
        along = frozenset(name for part in self._parts for name in part.along)
        local = frozenset(name for name in along if root(name, self._views) in written - {*outside})
        partial = frozenset(_partial(atom.name) for part in self._parts for atom in part.sums)
        return Step([self._of_slice(part) for part in self._parts], self.slices, along, local, partial)

    # Recognizing

    def _part(self, group: Group, order: Sequence[Group | _Part]) -> _Part | None:
        """The group as the next part of the chain, if it can be and is worth it."""
        first = group.atoms[0]
        if group.style is Style.SMALL or group.in_place or not first.indices:
            return None
        reduced = first.term.indices if is_reduction(first) and isinstance(first.term, Reduce) else ()
        found = self._placed(group, summed=False) or (self._placed(group, summed=True) if reduced else None)
        if found is None:
            return None
        part = self._with_deviations(found, order)
        size = first.sizes[part.batch[0]]
        roots = {root(name, self._views) for name in (*part.along, *part.whole)}
        if roots & self._late or (self._parts and size != self._size) or not self._agrees(part, size):
            return None
        return part if self._is_worth(part, _least_slices(size)) and self._suits(part) else None

    def _placed(self, group: Group, summed: bool) -> _Part | None:
        """Which index of the group's atoms runs over examples, the first of the result or of the sum; None where
        another place is read than the own one along that axis."""
        atoms = [atom for atom in group.atoms if is_reduction(atom)] if summed else group.atoms
        along, whole, batch = set(group.stored if not summed else ()), set(), []
        for atom in atoms:
            if summed and not (isinstance(atom.term, Reduce) and atom.term.kind == "sum"):
                return None
            index = atom.term.indices[0] if summed and isinstance(atom.term, Reduce) else atom.indices[0]
            batch.append(index)
            if any(isinstance(term, IndexValue) and index in term.polynomial.names for term in walk(atom.term)):
                return None
            for access in accesses(atom.term):
                if index not in access.free_names:
                    whole.add(access.tensor)
                elif access.positions[0].as_name == index and not any(index in p.names for p in access.positions[1:]):
                    along.add(access.tensor)
                else:
                    return None
        own = group.names
        if whole & own or not along - own:
            return None
        written = frozenset(group.stored) if not summed else frozenset()
        return _Part(group, tuple(batch), summed, frozenset(along - own) | written, frozenset(whole))

    def _with_deviations(self, part: _Part, order: Sequence[Group | _Part]) -> _Part:
        """The part without its mean, where it is a sum of deviations from one that the chain adds up."""
        if not part.summed or len(part.group.atoms) != 1:
            return part
        sums = [atom for other in self._parts for atom in other.sums]
        others = [atom for item in order if isinstance(item, Group) for atom in item.atoms]
        around = deviations(part.group.atoms[0], sums, others)
        return part if around is None else replace(part, whole=part.whole - {around.mean.tensor}, around=around)

    def _agrees(self, part: _Part, size: int) -> bool:
        """Whether each tensor is along the slices everywhere in the chain, or whole everywhere, and can be cut at
        places where compiled code may begin."""
        along, whole = self._roots(part.along), self._roots(part.whole)
        for other in self._parts:
            along |= self._roots(other.along)
            whole |= self._roots(other.whole)
        layouts = [self._layouts[name] for name in part.along]
        cut = [layout.bytes // size for layout in layouts] + [self._bytes(atom.name) for atom in part.sums]
        return (
            along.isdisjoint(whole)
            and all(layout.shape[:1] == layout.whole_shape[:1] == (size,) for layout in layouts)
            and all(bytes_ % ALIGNMENT == 0 for bytes_ in cut)
        )

    def _is_worth(self, part: _Part, slices: int) -> bool:
        """Whether what is read in each slice, and the partial sums, written and read, are less than the rest."""
        sums = sum(self._bytes(atom.name) for atom in part.sums)
        return options().chains is True or slices * (self._bytes(*part.whole) + 2 * sums) <= self._bytes(
            *self._roots(part.along)
        )

    def _suits(self, part: _Part) -> bool:
        """Whether the schedule for a slice would be that for all examples."""
        atom = part.group.atoms[0]
        if not is_reduction(atom):
            return True
        shapes = {access.tensor: self._layouts[access.tensor].shape for access in accesses(atom.term)}
        bytes_ = DTYPES[self._layouts[atom.name].element].bytes
        nominal = part.group.nominal.get(atom.name)
        frozen = part.group.frozen
        winograd = winograd_pattern(atom, shapes, bytes_, nominal, frozen) is not None
        return not winograd and vector_index(atom, bytes_) not in part.batch

    # Cutting

    def _cut(self) -> None:
        """Cut into more slices until all that a slice touches stays in a cache."""
        along = {name for part in self._parts for name in self._roots(part.along)}
        for slices in _divisors(self._size):
            if slices > self.slices and self._bytes(*along) > SLICE_BYTES * self.slices:
                if not all(self._is_worth(part, slices) for part in self._parts):
                    break
                self.slices = slices

    def _of_slice(self, part: _Part) -> Group:
        """The group for one slice."""
        if part.summed:
            atoms = [
                self._shorter(replace(atom, name=_partial(atom.name)), index)
                for atom, index in zip(part.sums, part.batch, strict=True)
            ]
            if part.around is not None:
                term = part.around.of_slice(atoms[0], _partial(part.around.total), self.slices)
                atoms = [replace(atoms[0], term=term)]
            return replace(part.group, atoms=atoms, stored=[atom.name for atom in atoms])
        atoms = [self._shorter(atom, index) for atom, index in zip(part.group.atoms, part.batch, strict=True)]
        return replace(part.group, atoms=atoms)

    def _shorter(self, atom: Definition, batch: str) -> Definition:
        ranges = tuple((index, size // self.slices if index == batch else size) for index, size in atom.ranges)
        return replace(atom, ranges=ranges)

    def _afterwards(self, item: Group | _Part) -> Iterator[Group]:
        """What is done after the chain: a group that did not need to be in it, or the end of sums over examples."""
        if isinstance(item, Group):
            yield item
            return
        for atom in item.sums:
            name = _partial(atom.name)
            layout = self._layouts[atom.name]
            self._layouts[name] = Layout((self.slices, *layout.shape), layout.element)
            partial = Access(name, tuple(Position.name(index) for index in (SLICE, *atom.indices)))
            body: Term = partial
            if item.around is not None:
                body = item.around.joined(partial, _partial(item.around.total), self.slices)
            ranges = (*((index, atom.sizes[index]) for index in atom.indices), (SLICE, self.slices))
            joined = replace(atom, term=Reduce("sum", (SLICE,), body), ranges=ranges)
            yield Group(style_of(joined), [joined], [atom.name])
        rest = [atom for atom in item.group.atoms if atom not in item.sums]
        if rest:
            stored = [atom.name for atom in rest if atom.name in item.group.stored]
            yield Group(style_of(rest[0]), rest, stored)

    def _roots(self, names: Collection[str]) -> set[str]:
        return {root(name, self._views) for name in names}

    def _bytes(self, *names: str) -> int:
        return sum(self._layouts[name].bytes for name in names)


def _least_slices(size: int) -> int:
    """As few slices of examples as keep threads busy."""
    return next(count for count in _divisors(size) if count >= min(ENOUGH_SLICES, size))


def _divisors(size: int) -> Iterator[int]:
    return (count for count in range(1, size + 1) if size % count == 0)


def _partial(name: str) -> str:
    """The sums of slices; no name of the notation holds an @."""
    return f"{name}@"


def _joined(groups: Sequence[Group]) -> list[Group]:
    """The groups, neighbours that are small in one."""
    result: list[Group] = []
    for group in groups:
        if result and _may_join(result[-1], group):
            last = result[-1]
            atoms, stored = [*last.atoms, *group.atoms], [*last.stored, *group.stored]
            result[-1] = Group(Style.SMALL, atoms, stored, {**last.in_place, **group.in_place})
        else:
            result.append(group)
    return result


def _may_join(first: Group, second: Group) -> bool:
    """Whether two groups are small, and the second one writes over nothing that the first one reads or writes over."""
    if not first.style is second.style is Style.SMALL or len(first.atoms) + len(second.atoms) > MOST_SMALL:
        return False
    return not first.in_place and not {*second.in_place.values()} & {*first.reads()}
