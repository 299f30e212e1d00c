"""What trainings reach in float32 and in mixed precision.

    python -m benchmarks.mixed digits mnist cifar --seeds 3

Both have the same first weights, order and settings for each seed; what differs is `precision` alone. Printed are the
accuracy on test images and the loss on training images, mean and spread (the standard deviation of the seeds). What a
step takes in both: `python -m benchmarks.half`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.machine import processor, threads_in_use
from benchmarks.models import cifar_small, lenet_like
from convgrad.data import load
from convgrad.models.network import Network
from convgrad.network.precision import PRECISIONS


@dataclass(frozen=True)
class Case:
    """A dataset, the network that learns it, for how many epochs, at what learning rate at most."""

    dataset: str
    make: Callable[[], Network]
    epochs: int
    rate: float


CASES = {
    "digits": Case("digits", partial(lenet_like, "lenet"), 10, 0.02),
    "mnist": Case("mnist", partial(lenet_like, "lenet"), 3, 0.02),
    "cifar": Case("cifar10", cifar_small, 6, 0.02),
}


@dataclass(frozen=True)
class Reached:
    """By one training."""

    accuracy: float
    loss: float


def trained(case: Case, precision: str, seed: int, data_dir: Path | None = None, images: int | None = None) -> Reached:
    """Train once; `images`: only the first so many."""
    data = load(case.dataset, data_dir=data_dir)
    network = case.make()
    history = network.fit(
        data.train_images[:images],
        data.train_labels[:images],
        epochs=case.epochs,
        optimizer="momentum",
        learning_rate=case.rate,
        schedule="cosine",
        seed=seed,
        verbose=False,
        precision=precision,
    )
    found = network.evaluate(data.test_images, data.test_labels, precision=precision)
    return Reached(found["accuracy"], history["loss"][-1])


def table(case: Case, seeds: int, data_dir: Path | None = None, images: int | None = None) -> str:
    """A line for each precision."""
    lines = [f"{'precision':16}{'test accuracy':>20}{'training loss':>22}"]
    for precision in PRECISIONS:
        runs = [trained(case, precision, seed, data_dir, images) for seed in range(seeds)]
        accuracy, loss = (spread([getattr(run, name) for run in runs]) for name in ("accuracy", "loss"))
        lines.append(f"{precision:16}{accuracy:>20}{loss:>22}")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Mean and standard deviation."""
    return f"{np.mean(values):.4f} +- {np.std(values, ddof=min(1, len(values) - 1)):.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed", description=__doc__)
    parser.add_argument("cases", nargs="+", choices=CASES, metavar="case", help=", ".join(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data-dir", type=Path)
    asked = parser.parse_args()
    print(f"{processor()}, {threads_in_use()} threads")
    for name in asked.cases:
        print(f"\n{name}, {CASES[name].epochs} epochs, {asked.seeds} seeds", flush=True)
        print(table(CASES[name], asked.seeds, asked.data_dir), flush=True)


if __name__ == "__main__":
    main()
