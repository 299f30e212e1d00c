"""How long the recipe of examples/cifar94.py takes, beside the same network and steps in PyTorch.

    python -m benchmarks.cifar94

Both take the same steps (forward, loss with smoothed labels, backward, Nesterov's momentum with three groups) on the
same batch of random images, in turns; PyTorch in float32, in both memory formats, ours in float32. Where the processor
multiplies bfloat16, PyTorch takes part with `torch.autocast("cpu", dtype=torch.bfloat16)`, too, and ours in mixed
precision; elsewhere each product is rounded by other instructions (on a Zen 3, a step of 64 images takes PyTorch 7.4 s,
and 0.7 in float32). Before a time is printed, the weights after two steps are compared with PyTorch's in float64.
The last column is the time of a step times the steps of the whole training, without reading and changing images.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.machine import processor, threads_in_use
from benchmarks.timing import Call, Effort, interleaved, medians
from benchmarks.torch_networks import FORMATS, autocast
from benchmarks.torch_twin import as_image, copy_weights, in_torch_names, in_torch_order, twin
from benchmarks.verify import Array, check_changes, check_rounding
from convgrad.models.network import Network
from convgrad.network.chosen import tensors_called
from convgrad.network.frozen import frozen_from
from convgrad.network.precision import PRECISIONS
from convgrad.network.step import TrainingStep

IMAGES, EPOCHS = 50_000, 10
RATE = 1e-9
"""While the clock runs: many steps on one batch would end somewhere else than a training does."""
ALLOWED, FLOOR = 20.0, 1e-4
OURS = "convgrad"


def example() -> Any:
    """What examples/cifar94.py defines."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "examples" / "cifar94.py")))


class Theirs:
    """The network in PyTorch with the recipe's optimizer, and one batch."""

    def __init__(self, recipe: Any, network: Network, x: Array, t: Array, memory: str, dtype: str, rate: float):
        double = dtype == "float64"
        module = twin(network)
        copy_weights(network, module)
        self.module: Any = module.to(torch.float64 if double else torch.float32).to(memory_format=FORMATS[memory])
        self.x = as_image(x, torch.float64 if double else torch.float32, FORMATS[memory])
        self.t = torch.tensor(t, dtype=torch.int64)
        self.mixed = dtype == "bfloat16"
        left = dict(self.module.named_parameters())
        for name in in_torch_names(network, frozen_from(network.layers, recipe.FROZEN).tensors):
            left.pop(name).requires_grad_(False)
        own = {placed.name: [placed.tensor(key) for key in placed.built.parameters] for placed in network.layers}
        groups: list[dict[str, Any]] = []
        for group in recipe.GROUPS:
            names = in_torch_names(network, tensors_called(own, group.names, "groups"))
            change = {"lr": rate / recipe.RATE * group.learning_rate, "weight_decay": group.weight_decay}
            groups.append({"params": [left.pop(name) for name in names], **change})
        groups.append({"params": list(left.values())})
        options = {"momentum": recipe.MOMENTUM, "nesterov": True, "weight_decay": recipe.DECAY, "foreach": True}
        self.optimizer = torch.optim.SGD(groups, rate, **options)
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.LOSS.label_smoothing)

    def step(self) -> torch.Tensor:
        """Forward, loss, backward, update; returns the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.mixed):
            loss: torch.Tensor = self.loss(self.module(self.x), self.t)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def verify(recipe: Any, make: Any, x: Array, t: Array) -> None:
    """Two steps of a hundredth of the recipe's rate. Raises: WrongResult."""
    network, rate = make(), recipe.RATE / 100
    step = _ours(recipe, network, len(x))
    single, double = (Theirs(recipe, make(), x, t, "NCHW", dtype, rate) for dtype in ("float32", "float64"))
    before = in_torch_order(network, network.get_weights())
    for number in range(2):
        step.run(x, t, rate)
        theirs, exact = (np.array(float(each.step())) for each in (single, double))
        check_rounding(f"loss {number + 1}", np.array(step.loss), theirs, exact, ALLOWED, FLOOR)
    after = in_torch_order(network, network.get_weights())
    singles, doubles = (
        {name: own.detach().numpy() for name, own in each.module.named_parameters() if own.requires_grad}
        for each in (single, double)
    )
    check_changes("", before, after, singles, doubles, ALLOWED, FLOOR)


def _ours(recipe: Any, network: Network, batch: int, precision: str = "float32") -> TrainingStep:
    frozen = frozen_from(network.layers, recipe.FROZEN).tensors
    return TrainingStep(network, recipe.LOSS, recipe.OPTIMIZER, batch, frozen=frozen, precision=precision)


def main(arguments: list[str] | None = None) -> int:
    """Print a table of contenders."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cifar94", description=__doc__)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(arguments)
    recipe, rng = example(), np.random.default_rng(0)
    x = rng.standard_normal((chosen.batch, 32, 32, 3), np.float32)
    t = rng.integers(0, 10, chosen.batch)

    def make() -> Network:
        network: Network = recipe.built(x, (64, 256, 256))
        return network

    verify(recipe, make, x[:64], t[:64])
    halves = "bfloat16" in processor()
    contenders: dict[str, Call] = {
        f"{OURS} {precision}": partial(_ours(recipe, make(), chosen.batch, precision).run, x, t, RATE)
        for precision in PRECISIONS
        if precision == "float32" or halves
    }
    for dtype in ("float32", "bfloat16") if halves else ("float32",):
        for memory in FORMATS:
            contenders[f"PyTorch {dtype} {memory}"] = Theirs(recipe, make(), x, t, memory, dtype, RATE).step
    times = medians(interleaved(contenders, Effort(chosen.rounds, 0.1)))
    steps = -(-IMAGES // chosen.batch) * EPOCHS
    print(f"{processor()}, {threads_in_use()} threads, PyTorch {torch.__version__}")
    print(f"{'a step of ' + str(chosen.batch):32} {'ms':>9} {'times ours':>11} {'training':>10}")
    for name, time in times.items():
        print(f"{name:32} {time:9.1f} {time / times[f'{OURS} float32']:11.2f} {time * steps / 1e3:8.0f} s")
    best = [min(time for name, time in times.items() if name.startswith(OURS) == own) for own in (False, True)]
    print(f"PyTorch's quickest takes {best[0] / best[1]:.2f} times our quickest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
