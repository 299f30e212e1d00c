"""What the figures are meant to reach, and whether a run reached it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.cases import LAYERS
from benchmarks.rows import Row
from benchmarks.timing import geometric_mean

Value = Callable[[Sequence[Row]], float | None]
"""From the rows of a run to one figure; None where the run did not measure it."""

SLOW_MS = 2.0
"""Networks whose PyTorch step takes as long count in the geometric mean: below, its overhead is what is measured."""


@dataclass(frozen=True)
class Target:
    """A figure with two marks. at_most: the smaller the better. unit: of the figure."""

    name: str
    value: Value
    must: float
    aim: float
    at_most: bool = False
    unit: str = ""

    def verdict(self, rows: Sequence[Row]) -> str:
        """`met`, `aim met`, `not met` or `not measured`."""
        value = self.value(rows)
        if value is None:
            return "not measured"
        sign = -1 if self.at_most else 1
        if sign * value >= sign * self.aim:
            return "aim met"
        return "met" if sign * value >= sign * self.must else "not met"


def _ratios(rows: Sequence[Row], chosen: Callable[[Row], bool]) -> list[float]:
    return [row.ratio for row in rows if chosen(row) and row.ratio is not None]


def _worst(values: list[float]) -> float | None:
    return min(values) if values else None


def _layer(row: Row) -> bool:
    return row.suite == "layers"


def _wide(*parts: str) -> Callable[[Row], bool]:
    names = {case.name for case in LAYERS if case.wide_3x3}
    return lambda row: _layer(row) and row.case in names and row.part in parts


def _slow_network(row: Row) -> bool:
    is_step = row.suite == "networks" and row.part.startswith("step")
    return is_step and row.torch_ms is not None and row.torch_ms >= SLOW_MS


def _step(case: str, batch: int) -> Callable[[Row], bool]:
    return lambda row: (row.suite, row.case, row.part) == ("networks", case, f"step, batch {batch}")


def _of_one_image(row: Row) -> bool:
    return (row.suite, row.part) == ("networks", "prediction, batch 1")


def _seconds(case: str, part: str) -> Value:
    def value(rows: Sequence[Row]) -> float | None:
        found = [row.ours_ms / 1e3 for row in rows if row.key == ("startup", case, part) and row.ours_ms is not None]
        return found[0] if found else None

    return value


def _most_memory(rows: Sequence[Row]) -> float | None:
    """Ours by PyTorch's, the worst of the cases that the target names."""
    named = {"vgg", "resnet18-cifar", "resnet18-224"}
    ratios = _ratios(rows, lambda row: row.suite == "startup" and row.part == MEMORY and row.case in named)
    return 1 / min(ratios) if ratios else None


def _share_of_time(rows: Sequence[Row]) -> float | None:
    ratios = _ratios(rows, lambda row: row.suite == "accuracy" and row.case == "mnist")
    return 1 / ratios[0] if ratios else None


COLD, WARM, MEMORY = "first step, cold", "first step, warm", "peak memory"

TARGETS: tuple[Target, ...] = (
    Target("layers, geometric mean", lambda rows: geometric_mean(_ratios(rows, _layer)), 2.3, 3),
    Target("layers, worst case", lambda rows: _worst(_ratios(rows, _layer)), 1.1, 1.3),
    Target(
        "3x3 stride 1, 64 or more channels, forward and input gradient, worst",
        lambda rows: _worst(_ratios(rows, _wide("forward", "input gradient"))),
        1.8,
        2.3,
    ),
    Target("the same, weight gradient, worst", lambda rows: _worst(_ratios(rows, _wide("weight gradient"))), 1.2, 1.8),
    Target(
        "networks whose PyTorch step takes 2 ms or more, geometric mean",
        lambda rows: geometric_mean(_ratios(rows, _slow_network)),
        2.5,
        3.5,
    ),
    Target("the same, worst case", lambda rows: _worst(_ratios(rows, _slow_network)), 1.7, 2),
    Target("prediction of one image, worst network", lambda rows: _worst(_ratios(rows, _of_one_image)), 1.3, 2),
    Target("5x5 example network, step at batch 1", lambda rows: _worst(_ratios(rows, _step("example", 1))), 80, 120),
    Target("LeNet-5, step at batch 1", lambda rows: _worst(_ratios(rows, _step("lenet5", 1))), 15, 25),
    Target("LeNet, first step, cold", _seconds("lenet", COLD), 0.5, 0.3, at_most=True, unit="s"),
    Target("ResNet-18 (CIFAR), first step, cold", _seconds("resnet18-cifar", COLD), 15, 5, at_most=True, unit="s"),
    Target("LeNet, first step, warm", _seconds("lenet", WARM), 0.3, 0.1, at_most=True, unit="s"),
    Target("ResNet-18 (CIFAR), first step, warm", _seconds("resnet18-cifar", WARM), 0.3, 0.2, at_most=True, unit="s"),
    Target("peak memory by PyTorch's, worst of VGG-like and ResNet-18", _most_memory, 1.0, 0.6, at_most=True),
    Target("time to 99.0 % on MNIST by PyTorch's", _share_of_time, 0.5, 0.25, at_most=True),
)
