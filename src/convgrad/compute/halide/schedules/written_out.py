"""Some steps of the innermost loop over a sum, around a register tile, written out: the same terms in the same order.

On a Zen 3 (8 sums in registers, as many as multiply-adds are under way) a Winograd convolution of 128 channels at 16x16
takes 13.3 ms so, 14.2 without; of 32 -> 64 at 26x26 5.6 ms, 7.6 without: LLVM has no room for 12 sums in the loop, and
has it where steps are written out.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, Tensor
from convgrad.compute.halide.schedules.tiles import Tile
from convgrad.compute.halide.target import WAY, machine
from convgrad.notation.polynomial import Polynomial
from convgrad.notation.terms import Access, Term, accesses

STEPS = (4, 5, 6, 7, 3, 2)
"""Steps that are written out at once: the first of these numbers that divides all steps."""


def dividing_steps(size: int) -> int:
    """How many of `size` steps are written out at once; 1 for none."""
    return next((number for number in STEPS if size % number == 0), 1)


def steps_at_once(
    index: str,
    size: int,
    term: Term,
    tile: Tile,
    lowering: Lowering,
    asked: Iterable[Polynomial],
    numbers: bool = True,
) -> int:
    """The same for the innermost index of a sum, where that is of use.

    Not where positions are `asked` whether there is something to add; nor where steps lead to one set of a cache: the
    gradient of a dense layer's weights, 2048 -> 512, whose examples lie 8 KiB apart, takes 7.5 ms and not 4.7 (Zen 3).
    numbers: whether vectors are multiplied by single numbers, and not by vectors.
    """
    if any(index in position.names for position in asked):
        return 1
    as_they_lie = [access for access in accesses(term) if access not in lowering.copied]
    bytes_ = lowering.kind.bytes()
    if any(_in_one_set(access, index, lowering.tensors[access.tensor], bytes_) for access in as_they_lie):
        return 1
    return dividing_steps(size) if _fits(term, index, tile, numbers) else 1


def some_written_out(stage: Any, loop: Any, steps: int) -> list[Any]:
    """Write out some steps of a loop, a number that divides all: the loops that it becomes, innermost first."""
    if steps == 1:
        return [loop]
    step = hl.RVar("step")
    stage.split(loop, loop, step, steps, hl.TailStrategy.GuardWithIf).unroll(step)
    return [step, loop]


def _in_one_set(access: Access, index: str, tensor: Tensor, element_bytes: int) -> bool:
    """Whether steps of an index lead from one number to others that share its set of a first-level cache."""
    low, high = (zeros or (0,) * len(tensor.shape) for zeros in (tensor.low, tensor.high))
    apart, bytes_ = 0, element_bytes
    for axis in reversed(range(len(access.positions))):
        apart += bytes_ * access.positions[axis].numerator.coefficient(index).constant_value
        bytes_ *= low[axis] + tensor.shape[axis] + high[axis]
    return apart != 0 and apart % WAY == 0


def _fits(term: Term, index: str, tile: Tile, numbers: bool) -> bool:
    """Whether registers are left beside a tile's sums and vectors for what LLVM keeps when steps are written out: what
    several places read, in one step and the next (7x7, 192 -> 2 in two groups at 32, 12 sums, 3 vectors and 3 numbers:
    4.8 ms and not 3.3); and, with one vector, for numbers, of which each takes a register of its own."""
    sums = tile.vectors * prod(tile.positions.values())
    if numbers and tile.vectors == 1 and sums > machine().registers - FOR_NUMBERS:
        return False
    kept = sum(_read_again(access, index, tile) for access in accesses(term))
    return sums + tile.vectors + kept <= machine().registers


FOR_NUMBERS = 6
"""Registers for numbers that are multiplied by a single vector. (1x1, 8 -> 34 at 11, 64 images, 11 sums, 16 registers:
0.058 ms written out, 0.039 else; 3x3, 1 -> 32, whose gradient of weights has 9: 0.22 and 0.24.)"""


def _read_again(access: Access, index: str, tile: Tile) -> int:
    """Numbers that places of a tile read in one step, and others have read in the step before, as o[i+m] does."""
    for position in access.positions:
        along = [name for name in position.names if name in tile.positions]
        if index in position.names and along:
            others = prod(n for name, n in tile.positions.items() if name in access.free_names and name not in along)
            return others * (prod(tile.positions[name] for name in along) - 1)
    return 0
