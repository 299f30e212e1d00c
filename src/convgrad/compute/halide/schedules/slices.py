"""Long reductions to a small result: partial sums over a fixed number of slices, added in a fixed order.

    dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i+m,j+n,c])

The result has too few tiles for all threads, or each would read all of dx and o again. So slices of the batch are
summed side by side, each on one thread. How many slices there are follows from the sizes alone, never from the number
of threads: results are the same to the bit for any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, expression
from convgrad.compute.halide.schedules.contraction import fill_registers, split_into_tiles
from convgrad.compute.halide.schedules.generic import body_of, combined, coordinates, neutral, variables
from convgrad.compute.halide.schedules.panels import Panel, make_panels, panel_bytes, tile_in_slices
from convgrad.compute.halide.schedules.phases import joined
from convgrad.compute.halide.schedules.pointwise import schedule_map
from convgrad.compute.halide.schedules.staging import stage_operands
from convgrad.compute.halide.schedules.tiles import dividing_tile
from convgrad.compute.halide.schedules.written_out import steps_at_once
from convgrad.compute.halide.target import machine
from convgrad.notation.polynomial import Polynomial
from convgrad.notation.terms import Definition, Reduce

MOST_SLICES = 16
"""Slices: 16 threads get one each, and 2 to 8 an equal number."""
MOST_BYTES = 1 << 20
"""Bytes of all partial sums: 1 MiB, a second-level cache. They are written, read and added up once more at the end:
with 4 MiB of them 1.8 ms instead of 1.5 for the weights of 256 channels at 8x8."""
ENOUGH_TERMS = 32
"""Terms summed in registers before they are added to memory: 32 multiply-adds for a load, an add and a store."""
WORKING_SET = 1 << 17
"""Bytes of operands read between two additions to memory: 128 KiB, an eighth of a second-level cache."""


@dataclass(frozen=True)
class Slicing:
    """Index `sliced` in `count` slices of `length`; `outer` indices are looped over in each slice, with additions to
    memory; the rest is summed in registers.
    """

    sliced: str
    count: int
    length: int
    outer: tuple[str, ...]
    inner: tuple[str, ...]

    def terms(self, atom: Definition) -> int:
        """How many are summed in registers at a time."""
        sizes = atom.sizes | {self.sliced: self.length}
        return prod(sizes[index] for index in self.inner)


def slicing_for(atom: Definition, element_bytes: int, most: int = MOST_SLICES) -> Slicing | None:
    """How to slice a reduction, into `most` slices at most; None where no index has two elements."""
    assert isinstance(atom.term, Reduce)
    sizes = atom.sizes
    indices = atom.term.indices
    sliced = max(indices, key=lambda index: (min(sizes[index], MOST_SLICES), -indices.index(index)))
    if sizes[sliced] < 2:
        return None
    fitting = max(2, MOST_BYTES // (prod(atom.shape) * element_bytes))
    length = -(-sizes[sliced] // min(most, fitting, sizes[sliced]))
    rest = [index for index in indices if index != sliced]
    inner: list[str] = []
    terms = 1
    while rest and (terms < ENOUGH_TERMS or terms * sizes[rest[-1]] * _row_bytes(atom, element_bytes) <= WORKING_SET):
        terms *= sizes[rest[-1]]
        inner.insert(0, rest.pop())
    small = terms * length * _row_bytes(atom, element_bytes) <= WORKING_SET
    whole_slice = not rest and (terms < ENOUGH_TERMS or small)
    outer = () if whole_slice else (sliced, *rest)
    return Slicing(sliced, -(-sizes[sliced] // length), length, outer, tuple(inner if not whole_slice else indices))


def _row_bytes(atom: Definition, element_bytes: int) -> int:
    """Bytes that one term of each element of the result reads, roughly: its innermost index and one more."""
    sizes = atom.sizes
    return sum(sizes[index] for index in atom.indices[-2:]) * element_bytes


class SlicedReduction:
    """An atom as a sum (or extreme) of partial ones; `slicing_for` says which.

    `siblings` are more atoms over the same indices, computed in the same pass: `sums` has a value for each.
    """

    beyond = frozenset[str]()

    def __init__(
        self,
        atom: Definition,
        lowering: Lowering,
        element_bytes: int,
        slicing: Slicing,
        siblings: Sequence[tuple[Definition, Lowering]] = (),
    ):
        self.shape, self.element_bytes, self.slicing = atom.shape, element_bytes, slicing
        self.members = [(_reduce(member), its) for member, its in ((atom, lowering), *siblings)]
        self.panels: list[Panel] = []
        if siblings:
            self.atom, self.tile = atom, dividing_tile(atom, machine(), element_bytes)
        else:
            self.atom, self.tile = tile_in_slices(atom, slicing.terms(atom), element_bytes)
            self.panels = make_panels(self.atom, self.tile, lowering, slicing.terms(atom), element_bytes)
        self.staged = [
            copy
            for member, its in ((self.atom, lowering), *siblings)
            for copy in stage_operands(member, its, self.tile)
        ]
        self.slice = hl.Var("slice")
        self.pure = variables(self.atom)
        self._build()
        turned = self.atom.indices != atom.indices
        self.sums = joined(self.inner, self.atom, [], atom.indices) if turned else self.inner

    def _build(self) -> None:
        plan, sizes = self.slicing, self.atom.sizes
        where = coordinates(self.pure)
        outer = [hl.Var(f"o{n}") for n in range(len(plan.outer))]
        lengths = [plan.length if index == plan.sliced else sizes[index] for index in plan.inner]
        domain = hl.RDom([(0, n) for n in reversed(lengths)], "r")
        self.over = [domain[n] for n in reversed(range(len(plan.inner)))]
        places = dict(zip((*plan.outer, *plan.inner), (*outer, *self.over), strict=True))
        uneven = sizes[plan.sliced] % plan.length != 0
        asked = [Polynomial.name(plan.sliced)] if uneven else []
        innermost, last = plan.inner[-1], lengths[-1]
        self.steps = min(steps_at_once(innermost, last, term, self.tile, its, asked) for term, its in self.members)
        first = self.slice * plan.length
        if uneven and plan.sliced in plan.inner:
            domain.where(first + places[plan.sliced] < sizes[plan.sliced])
        place = first + places[plan.sliced]
        # The last slice is shorter: nothing is added beyond the end, and the bound is for the compiler's proof.
        places[plan.sliced] = hl.min(place, sizes[plan.sliced] - 1) if uneven else place
        self.row = hl.Func("row")
        here = (*where, *outer, self.slice)
        self._start(self.row, here)
        self._add(self.row, here, [body_of(term, its, {**self.pure, **places}) for term, its in self.members])
        self.part = hl.Func("part")
        here_part = (*where, self.slice)
        self.loops: list[Any] = []
        if plan.outer:
            steps = hl.RDom([(0, plan.length if i == plan.sliced else sizes[i]) for i in reversed(plan.outer)], "s")
            self.loops = [steps[n] for n in reversed(range(len(plan.outer)))]
            if uneven:
                steps.where(first + self.loops[plan.outer.index(plan.sliced)] < sizes[plan.sliced])
            self._start(self.part, here_part)
            self._add(self.part, here_part, self._values(self.row, (*where, *self.loops, self.slice)))
        else:
            self.part[here_part] = _one_or_all(self._values(self.row, here))
        slices = hl.RDom([(0, plan.count)], "q")
        self.inner = hl.Func("sums")
        self._start(self.inner, where)
        self._add(self.inner, where, self._values(self.part, (*where, slices[0])))
        self.outer = outer

    def _start(self, func: Any, where: tuple[Any, ...]) -> None:
        func[where] = _one_or_all([neutral(term.kind, its.kind) for term, its in self.members])

    def _add(self, func: Any, where: tuple[Any, ...], values: list[Any]) -> None:
        old = self._values(func, where)
        kinds = [term.kind for term, _ in self.members]
        func[where] = _one_or_all([combined(*three) for three in zip(kinds, old, values, strict=True)])

    def _values(self, func: Any, where: tuple[Any, ...]) -> list[Any]:
        if len(self.members) == 1:
            return [expression(func[where])]
        return [expression(func[where][n]) for n in range(len(self.members))]

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        """Schedule `func`, which reads the sums at its own element."""
        atom, tile, part = self.atom, self.tile, self.part
        pure = list(self.pure.values())
        self.inner.compute_root()
        for stage in (self.inner, self.inner.update()):
            _along(stage, pure[-1], tile.lanes, atom.shape[-1])
        schedule_map(func, variables, self.shape, self.element_bytes, in_place=False)
        # Whole tiles are added up, so the rows, and the copies that these read, are made for whole ones, too.
        part.compute_root().align_extent(pure[-1], tile.width)
        for index, count in tile.positions.items():
            if atom.sizes[index] % count:
                part.align_extent(self.pure[index], count)
        stage = part
        if self.loops:
            _along(part, pure[-1], tile.lanes, atom.shape[-1], hl.TailStrategy.RoundUp)
            part.parallel(self.slice)
            stage = part.update()
        inner, loops = split_into_tiles(stage, pure, atom, tile, bool(self.panels), hl.TailStrategy.RoundUp)
        stage.reorder(*inner, *(variable for variable, _ in loops), *reversed(self.loops), self.slice)
        stage.vectorize(inner[0])
        for variable in inner[1:]:
            stage.unroll(variable)
        stage.parallel(self.slice)
        around = [variable for variable, _ in loops] + self.loops[::-1] + [self.slice]
        self.row.compute_at(part, around[0])
        rest = [*self.outer, self.slice]
        fill_registers(self.row, pure, self.over, atom, tile, self.steps, rest)
        for copy in self.staged:
            if self.slicing.sliced not in copy.indices:
                copy.compute_first()
            else:
                copy.func.compute_at(part, self.loops[0] if self.loops else self.slice)
        for panel in self.panels:
            panel.func.compute_at(part, self._loop_of(panel))

    def _loop_of(self, panel: Panel) -> Any:
        """The outermost loop in which a panel fits into a cache."""
        fixed = [self.slicing.sliced]
        for loop, index in zip(self.loops, self.slicing.outer, strict=True):
            fixed.append(index)
            if panel_bytes(panel, fixed, self.atom.sizes, self.element_bytes) <= WORKING_SET:
                return loop
        return self.loops[-1] if self.loops else self.slice


def _reduce(atom: Definition) -> Reduce:
    assert isinstance(atom.term, Reduce)
    return atom.term


def _one_or_all(values: list[Any]) -> Any:
    """What a Func is defined as: a value, or several."""
    return values[0] if len(values) == 1 else tuple(values)


def _along(stage: Any, variable: Any, lanes: int, size: int, tail: Any = None) -> None:
    """Vectors along a variable, where there is a whole one."""
    if size >= lanes > 1:
        lane = hl.Var("lane")
        stage.split(variable, variable, lane, lanes, tail or hl.TailStrategy.GuardWithIf).vectorize(lane)
