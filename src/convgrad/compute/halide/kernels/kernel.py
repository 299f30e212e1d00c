"""From a group of atoms to Halide Funcs with their schedules: one kernel, ready to be compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.contract import root
from convgrad.compute.halide.codegen.lowering import Lowering, Tensor, as_number, from_function, reshaped
from convgrad.compute.halide.kernels.canonical import describe
from convgrad.compute.halide.options import options, using
from convgrad.compute.halide.passes.atoms import is_reduction
from convgrad.compute.halide.passes.fusion import Group, Style, reads_own_elements
from convgrad.compute.halide.passes.memory import Layout
from convgrad.compute.halide.schedules.generic import small_function
from convgrad.compute.halide.schedules.phases import places_inside
from convgrad.compute.halide.schedules.pointwise import PARALLEL_ELEMENTS, map_function, schedule_flat, schedule_map
from convgrad.compute.halide.schedules.reduction import scheduled_reduction, streamed
from convgrad.compute.halide.schedules.winograd.reduction import packing, winograd_pattern
from convgrad.dtypes import DTYPES, HALF
from convgrad.notation.terms import IndexValue, Reduce, accesses, walk

MAKERS = {"float": hl.Float, "int": hl.Int, "uint": hl.UInt}
KINDS = {name: MAKERS[dtype.kind](dtype.bits) for name, dtype in DTYPES.items()}


@dataclass
class Kernel:
    """What the compiler needs: a group, and where its tensors lie.

    Attributes:
        slices: how often it is called, by one thread each time, in a chain; `sliced` are the tensors of which each call
            has a part of its own.
        reads: tensors (or views) that are its input buffers, in order; `writes` its output buffers.
        key: the same for kernels that may share compiled code.
    """

    group: Group
    layouts: Mapping[str, Layout]
    views: Mapping[str, str]
    dtype: str
    slices: int = 1
    sliced: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        own = self.group.names
        self.reads = [name for name in self.group.reads() if root(name, self.views) not in own]
        self.writes = list(self.group.stored)
        self.flat = self._is_flat()
        self.wide = prod(self.group.shape) >= PARALLEL_ELEMENTS
        self.options = options()
        self.key = f"{describe(self)}\n{self.options}"

    def _is_flat(self) -> bool:
        group = self.group
        if group.style is not Style.MAP or not all(map(reads_own_elements, group.atoms)):
            return False
        if any(isinstance(term, IndexValue) for atom in group.atoms for term in walk(atom.term)):
            return False
        return not any(self.layouts[name].bordered for name in (*self.reads, *self.writes))

    @property
    def title(self) -> str:
        """What it computes, in a few words."""
        names = list(dict.fromkeys(name.partition("#")[0] for name in self.writes))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"The kernel of {', '.join(names[:3])}{more}"

    def __str__(self) -> str:
        lines = [f"{self.group.style.value}{' flat' if self.flat else ''}: {', '.join(self.writes)}"]
        return "\n    ".join([*lines, *map(str, self.group.atoms)])

    # Building

    def build(self) -> tuple[Any, list[Any]]:
        """A Halide pipeline and its input parameters."""
        params = [self._parameter(name) for name in self.reads]
        tensors = {name: self._tensor(name, param) for name, param in zip(self.reads, params, strict=True)}
        builders = {Style.SMALL: self._small, Style.MAP: self._map, Style.REDUCTION: self._reduction}
        with using(self.options):
            return builders.get(self.group.style, self._packing)(tensors), params

    def _rank(self, name: str) -> int:
        shape = self.layouts[name].shape
        return 1 if self.flat and shape else len(shape)

    def _parameter(self, name: str) -> Any:
        layout = self.layouts[name]
        param = hl.ImageParam(KINDS[layout.element], self._rank(name), f"p{self.reads.index(name)}")
        if self.flat and layout.shape:
            param.dim(0).set_min(0).set_stride(1)
        elif layout.shape:
            _promise(param, layout, read=True)
        return param

    def _tensor(self, name: str, param: Any) -> Tensor:
        layout = self.layouts[name]
        if self.flat and layout.shape:
            variable = self._flat_variable
            return Tensor(layout.shape, lambda _: as_number(param[variable]))
        plain = from_function(param, layout.shape)
        bits = (lambda places: param[tuple(reversed(places))]) if layout.element == HALF else None
        return Tensor(layout.shape, plain.load, layout.low, layout.high, bits)

    @property
    def _flat_variable(self) -> Any:
        return hl.Var("v")

    def _small(self, tensors: dict[str, Tensor]) -> Any:
        outputs = {}
        group = self.group
        for number, atom in enumerate(group.atoms):
            for access in accesses(atom.term):
                if access.tensor not in tensors:  # a view of a tensor of this kernel
                    shown = tensors[root(access.tensor, self.views)]
                    tensors[access.tensor] = reshaped(shown, self.layouts[access.tensor].shape)
            lowering = Lowering(KINDS[self.dtype], tensors, atom.sizes)
            element = KINDS[self.layouts[atom.name].element]
            func, tensor = small_function(atom, lowering, element, group.in_place.get(atom.name), f"f{number}")
            tensors[atom.name] = tensor
            outputs[atom.name] = func
        for name in self.writes:
            _promise(outputs[name].output_buffer(), self.layouts[name], read=False)
        return hl.Pipeline([outputs[name] for name in self.writes])

    def _map(self, tensors: dict[str, Tensor]) -> Any:
        group = self.group
        shape = group.shape
        variables = [self._flat_variable] if self.flat else [hl.Var(f"v{n}") for n in range(len(shape))]
        func = map_function(
            group.atoms, self.writes, self._elements(), tensors, KINDS[self.dtype], group.in_place, variables, self.flat
        )
        width = self._width()
        if self.flat:
            schedule_flat(func, variables[0], width, self.wide, bool(group.in_place))
            for number, buffer in enumerate(_buffers(func, len(self.writes))):
                buffer.dim(0).set_stride(1)
                if number == 0:
                    buffer.dim(0).set_min(0)
        else:
            schedule_map(func, variables, shape, width, bool(group.in_place))
            self._promise_outputs(func)
        return hl.Pipeline([func])

    def _reduction(self, tensors: dict[str, Tensor]) -> Any:
        group = self.group
        atom = group.atoms[0]
        lowering = Lowering(KINDS[self.dtype], tensors, atom.sizes)
        variables = [hl.Var(f"v{n}") for n in range(len(group.shape))]
        assert isinstance(atom.term, Reduce)
        more = [
            (other, Lowering(KINDS[self.dtype], tensors, other.sizes))
            for other in group.atoms[1:]
            if is_reduction(other)
        ]
        nominal = group.nominal.get(atom.name)
        packed = [tensors.pop(made) for made in group.packed.values()]
        reduced = scheduled_reduction(
            atom, lowering, self._width(), more, self.slices > 1, nominal, group.frozen, *packed
        )
        several = bool(more) or atom.term.kind.startswith("arg")
        for number, summed in enumerate([atom, *(other for other, _ in more)]):
            tensors[summed.name] = from_function(reduced.sums, summed.shape, number if several else None)
        kind = KINDS[self.dtype]
        places = places_inside(atom, variables, reduced.beyond)
        func = map_function(
            group.atoms, self.writes, self._elements(), tensors, kind, {}, variables, flat=False, places=places
        )
        reduced.schedule(func, variables)
        self._promise_outputs(func)
        return hl.Pipeline([func])

    def _packing(self, tensors: dict[str, Tensor]) -> Any:
        group = self.group
        (weights, made), atom = next(iter(group.packed.items())), group.atoms[0]
        shapes = {access.tensor: self.layouts[access.tensor].shape for access in accesses(atom.term)}
        nominal, scheduled = group.nominal.get(atom.name), group.style is Style.PACKING
        if winograd_pattern(atom, shapes, self._width(), nominal, frozen=True) is not None:
            func = packing(atom, shapes, tensors[weights], nominal, scheduled)
        else:
            stream = streamed(atom, shapes, self._width(), nominal)
            assert stream is not None, "nothing else is packed"
            func = stream.packing(tensors[weights], scheduled)
        _promise(func.output_buffer(), self.layouts[made], read=False)
        return hl.Pipeline([func])

    def _elements(self) -> dict[str, Any]:
        return {name: KINDS[self.layouts[name].element] for name in self.writes}

    def _width(self) -> int:
        return 8 if self.dtype == "float64" else 4

    def _promise_outputs(self, func: Any) -> None:
        for number, (buffer, name) in enumerate(zip(_buffers(func, len(self.writes)), self.writes, strict=True)):
            _promise(buffer, self.layouts[name], read=False, bounds=number == 0)


def _buffers(func: Any, count: int) -> list[Any]:
    return list(func.output_buffers()) if count > 1 else [func.output_buffer()]


def _promise(buffer: Any, layout: Layout, read: bool, bounds: bool = True) -> None:
    """Tell the compiler where a tensor lies: the border may be read, and is never written.

    The bounds of a second output of one Func are those of the first, and Halide wants them said once.
    """
    strides = layout.strides
    for axis, size in enumerate(layout.shape):
        dimension = buffer.dim(len(layout.shape) - 1 - axis)
        low, high = (layout.low[axis], layout.high[axis]) if read and layout.bordered else (0, 0)
        if bounds:
            dimension.set_bounds(-low, size + low + high)
        dimension.set_stride(strides[axis])
