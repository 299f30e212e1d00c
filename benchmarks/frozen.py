"""What freezing saves: definitions, kernels and time of a training step with all learning, and with the head only.

    python -m benchmarks.frozen

Before a time is printed, a step with weights frozen is compared with a whole one: what is frozen has its bits, what is
not has moved as the whole step moved it. Layers with moving statistics are left out of the comparison, since they
compute something else when they are frozen.
"""

from __future__ import annotations

import argparse
import sys
from fnmatch import fnmatchcase
from functools import partial

import numpy as np

from benchmarks.models import NETWORKS, NetworkCase
from benchmarks.timing import Effort, interleaved, medians
from convgrad.network.step import TrainingStep
from convgrad.optimizers import SGD

BATCH = 64


def measure(case: NetworkCase, effort: Effort) -> str:
    """A line of the table: all but the last layer with weights is frozen. Raises: AssertionError for a wrong step."""
    steps = {}
    for what in ("whole", "head"):
        network = case.make()
        network.initialize(0)
        weighed = [placed.name for placed in network.layers if placed.built.parameters]
        frozen = weighed[:-1] if what == "head" else ()
        steps[what] = TrainingStep(network, case.loss, SGD(0.01, momentum=0.9), BATCH, frozen=frozen)
    whole, head = steps["whole"], steps["head"]
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, *whole.network.input_shape), dtype=np.float32)
    t = rng.integers(0, whole.network.output_shape[-1], BATCH)
    before = head.network.get_weights()
    for step in steps.values():
        step.run(x, t)
    for name, array in head.network.get_weights().items():
        if name in head.frozen.tensors:
            assert np.array_equal(array, before[name]), f"{case.name}: {name} is frozen and has changed"
        elif not whole.network.state:
            np.testing.assert_allclose(array, whole.network.parameters[name], rtol=1e-4, atol=1e-6, err_msg=name)
    calls = {what: partial(step.run, x, t, 1e-9) for what, step in steps.items()}
    times = medians(interleaved(calls, effort))
    counts = [len(step.plan.definitions) for step in (whole, head)]
    counts += [len(step.program.kernels) for step in (whole, head)]
    cells = "".join(f" {count:8}" for count in counts)
    return f"{case.name:16}{cells} {times['whole']:9.3f} {times['head']:9.3f} {times['whole'] / times['head']:7.2f}"


def main(arguments: list[str] | None = None) -> int:
    """Measure each network of the suite that learns classes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frozen", description=__doc__)
    parser.add_argument("--case", default="*", help="a pattern of names of networks [*]")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args(arguments)
    classes = [case for case in NETWORKS if case.loss == "softmax_cross_entropy" and BATCH in case.steps]
    print(f"{'network':16}{'defs':>9}{'frozen':>9}{'kernels':>9}{'frozen':>9}{'ms':>10}{'frozen':>10}{'times':>8}")
    for case in classes:
        if fnmatchcase(case.name, options.case):
            print(measure(case, Effort(rounds=options.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
