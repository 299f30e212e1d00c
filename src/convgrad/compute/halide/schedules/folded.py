"""Vectors along an index that is summed over: for results with few channels, out of operands that have many.

    do[e,p,q,c] = sum[m,n,k](dx[e,p-m,q-n,k else 0] * w[m,n,c,k])

With 3 channels c, vectors along c are 3 numbers of 16. Vectors along k are full, and lie in memory as they are read. A
tile holds a vector of parts for each of some positions q and channels c,

    part[e,p,q,c,l] = sum[m,n,h](dx[e,p-m,q-n,16*h+l] * w[m,n,c,16*h+l])

and folds it at the end: do[e,p,q,c] = sum[l](part[e,p,q,c,l]).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, expression
from convgrad.compute.halide.passes.atoms import is_contraction
from convgrad.compute.halide.schedules.across import MOVED, length_along
from convgrad.compute.halide.schedules.contraction import in_tasks, rows_to_spare, split_positions
from convgrad.compute.halide.schedules.generic import body_of, coordinates, neutral, variables
from convgrad.compute.halide.schedules.phases import in_phases, joined, keep_extents, split_variables, uneven_indices
from convgrad.compute.halide.schedules.staging import BORDER_WORTH, read_where, stage_along
from convgrad.compute.halide.schedules.tiles import CROWDED, LATENCY, START, Tile, accumulators
from convgrad.compute.halide.schedules.written_out import some_written_out, steps_at_once
from convgrad.compute.halide.target import machine
from convgrad.notation.terms import Definition, Reduce, accesses

FOLD = 8
"""Cycles to add up the 16 numbers of a vector and to store the sum: four times a shuffle and an addition."""
CUT = 2
"""Vectors that a last one takes as long as, beside itself, where what it reads again is left out."""
ACROSS = 1.4
"""How much longer it takes to load a vector where rows begin anywhere, so that nearly half of them lie in two lines.
(Dense 1563 -> 119, 10 examples, on a Zen 3: 0.065 ms folded, 0.045 in register tiles.)"""


@dataclass(frozen=True)
class Folding:
    """Vectors along the index `along` of the sum, for the places of a tile; `cycles` are estimated, of all. `masked`: a
    copy in whole vectors does not pay, so what the last vector reads again is left out."""

    along: str
    tile: Tile
    cycles: float
    masked: bool


def folding_for(atom: Definition, element_bytes: int, chosen: str | None = None) -> Folding | None:
    """How to fold a sum of products, along the index `chosen` where given; None where no index of the sum runs along
    an axis of all factors."""
    reduce = atom.term
    if not isinstance(reduce, Reduce) or not is_contraction(reduce) or not atom.indices:
        return None
    given = atom.indices
    atom, _ = in_phases(atom)
    reduce = atom.term
    assert isinstance(reduce, Reduce)
    lanes, sizes = machine().lanes(element_bytes), atom.sizes
    read = list(accesses(reduce))
    found: list[Folding] = []
    if len(read) != 2 or not all(position.is_whole for access in read for position in access.positions):
        return None
    for along in reduce.indices if chosen is None else [chosen]:
        axes = [[n for n, p in enumerate(access.positions) if along in p.names] for access in read]
        alone = all(len(own) == 1 and a.positions[own[0]].as_name == along for a, own in zip(read, axes, strict=True))
        if not alone or sizes[along] < lanes:
            continue
        moved = [a for a, own in zip(read, axes, strict=True) if own[0] != len(a.positions) - 1]
        numbers = sum(prod(sizes[name] for position in a.positions for name in position.names) for a in moved)
        work = prod(sizes[i] for i in (*atom.indices, *reduce.indices))
        lying = [a for a in read if a not in moved]
        masked = any(work < BORDER_WORTH * prod(length_along(p, sizes) for p in a.positions) for a in lying)
        cut = masked and sizes[along] % lanes != 0
        vectors = -(-sizes[along] // lanes) + (CUT if cut else 0)
        terms = prod(sizes[i] for i in reduce.indices) / sizes[along] * vectors
        tile, each = _tile(atom, given, lanes, terms, ACROSS if cut else 1)
        found.append(Folding(along, tile, prod(atom.shape) * each + numbers * MOVED, masked))
    return min(found, key=lambda folding: folding.cycles, default=None)


def _tile(atom: Definition, given: Sequence[str], lanes: int, terms: float, load: float) -> tuple[Tile, float]:
    """The tile along the `given` indices that takes the fewest cycles for a number of the result, and these. load: what
    one takes, of what one within a line does."""
    sizes = atom.sizes
    read = [access.free_names for access in accesses(atom.term)]
    best, least = None, inf
    for places in _places(atom, given, accumulators(machine())):
        count = prod(places.values())
        wasted = prod(-(-sizes[i] // n) * n / sizes[i] for i, n in places.items())
        loads = load * sum(prod(n for i, n in places.items() if i in names) for names in read)
        step = max(count / 2, loads / 2, LATENCY) + loads * CROWDED
        cycles = wasted * (terms * step + count * FOLD + START) / count
        if cycles < least:
            blocks = -(-atom.shape[-1] // places.get(given[-1], 1))
            best, least = Tile(lanes, 1, blocks, {i: n for i, n in places.items() if n > 1}), cycles
    assert best is not None
    return best, least


def _places(atom: Definition, indices: Sequence[str], room: int) -> Iterator[dict[str, int]]:
    """Ways to take up to `room` places along the last of the indices with more than one place, and along one of those
    before it: the next, and where both factors depend on that, a group, the next that they do not both depend on."""
    sizes = atom.sizes
    both = frozenset.intersection(*(access.free_names for access in accesses(atom.term)))
    last, *before = [i for i in reversed(indices) if sizes[i] > 1] or indices[-1:]
    more = before[:1] + ([i for i in before if i not in both][:1] if before[:1] and before[0] in both else [])
    for count in range(1, min(sizes[last], room) + 1):
        yield {last: count}
        for second in more:
            for number in range(2, min(sizes[second], room // count) + 1):
                yield {last: count, second: number}


class FoldedReduction:
    """A sum of products in vectors of parts, folded where a tile is complete."""

    def __init__(self, atom: Definition, lowering: Lowering, element_bytes: int, folding: Folding):
        self.given = atom
        atom, self.splits = in_phases(atom)
        lowering.sizes = atom.sizes
        self.atom, self.tile = atom, folding.tile
        along, lanes, sizes = folding.along, folding.tile.lanes, atom.sizes
        reduce = atom.term
        assert isinstance(reduce, Reduce)
        self.work = prod(sizes[i] for i in (*atom.indices, *reduce.indices))
        if not folding.masked:
            lowering.sizes = {**lowering.sizes, along: -(-sizes[along] // lanes) * lanes}
        self.staged = stage_along(atom, lowering, along, lanes)
        self.pure, self.lane = variables(atom), hl.Var("lane")
        self.parts, self.sums = hl.Func("parts"), hl.Func("sums")
        where = coordinates(self.pure)
        part = (self.lane, *where)
        self.parts[part] = neutral("sum", lowering.kind)
        self.over: list[list[Any]] = []
        self.steps: list[int] = []  # of the innermost of these loops that are written out at once
        left = lowering.sizes[along] % lanes
        self._add(lowering, along, range(0, lowering.sizes[along] - left, lanes))
        if left:
            # The last vector begins earlier, without what was added before: in an update of its own, for no compiler is
            # to multiply and add in one step here, and in two there.
            for access in dict.fromkeys(accesses(reduce)):
                read_where(access, lowering, self.lane >= lanes - left)
            self._add(lowering, along, range(sizes[along] - lanes, sizes[along], lanes))
        self.fold = hl.RDom([(0, lanes)], "fold")[0]
        folded = (self.fold, *where)
        self.sums[where] = neutral("sum", lowering.kind)
        self.sums[where] += expression(self.parts[folded])
        self.inner = self.sums
        if self.splits:
            self.sums = joined(self.inner, self.given, self.splits, self.given.indices)
        self.beyond = uneven_indices(self.given, self.splits)

    def _add(self, lowering: Lowering, along: str, begins: range) -> None:
        """Add to the parts the vectors that begin at these places along an index, and everything along the others."""
        sizes, reduce = self.atom.sizes, self.atom.term
        assert isinstance(reduce, Reduce)
        lengths = [len(begins) if i == along else sizes[i] for i in reduce.indices]
        domain = hl.RDom([(0, length) for length in reversed(lengths)], "r")
        over = [domain[n] for n in reversed(range(len(lengths)))]
        indices = {**self.pure, **dict(zip(reduce.indices, over, strict=True))}
        spared = rows_to_spare(self.atom, self.tile, lowering)
        asked = [*(split.rest for split in self.splits), *(position for position, _ in spared)]
        for split in self.splits:
            indices[split.quotient], whole = split.values(lowering, indices)
            domain.where(whole)
        for position, size in spared:
            place = lowering.whole_position(position, indices)
            domain.where(place >= 0)
            domain.where(place < size)
        indices[along] = begins.start + indices[along] * begins.step + self.lane
        part = (self.lane, *coordinates(self.pure))
        self.parts[part] += body_of(reduce, lowering, indices)
        self.over.append(over)
        last = reduce.indices[-1]
        self.steps.append(steps_at_once(last, lengths[-1], reduce, self.tile, lowering, asked, numbers=False))

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        """Schedule `func`, which reads the sums at its own element."""
        atom = self.atom
        phases = split_variables(func, self.given, variables, self.splits)
        named = dict(zip(self.given.indices, variables, strict=True))
        inner, outer = split_positions(func, named, atom, self.tile, hl.TailStrategy.ShiftInwards)
        func.reorder(*inner, *phases, *(variable for variable, _ in outer))
        for variable in inner:
            func.unroll(variable)
        task, at = in_tasks(func, outer, self.work)
        for each in (self.parts, self.inner):
            keep_extents(each, self.pure, self.given, self.splits, self.tile)
        self._schedule_sums(func, at)
        for copy in self.staged:
            if task is not None and self.given.indices[0] in copy.indices:
                copy.func.compute_at(func, task)
            else:
                copy.compute_first()

    def _schedule_sums(self, func: Any, at: Any) -> None:
        """All of a tile in registers: parts, then their sums."""
        places = self.tile.positions
        # The fewest places innermost: what is read for these stays in registers, and the rest goes by. With 6 channels
        # inside of 2 columns LLVM would keep too much (5x5, 6 -> 16 at 14, 64 images, on a Zen 3: 0.57 ms, not 0.30).
        inside = sorted(places, key=lambda index: (places[index], index != self.atom.indices[-1]))
        tiled = [self.pure[index] for index in inside]
        rest = [variable for index, variable in reversed(self.pure.items()) if index not in places]
        for each in (self.parts, self.inner):
            if at is None:
                each.compute_root()
            else:
                each.compute_at(func, at)
        updates = [self.parts.update(number) for number in range(len(self.over))]
        for update, (*outer, innermost), steps in zip(updates, self.over, self.steps, strict=True):
            loops = [*some_written_out(update, innermost, steps), *reversed(outer)]
            update.reorder(self.lane, *tiled, *loops, *rest)
        self.inner.update().reorder(self.fold, *tiled, *rest)
        self.inner.update().atomic().vectorize(self.fold)
        for stage in (self.parts, *updates):
            stage.vectorize(self.lane)
        for stage in (self.parts, *updates, self.inner, self.inner.update()):
            for variable in tiled:
                stage.unroll(variable)
