"""Small cases for the benchmarks, measured as briefly as can be: no speeds."""

from __future__ import annotations

from types import SimpleNamespace

from benchmarks.cases import LayerCase
from benchmarks.timing import Effort

BRIEF = Effort(rounds=1, block_seconds=0.0)
PEAK = SimpleNamespace(gflops=100.0, gbytes=10.0)
KEYS = ["suite", "case", "pass", "ours_ms", "torch_ms", "ratio", "gflops", "peak_fraction"]
TINY = [
    LayerCase("conv", "conv", 2, 7, 3, 5, kernel=3, stride=2, padding=1),
    LayerCase("depthwise", "depthwise", 2, 7, 3, 3, kernel=3, padding=1),
    LayerCase("dense", "dense", 3, 0, 7, 5),
]
