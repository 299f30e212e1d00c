"""Convolution over one, two or three axes:

    x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]

With groups the channels are seen as [g,c], and a group's results are made of its own channels only:

    x[i,j,g,k] = sum[m,n,c](w[m,n,c,g,k] * o[i+m,j+n,g,c]) + b[g,k]
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from convgrad.arguments import at_least, one_of
from convgrad.errors import ModelError, ShapeError
from convgrad.initializers import Initializer, check_initializer
from convgrad.layers.base import Built, Layer, Parameter, Shape
from convgrad.layers.window import AXIS_NAMES, OFFSETS, PLACES, Padding, Sizes, Window


@dataclass(frozen=True, eq=False, repr=False)
class Convolution(Layer, abstract=True):
    """x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[s*i+d*m-p, s*j+d*n-p, c else 0]) + b[k]

    Indices: i, j place in the result; m, n place in the kernel; c input channel; k result channel (filter).
    o: the image, (H, W, C). w: the kernel, (M, N, C, K), as Keras stores it. x: (I, J, K).

    filters: K.
    kernel_size, strides, dilation: a whole number, or one for each axis.
    padding: "valid", "same" or numbers, see `convgrad.layers.window`; what is read outside is 0.
    groups: G, which must divide C and K; filters of one group see C/G channels. w is then (M, N, C/G, G, K/G), a view
        of Keras' (M, N, C/G, K).
    bias: "channel" for one b[k] a filter; "position" for one b[i,j,k] an element of the result; None.
    kernel_initializer: see `convgrad.initializers`; b begins at 0.

    Raises: ModelError for arguments that can't work, ShapeError at `build` for an image that does not fit.

    >>> print(Conv2D(8, (3, 5), strides=2, padding=1))
    x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[s*i+m-p,s*j+n-p,c else 0]) + b[k]
    >>> Conv2D(8, (3, 5)).build((28, 28, 1)).output_shape
    (26, 24, 8)
    """

    filters: int
    kernel_size: Sizes
    strides: Sizes = 1
    padding: Padding = "valid"
    dilation: Sizes = 1
    groups: int = 1
    bias: str | None = "channel"
    kernel_initializer: str | Initializer = "glorot_uniform"
    axes: ClassVar[int]

    def check(self) -> None:
        self.require(filters=at_least(1), groups=at_least(1), bias=one_of("channel", "position", None))
        check_initializer(self.kernel_initializer)
        if self.filters % self.groups:
            raise ModelError(
                f"{self.label}: {self.groups} groups don't divide {self.filters} filters. "
                f"Make filters a multiple of {self.groups}."
            )
        self.window  # noqa: B018  (its arguments are checked as it is made)

    @property
    def window(self) -> Window:
        """How the kernel slides."""
        return Window.of(self.label, self.axes, self.kernel_size, self.strides, self.padding, self.dilation)

    @property
    def text(self) -> str:
        group = "g," if self.groups > 1 else ""
        places, offsets = ",".join(PLACES[self.axes]), ",".join(OFFSETS[self.axes])
        read = ",".join(self.window.positions(PLACES[self.axes], OFFSETS[self.axes]))
        outside = " else 0" if self.window.pads else ""
        bias = {"channel": f" + b[{group}k]", "position": f" + b[{places},{group}k]", None: ""}[self.bias]
        return f"x[{places},{group}k] = sum[{offsets},c](w[{offsets},c,{group}k] * o[{read},{group}c{outside}]){bias}"

    def build(self, *input_shapes: Shape) -> Built:
        named = ", ".join((*AXIS_NAMES[self.axes], "channels"))
        *image, channels = self.one_input(input_shapes, self.axes + 1, named)
        if channels % self.groups:
            raise ShapeError(
                f"{self.label}: {self.groups} groups don't divide the {channels} channels of its input.",
                remedy=f"Make the layer before it return a multiple of {self.groups} channels.",
            )
        outputs, kernel = self.window.outputs(image), self.window.kernel
        within = channels // self.groups
        grouped = (self.groups,) if self.groups > 1 else ()
        filters = (*grouped, self.filters // self.groups)
        fans = (prod(kernel) * within, prod(kernel) * self.filters)
        parameters = {"w": Parameter((*kernel, within, *filters), self.kernel_initializer, fans)}
        if self.bias is not None:
            shape = filters if self.bias == "channel" else (*outputs, *filters)
            parameters["b"] = Parameter(shape, "zeros")
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=((*image, *grouped, within),),
            output_shape=(*outputs, self.filters),
            parameters=parameters,
            sizes={i.upper(): size for i, size in zip(PLACES[self.axes], outputs, strict=True)},
            integers=self.window.integers(image),
        )


class Conv1D(Convolution):
    """x[i,k] = sum[m,c](w[m,c,k] * o[i+m,c]) + b[k]. See `Convolution` for the arguments."""

    axes = 1


class Conv2D(Convolution):
    """x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]. See `Convolution` for the arguments."""

    axes = 2


class Conv3D(Convolution):
    """x[i,j,l,k] = sum[m,n,r,c](w[m,n,r,c,k] * o[i+m,j+n,l+r,c]) + b[k]. See `Convolution` for the arguments."""

    axes = 3
