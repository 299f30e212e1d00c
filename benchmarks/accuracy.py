"""The suite `accuracy`: seconds until a network gets a given share of the test images right.

Both sides have the same network, first weights, batches, optimizer and learning rates, and take turns: a piece of an
epoch ours, the same piece PyTorch's. After every piece the test images are classified, which does not count; what
counts is batches and steps, and for us compiling, as one who waits sees it. PyTorch runs in eager mode, in the memory
format that was faster in some steps beforehand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from benchmarks.models import cifar_small, lenet_like
from benchmarks.rows import Row
from benchmarks.timing import Effort, interleaved, medians
from benchmarks.torch_networks import FORMATS, Trained
from benchmarks.torch_twin import as_image
from benchmarks.verify import Array
from convgrad.compute.halide.runtime.cache import Cache, using
from convgrad.data import Batch, Batches, Dataset, load
from convgrad.models.network import Network
from convgrad.optimizers import SGD

BATCH = 64
TEST_BATCH = 500


@dataclass(frozen=True)
class AccuracyCase:
    """goal: share of the test images. pieces: how often an epoch is interrupted to test. epochs: at most.
    rate: learning rate at the beginning; it falls by half every `halving` epochs."""

    name: str
    dataset: str
    make: Callable[[], Network]
    goal: float
    epochs: int
    pieces: int
    rate: float
    halving: float


ACCURACY: tuple[AccuracyCase, ...] = (
    AccuracyCase("mnist", "mnist", partial(lenet_like, "lenet"), 0.99, 10, 4, 0.02, 1.0),
    AccuracyCase("cifar-small", "cifar10", cifar_small, 0.70, 30, 2, 0.02, 5.0),
)


@dataclass
class Side:
    """One of the two that train. train: a step on images, labels and a learning rate. test: outputs of test images."""

    train: Callable[[Array, Array, float], None]
    test: Callable[[], Array]
    seconds: float = 0.0
    reached: bool = False


def run(*, cases: Sequence[AccuracyCase] = ACCURACY, data_dir: Path | None = None) -> Iterator[Row]:
    """A row for every case; a time is None where the goal was not reached."""
    for case in cases:
        yield measure(case, load(case.dataset, data_dir=data_dir))


def measure(case: AccuracyCase, data: Dataset) -> Row:
    """Train both sides until they reach the goal."""
    assert data.test_images is not None
    ours = _ours(case, data.test_images)
    theirs, memory = _theirs(case, data)
    sides = (ours, theirs)
    batches = Batches(data.train_images, data.train_labels, BATCH, seed=0)
    piece = -(-len(batches) // case.pieces)
    for epoch in range(case.epochs):
        streams = [batches.epoch(epoch) for _ in sides]
        for number in range(case.pieces):
            done = epoch + number / case.pieces
            rate = case.rate * 0.5 ** (done // case.halving)
            for side, stream in zip(sides, streams, strict=True):
                if not side.reached:
                    _train(side, islice(stream, piece), rate)
                    side.reached = accuracy(side.test(), data.test_labels) >= case.goal
            if all(side.reached for side in sides):
                break
        if all(side.reached for side in sides):
            break
    own, other = (side.seconds * 1e3 if side.reached else None for side in sides)
    return Row("accuracy", case.name, f"time to {case.goal:.1%}", own, other, rival=f"eager {memory}")


def accuracy(outputs: Array, labels: Array | None) -> float:
    """The share of outputs (N, K) that are greatest at their label."""
    return float(np.mean(outputs.argmax(1) == labels))


def _train(side: Side, batches: Iterator[Batch], rate: float) -> None:
    began = time.perf_counter()
    for batch in batches:
        if batch.real_count == BATCH:  # PyTorch's last batch would be a smaller one: both leave it out
            side.train(batch.images, batch.labels, rate)
    side.seconds += time.perf_counter() - began


def _ours(case: AccuracyCase, test_images: Array) -> Side:
    network = case.make()
    network.initialize(0)
    began = time.perf_counter()
    with using(Cache(None)):  # nothing compiled before is there
        step = network.training_step("softmax_cross_entropy", SGD(case.rate, momentum=0.9), BATCH)
    spent = time.perf_counter() - began

    def train(images: Array, labels: Array, rate: float) -> None:
        step.run(images, labels, rate)

    return Side(train, lambda: network.predict(test_images, batch_size=TEST_BATCH), spent)


def _theirs(case: AccuracyCase, data: Dataset) -> tuple[Side, str]:
    """PyTorch's side in the memory format that is faster."""
    first = data.train_images[:BATCH], data.train_labels[:BATCH]
    trials = {memory: _trained(case, memory, *first).step for memory in FORMATS}
    times = medians(interleaved(trials, Effort(5, 0.05)))
    memory = min(times, key=times.__getitem__)
    trained = _trained(case, memory, *first)
    assert data.test_images is not None
    tests = [
        as_image(data.test_images[start : start + TEST_BATCH], torch.float32, FORMATS[memory])
        for start in range(0, len(data.test_images), TEST_BATCH)
    ]

    def train(images: Array, labels: Array, rate: float) -> None:
        trained.x, trained.t = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)
        if memory == "NCHW":
            trained.x = trained.x.contiguous()
        trained.optimizer.param_groups[0]["lr"] = rate
        trained.step()

    def test() -> Array:
        with torch.inference_mode():
            outputs: Array = torch.cat([trained.module(images) for images in tests]).numpy()
        return outputs

    return Side(train, test), memory


def _trained(case: AccuracyCase, memory: str, x: Array, t: Array) -> Trained:
    network = case.make()
    network.initialize(0)
    return Trained(network, x, t, "softmax_cross_entropy", memory=memory, optimizer="fused")
