"""Dropout: in training some elements are left out at random."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.arguments import between, one_of
from convgrad.layers.base import Built, Layer, Shape
from convgrad.notation.parsing.parser import parse


@dataclass(frozen=True, eq=False, repr=False)
class Dropout(Layer):
    """x[e,f] = where(uniform(seed, F*e+f) < rate, 0, o[e,f] / (1 - rate)), and to predict x[e,f] = o[e,f]

    Dividing by 1 - rate keeps the mean the same, so that predicting needs no factor. Each step has a seed of its own;
    the same seed leaves out the same elements, whatever the machine.

    o, x: any shape, seen as a row of F elements an example; e is the example.

    rate: the part that is left out, from 0 up to 1.
    by: "element", or "channel" to leave out whole channels of an image, whose neighbouring places say much the same:

        x[e,f,c] = where(uniform(seed, C*e+c) < rate, 0, o[e,f,c] / (1 - rate))

    Reference: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, Dropout, 2014, section 4 and 10 (scaling);
    Tompson, Goroshin, Jain, LeCun and Bregler, Efficient object localization using convolutional networks, 2015,
    section 3.2 (by channel).

    >>> print(Dropout(0.25))
    x[e,f] = where(uniform(seed, F*e+f) < 0.25, 0, o[e,f] / 0.75)
    """

    rate: float
    by: str = "element"

    def check(self) -> None:
        self.require(rate=between(0, 1), by=one_of("element", "channel"))

    @property
    def text(self) -> str:
        # Literal numbers, since the equation to predict has no rate.
        indices, number = ("e,f", "F*e+f") if self.by == "element" else ("e,f,c", "C*e+c")
        return (
            f"x[{indices}] = where(uniform(seed, {number}) < {self.rate:.12g}, 0, o[{indices}] / {1 - self.rate:.12g})"
        )

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        elements = self.by == "element"
        return Built(
            equation=self.equation,
            predict=parse("x[e,f] = o[e,f]" if elements else "x[e,f,c] = o[e,f,c]"),
            inputs=("o",),
            input_shapes=((prod(shape),) if elements else (prod(shape[:-1]), shape[-1]),),
            output_shape=shape,
            batch_index="e",
            seeds=("seed",),
        )
