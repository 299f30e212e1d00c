"""SimpleChains.jl's published figures for LeNet-5 on MNIST, to stand beside ours. They were not measured here.

Reference: Elrod, Korsbo and Rackauckas, Doing small network scientific machine learning in Julia 5x faster than
PyTorch, 2022, https://julialang.org/blog/2022/04/simple-chains/: ten epochs of 60,000 images after compiling, Adam,
batches in proportion to the number of threads. The best run that the post prints on each processor is taken.

A LeNet-5 there has no padding in its first convolution, 24x24 places instead of the 28x28 of ours, and pools with the
maximum. The share of peak, which allows for that, is by cores, operations a cycle and base clock as the makers state
them; under load a processor may run faster, and the true share is then smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.models import gflop, lenet_like
from benchmarks.rows import Row
from benchmarks.tables import Columns, number, share

IMAGES = 10 * 60_000
FORWARD_PLACES = {"conv1": (24 * 24, 5 * 5 * 1 * 6), "conv2": (8 * 8, 5 * 5 * 6 * 16)}
DENSE = 256 * 120 + 120 * 84 + 84 * 10
BATCH = 64


@dataclass(frozen=True)
class Published:
    """seconds, torch_seconds: for ten epochs, SimpleChains and PyTorch on the same processor (None: not published).

    gflops_a_core: base clock in GHz times single-precision operations a cycle.
    """

    processor: str
    cores: int
    seconds: float
    torch_seconds: float | None
    gflops_a_core: float

    @property
    def images_per_second_and_core(self) -> float:
        return IMAGES / self.seconds / self.cores

    @property
    def peak_fraction(self) -> float:
        return self.images_per_second_and_core * flops_per_image() * 1e-9 / self.gflops_a_core


PUBLISHED = (
    Published("Intel i9-10980XE", 18, 1.230244, 10.78, 3.0 * 64),  # two 512-bit units
    Published("AMD EPYC 7513", 32, 3.083624, 14.86, 2.6 * 32),  # two 256-bit units
    Published("Intel i7-1165G7", 4, 5.320512, None, 2.8 * 32),  # one 512-bit unit
)


def flops_per_image() -> float:
    """Multiplications and additions of a training step of that LeNet-5 for one image: three passes of every layer,
    without the gradient of the image."""
    first = FORWARD_PLACES["conv1"][0] * FORWARD_PLACES["conv1"][1]
    forward = sum(places * weights for places, weights in FORWARD_PLACES.values()) + DENSE
    return 2.0 * (3 * forward - first)


def table(rows: Sequence[Row], threads: int) -> Columns:
    """Images a second and core: ours and PyTorch's as measured, SimpleChains' as published."""
    result = Columns(
        "LeNet-5 training", ["who", "where", "images/s/core", "of peak", "times PyTorch, same processor"], range(2, 5)
    )
    step = next((r for r in rows if r.key == ("networks", "lenet5", f"step, batch {BATCH}")), None)
    if step is not None and step.ours_ms:
        for who, milliseconds in (("convgrad", step.ours_ms), ("PyTorch", step.torch_ms)):
            if milliseconds:
                images = BATCH / milliseconds * 1e3 / threads
                work = gflop(lenet_like("lenet5"), BATCH, training=True) / milliseconds * 1e3
                times = number(step.ratio) if who == "convgrad" else "1"
                result.lines.append(
                    [who, "measured here", number(images), share(work / step.peak if step.peak else None), times]
                )
    for entry in PUBLISHED:
        cells = [number(entry.images_per_second_and_core), share(entry.peak_fraction)]
        times = number(entry.torch_seconds / entry.seconds if entry.torch_seconds else None)
        result.lines.append(["SimpleChains.jl", f"{entry.processor}: published, not measured here", *cells, times])
    return result
