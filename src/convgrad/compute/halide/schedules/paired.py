"""Contractions of bfloat16 numbers in pairs, by an instruction that adds two products to each sum (VDPBF16PS).

    x[e,k] = sum[c](w[c,k] * o[e,c])      as      x[e,k] = sum[d](w[2*d,k] * o[e,2*d] + w[2*d+1,k] * o[e,2*d+1])

It has the form of register tiles (`contraction.py`): a vector of k for each position. One operand is copied with pairs
of c innermost, so that a vector holds both numbers of 16 k; of the other a pair lies side by side in memory.

The instruction adds to the sum first one product, then the other, rounding to nearest after each, and takes subnormal
numbers for 0, as all kernels do: a sum of n products is off by at most n * 2^-24 of the sum of their sizes, like the
sum of n multiply-adds. It goes through the sum in one order for any number of examples and threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen import functions
from convgrad.compute.halide.codegen.lowering import Lowering, expression
from convgrad.compute.halide.passes.atoms import is_contraction
from convgrad.compute.halide.schedules.contraction import CACHE_SHARE, in_tasks, tile_output
from convgrad.compute.halide.schedules.generic import coordinates, variables
from convgrad.compute.halide.schedules.pointwise import PARALLEL_ELEMENTS
from convgrad.compute.halide.schedules.tiles import tile_for
from convgrad.compute.halide.target import Machine, machine
from convgrad.notation.terms import Access, Definition, Multiply, Reduce

PAIR = 2
LANES = 16
"""Sums in a register of 64 bytes."""
LEAST_TERMS = 32
"""Products of a sum from which it pays to copy an operand in pairs."""


@dataclass(frozen=True)
class Pairing:
    """packed: the operand that vectors run along. beside: the other one, which has `index` of the sum along memory."""

    packed: Access
    beside: Access
    index: str


def pairing_for(atom: Definition, lowering: Lowering) -> Pairing | None:
    """How to go through a sum in pairs; None where it has not the form, or the processor not the instruction."""
    reduce = atom.term
    if not machine().pairs or not isinstance(reduce, Reduce) or not is_contraction(reduce) or not atom.indices:
        return None
    assert isinstance(reduce.body, Multiply)
    if len(reduce.body.factors) != PAIR or prod(atom.sizes[i] for i in reduce.indices) < LEAST_TERMS:
        return None
    if tile_for(atom, whole_vectors(), 4).lanes != LANES:
        return None
    first, second = reduce.body.factors
    for packed, beside in ((first, second), (second, first)):
        if not isinstance(packed, Access) or not isinstance(beside, Access) or not beside.positions:
            continue
        index = beside.positions[-1].as_name
        if index in reduce.indices and _suits(atom, packed, beside, index, lowering):
            return Pairing(packed, beside, index)
    return None


def _suits(atom: Definition, packed: Access, beside: Access, index: str, lowering: Lowering) -> bool:
    last = atom.indices[-1]
    halves = all(lowering.tensors[access.tensor].bits is not None for access in (packed, beside))
    plain = all(p.is_whole for access in (packed, beside) for p in access.positions)
    bare = [position.as_name for position in packed.positions]
    once = all(sum(index in p.names for p in access.positions) == 1 for access in (packed, beside))
    return (
        halves
        and plain
        and once
        and not lowering.may_leave(packed)
        and index in bare
        and bare.count(last) == 1
        and sum(last in position.names for position in packed.positions) == 1
        and last not in beside.free_names
        and atom.sizes[index] % PAIR == 0
    )


def whole_vectors() -> Machine:
    """The processor, as what computes with whole vectors only."""
    return replace(machine(), halves=False)


class PairedReduction:
    """An atom whose sum goes through a register tile in pairs, in the interface of the other reductions."""

    beyond = frozenset[str]()

    def __init__(self, atom: Definition, lowering: Lowering, pairing: Pairing):
        assert isinstance(atom.term, Reduce)
        self.atom, self.lowering, self.pairing = atom, lowering, pairing
        self.tile = tile_for(atom, whole_vectors(), 4)
        sizes = atom.sizes
        self.over_names = [*(i for i in atom.term.indices if i != pairing.index), pairing.index]
        domain = hl.RDom([(0, sizes[i]) for i in reversed(self.over_names)], "r")
        self.over = [domain[n] for n in reversed(range(len(self.over_names)))]
        self.pure = variables(atom)
        indices = {**self.pure, **dict(zip(self.over_names, self.over, strict=True))}
        self.packed = self._packed()
        self.beside = self._copied() if lowering.may_leave(pairing.beside) else None
        self.sums = hl.Func("tiles")
        where = coordinates(self.pure)
        self.sums[where] = hl.f32(0)
        product = _float(self._read_packed(indices)) * _float(self._read_beside(indices))
        self.sums[where] = expression(self.sums[where]) + product

    def _packed(self) -> Any:
        """packed[..., d, k, p]: element 2*d+p along the index of the sum, for whole vectors of k."""
        access = self.pairing.packed
        places: list[Any] = [hl.Var(f"c{axis}") for axis in range(len(access.positions))]
        pair, last, half = hl.Var("pair"), hl.Var("last"), hl.Var("half")
        tensor = self.lowering.tensors[access.tensor]
        along, summed = self._axes()
        size = tensor.shape[along]
        places[along], places[summed] = hl.min(last, size - 1), pair * PAIR + half
        assert tensor.bits is not None
        others = [place for axis, place in enumerate(places) if axis not in (along, summed)]
        func = hl.Func("packed")
        # Beyond the end there are zeros, for no kernel computes with what nobody wrote.
        where = (half, last, pair, *reversed(others))
        func[where] = hl.select(last < size, tensor.bits(places), hl.cast(hl.UInt(16), hl.u16(0)))
        func.bound(half, 0, PAIR).unroll(half)
        func.align_bounds(last, LANES)
        lane = hl.Var("lane")
        func.split(last, last, lane, LANES, hl.TailStrategy.GuardWithIf).reorder(half, lane).vectorize(lane)
        self._shared = others[0] if others else pair
        return func

    def _axes(self) -> tuple[int, int]:
        """The axes of the packed operand that vectors, and the sum's index, run along."""
        bare = [position.as_name for position in self.pairing.packed.positions]
        return bare.index(self.atom.indices[-1]), bare.index(self.pairing.index)

    def _read_packed(self, indices: Mapping[str, Any]) -> Any:
        access = self.pairing.packed
        tops = self.lowering.numerators(access, indices)
        along, summed = self._axes()
        others = [top for axis, top in enumerate(tops) if axis not in (along, summed)]
        place = tops[summed]
        where = (place % PAIR, tops[along], place // PAIR, *reversed(others))
        return hl.Expr(self.packed[where])

    def _copied(self) -> Any:
        """The other operand with what is read outside of it."""
        access = self.pairing.beside
        places = [hl.Var(f"b{axis}") for axis in range(len(access.positions))]
        func = hl.Func("beside")
        func[tuple(reversed(places))] = functions.in_half(self.lowering.at_numerators(access, places))
        lane = hl.Var("lane")
        size = self.lowering.tensors[access.tensor].shape[-1]
        if size >= LANES:
            func.split(places[-1], places[-1], lane, LANES, hl.TailStrategy.GuardWithIf).vectorize(lane)
        self._beside_shared = places[0]
        return func

    def _read_beside(self, indices: Mapping[str, Any]) -> Any:
        access = self.pairing.beside
        tops = self.lowering.numerators(access, indices)
        if self.beside is not None:
            return hl.Expr(self.beside[tuple(reversed(tops))])
        bits = self.lowering.tensors[access.tensor].bits
        assert bits is not None
        return bits(tops)

    def schedule(self, func: Any, variables_: Sequence[Any]) -> None:
        """Schedule `func`, which reads the sums at its own element."""
        atom, tile, sizes = self.atom, self.tile, self.atom.sizes
        outer = tile_output(func, variables_, atom, tile, self._packed_outside())
        work = prod(sizes[i] for i in (*atom.indices, *self.over_names))
        task, at = in_tasks(func, outer, work)
        if at is None:
            self.sums.compute_root()
        else:
            self.sums.compute_at(func, at)
        self._fill()
        self.packed.compute_root()
        if prod(self.lowering.tensors[self.pairing.packed.tensor].shape) >= PARALLEL_ELEMENTS:
            self.packed.parallel(self._shared)
        if self.beside is not None:
            if task is not None and atom.indices[0] in self.pairing.beside.free_names:
                self.beside.compute_at(func, task)
            else:
                self.beside.compute_root().parallel(self._beside_shared)

    def _packed_outside(self) -> bool:
        """Whether the packed operand is too large to be read through again for every position."""
        size = prod(self.lowering.tensors[self.pairing.packed.tensor].shape) * PAIR
        return self.tile.blocks > 1 and size > CACHE_SHARE

    def _fill(self) -> None:
        """A tile in registers, the sum around it, two products at once."""
        lane, inner, outer = hl.Var("lane"), hl.RVar("both"), hl.RVar("pairs")
        *others, last = self.pure.values()
        pairs = list(zip(self.atom.indices[:-1], others, strict=True))
        tiled = [variable for index, variable in pairs if index in self.tile.positions]
        rest = [variable for index, variable in pairs if index not in self.tile.positions]
        *around, along = self.over
        self.sums.align_extent(last, LANES)
        update = self.sums.update()
        update.split(along, outer, inner, PAIR)
        for stage in (self.sums, update):
            stage.split(last, last, lane, LANES, hl.TailStrategy.RoundUp)
            if stage is update:
                stage.reorder(inner, lane, last, *reversed(tiled), outer, *reversed(around), *reversed(rest))
            stage.vectorize(lane).unroll(last)
            for variable in tiled:
                stage.unroll(variable)
        update.atomic().vectorize(inner)


def _float(bits: Any) -> Any:
    """Of a type that the compiler knows the instruction for."""
    return hl.cast(hl.Float(32), hl.reinterpret(hl.BFloat(16), bits))
