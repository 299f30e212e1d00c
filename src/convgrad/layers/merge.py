"""Layers of several inputs: sum, product, concatenation. Inputs are called o1, o2, ..."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.arguments import SHAPE
from convgrad.errors import ModelError, ShapeError
from convgrad.layers.base import Built, Layer, Shape
from convgrad.notation.parsing.parser import parse


@dataclass(frozen=True, eq=False, repr=False)
class Merge(Layer, abstract=True):
    """What the layers of several inputs have in common."""

    def several(self, input_shapes: tuple[Shape, ...]) -> tuple[str, ...]:
        """The inputs' names. Raises: ModelError where there is one only."""
        if len(input_shapes) < 2:
            raise ModelError(
                f"{self.label} takes two inputs or more, but got {len(input_shapes)}. Call it on several nodes: "
                f"{type(self).__name__}()(a, b)."
            )
        for shape in input_shapes:
            SHAPE.keep(self.label, "the shape of an input", shape, ModelError)
        return tuple(f"o{number + 1}" for number in range(len(input_shapes)))


@dataclass(frozen=True, eq=False, repr=False)
class Add(Merge):
    """x[f] = o1[f] + o2[f] + ..., any number of inputs, all of one shape."""

    @property
    def text(self) -> str:
        return "x[f] = o1[f] + o2[f]"

    def build(self, *input_shapes: Shape) -> Built:
        names, shape = self.several(input_shapes), input_shapes[0]
        if any(other != shape for other in input_shapes):
            raise ShapeError(
                f"{self.label}: its inputs have different shapes, {_listed(input_shapes)}.",
                remedy="Where the channels differ, put Conv2D(channels, 1) before one of them.",
            )
        equation = parse(f"x[f] = {' + '.join(f'{name}[f]' for name in names)}")
        return Built(equation, names, ((prod(shape),),) * len(names), shape)


@dataclass(frozen=True, eq=False, repr=False)
class Multiply(Merge):
    """x[f] = o1[f] * o2[f] * ..., any number of inputs of one shape; or a gate for each channel:

        x[f,c] = o1[f,c] * o2[c]

    o1, x: any rank with C channels last. o2: (C,) or (1, 1, C).

    Reference: Hu, Shen and Sun, Squeeze-and-excitation networks, 2018, eq. 4 (gates).
    """

    @property
    def text(self) -> str:
        return "x[f] = o1[f] * o2[f]"

    def build(self, *input_shapes: Shape) -> Built:
        names, shape = self.several(input_shapes), input_shapes[0]
        if all(other == shape for other in input_shapes):
            equation = parse(f"x[f] = {' * '.join(f'{name}[f]' for name in names)}")
            return Built(equation, names, ((prod(shape),),) * len(names), shape)
        gate = input_shapes[-1]
        if len(names) != 2 or not shape or not gate or prod(gate) != gate[-1] or gate[-1] != shape[-1]:
            raise ShapeError(
                f"{self.label}: its inputs have different shapes, {_listed(input_shapes)}.",
                remedy=f"They must be equal, or the second of two must be a gate for each channel, {shape[-1:]}.",
            )
        equation = parse("x[f,c] = o1[f,c] * o2[c]")
        return Built(equation, names, ((prod(shape[:-1]), shape[-1]), shape[-1:]), shape)


@dataclass(frozen=True, eq=False, repr=False)
class Concatenate(Merge):
    """x[f,k] = o1[f,k-k1 else 0] + o2[f,k-k2 else 0] + ..., along the last axis

    Input n begins at channel k_n, k1 = 0; of the terms only the one whose channel it is reads anything but 0.

    Inputs: shapes that differ in their last axis only. x: the sum of the last axes.

    >>> Concatenate().build((5, 7, 2), (5, 7, 3)).output_shape
    (5, 7, 5)
    """

    @property
    def text(self) -> str:
        return _concatenation(2)

    def build(self, *input_shapes: Shape) -> Built:
        names = self.several(input_shapes)
        if not all(input_shapes):
            raise ShapeError(f"{self.label}: its inputs must have an axis to concatenate along.")
        *before, _ = input_shapes[0]
        if any(list(shape[:-1]) != before for shape in input_shapes):
            raise ShapeError(
                f"{self.label}: its inputs may differ in their last axis only, but have {_listed(input_shapes)}.",
                remedy="Give them images of one size, for example with padding='same'.",
            )
        channels = [shape[-1] for shape in input_shapes]
        return Built(
            equation=parse(_concatenation(len(names))),
            inputs=names,
            input_shapes=tuple((prod(before), c) for c in channels),
            output_shape=(*before, sum(channels)),
            sizes={"K": sum(channels)},
            integers={f"k{n}": sum(channels[: n - 1]) for n in range(1, len(channels) + 1)},
        )


def _concatenation(inputs: int) -> str:
    parts = [f"o{n}[f,k-k{n} else 0]" for n in range(1, inputs + 1)]
    return f"x[f,k] = {' + '.join(parts)}"


def _listed(shapes: tuple[Shape, ...]) -> str:
    return ", ".join(map(str, shapes[:-1])) + f" and {shapes[-1]}"
