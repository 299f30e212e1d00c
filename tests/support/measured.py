"""Small cases for the benchmarks, measured as briefly as can be: no speeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.cases import LayerCase
from benchmarks.timing import Effort

if TYPE_CHECKING:
    from convgrad.compute.halide.runtime.peak import Peak

BRIEF = Effort(rounds=1, block_seconds=0.0)
KEYS = ["suite", "case", "pass", "ours_ms", "torch_ms", "ratio", "gflops", "peak_fraction"]
TINY = [
    LayerCase("conv", "conv", 2, 7, 3, 5, kernel=3, stride=2, padding=1),
    LayerCase("depthwise", "depthwise", 2, 7, 3, 3, kernel=3, padding=1),
    LayerCase("dense", "dense", 3, 0, 7, 5),
]


def peak() -> Peak:
    """A round machine's, not this one's. Needs Halide, which measures the real one."""
    from convgrad.compute.halide.runtime.peak import Peak

    return Peak(gflops=100.0, gbytes=10.0)


def is_ratio(shown: float, over: float, under: float, places: int) -> bool:
    """Whether `shown`, of two places, may be the ratio of two numbers that are printed with so many places."""
    half, rounding = 0.501 * float(10**-places), 0.00501
    return (over - half) / (under + half) - rounding <= shown <= (over + half) / (under - half) + rounding
