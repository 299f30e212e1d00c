"""Depthwise convolution: every channel has kernels of its own."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.arguments import at_least, one_of
from convgrad.initializers import Initializer, check_initializer
from convgrad.layers.base import Built, Layer, Parameter, Shape
from convgrad.layers.window import Padding, Sizes, Window


@dataclass(frozen=True, eq=False, repr=False)
class DepthwiseConv2D(Layer):
    """x[i,j,c,q] = sum[m,n](w[m,n,c,q] * o[s*i+d*m-p, s*j+d*n-p, c else 0]) + b[c,q]

    Each channel c gives Q results, channels c*Q + q of the next layer; with Q = 1 the index q is left out.

    o: (H, W, C). w: (M, N, C, Q), as Keras stores it. x: (I, J, C*Q).

    kernel_size, strides, dilation, padding: as for Conv2D.
    depth_multiplier: Q.
    bias: "channel" for one number a result channel, or None.

    Reference: Howard et al., MobileNets, 2017, eq. 3.

    >>> print(DepthwiseConv2D(3, depth_multiplier=2))
    x[i,j,c,q] = sum[m,n](w[m,n,c,q] * o[i+m,j+n,c]) + b[c,q]
    """

    kernel_size: Sizes
    strides: Sizes = 1
    padding: Padding = "valid"
    depth_multiplier: int = 1
    dilation: Sizes = 1
    bias: str | None = "channel"
    kernel_initializer: str | Initializer = "glorot_uniform"

    def check(self) -> None:
        self.require(depth_multiplier=at_least(1), bias=one_of("channel", None))
        check_initializer(self.kernel_initializer)
        self.window  # noqa: B018  (its arguments are checked as it is made)

    @property
    def window(self) -> Window:
        """How the kernels slide."""
        return Window.of(self.label, 2, self.kernel_size, self.strides, self.padding, self.dilation)

    @property
    def text(self) -> str:
        results = "c,q" if self.depth_multiplier > 1 else "c"
        row, column = self.window.positions("ij", "mn")
        outside = " else 0" if self.window.pads else ""
        bias = f" + b[{results}]" if self.bias else ""
        return f"x[i,j,{results}] = sum[m,n](w[m,n,{results}] * o[{row},{column},c{outside}]){bias}"

    def build(self, *input_shapes: Shape) -> Built:
        rows, columns, channels = self.one_input(input_shapes, 3, "rows, columns, channels")
        kernel, outputs = self.window.kernel, self.window.outputs((rows, columns))
        results = (channels, self.depth_multiplier) if self.depth_multiplier > 1 else (channels,)
        fans = (prod(kernel), prod(kernel) * self.depth_multiplier)
        parameters = {"w": Parameter((*kernel, *results), self.kernel_initializer, fans)}
        if self.bias:
            parameters["b"] = Parameter(results, "zeros")
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=((rows, columns, channels),),
            output_shape=(*outputs, prod(results)),
            parameters=parameters,
            sizes={"I": outputs[0], "J": outputs[1]},
            integers=self.window.integers((rows, columns)),
        )
