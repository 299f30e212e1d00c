"""The register tile of a long reduction: how many vectors along the last axis, how many positions along others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod

from convgrad.compute.halide.target import Machine
from convgrad.notation.terms import Definition, Reduce, accesses

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


def most_positions(machine: Machine, vectors: int) -> int:
    """Places in a tile of some vectors, whose sums stay in registers beside these vectors and a number for all lanes: 2
    for 4 vectors of 16 registers. (With a third, one sum goes through memory in each step: 13.5 ms instead of 8.5.)"""
    return max(1, min(accumulators(machine) // vectors, (machine.registers - 1) // vectors - 1))


def dividing_tile(atom: Definition, machine: Machine, element_bytes: int) -> Tile:
    """A tile whose positions divide the sizes: for sums in memory, which may not be added to twice.

    As many accumulators as there may be; among equals few vectors, for what a stretch of the sum reads along the last
    index then stays in the first-level cache: 1.3 ms instead of 1.5 for the weights of 128 channels at 16x16.
    """
    lanes, needed = _vectors(atom, machine, element_bytes)
    tiles = []
    for most in (2, MOST_VECTORS):
        blocks = -(-needed // most)
        vectors = -(-needed // blocks)
        tiles.append(Tile(lanes, vectors, blocks, _dividing_positions(atom, most_positions(machine, vectors))))
    return max(tiles, key=lambda tile: tile.vectors * prod(tile.positions.values()))


def slicing_tiles(
    atom: Definition, machine: Machine, element_bytes: int, terms: int, free: Collection[str]
) -> tuple[float, Tile]:
    """The tile for sums in memory, `terms` of them in registers at a time, that takes the fewest cycles, and these for
    a multiply-add, by an estimate. Tiles divide the sizes, but along indices that are `free`: of 64 channels 6 at a
    time, with 2 vectors, take 9.8 ms instead of 12.1 with 4, whose 8 sums wait for each other (1x1, Zen 3)."""
    sizes, last = atom.sizes, atom.indices[-1]
    lanes, needed = _vectors(atom, machine, element_bytes)
    share = lanes * (2 if lanes <= machine.step(element_bytes) < machine.lanes(element_bytes) else 1)
    best, least = None, inf
    for vectors in range(1, min(MOST_VECTORS, needed) + 1):
        blocks = -(-needed // vectors)
        if blocks > 1 and last not in free and needed % vectors:
            continue
        for positions in _positions(_shared_indices(atom), sizes, most_positions(machine, vectors)):
            if any(sizes[index] % count and index not in free for index, count in positions.items()):
                continue
            wasted = blocks * vectors * lanes / sizes[last]
            for index, count in positions.items():
                wasted *= -(-sizes[index] // count) * count / sizes[index]
            count = prod(positions.values())
            cost = wasted * _cycles(vectors, count, terms, lanes * element_bytes, machine) / share
            if cost < least:
                best, least = Tile(lanes, vectors, blocks, positions), cost
    assert best is not None
    return least, best


def _dividing_positions(atom: Definition, room: int) -> dict[str, int]:
    positions: dict[str, int] = {}
    for index in _shared_indices(atom):
        count = max(n for n in range(1, room + 1) if atom.sizes[index] % n == 0)
        if count > 1:
            positions[index] = count
            room //= count
    return positions


def tile_for(
    atom: Definition,
    machine: Machine,
    element_bytes: int,
    whole: Sequence[str] = (),
    apart: Sequence[str] = (),
    spared: Mapping[str, float] | None = None,
) -> Tile:
    """The tile of an atom with a last axis, through which its whole sum goes: the one that takes the fewest cycles for
    a multiply-add, by an estimate.

    Positions are taken along indices that not all vectors loaded depend on: some are then used for all of them.
    whole: indices of which a tile has all places; apart: others of which it has one, the first indices of the atom.
    spared: index -> the share of products that is left of a tile with one place of it, the others being with zeros.
    """
    assert isinstance(atom.term, Reduce)
    sizes = atom.sizes
    terms = prod(sizes[i] for i in atom.term.indices)
    lanes, needed = _vectors(atom, machine, element_bytes)
    shared = [index for index in _shared_indices(atom) if index not in (*whole, *apart)]
    always = {index: sizes[index] for index in whole}
    spared = {index: share for index, share in (spared or {}).items() if index in shared}
    if len(shared) > 2 and shared[-1] == atom.indices[len(apart)] and prod(spared.values()) >= FAR:
        shared.pop()  # neighbours along the first index, examples, are far apart
    most = min(MOST_VECTORS, needed)
    if all(atom.indices[-1] in access.free_names for access in accesses(atom.term)):
        # Depthwise: a load for each multiply-add, whatever the tile; so whole stretches of memory, without overlap.
        shared, least_vectors, spared = shared[:1], most, {}
    else:
        least_vectors = 1
    best, least = None, inf
    for vectors in range(least_vectors, most + 1):
        blocks = -(-needed // vectors)
        room = most_positions(machine, vectors) // prod(always.values())
        for positions in _positions(shared, sizes, room):
            count = prod([*positions.values(), *always.values()])
            wasted = blocks * vectors / needed
            for index, number in positions.items():
                wasted *= -(-sizes[index] // number) * number / sizes[index]
            left = prod(share for index, share in spared.items() if index not in positions)
            cost = wasted * left * _cycles(vectors, count, max(1, round(terms * left)), lanes * element_bytes, machine)
            if cost < least:
                best, least = Tile(lanes, vectors, blocks, positions | always), cost
    assert best is not None
    return best


FAR = 0.5
"""Share of products with elements inside of a tensor, below which a tile takes neighbours along the examples, which are
far apart in memory: places of one row and column have the same products with zeros, which are all left out."""


def all_cycles(atom: Definition, tile: Tile, machine: Machine, element_bytes: int) -> float:
    """Estimated cycles of all tiles of an atom."""
    assert isinstance(atom.term, Reduce)
    terms, count = prod(atom.sizes[i] for i in atom.term.indices), prod(tile.positions.values())
    each = _cycles(tile.vectors, count, terms, tile.lanes * element_bytes, machine)
    if tile.lanes <= machine.step(element_bytes) and tile.vectors > 1:  # one vector alone waits for what it loads
        each *= machine.step(element_bytes) / machine.lanes(element_bytes)
    return tiles(atom, tile) * terms * tile.vectors * count * each


def _positions(shared: list[str], sizes: dict[str, int], room: int) -> Iterator[dict[str, int]]:
    """Ways to take up to `room` places along one or two indices."""
    yield {}
    for number, first in enumerate(shared):
        for count in range(2, min(sizes[first], room) + 1):
            yield {first: count}
            for second in shared[number + 1 :]:
                for more in range(2, min(sizes[second], room // count) + 1):
                    yield {first: count, second: more}


def _cycles(vectors: int, positions: int, terms: int, vector_bytes: int, machine: Machine) -> float:
    """Estimated cycles of a tile for each of its multiply-adds of a whole vector."""
    together = vectors * positions
    weights = vectors * vector_bytes * terms  # what a tile reads along the last axis, and the next tile reads again
    streams = STREAMS if machine.vector_bytes > 32 else NARROW_STREAMS
    width = next(width for size, width in streams if weights <= size)
    arithmetic, loads, stream = together / 2, (vectors + positions) / 2, vectors * vector_bytes / width
    step = max(arithmetic, loads, stream, LATENCY) + loads * CROWDED
    return (terms * step + together * STORE + START) / (terms * together)


CROWDED = 0.2
"""Part of a load's time that is not hidden behind arithmetic: what is not in the first-level cache, and the queues."""
LATENCY = 4
"""Cycles from one addition to an accumulator to the next."""
STORE = 2
"""Cycles to set an accumulator to zero and to store it, with what is applied to it on the way."""
START = 40
"""Cycles to begin a tile: addresses, loop counters, the wait for the first loads and the last sums."""
STREAMS = ((1 << 15, 64), (3 << 18, 40), (inf, 10))
"""Bytes up to which data stays in a cache (32 KiB of the first level, 768 KiB of the second), and bytes a cycle that a
core gets from it: two loads of half a line each at the first level, about two thirds of a line from the second, and a
sixth from the third, which the cores share."""
NARROW_STREAMS = ((1 << 15, 64), (3 << 18, 16), (inf, 6))
"""The same where vectors have at most 32 bytes. Zen 3, ms: 5x5, 80 -> 128 at 7x7, 22 images: 1.05 instead of 1.35; 3x3,
128 -> 512 at 99x99 in two groups: 79, not 88."""


def _vectors(atom: Definition, machine: Machine, element_bytes: int) -> tuple[int, int]:
    """The length of a vector along the last index, and how many there are."""
    size, most, step = atom.sizes[atom.indices[-1]], machine.lanes(element_bytes), machine.step(element_bytes)
    narrower = -(-size // step) * step * NARROWER <= -(-size // most) * most
    lanes = _lanes(size, step if narrower else most)
    return lanes, -(-size // lanes)


NARROWER = 1.1
"""By how much fewer places short vectors must have than long ones, where both take as long for a place: 20 numbers take
24 in three of 8, and 32 in two of 16. (5x5, 1 -> 20: 0.44 ms instead of 0.61 on a thread of a Zen 4.)"""


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
    vectors = [access.free_names for access in accesses(atom.term) if last in access.free_names]
    bound = frozenset.intersection(*vectors) if vectors else frozenset()
    return [index for index in reversed(atom.indices[:-1]) if index not in bound]


def tiles(atom: Definition, tile: Tile) -> int:
    """How many tiles cover the result."""
    sizes = atom.sizes
    outer = prod(-(-sizes[i] // tile.positions.get(i, 1)) for i in atom.indices[:-1])
    return outer * tile.blocks
