"""One process whose start is measured: `python -m benchmarks.startup_child convgrad|torch CASE [MEMORY FORMAT]`.

Prints JSON: seconds of the import and of the first step, peak memory after some steps.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

STEPS = 3
"""Enough for all buffers, gradients and the momentum to be there."""
STATUS = Path("/proc/self/status")
Step = Callable[[], object]
First = Callable[[], Step]
"""Builds everything, makes the first step and returns what makes further ones."""


def peak_mib() -> float:
    """The most memory that was resident at once, in MiB.

    Not getrusage's figure: on Linux that starts from the parent's memory.
    """
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _convgrad(name: str) -> tuple[float, First]:
    began = time.perf_counter()
    import convgrad  # noqa: F401
    from convgrad.models.network import Network  # noqa: F401
    from convgrad.optimizers import SGD

    imported = time.perf_counter() - began
    from benchmarks.models import named

    case = named(name)

    def first() -> Step:
        network = case.make()
        network.initialize(1)
        x, t = _batch(network.input_shape, network.output_shape, case.steps[-1])
        step = network.training_step(case.loss, SGD(0.01, momentum=0.9), len(x))
        step.run(x, t)
        return lambda: step.run(x, t)

    return imported, first


def _torch(name: str, memory: str) -> tuple[float, First]:
    began = time.perf_counter()
    import torch

    imported = time.perf_counter() - began
    from benchmarks.machine import threads_in_use
    from benchmarks.models import named
    from benchmarks.torch_networks import Trained

    torch.set_num_threads(threads_in_use())
    case = named(name)

    def first() -> Step:
        network = case.make()
        network.initialize(1)
        x, t = _batch(network.input_shape, network.output_shape, case.steps[-1])
        trained = Trained(network, x, t, case.loss, memory=memory)
        trained.step()
        return trained.step  # our own network and batch are gone by now: PyTorch's memory is measured

    return imported, first


def _batch(image: tuple[int, ...], output: tuple[int, ...], batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.standard_normal((batch, *image), np.float32), rng.integers(0, output[0], batch)


def main() -> None:
    who, name, *memory = sys.argv[1:]
    imported, first = _convgrad(name) if who == "convgrad" else _torch(name, *memory)
    began = time.perf_counter()
    step = first()
    seconds = time.perf_counter() - began
    for _ in range(STEPS):
        step()
    json.dump({"import": imported, "first_step": seconds, "peak_mib": peak_mib()}, sys.stdout)


if __name__ == "__main__":
    main()
