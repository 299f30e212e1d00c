"""Layers of several inputs: sum, difference, product, concatenation. Inputs are called o1, o2, ..."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

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
class Joined(Merge, abstract=True):
    """One element of each input for one of the result, joined by `sign`. Inputs of one shape are seen as rows o[f].

    Other shapes are read as NumPy reads them: aligned at the last axis; along an axis of length 1, or one that an input
    does not have, its elements serve every place. Neighbouring axes that all inputs treat alike are one index.
    """

    sign: ClassVar[str]

    @property
    def text(self) -> str:
        return self._text(("f", "f"))

    def _text(self, read: tuple[str, ...], every: str = "f") -> str:
        parts = [f"o{n}[{indices}]" if indices else f"o{n}" for n, indices in enumerate(read, 1)]
        return f"x[{every}] = {f' {self.sign} '.join(parts)}"

    def build(self, *input_shapes: Shape) -> Built:
        names = self.several(input_shapes)
        try:
            shape = np.broadcast_shapes(*input_shapes)
        except ValueError:
            raise ShapeError(
                f"{self.label}: its inputs have different shapes, {_listed(input_shapes)}.",
                remedy="Where the channels differ, put Conv2D(channels, 1) before one of them. Only an axis of length "
                "1 may stand for a longer one.",
            ) from None
        runs = _runs(input_shapes, shape)
        letters = ("f",) if len(runs) == 1 else (*"fghijl"[: len(runs) - 1], "c")
        if len(runs) > len(letters):
            raise ShapeError(f"{self.label}: its inputs take turns with their axes too often: {_listed(input_shapes)}.")
        read = tuple(
            ",".join(i for i, (_, held) in zip(letters, runs, strict=True) if held[n]) for n in range(len(names))
        )
        views = tuple(tuple(size for size, held in runs if held[n]) for n in range(len(names)))
        return Built(parse(self._text(read, ",".join(letters))), names, views, shape)


def _runs(input_shapes: tuple[Shape, ...], shape: Shape) -> list[tuple[int, tuple[bool, ...]]]:
    """Neighbouring axes that the inputs treat alike: how many places, and which of the inputs hold one for each."""
    runs: list[tuple[int, tuple[bool, ...]]] = []
    aligned = [(1,) * (len(shape) - len(one)) + one for one in input_shapes]
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        held = tuple(one[axis] == size for one in aligned)
        if runs and runs[-1][1] == held:
            runs[-1] = (runs[-1][0] * size, held)
        else:
            runs.append((size, held))
    return runs or [(1, (True,) * len(input_shapes))]


class Add(Joined):
    """x[f] = o1[f] + o2[f] + ..., any number of inputs of one shape, or of shapes that go together as NumPy's do:

        x[f,c] = o1[f,c] + o2[c]

    >>> print(Add().build((5, 7, 3), (5, 1, 3)).equation)
    x[f,g,c] = o1[f,g,c] + o2[f,c]
    """

    sign = "+"


class Subtract(Joined):
    """x[f] = o1[f] - o2[f], two inputs of one shape, or of shapes that go together as NumPy's do

    >>> print(Subtract().build((5, 7, 3), (3,)).equation)
    x[f,c] = o1[f,c] - o2[c]
    """

    sign = "-"

    def build(self, *input_shapes: Shape) -> Built:
        if len(input_shapes) > 2:
            raise ModelError(f"{self.label} takes two inputs, but got {len(input_shapes)}. Add up the others before.")
        return super().build(*input_shapes)


class Multiply(Joined):
    """x[f] = o1[f] * o2[f] * ..., any number of inputs of one shape, or of shapes that go together as NumPy's do, such
    as a gate for each channel:

        x[f,c] = o1[f,c] * o2[c]

    o1, x: any rank with C channels last. o2: (C,) or (1, 1, C).

    Reference: Hu, Shen and Sun, Squeeze-and-excitation networks, 2018, eq. 4 (gates).
    """

    sign = "*"


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
