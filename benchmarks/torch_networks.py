"""PyTorch's side of whole networks: training steps and predictions, eager and compiled, in both memory formats."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from benchmarks.timing import Call
from benchmarks.torch_twin import as_image, copy_weights, twin, with_decisions
from benchmarks.verify import Array
from convgrad.models.network import Network

FORMATS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
LEARNING_RATE = 0.01
MOMENTUM = 0.9
TIMED_RATE = 1e-9
"""The learning rate while the clock runs: steps of 0.01 on one batch over and over would end at an error of 0, with
velocities that shrink to denormal numbers, which processors are slow with."""


def loss_function(name: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The mean loss of a batch, as convgrad has it."""
    if name == "softmax_cross_entropy":
        return lambda y, t: nn.functional.cross_entropy(y, t)
    return lambda y, t: ((t - y) ** 2).sum() / (2 * len(y))


def autocast(mixed: bool) -> AbstractContextManager[Any]:
    """PyTorch's mixed precision on a CPU, or nothing."""
    half: AbstractContextManager[Any] = torch.autocast("cpu", dtype=torch.bfloat16)
    return half if mixed else nullcontext()


class Trained:
    """A network of PyTorch's with its optimizer and one batch. `step` is what is timed.

    optimizer: "fused" or "foreach", the two ways that PyTorch updates all parameters at once.
    mixed: forward in bfloat16 where PyTorch's autocast takes it.
    """

    def __init__(
        self,
        network: Network,
        x: Array,
        t: Array,
        loss: str,
        *,
        dtype: torch.dtype = torch.float32,
        memory: str = "NCHW",
        optimizer: str = "foreach",
        compiled: bool = False,
        mixed: bool = False,
        rate: float = LEARNING_RATE,
    ):
        module = twin(network).to(dtype)
        copy_weights(network, module)
        self.module: Any = module.to(memory_format=FORMATS[memory])
        self.x = as_image(x, dtype, FORMATS[memory])
        self.t = torch.tensor(t, dtype=dtype if t.dtype.kind == "f" else torch.int64)
        self.optimizer = torch.optim.SGD(module.parameters(), rate, MOMENTUM, **{optimizer: True})
        function = loss_function(loss)

        def forward(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            with autocast(mixed):
                return function(self.module(x), t)

        self.network = network
        self.forward: Any = torch.compile(forward, dynamic=False) if compiled else forward

    def step(self) -> torch.Tensor:
        """Forward, loss, backward, update; returns the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        loss: torch.Tensor = self.forward(self.x, self.t)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def decide(self, values: Mapping[str, Array]) -> None:
        """Let relu and max pooling of the next step decide as our tensors, by name, say."""
        weights = self.module.state_dict()
        self.module = with_decisions(twin(self.network), self.network, values).to(self.x.dtype)
        self.module.load_state_dict(weights)
        momentum = [self.optimizer.state[p] for p in self.optimizer.param_groups[0]["params"]]
        parameters = list(self.module.parameters())
        self.optimizer.param_groups[0]["params"] = parameters
        self.optimizer.state.clear()
        self.optimizer.state.update(zip(parameters, momentum, strict=True))

    def parameters(self) -> dict[str, Array]:
        return {name: p.detach().numpy().copy(order="C") for name, p in self.module.named_parameters()}


def steps(network: Network, x: Array, t: Array, loss: str, compiled: bool) -> dict[str, Call]:
    """All the ways to make one training step: name -> call."""
    calls: dict[str, Call] = {}
    for memory in FORMATS:
        for optimizer in ("foreach", "fused"):
            trained = Trained(network, x, t, loss, memory=memory, optimizer=optimizer, rate=TIMED_RATE)
            calls[f"eager {memory} {optimizer}"] = trained.step
        if compiled:
            trained = Trained(network, x, t, loss, memory=memory, optimizer="fused", compiled=True, rate=TIMED_RATE)
            _add_if_it_works(calls, f"compiled {memory} fused", trained.step)
    return calls


def predictions(network: Network, x: Array, compiled: bool) -> dict[str, Call]:
    """All the ways to predict: name -> call, which returns the results."""
    calls: dict[str, Call] = {}
    for memory, fmt in FORMATS.items():
        module = twin(network).eval()
        copy_weights(network, module)
        module = module.to(memory_format=fmt)
        image = as_image(x, torch.float32, fmt)
        calls[f"eager {memory}"] = _inference(module, image)
        if compiled:
            _add_if_it_works(calls, f"compiled {memory}", _inference(torch.compile(module, dynamic=False), image))
    return calls


def exact_prediction(network: Network, x: Array) -> Array:
    """The prediction in float64."""
    module = twin(network).eval().double()
    copy_weights(network, module)
    result: Array = _inference(module, as_image(x, torch.float64, torch.contiguous_format))().numpy()  # type: ignore[attr-defined]
    return result


def _inference(module: Any, image: torch.Tensor) -> Call:
    without: Call = torch.inference_mode()(lambda: module(image))
    return without


def _add_if_it_works(calls: dict[str, Call], name: str, call: Call) -> None:
    """torch.compile needs a C++ compiler and does not know every processor; where it fails, eager is what counts."""
    try:
        call()
    except Exception as error:  # whatever it is, PyTorch can't do it here
        print(f"{name}: torch.compile does not work here ({type(error).__name__}).", file=sys.stderr)
        return
    calls[name] = call
