"""Layers that enlarge images without weights: each element several times, or channels that become places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convgrad.arguments import at_least
from convgrad.errors import ShapeError
from convgrad.layers.base import Built, Layer, Shape
from convgrad.layers.window import AXIS_NAMES, OFFSETS, PLACES, Sizes, per_axis


@dataclass(frozen=True, eq=False, repr=False)
class UpSampling(Layer, abstract=True):
    """Each element several times along each axis, see `UpSampling2D`."""

    size: Sizes = 2
    axes: ClassVar[int]

    def check(self) -> None:
        self.factors  # noqa: B018  (checks the size)

    @property
    def factors(self) -> tuple[int, ...]:
        """How many times each element, along each axis."""
        return per_axis(self.label, "size", self.size, self.axes)

    @property
    def text(self) -> str:
        places = PLACES[self.axes]
        results = ",".join(f"{i},{m}" for i, m in zip(places, OFFSETS[self.axes], strict=True))
        return f"x[{results},c] = o[{','.join(places)},c]"

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes, self.axes + 1, ", ".join((*AXIS_NAMES[self.axes], "channels")))
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=(shape,),
            output_shape=(*(n * factor for n, factor in zip(shape, self.factors, strict=False)), shape[-1]),
            sizes={m.upper(): factor for m, factor in zip(OFFSETS[self.axes], self.factors, strict=True)},
        )


class UpSampling1D(UpSampling):
    """x[i,m,c] = o[i,c]: each element M times, place M*i + m of the result. See `UpSampling2D`."""

    axes = 1


class UpSampling2D(UpSampling):
    """x[i,m,j,n,c] = o[i,j,c]: each element M*N times, the nearest one for each place of a larger image

    o: (I, J, C). x: (I*M, J*N, C), seen as (I, M, J, N, C): row M*i + m and column N*j + n of the result.

    size: M and N: a whole number, or one for each axis, 2 as in Keras.

    >>> UpSampling2D((2, 3)).build((5, 7, 1)).output_shape
    (10, 21, 1)
    """

    axes = 2


class UpSampling3D(UpSampling):
    """x[i,m,j,n,l,r,c] = o[i,j,l,c]: each element M*N*R times. See `UpSampling2D`."""

    axes = 3


@dataclass(frozen=True, eq=False, repr=False)
class PixelShuffle(Layer):
    """x[i,m,j,n,c] = o[i,j,c,m,n]: channels become rows and columns

    o: (I, J, C*R*R), seen as (I, J, C, R, R), in PyTorch's order of channels (TensorFlow's depth_to_space has c last).
    x: (I*R, J*R, C): row R*i + m and column R*j + n.

    factor: R.

    Reference: Shi et al., Real-time single image and video super-resolution, 2016, eq. 4.

    >>> PixelShuffle(2).build((5, 7, 12)).output_shape
    (10, 14, 3)
    """

    factor: int

    def check(self) -> None:
        self.require(factor=at_least(1))

    @property
    def text(self) -> str:
        return "x[i,m,j,n,c] = o[i,j,c,m,n]"

    def build(self, *input_shapes: Shape) -> Built:
        rows, columns, channels = self.one_input(input_shapes, 3, "rows, columns, channels")
        r = self.factor
        if channels % r**2:
            raise ShapeError(
                f"{self.label}: the {channels} channels of its input don't make up squares of {r} x {r} places.",
                remedy=f"Make the layer before it return a multiple of {r**2} channels.",
            )
        left = channels // r**2
        shape = (rows * r, columns * r, left)
        return Built(self.equation, ("o",), ((rows, columns, left, r, r),), shape)
