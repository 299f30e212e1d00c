"""Gradients of max pooling: the few windows in which an element lies are written out, for each phase of a stride.

    do[e,p,q,c] = sum[m,n](where(place[e,(p-m+1)/2,(q-n+1)/2,c else 0] == 3*m+n, dx[e,(p-m+1)/2,(q-n+1)/2,c else 0], 0))

With p = 2*p' + f and q = 2*q' + g, each pair of phases f and g reads what lies beside p' and q', without gaps, and half
of all m and n. Vectors run along the channels c; where these are few, along columns and channels as one, into a row for
each phase, of which the rows of the result are put together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, expression
from convgrad.compute.halide.passes.windows import Windows
from convgrad.compute.halide.schedules.across import slots
from convgrad.compute.halide.schedules.contraction import in_tasks
from convgrad.compute.halide.schedules.generic import neutral, variables
from convgrad.compute.halide.target import machine
from convgrad.notation.terms import Access, Definition, Reduce

FLAT = 1.25
"""Places of vectors along the channels for each channel, from which these run along columns, too: a row of each phase
is then written and read once more."""
FEW_CHANNELS = 4
"""Channels below which it is worth that only where an element lies in FEW_WINDOWS and more."""
FEW_WINDOWS = 4
"""Windows of an element: 2.25 for 3x3 with a stride of 2. With 2x2, for which nothing is read twice, rows of 3 channels
take twice as long as vectors of 2 (256 images of 5x5: 0.022 ms instead of 0.011); 5x5, stride 2: 0.07, not 0.13."""

ROWS = 16
"""Rows of each phase for which what they read is copied together: 16 rows of 5x5 windows read 20."""


class WindowReduction:
    """The sums of an atom that `windows_of` knows; vectors `flat` along columns and channels, or along channels."""

    def __init__(self, atom: Definition, lowering: Lowering, element_bytes: int, windows: Windows):
        self.atom, self.lowering, self.windows = atom, lowering, windows
        self.channels, self.lanes = atom.shape[-1], machine().lanes(element_bytes)
        strides = [axis.stride for axis in windows.axes]
        often = prod(atom.sizes[index] for index in self._reduced) / prod(strides) >= FEW_WINDOWS
        self.flat = slots(self.channels, self.lanes) > FLAT and (often or self.channels >= FEW_CHANNELS)
        self.beyond = frozenset(a.index for a in windows.axes if atom.sizes[a.index] % a.stride)
        pure = variables(atom)
        self.rows: list[Any] = []
        self.copies: dict[Access, Any] = {}
        self.sums = hl.Func("sums")
        where = [pure[index] for index in atom.indices]
        quotients = [v if s == 1 else v // s for v, s in zip(where, strides, strict=False)]
        value: Any = None
        for phases in reversed(list(product(*map(range, strides)))):
            here = self._row(phases)[tuple(reversed(self._placed(quotients, where[-1])))]
            ours = [v % s == phase for v, s, phase in zip(where, strides, phases, strict=False) if s > 1]
            condition = ours[0] if ours else None
            for more in ours[1:]:
                condition = condition & more
            value = expression(here) if value is None else hl.select(condition, expression(here), value)
        self.sums[tuple(reversed(where))] = value

    def _placed(self, quotients: Sequence[Any], last: Any) -> list[Any]:
        """The coordinates of a row's element."""
        return [*quotients[:-1], quotients[-1] * self.channels + last] if self.flat else [*quotients, last]

    def _row(self, phases: Sequence[int]) -> Any:
        """The Func of the sums of one phase of each axis."""
        func = hl.Func("row")
        at = [hl.Var(f"r{number}") for number in range(len(phases) + (not self.flat))]
        func[tuple(reversed(at))] = hl.strict_float(self._sum(phases, at))
        self.rows.append(func)
        return func

    def _sum(self, phases: Sequence[int], at: Sequence[Any]) -> Any:
        reduce, lowering, sizes = self.atom.term, self.lowering, self.atom.sizes
        assert isinstance(reduce, Reduce)
        total = None
        for places in product(*(range(sizes[index]) for index in self._reduced)):
            indices = dict(zip(self._reduced, places, strict=True))
            offsets = [
                axis.place(phase, indices[axis.window] if axis.window else 0)
                for axis, phase in zip(self.windows.axes, phases, strict=True)
            ]
            whole = [offset for offset in offsets if offset is not None]
            if len(whole) == len(offsets):
                for access in (self.windows.added, self.windows.chosen):
                    lowering.substitutes[access] = partial(self._read, access, whole, at)
                value = lowering.value(reduce.body, indices)
                total = value if total is None else total + value
        return neutral("sum", lowering.kind) if total is None else total

    def _read(self, access: Access, offsets: Sequence[int], at: Sequence[Any], indices: Mapping[str, Any]) -> Any:
        """The element beside a row's element: 0 outside, or any of those inside where that is not added."""
        beside = [coordinate + offset for coordinate, offset in zip(at, offsets, strict=False)]
        if not self.flat:
            return self._checked(access, offsets, [*beside, at[-1]])
        flat = at[-1] + offsets[-1] * self.channels
        beside[-1:] = [flat // self.channels, flat % self.channels]
        return hl.Expr(self._copy(access)[tuple(reversed(beside))])

    def _copy(self, access: Access) -> Any:
        """The Func of a copy with columns and channels as one, and with zeros around, from which whole vectors are read
        without checks."""
        if access not in self.copies:
            func = hl.Func(f"copy{len(self.copies)}")
            at = [hl.Var(f"c{number}") for number in range(len(self.windows.axes) + 1)]
            func[tuple(reversed(at))] = self._checked(access, None, list(at))
            self.copies[access] = func
        return self.copies[access]

    def _checked(self, access: Access, offsets: Sequence[int] | None, places: list[Any]) -> Any:
        """An element, with checks along axes where `offsets` may lead outside of the tensor; None: along all."""
        tensor = self.lowering.tensors[access.tensor]
        inside: list[Any] = []
        for axis, window in enumerate(self.windows.axes):
            low, high = (tensor.low[axis], tensor.high[axis]) if tensor.low else (0, 0)
            size, count = tensor.shape[axis], -(-self.atom.shape[axis] // window.stride)
            place = places[axis]
            if offsets is None or offsets[axis] < -low:
                inside.append(place >= 0)
                places[axis] = hl.likely(hl.max(places[axis], 0))
            if offsets is None or offsets[axis] + count > size + high:
                inside.append(place < size)
                places[axis] = hl.likely(hl.min(places[axis], size - 1))
        value = tensor.load(places)
        if not value.type().is_float():
            value = hl.cast(self.lowering.kind if self.flat else hl.Int(32), value)
        if not inside or (access is self.windows.chosen and not self.flat):
            return value
        condition = inside[0]
        for more in inside[1:]:
            condition = condition & more
        return hl.select(hl.likely(condition), value, hl.cast(value.type(), hl.i32(0)))

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        """Schedule `func`, which reads the sums at its own element."""
        *others, last = variables
        lane, inner, loops = hl.Var("lane"), list[Any](), []
        lanes = self.lanes
        while lanes > self.channels:
            lanes //= 2
        for number, (axis, variable) in enumerate(zip(self.windows.axes, others, strict=True)):
            if axis.stride > 1:
                phase = hl.Var(f"phase{number}")
                uneven = axis.index in self.beyond
                tail = hl.TailStrategy.PredicateStores if uneven else hl.TailStrategy.RoundUp
                func.split(variable, variable, phase, axis.stride, tail)
                inner.append(phase)
            loops.append((variable, -(-self.atom.sizes[axis.index] // axis.stride)))
        work = prod(self.atom.shape) * prod(self.atom.sizes[index] for index in self._reduced)
        if not self.flat:
            func.split(last, last, lane, lanes, hl.TailStrategy.ShiftInwards)
            func.reorder(lane, *inner[::-1], last, *(variable for variable, _ in loops[::-1]))
            func.vectorize(lane)
            in_tasks(func, loops[::-1], work)
        else:
            self._schedule_rows(func, last, inner, loops, work)
        for phase in inner:
            func.unroll(phase)

    def _schedule_rows(self, func: Any, last: Any, phases: list[Any], loops: list[tuple[Any, int]], work: int) -> None:
        *others, (column, columns) = loops
        lane, lanes = hl.Var("lane"), self.lanes
        along, size = (last, self.channels) if self.channels > 1 else (column, columns)
        while lanes > size:
            lanes //= 2
        func.split(along, along, lane, lanes, hl.TailStrategy.ShiftInwards)
        inner = [lane, *phases[::-1], last, column]
        if others:
            place, count = others[-1]
            stretch = hl.Var("stretch")
            length = -(-count // -(-count // ROWS))
            func.split(place, stretch, place, length, hl.TailStrategy.ShiftInwards)
            inner, others = [*inner, place], [*others[:-1], (stretch, -(-count // length))]
        func.reorder(*inner, *(variable for variable, _ in others[::-1]))
        func.vectorize(lane)
        _, at = in_tasks(func, others[::-1], work)
        for copied in (*self.copies.values(), *self.rows):
            if at is None:
                copied.compute_root()
            elif copied in self.rows and others:
                copied.compute_at(func, place)
            else:
                copied.compute_at(func, at)
        for copied in self.copies.values():
            x = copied.args()[0 if self.channels > 1 else 1]
            copied.split(x, x, lane, lanes, hl.TailStrategy.ShiftInwards).vectorize(lane)
        for row in self.rows:
            x = row.args()[0]
            # Copies are then made as far as whole vectors read them: what lies beyond their end is written, too.
            row.align_extent(x, self.lanes)
            row.split(x, x, lane, self.lanes, hl.TailStrategy.RoundUp).vectorize(lane)

    @property
    def _reduced(self) -> tuple[str, ...]:
        assert isinstance(self.atom.term, Reduce)
        return self.atom.term.indices
