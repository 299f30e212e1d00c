"""The suite `networks`: whole training steps (forward, loss, backward, update with momentum) and predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from benchmarks import torch_networks
from benchmarks.models import NETWORKS, NetworkCase, gflop
from benchmarks.rows import Row
from benchmarks.timing import Call, Effort, against_best, interleaved, medians
from benchmarks.torch_networks import LEARNING_RATE, MOMENTUM, TIMED_RATE, Trained
from benchmarks.torch_twin import batch_statistics, in_torch_order
from benchmarks.verify import Array, WrongResult, check_changes, check_rounding
from convgrad.compute.arrays import aligned_zeros
from convgrad.compute.halide.passes.memory import Layout
from convgrad.compute.halide.planned import planned
from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.runtime.calls import call_list
from convgrad.compute.halide.runtime.peak import Peak
from convgrad.models.network import Network
from convgrad.network.step import TrainingStep
from convgrad.optimizers import SGD

ALLOWED = 20.0
"""How many times PyTorch's own distance from float64 ours may be: we add in another order, Winograd loses a digit."""
FLOOR = 1e-4
STATISTICS_BATCH = 8
RESHAPED = "~"
"""Behind the name of a tensor that is stored in another's shape (passes/reshaped.py)."""
VERIFIED_STEPS = 2
"""The second one is the first that momentum shows in."""


def run(
    peak: Peak,
    effort: Effort,
    *,
    cases: Sequence[NetworkCase] = NETWORKS,
    against: Sequence[str] = ("torch",),
    compiled: bool = True,
) -> Iterator[Row]:
    """Rows of training steps and predictions. Raises WrongResult where our result is wrong.

    compiled: let PyTorch try torch.compile, too, whose compile time does not count.
    """
    for case in cases:
        for batch in case.steps:
            yield measure_step(case, batch, peak, effort, against, compiled)
        for batch in case.predictions:
            yield measure_prediction(case, batch, peak, effort, against, compiled)


def measure_step(
    case: NetworkCase, batch: int, peak: Peak, effort: Effort, against: Sequence[str], compiled: bool
) -> Row:
    """Verify a training step, then time it."""
    x, t = batch_of(case, batch)
    what = f"{case.name}, step of {batch}"
    verify_step(what, case, x, t)
    network = prepared(case)
    step = network.training_step(case.loss, SGD(LEARNING_RATE, momentum=MOMENTUM), batch)
    rivals = torch_networks.steps(network, x, t, case.loss, compiled) if "torch" in against else {}
    others = {}
    if "jax" in against:
        from benchmarks import jax_networks

        others = jax_networks.steps(network, x, t, case.loss)
    times = _times(lambda: step.run(x, t, TIMED_RATE), rivals, others, effort)
    return _row(case, f"step, batch {batch}", times, gflop(network, batch, training=True), peak)


def measure_prediction(
    case: NetworkCase, batch: int, peak: Peak, effort: Effort, against: Sequence[str], compiled: bool
) -> Row:
    """Verify a prediction, then time it."""
    x, _ = batch_of(case, batch)
    network = prepared(case)
    rivals = torch_networks.predictions(network, x, compiled)
    expected = torch_networks.exact_prediction(network, x)
    theirs: Array = rivals["eager NCHW"]().numpy()  # type: ignore[attr-defined]
    what = f"{case.name}, prediction of {batch}"
    check_rounding(what, network.predict(x, batch_size=batch), theirs, expected, ALLOWED, FLOOR)
    others = {}
    if "jax" in against:
        from benchmarks import jax_networks

        others = jax_networks.predictions(network, x)
    rivals = rivals if "torch" in against else {}
    times = _times(lambda: network.predict(x, batch_size=batch), rivals, others, effort)
    return _row(case, f"prediction, batch {batch}", times, gflop(network, batch, training=False), peak)


def verify_step(what: str, case: NetworkCase, x: Array, t: Array) -> None:
    """Losses and parameters after two steps, in the place of PyTorch's in float64. Raises WrongResult.

    An activation next to 0, or two next to each other, may fall on either side by rounding, and one that does changes
    gradients by more than rounding. So PyTorch's relu and max pooling decide as ours did, in both of its precisions.
    """
    network = prepared(case)
    single = Trained(network, x, t, case.loss)
    double = Trained(network, x, t, case.loss, dtype=torch.float64)
    before = in_torch_order(network, network.get_weights())
    step = network.training_step(case.loss, SGD(LEARNING_RATE, momentum=MOMENTUM), len(x))
    for number in range(VERIFIED_STEPS):
        values = decisions(step, x)
        for trained in (single, double):
            trained.decide(values)
        step.run(x, t)
        theirs, exact = (np.array(float(trained.step())) for trained in (single, double))
        check_rounding(f"{what}: loss {number + 1}", np.array(step.loss), theirs, exact, ALLOWED, FLOOR)
    after = in_torch_order(network, network.get_weights())
    check_changes(f"{what}: ", before, after, single.parameters(), double.parameters(), ALLOWED, FLOOR)
    if not np.isfinite(step.loss):
        raise WrongResult(f"{what}: the loss is {step.loss}.")


def decisions(step: TrainingStep, x: Array) -> dict[str, Array]:
    """The results of relu, and what it and max pooling read, in a step on the weights of now.

    Those that the step stores are its own, to the bit: a program that computes them alone may round otherwise, and of
    millions some lie so near to 0. The others are computed alone.
    """
    layers = [placed for placed in step.network.layers if type(placed.layer).__name__ in ("ReLU", "MaxPool2D")]
    names = {f"{name}.x" for placed in layers for name in (placed.name, *placed.sources) if name != "input"}
    equation = step.plan.equation
    program = compile_program(equation, sorted(names), views=step.plan.views)
    for name, array in program.arrays.items():
        if name in step.program.arrays:
            array[...] = step.program.arrays[name]
    program.set("input", x)
    program.run()
    alone = {name: program.arrays[name] for name in names}
    own = {name: array.reshape(alone[name].shape) for name, array in _stored(step, x, names).items()}
    return {"input": x, **alone, **own}


def _stored(step: TrainingStep, x: Array, names: set[str]) -> dict[str, Array]:
    """Which of these tensors a step stores, and what it does there; the step's own arrays stay as they are."""
    own = step.program.arrays
    copies = {id(array): aligned_zeros(array.shape, array.dtype) for array in own.values()}
    arrays = {name: copies[id(array)] for name, array in own.items()}
    for name, array in arrays.items():
        array[...] = own[name]
    arrays["input"][...] = x
    plan = planned(step.program.request, arrays, step.program.dtype)
    rows = [[replace(place, local=False) for place in row] for row in plan.rows]  # no slice writes over another's
    calls, found, before = call_list(plan.kernels, rows, plan.together), {}, 0
    for done in calls.in_parts():
        for kernel, row in zip(plan.kernels[before:done], rows[before:done], strict=True):
            for place in row[len(kernel.reads) :]:
                name = place.name.removesuffix(RESHAPED)
                if name in names:
                    layout, count = kernel.layouts[place.name], kernel.slices if place.sliced else 1
                    whole = replace(layout, shape=(count * layout.shape[0], *layout.shape[1:]))
                    found[name] = _without_border(place.array, whole)
        before = done
    return found


def _without_border(array: Array, layout: Layout) -> Array:
    strides = [stride * array.itemsize for stride in layout.strides]
    inner: Array = np.lib.stride_tricks.as_strided(array.reshape(-1)[layout.first :], layout.shape, strides)
    copied: Array = inner.copy()
    return copied


def prepared(case: NetworkCase) -> Network:
    """The network with its first weights; the moving values of batch normalization are those of a batch, since with the
    usual 0 and 1 a deep network predicts next to nothing."""
    network = case.make()
    network.initialize(1)
    if network.state:
        x, _ = batch_of(case, STATISTICS_BATCH)
        for name, array in batch_statistics(network, x).items():
            network.state[name][...] = array
    return network


def batch_of(case: NetworkCase, batch: int) -> tuple[Array, Array]:
    """Random images (N, H, W, C) and targets, the same in every run."""
    network = case.make()
    rng = np.random.default_rng(5)
    x = rng.standard_normal((batch, *network.input_shape), np.float32)
    if case.loss == "softmax_cross_entropy":
        return x, rng.integers(0, network.output_shape[0], batch)
    return x, rng.random((batch, *network.output_shape), np.float32)


def _times(
    ours: Call, rivals: dict[str, Call], others: dict[str, Call], effort: Effort
) -> tuple[float, str, float | None, float | None]:
    """Our milliseconds, PyTorch's best way, its milliseconds, JAX's milliseconds."""
    time, best, theirs, jax = None, "", None, None
    if rivals:
        time, best, theirs = against_best(ours, rivals, effort)
    if others:
        own, _, jax = against_best(ours, others, effort)
        time = own if time is None else time
    if time is None:
        time = medians(interleaved({"ours": ours}, effort))["ours"]
    return time, best, theirs, jax


def _row(
    case: NetworkCase, part: str, times: tuple[float, str, float | None, float | None], work: float, peak: Peak
) -> Row:
    ours, best, theirs, jax = times
    return Row("networks", case.name, part, ours, theirs, work, peak.gflops, best, jax)
