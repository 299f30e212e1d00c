"""Layers of random shapes, the same for the same seed: convolutions, dense layers and poolings.

Half of the numbers of channels, and of the batches, are those that people choose, and half are any: odd ones leave
parts of vectors and tiles over. Sizes are drawn evenly on a logarithmic scale, so that small ones are as frequent as
large ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from benchmarks.cases import POOLS, LayerCase

Value = TypeVar("Value")

CHANNELS = (1, 512)
DENSE_INPUTS = (1, 4096)
BATCHES = (1, 256)
SIZES = (2, 224)
USUAL_CHANNELS = (1, 3, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
USUAL_BATCHES = (1, 8, 16, 32, 64, 128, 256)
KERNELS = {1: 0.2, 2: 0.06, 3: 0.4, 4: 0.06, 5: 0.14, 6: 0.04, 7: 0.1}
WINDOWS = {2: 0.5, 3: 0.4, 5: 0.1}
KINDS = {"conv": 0.35, "groups": 0.15, "depthwise": 0.15, "dense": 0.15, "max": 0.1, "average": 0.1}
"""How often each is drawn; "groups" is a "conv" of at least two."""


@dataclass(frozen=True)
class Bound:
    """What one call may take at most: 10^9 operations, and 10^9 bytes of tensors.

    16 GFLOP take some 40 ms on two processors, 0.3 GB some 5 ms; PyTorch's slowest ways, and its result in float64 that
    ours is compared with, take ten times that.
    """

    gflop: float = 16.0
    gbytes: float = 0.3

    def exceeded(self, case: LayerCase) -> str | None:
        """Which of them a case is above."""
        if case.gflop > self.gflop:
            return f"more than {self.gflop:g} GFLOP a call"
        return f"more than {self.gbytes:g} GB of tensors" if case.gbytes > self.gbytes else None


@dataclass
class Drawn:
    """Shapes within the bound, each once, and why others were left out: reason -> how many."""

    cases: list[LayerCase] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def draw(count: int, seed: int, bound: Bound) -> Drawn:
    """`count` shapes within the bound. A greater count of the same seed begins with the same shapes."""
    found, names = Drawn(), set[str]()
    for case in _endless(seed):
        if len(found.cases) == count:
            break
        if case.name in names:
            continue
        names.add(case.name)
        reason = bound.exceeded(case)
        if reason is None:
            found.cases.append(case)
        else:
            found.left_out[reason] += 1
    return found


def kind(case: LayerCase) -> str:
    """As in KINDS."""
    return "groups" if case.groups > 1 else case.kind


def _endless(seed: int) -> Iterator[LayerCase]:
    rng = np.random.default_rng(seed)
    while True:
        drawn = _of(KINDS, rng)
        batch = _number(rng, BATCHES, USUAL_BATCHES)
        yield _dense(rng, batch) if drawn == "dense" else _window(rng, drawn, batch)


def _dense(rng: np.random.Generator, batch: int) -> LayerCase:
    inputs, units = _number(rng, DENSE_INPUTS, ()), _number(rng, CHANNELS, USUAL_CHANNELS)
    return LayerCase(f"dense {inputs}->{units} batch {batch}", "dense", batch, 0, inputs, units)


def _window(rng: np.random.Generator, drawn: str, batch: int) -> LayerCase:
    """A convolution or a pooling, whose window is within the padded image."""
    kernel = _of(WINDOWS if drawn in POOLS else KERNELS, rng)
    if drawn == "depthwise" and kernel == 1:  # which only multiplies each channel by a number
        kernel = 3
    stride = int(rng.integers(1, 3))
    padding = kernel // 2 if rng.random() < 0.6 else 0
    size = _number(rng, (max(SIZES[0], kernel - 2 * padding), SIZES[1]), ())
    groups = 2 ** int(rng.integers(1, 6)) if drawn == "groups" else 1
    channels, filters = (_number(rng, (1, CHANNELS[1] // groups), USUAL_CHANNELS) * groups for _ in range(2))
    if drawn in ("depthwise", *POOLS):
        filters = channels
    told = f"{drawn} " if drawn not in ("conv", "groups") else ""
    told += f"{kernel}x{kernel} {channels}" + (f"->{filters}" if not told else "") + f" at {size}"
    for word, value, usual in (("stride", stride, 1), ("padding", padding, 0), ("groups", groups, 1)):
        told += f" {word} {value}" if value != usual else ""
    name = "conv" if drawn == "groups" else drawn
    return LayerCase(f"{told} batch {batch}", name, batch, size, channels, filters, kernel, stride, padding, groups)


def _of(shares: Mapping[Value, float], rng: np.random.Generator) -> Value:
    values = [*shares]
    return values[int(rng.choice(len(values), p=[*shares.values()]))]


def _number(rng: np.random.Generator, between: tuple[int, int], usual: tuple[int, ...]) -> int:
    """One of the usual numbers within the bounds, or any, evenly on a logarithmic scale."""
    least, most = between
    within = [number for number in usual if least <= number <= most]
    if within and rng.random() < 0.5:
        return within[int(rng.integers(len(within)))]
    return int(np.exp(rng.uniform(np.log(least), np.log(most + 1))))
