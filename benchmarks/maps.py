"""Memory maps of a process with many networks, all kept and used: `python -m benchmarks.maps [NETWORKS]`.

Linux gives a process 65,530. Each network has shapes of its own, so that none shares compiled code with another.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from convgrad import Network
from convgrad.layers import Dense, Tanh
from convgrad.network.step import TrainingStep
from convgrad.optimizers import SGD

MAPS = Path("/proc/self/maps")
BATCH = 8


def maps() -> int:
    """How many this process has now."""
    return len(MAPS.read_text().splitlines())


def trained(number: int) -> tuple[Network, TrainingStep]:
    """A network that has made a step and a prediction."""
    network = Network(Dense(5), Tanh(), Dense(3), input_shape=(7 + number,))
    network.initialize(number)
    rng = np.random.default_rng(number)
    step = network.training_step("softmax_cross_entropy", SGD(0.1), BATCH)
    step.run(rng.standard_normal((BATCH, 7 + number)), rng.integers(0, 3, BATCH))
    assert np.isfinite(network.predict(rng.standard_normal((2, 7 + number)))).all()
    return network, step


def main(count: int) -> None:
    kept = [trained(0)]
    before = maps()
    kept += [trained(number) for number in range(1, count)]
    after = maps()
    for _, step in kept:
        step.program.run()  # all are still there
    print(
        f"{count} networks: {after} memory maps, {before} with one of them: {(after - before) / max(1, count - 1):.3f} "
        "for each further one"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
