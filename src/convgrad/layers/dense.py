"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.arguments import at_least, one_of
from convgrad.initializers import Initializer, check_initializer
from convgrad.layers.base import Built, Layer, Parameter, Shape
from convgrad.notation.parsing.parser import parse


@dataclass(frozen=True, eq=False, repr=False)
class Dense(Layer):
    """x[k] = sum[c](w[c,k] * o[c]) + b[k]

    o: (C,). w: (C, K), as Keras stores it. x: (K,). An input of more axes is worked on along its last one, as in
    Keras, so that an image (H, W, C) becomes (H, W, K); put Flatten before it to connect everything.

    units: K.
    bias: "channel" for one b[k] a unit, or None.
    kernel_initializer: see `convgrad.initializers`; b begins at 0.

    >>> print(Dense(10))
    x[k] = sum[c](w[c,k] * o[c]) + b[k]
    """

    units: int
    bias: str | None = "channel"
    kernel_initializer: str | Initializer = "glorot_uniform"

    def check(self) -> None:
        self.require(units=at_least(1), bias=one_of("channel", None))
        check_initializer(self.kernel_initializer)

    @property
    def text(self) -> str:
        return self._text("")

    def _text(self, before: str) -> str:
        bias = " + b[k]" if self.bias else ""
        return f"x[{before}k] = sum[c](w[c,k] * o[{before}c]){bias}"

    def build(self, *input_shapes: Shape) -> Built:
        *before, channels = self.one_input(input_shapes)
        parameters = {"w": Parameter((channels, self.units), self.kernel_initializer, (channels, self.units))}
        if self.bias:
            parameters["b"] = Parameter((self.units,), "zeros")
        return Built(
            equation=parse(self._text("f," if before else "")),
            inputs=("o",),
            input_shapes=((prod(before), channels) if before else (channels,),),
            output_shape=(*before, self.units),
            parameters=parameters,
        )
