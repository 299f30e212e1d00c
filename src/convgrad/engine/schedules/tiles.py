"""The register tile of a long reduction: how many vectors along the last axis, how many positions along others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from convgrad.engine.schedules.target import Machine
from convgrad.notation.terms import Access, Definition, Reduce, accesses

MOST_VECTORS = 4
"""Vectors along the last axis: with 4 of them and 6 positions, 24 multiply-adds need 4 + 6 loads, at two loads and
two multiply-adds a cycle: 5 cycles of loads hide behind 12 of arithmetic."""


@dataclass(frozen=True)
class Tile:
    """Accumulators in registers: `vectors` of `lanes` elements along the last axis, for each of `positions` places.

    Attributes:
        blocks: how many such stretches of vectors cover the last axis.
        positions: index of the definition -> places of it in the tile (only those above 1).
    """

    lanes: int
    vectors: int
    blocks: int
    positions: dict[str, int]

    @property
    def width(self) -> int:
        return self.lanes * self.vectors


def accumulators(machine: Machine) -> int:
    """Registers for sums: 24 of 32, 12 of 16; the rest hold the vectors loaded and what the compiler needs."""
    return machine.registers * 3 // 4


def tile_for(atom: Definition, machine: Machine, element_bytes: int) -> Tile:
    """The tile of an atom with a last axis.

    Positions are taken along indices that not all vectors loaded depend on: some are then used for all of them. Their
    number divides the size where possible, so that no place is computed twice.
    """
    return _tile(atom, machine, element_bytes, divided)


def dividing_tile(atom: Definition, machine: Machine, element_bytes: int) -> Tile:
    """A tile whose positions divide the sizes: for sums in memory, which may not be added to twice."""
    return _tile(atom, machine, element_bytes, lambda size, most: max(n for n in range(1, most + 1) if size % n == 0))


def _tile(atom: Definition, machine: Machine, element_bytes: int, places: Callable[[int, int], int]) -> Tile:
    sizes = atom.sizes
    last = atom.indices[-1]
    lanes = _lanes(sizes[last], machine.lanes(element_bytes))
    needed = -(-sizes[last] // lanes)
    blocks = -(-needed // MOST_VECTORS)
    vectors = -(-needed // blocks)
    room = accumulators(machine) // vectors
    positions: dict[str, int] = {}
    for index in _shared_indices(atom):
        count = places(sizes[index], room)
        if count > 1:
            positions[index] = count
            room //= count
        if room < 2:
            break
    return Tile(lanes, vectors, blocks, positions)


def _lanes(size: int, most: int) -> int:
    """The vector length: whole registers, or the next power of two where the axis is shorter."""
    lanes = most
    while lanes // 2 >= size:
        lanes //= 2
    return lanes


def _shared_indices(atom: Definition) -> list[str]:
    """Indices on the left, innermost first, that some access along the last index does not depend on: its vectors
    serve all positions of the tile. (Depthwise: the weights for all j of x, and dx for all m and n of dw.)"""
    assert isinstance(atom.term, Reduce)
    last = atom.indices[-1]
    vectors = [_names(access) for access in accesses(atom.term) if last in _names(access)]
    bound = set.intersection(*vectors) if vectors else set()
    return [index for index in reversed(atom.indices[:-1]) if index not in bound]


def _names(access: Access) -> set[str]:
    return {name for position in access.positions for name in position.names}


def divided(size: int, most: int) -> int:
    """How many of `size` places to take at once, at most `most`: few repeated ones, then as many as possible."""
    if size <= most:
        return size

    def cost(count: int) -> tuple[float, int]:
        wasted = -(-size // count) * count / size
        # A short tile loads more for each multiply-add: 1/count of the vectors.
        return wasted * (1 + 1 / count), -count

    return min(range(1, most + 1), key=cost)


def tiles(atom: Definition, tile: Tile) -> int:
    """How many tiles cover the result."""
    sizes = atom.sizes
    outer = prod(-(-sizes[i] // tile.positions.get(i, 1)) for i in atom.indices[:-1])
    return outer * tile.blocks
