"""Training steps in mixed precision (bfloat16 and float32) beside PyTorch's autocast, and what both cost in accuracy.

    python -m benchmarks.half [--case resnet18*]

A step is forward, loss, backward and update with momentum, as in the suite `networks`, on the same batch, in turns:
ours in float32, ours with `precision="mixed_bfloat16"`, and PyTorch's with `torch.autocast("cpu", torch.bfloat16)`, in
both memory formats, of which the quicker counts. `ratio` is PyTorch's time divided by ours in mixed precision, `gain`
our time in float32 divided by that. `error` is the distance of what a first step changes the weights by, all of them
one vector, from PyTorch's in float64, divided by its length; ours must not be more than twice PyTorch's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial

import numpy as np
import torch

from benchmarks.machine import processor, threads_in_use
from benchmarks.models import NETWORKS, NetworkCase
from benchmarks.networks import batch_of, prepared
from benchmarks.timing import Effort, against_best, geometric_mean, interleaved, medians
from benchmarks.torch_networks import FORMATS, LEARNING_RATE, MOMENTUM, TIMED_RATE, Trained
from benchmarks.torch_twin import in_torch_order
from benchmarks.verify import Array, WrongResult, distance
from convgrad.models.network import Network
from convgrad.network.precision import MIXED
from convgrad.network.step import TrainingStep
from convgrad.optimizers import SGD

ALLOWED = 2.0


@dataclass(frozen=True)
class Measured:
    """Milliseconds of a step, and the errors of a first one."""

    single: float
    mixed: float
    theirs: float
    best: str
    error: float
    their_error: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.mixed


def measure(case: NetworkCase, batch: int, effort: Effort) -> Measured:
    """Compare, then time. Raises: WrongResult."""
    x, t = batch_of(case, batch)
    error, theirs = errors(case, x, t)
    if not error <= ALLOWED * theirs:
        raise WrongResult(f"{case.name}, step of {batch}: the error is {error:.1e}, PyTorch's {theirs:.1e}.")
    ours = {precision: _step(prepared(case), case, batch, precision) for precision in ("float32", MIXED)}
    calls = {precision: partial(step.run, x, t, TIMED_RATE) for precision, step in ours.items()}
    rivals = {
        memory: Trained(prepared(case), x, t, case.loss, memory=memory, mixed=True, rate=TIMED_RATE).step
        for memory in FORMATS
    }
    single = medians(interleaved(calls, effort))["float32"]
    mixed, best, time = against_best(calls[MIXED], rivals, effort)
    return Measured(single, mixed, time, best, error, theirs)


def errors(case: NetworkCase, x: Array, t: Array) -> tuple[float, float]:
    """Ours and PyTorch's in mixed precision, after one step."""
    network = prepared(case)
    before = in_torch_order(network, network.get_weights())
    trained = [
        Trained(network, x, t, case.loss, mixed=mixed, dtype=dtype)
        for mixed, dtype in ((True, torch.float32), (False, torch.float64))
    ]
    _step(network, case, len(x), MIXED).run(x, t)
    for each in trained:
        each.step()
    theirs, exact = (each.parameters() for each in trained)

    def change(after: Mapping[str, Array]) -> Array:
        return np.concatenate([(after[name] - before[name].astype(np.float64)).ravel() for name in exact])

    own = in_torch_order(network, network.get_weights())
    return distance(change(own), change(exact)), distance(change(theirs), change(exact))


def _step(network: Network, case: NetworkCase, batch: int, precision: str) -> TrainingStep:
    optimizer = SGD(LEARNING_RATE, momentum=MOMENTUM)
    return network.training_step(case.loss, optimizer, batch, precision=precision)


def main(arguments: list[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.half", description=__doc__)
    parser.add_argument("--case", default="*", help="a pattern of names of networks [*]")
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(threads_in_use())
    print(f"{processor()}, {threads_in_use()} threads, PyTorch {torch.__version__}; milliseconds a step")
    heads = ("float32", "mixed", "gain", "PyTorch", "ratio", "error", "PyTorch's")
    print(f"{'network':16} {'batch':>5} " + " ".join(f"{head:>9}" for head in heads) + "  in")
    ratios = []
    for case in NETWORKS:
        for batch in case.steps if fnmatchcase(case.name, chosen.case) else ():
            found = measure(case, batch, Effort(chosen.rounds, 0.1))
            ratios.append(found.ratio)
            cells = f"{found.single:9.3f} {found.mixed:9.3f} {found.single / found.mixed:9.2f} {found.theirs:9.3f}"
            cells += f" {found.ratio:9.2f} {found.error:9.1e} {found.their_error:9.1e}  {found.best}"
            print(f"{case.name:16} {batch:5} {cells}", flush=True)
    if ratios:
        print(f"ratio: {geometric_mean(ratios):.2f} in the mean, {min(ratios):.2f} at the least")
    return 0


if __name__ == "__main__":
    sys.exit(main())
