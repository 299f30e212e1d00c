"""The roofline: what each case reaches, over how much arithmetic it does for a byte.

Below the roof, min(peak, bandwidth * intensity), lies what a machine can do at all. A point above the flat part of the
roof is an algorithm, Winograd's, that does with fewer operations than are counted.

Reference: Williams, Waterman and Patterson, Roofline: an insightful visual performance model, 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np

from benchmarks.cases import LAYERS, PASSES
from benchmarks.rows import Row

matplotlib.use("Agg")

from matplotlib import pyplot

if TYPE_CHECKING:
    from convgrad.compute.halide.runtime.peak import Peak

MARKS = dict(zip(PASSES, "o^s", strict=True))
OURS, THEIRS = "tab:blue", "tab:orange"


def points(rows: Sequence[Row]) -> list[tuple[str, float, float, float | None]]:
    """Pass, operations a byte, our and PyTorch's GFLOP/s of every layer in `rows`."""
    cases = {case.name: case for case in LAYERS}
    found = []
    for row in rows:
        case = cases.get(row.case)
        if row.suite == "layers" and case is not None and row.gflops is not None:
            theirs = row.gflops / row.ratio if row.ratio else None
            found.append((row.part, case.gflop / case.gbytes, row.gflops, theirs))
    return found


def floor_ms(gflop: float, gbytes: float, peak: Peak) -> float:
    """The milliseconds that a machine needs at least: for the arithmetic, or for moving the bytes.

    What fits into the caches moves faster, and Winograd's algorithm does with less arithmetic, so that both may be
    below.
    """
    return 1e3 * max(gflop / peak.gflops, gbytes / peak.gbytes)


def draw(rows: Sequence[Row], peak: float, gbytes: float, file: Path) -> None:
    """Write the plot. peak: GFLOP/s. gbytes: 10^9 bytes a second that memory moves."""
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    found = points(rows)
    intensities = [intensity for _, intensity, _, _ in found] or [1.0, 100.0]
    reach = np.geomspace(min(intensities) / 2, max(intensities) * 2, 200)
    axes.plot(reach, np.minimum(peak, gbytes * reach), color="black", label=f"{gbytes:.0f} GB/s, {peak:.0f} GFLOP/s")
    for part, mark in MARKS.items():
        chosen = [point for point in found if point[0] == part]
        for who, place, colour in (("convgrad", 2, OURS), ("PyTorch", 3, THEIRS)):
            shown = [(point[1], point[place]) for point in chosen if point[place] is not None]
            if shown:
                across, up = zip(*shown, strict=True)
                axes.plot(across, up, mark, color=colour, alpha=0.7, label=f"{who}, {part}")
    axes.set(xscale="log", yscale="log", xlabel="operations a byte, each tensor moved once", ylabel="GFLOP/s")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="small")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
