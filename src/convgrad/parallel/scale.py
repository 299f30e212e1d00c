"""How long a training step takes on several machines: its parts, added up.

    step = shards + exchange + update

Shards and update are computed: they are timed. What is exchanged is counted from the `Route` by which it is sent. Its
bytes need the bandwidth, and a processor for a while: whichever takes longer hides the other. Its two phases need the
latency each. What is whole before a rank has computed all of its last shard travels while it computes: sums of earlier
shards, and buckets of gradients as soon as they are there. Only what is left then makes a step longer; but the
processor's work with messages is never hidden, since the same processor computes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from convgrad.arguments import shown
from convgrad.errors import TrainingError
from convgrad.parallel.group import check_ranks, check_rows
from convgrad.parallel.route import TOLD_BYTES, Route, Sizes

PHASES = 2
"""Sums go out, then totals: each waits for the latency once."""
ENOUGH = 0.8
"""The efficiency from which a batch is large enough."""
LARGEST = 1 << 16
NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
UNITS = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
SECONDS = {"ns": 1e9, "us": 1e6, "µs": 1e6, "μs": 1e6, "ms": 1e3, "s": 1.0}
"""How many of each unit a second has."""
Final = tuple[tuple[float, float], ...]
"""When numbers of a shard do not change any more: shares of its time, and of its numbers, in order."""
EVENLY: Final = tuple((1 / 3 + 2 / 3 * n / 32, n / 32) for n in range(1, 33))
"""Where it is not timed: the backward pass takes twice as long as the forward pass, and is as far with its gradients as
with its time.
"""


@dataclass(frozen=True)
class Link:
    """What joins each rank to all others. bandwidth: bits a second, in each direction. latency: seconds one way."""

    bandwidth: float
    latency: float


@dataclass(frozen=True)
class Costs:
    """What messages cost beside the network itself; `python -m benchmarks.parallel namespaces` fits them.

    share: of the bandwidth that is left for their bytes. message, byte: seconds of a processor for each message and
    each byte that a rank sends. These were fitted where a program in the place of the network had its share of the
    processors, and so are upper limits.
    """

    share: float = 0.90
    message: float = 0.1e-6
    byte: float = 10e-9


@dataclass(frozen=True)
class Work:
    """What a rank computes in a step, timed with `cores` processors. shard, update: seconds of each. final: when a
    shard's numbers are there; all of them at its end, where nothing is said.
    """

    shard: float
    update: float
    cores: float
    final: Final = ()

    def on(self, cores: float) -> Work:
        """With other processors: as much longer as they are fewer."""
        slower = self.cores / cores
        return Work(self.shard * slower, self.update * slower, cores, self.final)


@dataclass(frozen=True)
class Step:
    """Seconds of a step: computing by itself, and what the exchange adds. sent: bytes that the busiest rank sends."""

    computing: float
    exchange: float
    sent: int

    @property
    def seconds(self) -> float:
        return self.computing + self.exchange


def predicted(route: Route, work: Work, link: Link, costs: Costs | None = None) -> Step:
    """A step of ranks that are all alike."""
    costs = costs or Costs()
    ranks = range(route.ranks)
    speed = link.bandwidth / 8 * costs.share
    busiest = max(len(own) for own in route.shards) * work.shard
    counts, sent = zip(*map(route.traffic, ranks), strict=True)
    travelling = max(_end_of_travels(route, work, speed) - busiest, 0.0)
    waiting = PHASES * link.latency if route.ranks > 1 else 0.0
    slower = max(1.0, 1 / work.cores)
    handling = max(n * costs.message + size * costs.byte for n, size in zip(counts, sent, strict=True)) * slower
    return Step(busiest + work.update, max(travelling, handling) + waiting, max(sent))


Load = tuple[float, int, float]
"""When something can be sent, its bucket, and its bytes."""


def _end_of_travels(route: Route, work: Work, speed: float) -> float:
    """When the last cable has carried all, where each carries what is there in turn, in both directions."""
    ranks, sizes = route.ranks, route.sizes
    if ranks == 1:
        return 0.0
    there = [_share(work.final, bucket.stop / sizes.numbers) for bucket in route.buckets]
    parts = [len(bucket) / ranks * sizes.itemsize for bucket in route.buckets]
    told = (1 + max(map(len, route.shards)) * sizes.told) * TOLD_BYTES * (ranks - 1)
    kinds = Counter(
        tuple(node[1] - own.start for node in nodes) for own, nodes in zip(route.shards, route.branches, strict=True)
    )  # ranks with as many shards, and as many sums of them, are alike

    def sums(kind: Sequence[int], copies: int) -> list[Load]:
        return [
            ((end - 1 + share) * work.shard, bucket, parts[bucket] * copies)
            for end in kind
            for bucket, share in enumerate(there)
        ]

    def arriving(kind: Sequence[int]) -> list[Load]:
        return [load for other, count in kinds.items() for load in sums(other, count - (other == kind))]

    def totals(kind: Sequence[int], copies: int) -> list[Load]:
        return [(whole, bucket, parts[bucket] * copies) for bucket, whole in enumerate(added[tuple(kind)])]

    added = {
        kind: [
            max(came, (kind[-1] - 1 + share) * work.shard)
            for came, share in zip(_carried(arriving(kind), speed, len(parts)), there, strict=True)
        ]
        for kind in kinds
    }
    ends = []
    for kind in kinds:
        out = [*sums(kind, ranks - 1), *totals(kind, ranks - 1)]
        into = [*arriving(kind), *(load for other, n in kinds.items() for load in totals(other, n - (other == kind)))]
        ends += [max(_carried(loads, speed, len(parts))) for loads in (out, into)]
    return max(ends) + told / speed


def _share(final: Final, part: float) -> float:
    """After which share of a shard's time a share of its numbers is there."""
    return next((time for time, numbers in final if numbers >= part), 1.0)


def _carried(loads: Iterable[Load], speed: float, buckets: int) -> list[float]:
    """When a cable has carried the last of each bucket."""
    free, ends = 0.0, [0.0] * buckets
    for when, bucket, size in sorted(loads):
        free = max(free, when) + size / speed
        ends[bucket] = max(ends[bucket], free)
    return ends


@dataclass(frozen=True)
class Computing:
    """A shard of n examples takes fixed + n * each seconds, and what is done once in a step `update`; on `cores`.

    final: when its numbers are there.
    """

    fixed: float
    each: float
    update: float
    cores: float
    final: Final = EVENLY

    def work(self, rows: int) -> Work:
        return Work(self.fixed + rows * self.each, self.update, self.cores, self.final)


@dataclass(frozen=True)
class Outlook:
    """A training whose batches are cut into so many shards, on ranks with so many cores each."""

    shards: int
    sizes: Sizes
    computing: Computing
    cores: float
    link: Link
    costs: Costs = Costs()

    def step(self, ranks: int, batch: int) -> Step:
        """Raises: TrainingError where some ranks would have no shard, or some shards no example."""
        check_ranks(ranks, self.shards)
        check_rows(batch, self.shards)
        work = self.computing.work(-(-batch // self.shards)).on(self.cores)
        return predicted(Route(self.shards, ranks, self.sizes), work, self.link, self.costs)

    def efficiency(self, ranks: int, batch: int) -> float:
        """The speed of so many ranks, over that of one and their number."""
        return self.step(1, batch).seconds / self.step(ranks, batch).seconds / ranks

    def best_batch(self, ranks: int) -> int | None:
        """The smallest batch, by doubling, of which ranks are used as well as `ENOUGH` says; None up to `LARGEST`."""
        batch = self.shards
        while batch <= LARGEST:
            if self.efficiency(ranks, batch) >= ENOUGH:
                return batch
            batch *= 2
        return None


def counts(ranks: int) -> list[int]:
    """The numbers of ranks that are looked at.

    >>> counts(8), counts(12)
    ([1, 2, 4, 8], [1, 2, 4, 8, 12])
    """
    return [*(1 << n for n in range((ranks - 1).bit_length())), ranks]


def bandwidth_from(text: str) -> float:
    """Bits a second, as networks are called. Raises: TrainingError.

    >>> bandwidth_from("10Gb"), bandwidth_from("25GbE"), bandwidth_from("100 Mbit/s"), bandwidth_from("2.5Gbps")
    (10000000000.0, 25000000000.0, 100000000.0, 2500000000.0)
    """
    found = re.fullmatch(rf"{NUMBER} ?([kKMGT])(?:b|bit|bps|bit/s|b/s|bE)?", text.strip())
    rate = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not rate:
        hint = " A byte (B) has 8 bits: 1 GB/s is 8Gb." if re.search(r"[kKMGT]i?B", text) else ""
        raise TrainingError(f"{shown(text)} is no bandwidth; write 10Gb, 25GbE or 100Mb, in bits a second.{hint}")
    return rate


def seconds_from(text: str) -> float:
    """A time with its unit. Raises: TrainingError.

    >>> seconds_from("50us"), seconds_from("0.2 ms"), seconds_from("0s")
    (5e-05, 0.0002, 0.0)
    """
    found = re.fullmatch(rf"{NUMBER} ?({'|'.join(SECONDS)})", text.strip())
    if not found:
        raise TrainingError(f"{shown(text)} is no time; write it with its unit: 50us, 0.2ms.")
    return float(found[1]) / SECONDS[found[2]]
