"""A layer in its place in a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from convgrad.layers.base import Built, Layer, Parameter
from convgrad.notation.terms import gradient_name

Shape = tuple[int, ...]


@dataclass(frozen=True)
class PlacedLayer:
    """A layer in its place in the network: its name, its sizes and where its inputs come from.

    sources: for each input the name of the layer that makes it, or the tensor of an input of the network, `input`.
    shared: where the layer stands in several places, the name of its first one, which its weights have.
    before: the name of its place before this one. last: whether no other place of it follows.
    """

    name: str
    layer: Layer
    built: Built
    sources: tuple[str, ...]
    shared: str = ""
    before: str = ""
    last: bool = True

    def tensor(self, name: str) -> str:
        """The network's name for one of the layer's own tensors: w -> conv1.w."""
        whose = (
            self.shared if self.shared and (name in self.built.parameters or name in self.built.state) else self.name
        )
        return f"{whose}.{name}"

    @property
    def description(self) -> dict[str, Any]:
        """What is needed to place the layer again, as values that JSON can hold."""
        if self.before:
            return {"shares": self.shared, "name": self.name, "inputs": list(self.sources)}
        return {
            "class": type(self.layer).__name__,
            "name": self.name,
            "inputs": list(self.sources),
            "arguments": {key: value for key, value in self.layer.config().items() if key != "name"},
        }

    @property
    def own_parameters(self) -> dict[str, Parameter]:
        """The parameters that no place before this one has."""
        return {} if self.before else self.built.parameters

    @property
    def own_state(self) -> dict[str, tuple[Shape, float]]:
        """What training carries along that no place before this one has."""
        return {} if self.before else self.built.state

    def next(self, name: str) -> str:
        """What training makes of a tensor that it carries along: bn1.moving_mean -> bn1.moving_mean_next."""
        return f"{self.tensor(name)}_next" if self.last else f"{self.name}.{name}_next.part"

    def owns(self, tensor: str) -> bool:
        """Whether a tensor of the network is the layer's; names of layers have no dot."""
        return tensor.startswith(self.tensor(""))

    @property
    def output(self) -> str:
        return self.tensor(self.built.output)

    @property
    def delta(self) -> str:
        """The gradient of the output."""
        return gradient_name(self.output)

    @property
    def predicting(self) -> PlacedLayer:
        """The same with the equation to predict with as the only one."""
        equation = self.built.predict or self.built.equation
        seeds = tuple(seed for seed in self.built.seeds if seed in equation.inputs)
        return replace(self, built=replace(self.built, equation=equation, predict=None, seeds=seeds))
