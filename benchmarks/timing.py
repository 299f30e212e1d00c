"""Times of several contenders, taken in turns in one process.

What disturbs a machine (another process, heat, a lower clock) disturbs all contenders alike when they take turns in
short blocks, and the median over the rounds leaves out what hits only one of them.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Call = Callable[[], object]

SETTLE_SECONDS = 0.01
"""Pause before a block, in which the threads of the contender before it stop waiting busily for more work (OpenMP's
do for some milliseconds)."""


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    rounds: blocks of each contender. block_seconds: what a block takes at least. calls: at most in a block.
    """

    rounds: int = 9
    block_seconds: float = 0.1
    calls: int = 20_000


def interleaved(
    contenders: Mapping[str, Call], effort: Effort, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds a call of each contender, one number a round.

    Every round runs a block of each contender; who begins changes from round to round, so that nobody always comes
    after the same one.
    """
    calls = {name: _calls(call, effort, clock) for name, call in contenders.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(effort.rounds):
        for name in _order(list(contenders), number):
            seconds[name].append(_block(contenders[name], calls[name], clock))
    return seconds


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """The median round of each contender, in milliseconds a call."""
    return {name: statistics.median(rounds) * 1e3 for name, rounds in seconds.items()}


def against_best(
    ours: Call, rivals: Mapping[str, Call], effort: Effort, screening: int = 3, kept: int = 2
) -> tuple[float, str, float]:
    """Our milliseconds, the best rival's name and its milliseconds.

    All rivals run in a few rounds first; the best `kept` of them then run in turns with ours, and the better one
    counts.
    """
    candidates = dict(rivals)
    if len(candidates) > kept:
        few = Effort(screening, effort.block_seconds, effort.calls)
        first = medians(interleaved(candidates, few))
        candidates = {name: candidates[name] for name in sorted(first, key=first.__getitem__)[:kept]}
    found = medians(interleaved({"ours": ours, **candidates}, effort))
    best = min(candidates, key=found.__getitem__)
    return found["ours"], best, found[best]


def geometric_mean(values: list[float]) -> float | None:
    """The n-th root of the product; None for no values."""
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def _order(names: list[str], number: int) -> list[str]:
    first = number % len(names)
    return names[first:] + names[:first]


def _calls(call: Call, effort: Effort, clock: Callable[[], float]) -> int:
    """How many calls make up a block; the first, which may compile or allocate, is not counted."""
    call()
    began = clock()
    call()
    once = max(clock() - began, 1e-7)
    return max(1, min(effort.calls, round(effort.block_seconds / once)))


def _block(call: Call, calls: int, clock: Callable[[], float]) -> float:
    time.sleep(SETTLE_SECONDS)
    if calls > 1:
        call()  # brings data and code back into the caches and threads to life
    began = clock()
    for _ in range(calls):
        call()
    return (clock() - began) / calls
