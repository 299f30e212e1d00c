"""What the machine can do at most, measured: fused multiply-adds in registers, and copying through memory.

Both kernels are Halide's, on as many threads as the engine uses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import halide as hl
import numpy as np

from convgrad.engine.schedules.target import machine

CHAINS = 12
"""Independent vector accumulators: latency 4 times 2 units a core is 8 that must be under way; with the factor and the
addend 14 registers, which AVX2's 16 hold."""
STEPS = 4096
TASKS = 64
COPIED = 1 << 26
"""Floats (256 MiB), far beyond the caches."""


@dataclass(frozen=True)
class Peak:
    """gflops: 10^9 multiplications and additions a second. gbytes: 10^9 bytes a second, read and written together."""

    gflops: float
    gbytes: float


@lru_cache
def measured(seconds: float = 1.0) -> Peak:
    """The machine's peak: the best of many short runs, about `seconds` of each kernel."""
    return Peak(_best(_fma(), seconds) / 1e9, _best(_copy(), seconds) / 1e9)


def _best(kernel: tuple[Callable[[], None], float], seconds: float) -> float:
    """The most amounts of work a second."""
    run, work = kernel
    run()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return work / best


def _fma() -> tuple[Callable[[], None], float]:
    """a = a * m + p[r], CHAINS vectors at a time; `p` is one broadcast load for all of them."""
    lanes = machine().lanes(4)
    x, u, t, r = hl.Var("x"), hl.Var("u"), hl.Var("t"), hl.RDom([(0, STEPS)])
    factor, addends = hl.Param(hl.Float(32), "m"), hl.ImageParam(hl.Float(32), 1, "p")
    chain, result = hl.Func("chain"), hl.Func("result")
    chain[x, u, t] = hl.f32(1) + hl.cast(hl.Float(32), x + lanes * u)
    chain[x, u, t] = chain[x, u, t] * factor + addends[r.x]
    result[x, u, t] = chain[x, u, t]
    result.bound(x, 0, lanes).bound(u, 0, CHAINS).vectorize(x).unroll(u).parallel(t)
    chain.compute_at(result, t).vectorize(x).unroll(u)
    chain.update().reorder(x, u, r.x).vectorize(x).unroll(u)
    kernel = result.compile_to_callable([factor, addends], hl.get_host_target())
    p = np.full(STEPS, 1e-3, np.float32)
    out = np.zeros((TASKS, CHAINS, lanes), np.float32)
    given: Any = hl.Buffer(p), hl.Buffer(out)

    def run() -> None:
        kernel(0.999, *given)

    return run, 2.0 * TASKS * STEPS * CHAINS * lanes


def _copy() -> tuple[Callable[[], None], float]:
    """Read and write each float once."""
    lanes, chunk = machine().lanes(4), 1 << 16
    x, part, inner = hl.Var("x"), hl.Var("part"), hl.Var("inner")
    source, target = hl.ImageParam(hl.Float(32), 1, "source"), hl.Func("target")
    target[x] = source[x]
    target.bound(x, 0, COPIED).split(x, part, inner, chunk).vectorize(inner, lanes).parallel(part)
    kernel = target.compile_to_callable([source], hl.get_host_target())
    given: Any = [hl.Buffer(np.ones(COPIED, np.float32)), hl.Buffer(np.zeros(COPIED, np.float32))]

    def run() -> None:
        kernel(*given)

    return run, 8.0 * COPIED
