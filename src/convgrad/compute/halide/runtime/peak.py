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

from convgrad.compute.halide.runtime import threads
from convgrad.compute.halide.target import machine, target

CHAINS = 12
"""Independent vector accumulators: latency 4 times 2 units a core is 8 that must be under way; with the factor and the
addend 14 registers, which AVX2's 16 hold."""
STEPS = 4096
TASKS = 64
COPIED = 1 << 28  # bytes, far beyond the caches


@dataclass(frozen=True)
class Peak:
    """gflops: 10^9 multiplications and additions a second. gbytes: 10^9 bytes a second, read and written together."""

    gflops: float
    gbytes: float


@lru_cache
def measured(dtype: str = "float32", seconds: float = 1.0) -> Peak:
    """The machine's peak: the best of many short runs, about `seconds` of each kernel."""
    threads.choose_threads()
    kind = hl.Float(64 if dtype == "float64" else 32)
    return Peak(_best(_fma(dtype, kind), seconds) / 1e9, _best(_copy(dtype, kind), seconds) / 1e9)


def _best(kernel: tuple[Callable[[], None], float], seconds: float) -> float:
    """The most amounts of work a second."""
    run, work = kernel
    run()
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return work / best


def _fma(dtype: str, kind: Any) -> tuple[Callable[[], None], float]:
    """a = a * m + p[r], CHAINS vectors at a time; `p` is one broadcast load for all of them."""
    lanes = machine().lanes(np.dtype(dtype).itemsize)
    x, u, t, r = hl.Var("x"), hl.Var("u"), hl.Var("t"), hl.RDom([(0, STEPS)])
    factor, addends = hl.Param(kind, "m"), hl.ImageParam(kind, 1, "p")
    chain, result = hl.Func("chain"), hl.Func("result")
    chain[x, u, t] = hl.cast(kind, 1 + x + lanes * u)
    chain[x, u, t] = chain[x, u, t] * factor + addends[r.x]
    result[x, u, t] = chain[x, u, t]
    result.bound(x, 0, lanes).bound(u, 0, CHAINS).vectorize(x).unroll(u).parallel(t)
    chain.compute_at(result, t).vectorize(x).unroll(u)
    chain.update().reorder(x, u, r.x).vectorize(x).unroll(u)
    kernel = result.compile_to_callable([factor, addends], target())
    given: Any = hl.Buffer(np.full(STEPS, 1e-3, dtype)), hl.Buffer(np.zeros((TASKS, CHAINS, lanes), dtype))

    def run() -> None:
        kernel(0.999, *given)

    return run, 2.0 * TASKS * STEPS * CHAINS * lanes


def _copy(dtype: str, kind: Any) -> tuple[Callable[[], None], float]:
    """Read and write each element once."""
    item = np.dtype(dtype).itemsize
    count, lanes, chunk = COPIED // item, machine().lanes(item), 1 << 16
    x, part, inner = hl.Var("x"), hl.Var("part"), hl.Var("inner")
    source, copied = hl.ImageParam(kind, 1, "source"), hl.Func("copied")
    copied[x] = source[x]
    copied.bound(x, 0, count).split(x, part, inner, chunk).vectorize(inner, lanes).parallel(part)
    kernel = copied.compile_to_callable([source], target())
    given: Any = [hl.Buffer(np.ones(count, dtype)), hl.Buffer(np.zeros(count, dtype))]

    def run() -> None:
        kernel(*given)

    return run, 2.0 * COPIED
