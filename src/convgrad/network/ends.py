"""Where a network begins and ends: one input or several, one output or several, and what they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from convgrad.compute.several import Several, check_lengths, listed, named, tensor
from convgrad.errors import ModelError

Shape = tuple[int, ...]
INPUT = "input"


@dataclass(frozen=True)
class Ends:
    """The inputs and outputs of a network, by name; where there is one only, given by itself, its name is "".

    inputs: name -> shape of one example. outputs: name -> the layer whose result it is.
    """

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, str]

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        """() for the only one."""
        return tuple(name for name in self.inputs if name)

    @cached_property
    def output_names(self) -> tuple[str, ...]:
        """() for the only one."""
        return tuple(name for name in self.outputs if name)

    @property
    def input_tensors(self) -> dict[str, Shape]:
        """Tensor -> shape: `input`, or `input.image` and `input.meta`."""
        return {tensor(INPUT, name): shape for name, shape in self.inputs.items()}

    @property
    def input_size(self) -> int:
        """Numbers in one example."""
        return sum(prod(shape) for shape in self.inputs.values())

    def each_input(self, x: Any, where: str, made: Callable[[Any, Shape, str], Any]) -> Any:
        """What is made of the only input, or `Several` of what is made of each.

        Args:
            x: an array; of several, a table by name or a list in their order. where: what messages call it.
            made: from what was given for an input, its shape, and what messages call it, `x` or `x['image']`.

        Raises:
            DataError: an input is missing or unknown, or has other examples than another.
        """
        given = named(x, self.input_names, where, "x", "inputs")
        if not self.input_names:
            return made(given, self.inputs[""], "x")
        parts = {name: made(given.parts[name], shape, f"x[{name!r}]") for name, shape in self.inputs.items()}
        return check_lengths(Several(parts), where, "x")

    def check_one_output(self) -> None:
        """Raises: ModelError where there are several outputs."""
        _refuse("outputs", self.output_names)

    def check_only(self) -> None:
        """Raises: ModelError where there are several inputs or outputs."""
        _refuse("inputs", self.input_names)
        self.check_one_output()

    @property
    def input_shape(self) -> Shape:
        """Of the only input. Raises: ModelError where there are several."""
        _refuse("inputs", self.input_names)
        return self.inputs[""]

    @property
    def output(self) -> str:
        """The layer that makes the only result. Raises: ModelError where there are several."""
        self.check_one_output()
        return self.outputs[""]


def _refuse(ends: str, names: Sequence[str]) -> None:
    if names:
        raise ModelError(
            f"This needs a network of one input and one output, but {listed(names)} are the {ends} of this one. Build "
            "a part of it with the same layers, Network(inputs=image, outputs=node), and give that its weights with "
            "set_weights."
        )
