"""Which schedule a long reduction gets, from its kind and sizes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, Protocol

from convgrad.compute.halide.codegen.lowering import Lowering, Tensor
from convgrad.compute.halide.options import options
from convgrad.compute.halide.passes.atoms import is_contraction
from convgrad.compute.halide.passes.windows import windows_of
from convgrad.compute.halide.schedules.across import tiled_cycles, vector_index
from convgrad.compute.halide.schedules.contraction import PARALLEL_WORK, TiledReduction, inside_shares
from convgrad.compute.halide.schedules.depthwise import DepthwiseReduction, depthwise_windows
from convgrad.compute.halide.schedules.depthwise_gradient import DepthwiseGradient, bands_of
from convgrad.compute.halide.schedules.folded import FoldedReduction, Folding, folding_for
from convgrad.compute.halide.schedules.generic import reduction
from convgrad.compute.halide.schedules.paired import PairedReduction, pairing_for
from convgrad.compute.halide.schedules.panels import panelled
from convgrad.compute.halide.schedules.pointwise import ENOUGH_TASKS, schedule_map
from convgrad.compute.halide.schedules.slices import MOST_SLICES, SlicedReduction, slicing_for
from convgrad.compute.halide.schedules.streams import Stream, stream_of
from convgrad.compute.halide.schedules.tiles import Tile, dividing_tile, tiles
from convgrad.compute.halide.schedules.windows import WindowReduction
from convgrad.compute.halide.schedules.winograd.reduction import WinogradReduction, beats_pairs, winograd_pattern
from convgrad.compute.halide.target import LINE, machine
from convgrad.notation.terms import Definition, Reduce, accesses


class ScheduledReduction(Protocol):
    """The Func of a reduction, and the schedule of it and of the Func that reads it at its own element.

    beyond: indices along which that Func is computed beyond its end, but not stored there.
    """

    sums: Any
    beyond: frozenset[str]

    def schedule(self, func: Any, variables: Sequence[Any]) -> None: ...


class PlainReduction:
    """Computed whole, with plain loops, before it is read."""

    beyond = frozenset[str]()

    def __init__(self, atom: Definition, lowering: Lowering, element_bytes: int):
        self.atom, self.element_bytes = atom, element_bytes
        self.sums, _, _ = reduction(atom, lowering, "sums")

    def schedule(self, func: Any, variables: Sequence[Any]) -> None:
        self.sums.compute_root()
        if self.atom.shape:
            schedule_map(func, variables, self.atom.shape, self.element_bytes, in_place=False)


def scheduled_reduction(
    atom: Definition,
    lowering: Lowering,
    element_bytes: int,
    siblings: Sequence[tuple[Definition, Lowering]] = (),
    alone: bool = False,
    nominal: Definition | None = None,
    frozen: bool = False,
    packed: Tensor | None = None,
) -> ScheduledReduction:
    """The reduction of an atom with the schedule that suits it, and with it those of its siblings.

    alone: one thread computes it, others the same for other examples.
    nominal: the atom by whose sizes is chosen what changes rounding, where these are not its own (`nominal.py`).
    frozen: an operand is constant. packed: what was made of it once, where that is for the schedule.
    """
    assert isinstance(atom.term, Reduce)
    deciding = atom if nominal is None else nominal
    most = 1 if alone and nominal is None else MOST_SLICES
    slicing = slicing_for(deciding, element_bytes, most)
    if siblings:
        assert slicing is not None, "a long sum has an index with two places"
        return SlicedReduction(atom, lowering, element_bytes, slicing, siblings)
    if atom.term.kind.startswith("arg") or not atom.indices:
        return PlainReduction(atom, lowering, element_bytes)
    bands = bands_of(deciding, element_bytes, most) if options().reduction is None else None
    if bands is not None:
        return DepthwiseGradient(atom, lowering, element_bytes, bands)
    depthwise = depthwise_windows(atom, element_bytes) if options().reduction is None else None
    if depthwise is not None:
        return DepthwiseReduction(atom, lowering, element_bytes, depthwise)
    windows = windows_of(atom.term, atom.indices, atom.sizes) if options().reduction is None else None
    if windows is not None:
        return WindowReduction(atom, lowering, element_bytes, windows)
    shapes = {name: tensor.shape for name, tensor in lowering.tensors.items()}
    pattern = winograd_pattern(atom, shapes, element_bytes, nominal, frozen)
    forced = options().reduction
    pairing = pairing_for(atom, lowering) if forced is None and element_bytes == 4 else None
    if pattern is not None and (pairing is None or beats_pairs(atom, pattern, shapes, nominal)):
        return WinogradReduction(atom, lowering, pattern, nominal, packed)
    if forced == "plain":
        return PlainReduction(atom, lowering, element_bytes)
    folding = chosen_folding(deciding, element_bytes) if forced is None else None
    if forced == "folded":
        folding = folding_for(deciding, element_bytes)
    if pairing is not None and folding is not None:
        tiled = tiled_cycles(deciding, vector_index(deciding, element_bytes), element_bytes)
        folding = folding if 2 * folding.cycles < tiled else None  # pairs take two products at once
    if folding is not None:
        own = folding_for(atom, element_bytes, folding.along)
        assert own is not None, "what can be folded can be for any number of examples"
        return FoldedReduction(atom, lowering, element_bytes, replace(own, masked=folding.masked))
    sliced = forced == "sliced" if forced else _sliced(deciding, element_bytes)
    if slicing is not None and sliced:
        return SlicedReduction(atom, lowering, element_bytes, slicing)
    if pairing is not None:
        return PairedReduction(atom, lowering, pairing)
    return TiledReduction(atom, lowering, element_bytes, vector_index(atom, element_bytes), packed)


def streamed(
    atom: Definition, shapes: Mapping[str, tuple[int, ...]], element_bytes: int, nominal: Definition | None = None
) -> Stream | None:
    """What to pack of an atom with a constant operand that is not Winograd's: only register tiles read streams."""
    assert isinstance(atom.term, Reduce)
    deciding = atom if nominal is None else nominal
    if not is_contraction(atom.term) or not atom.indices or options().reduction is not None:
        return None
    if depthwise_windows(atom, element_bytes) or bands_of(deciding, element_bytes):
        return None
    if chosen_folding(deciding, element_bytes) or vector_index(atom, element_bytes) is not None:
        return None
    if slicing_for(deciding, element_bytes) is not None and _sliced(deciding, element_bytes):
        return None
    return stream_of(atom, shapes, element_bytes, inside_shares(atom, shapes))


def chosen_folding(atom: Definition, element_bytes: int) -> Folding | None:
    """How to fold vectors along an index of the sum, where that is quicker than register tiles and keeps all threads
    busy; else None."""
    folding = folding_for(atom, element_bytes)
    if folding is None:
        return None
    assert isinstance(atom.term, Reduce)
    work = prod(atom.sizes[index] for index in (*atom.indices, *atom.term.indices))
    if work >= PARALLEL_WORK and tiles(atom, folding.tile) < ENOUGH_TASKS:
        return None
    return folding if folding.cycles < tiled_cycles(atom, vector_index(atom, element_bytes), element_bytes) else None


def _sliced(atom: Definition, element_bytes: int) -> bool:
    """Whether partial sums pay: too few tiles for the threads, or each of many would read too much from memory."""
    assert isinstance(atom.term, Reduce)
    sizes = atom.sizes
    terms = prod(sizes[index] for index in atom.term.indices)
    if terms * prod(atom.shape) < PARALLEL_WORK:
        return False
    if any(not position.is_whole for access in accesses(atom.term) for position in access.positions):
        return False  # a strided input gradient: only register tiles leave its zeros out
    tile = dividing_tile(atom, machine(), element_bytes)
    stretches = (tile.width, prod(tile.positions.values()))
    apart = len(panelled(atom)) == len(stretches)  # tiles read stretches of rows, and not one row after the other
    whole = LINE if apart else element_bytes
    read = sum(-(-stretch * element_bytes // whole) * whole for stretch in stretches)
    near = apart and terms > FEW_TERMS and not _hides_reads(tile, read, element_bytes)
    most = NEAR_READS if near else TILE_READS
    small = prod(atom.shape) * element_bytes <= SMALL_RESULT
    much = terms * read > most or _in_groups(atom, terms)
    return tiles(atom, tile) < ENOUGH_TASKS or (much and small)


def _hides_reads(tile: Tile, read: int, element_bytes: int) -> bool:
    """Whether the bytes that are `read` for a term, beyond a first-level cache, come while it is multiplied."""
    vectors = tile.vectors * prod(tile.positions.values())
    whole = machine().lanes(element_bytes) / machine().step(element_bytes)  # cycles of a vector where they go in halves
    return vectors * whole / 2 >= LINE_CYCLES * read / LINE


def _in_groups(atom: Definition, terms: int) -> bool:
    """Whether tiles would pick their group's channels out of the pixels of all examples, a few numbers from each, and
    copy these again for each row of a kernel, where they need a border:

    dw[m,n,c,g,k] = sum[e,i,j](dx[e,i,j,g,k] * o[e,i+m,j+n,g,c else 0])
    """
    assert isinstance(atom.term, Reduce)
    read = list(accesses(atom.term))
    shared = frozenset.intersection(*(access.free_names for access in read))
    examples = all(access.positions and access.positions[0].as_name == atom.term.indices[0] for access in read)
    return terms >= GROUPED_TERMS and examples and any(atom.sizes[i] > 1 and i in shared for i in atom.indices)


GROUPED_TERMS = 1 << 10
"""Terms of a group's sums from which slices are better: 64 for each of 16, whose ends are then added up (5x5 kernels,
8 groups of 3 channels and 8 filters at 34x34: 0.29 ms instead of 0.76 on one thread; with 256 terms 1.0, not 0.5)."""
LINE_CYCLES = 4
"""Cycles of arithmetic for each line of memory that a tile reads, from which a second-level cache is near enough."""
TILE_READS = 1 << 20
"""Bytes that a tile may read for its sums, if others read them again: 1 MiB, a second-level cache."""
NEAR_READS = 1 << 15
"""The same where there is less arithmetic: 32 KiB, a first-level cache. Weights of 1x1, 256 -> 256 at 8x8, with 12 sums
of 8 on a Zen 3, which read 2 lines in 6 cycles: 9.4 ms, 31 before; 512 -> 512 at 4x4: 8.4, 14 before."""
FEW_TERMS = 320
"""Terms up to which they are not looked at so closely: 16 slices would add up 20 each, and then their sums, which takes
longer than to read from a second-level cache (Zen 3, dense 193 -> 128, 256 examples: 0.08 ms, 0.12 in slices; 6x6,
7 -> 17 with 288 terms: 0.017 and 0.045). With 400 to 500 neither is quicker for all sizes."""
SMALL_RESULT = 1 << 22
"""Bytes of a result of which partial ones are kept: 4 MiB, of which MOST_BYTES holds 4."""
