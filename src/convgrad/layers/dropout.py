"""Dropout: in training some elements are left out at random."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.arguments import between
from convgrad.layers.base import Built, Layer, Shape
from convgrad.notation.parsing.parser import parse


@dataclass(frozen=True, eq=False, repr=False)
class Dropout(Layer):
    """x[e,f] = where(uniform(seed, F*e+f) < rate, 0, o[e,f] / (1 - rate)), and to predict x[e,f] = o[e,f]

    Dividing by 1 - rate keeps the mean the same, so that predicting needs no factor. Each step has a seed of its own;
    the same seed leaves out the same elements, whatever the machine.

    o, x: any shape, seen as a row of F elements an example; e is the example.

    rate: the part that is left out, from 0 up to 1.

    Reference: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout, 2014, section 4 and 10 (scaling).

    >>> print(Dropout(0.25))
    x[e,f] = where(uniform(seed, F*e+f) < 0.25, 0, o[e,f] / 0.75)
    """

    rate: float

    def check(self) -> None:
        self.require(rate=between(0, 1))

    @property
    def text(self) -> str:
        # Literal numbers, since the equation to predict has no rate.
        return f"x[e,f] = where(uniform(seed, F*e+f) < {self.rate:.12g}, 0, o[e,f] / {1 - self.rate:.12g})"

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        return Built(
            equation=self.equation,
            predict=parse("x[e,f] = o[e,f]"),
            inputs=("o",),
            input_shapes=((prod(shape),),),
            output_shape=shape,
            batch_index="e",
            seeds=("seed",),
        )
