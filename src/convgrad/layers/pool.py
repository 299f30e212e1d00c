"""Pooling: each window of an image gives one value a channel; global pooling has one window, the whole image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from convgrad.arguments import FLAG, between
from convgrad.errors import ShapeError
from convgrad.layers.base import Built, Layer, Shape
from convgrad.layers.window import AXIS_NAMES, OFFSETS, PLACES, Padding, Sizes, Window


@dataclass(frozen=True, eq=False, repr=False)
class Pooling(Layer, abstract=True):
    """Arguments of all poolings over windows.

    pool_size: M and N: a whole number, or one for each axis.
    strides: the pool size by default.
    padding: as for Conv2D; every window must hold a part of the image.
    dilation: how far apart the positions of a window are, 1 for neighbours.
    ceil_mode: whether places and strides that are left over at the end get a window, too, as in PyTorch: one that
        begins in the image or in the padding before it, and of which only what is inside counts.
    """

    pool_size: Sizes = 2
    strides: Sizes | None = None
    padding: Padding = "valid"
    dilation: Sizes = 1
    ceil_mode: bool = False
    axes: ClassVar[int]

    def check(self) -> None:
        self.require(ceil_mode=FLAG)
        self.window.check_overlap()

    @property
    def window(self) -> Window:
        """How the window slides."""
        strides = self.pool_size if self.strides is None else self.strides
        return Window.of(self.label, self.axes, self.pool_size, strides, self.padding, self.dilation, self.ceil_mode)

    @property
    def places(self) -> str:
        """The indices of a place in the result: `i,j`."""
        return ",".join(PLACES[self.axes])

    @property
    def offsets(self) -> str:
        """The indices of a place in the window: `m,n`."""
        return ",".join(OFFSETS[self.axes])

    def read(self, outside: str) -> str:
        """What the window holds, with `outside` for what is not in the image: `o[i+m-p,j+n-p,c else 0]`."""
        positions = ",".join(self.window.positions(PLACES[self.axes], OFFSETS[self.axes]))
        return f"o[{positions},c{f' else {outside}' if self.window.pads else ''}]"

    def build(self, *input_shapes: Shape) -> Built:
        named = (*AXIS_NAMES[self.axes], "channels")
        *image, channels = self.one_input(input_shapes, self.axes + 1, ", ".join(named))
        outputs = self.window.outputs(image)
        self._check_windows(image, outputs)
        indices, sizes = (*PLACES[self.axes], *OFFSETS[self.axes]), (*outputs, *self.window.kernel)
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=((*image, channels),),
            output_shape=(*outputs, channels),
            sizes={i.upper(): size for i, size in zip(indices, sizes, strict=True)},
            integers=self.window.integers(image),
        )

    def _check_windows(self, image: list[int], outputs: tuple[int, ...]) -> None:
        """Raises: ShapeError where the positions of a dilated window lie around the image and none in it."""
        window = self.window
        for axis, (size, (before, _)) in enumerate(zip(image, window.pad(image), strict=True)):
            step, apart, most = window.strides[axis], window.dilation[axis], window.kernel[axis]
            for place in range(outputs[axis]) if apart > 1 else ():
                if not any(0 <= step * place + apart * m - before < size for m in range(most)):
                    raise ShapeError(
                        f"{self.label}: window {place} along axis {axis} holds nothing of the image, which has {size} "
                        f"{AXIS_NAMES[self.axes][axis]}: its positions are {apart} apart.",
                        remedy="Take less padding or a smaller dilation.",
                    )


class MaxPooling(Pooling, abstract=True):
    """The greatest value of each window, see `MaxPool2D`."""

    @property
    def text(self) -> str:
        return f"x[{self.places},c] = max[{self.offsets}]({self.read('-inf')})"


class MaxPool1D(MaxPooling):
    """x[i,c] = max[m](o[s*i+d*m-p,c else -inf]). See `MaxPool2D`, and `Pooling` for the arguments."""

    axes = 1


class MaxPool2D(MaxPooling):
    """x[i,j,c] = max[m,n](o[s*i+d*m-p,s*j+d*n-p,c else -inf])

    o: (H, W, C). x: (I, J, C). What is outside is never the greatest. The gradient goes to the first greatest value of
    each window in row-major order. See `Pooling` for the arguments.

    >>> print(MaxPool2D(2))
    x[i,j,c] = max[m,n](o[s*i+m,s*j+n,c])
    """

    axes = 2


class MaxPool3D(MaxPooling):
    """x[i,j,l,c] = max[m,n,r](o[s*i+d*m-p,s*j+d*n-p,s*l+d*r-p,c else -inf]). See `MaxPool2D`."""

    axes = 3


class AvgPooling(Pooling, abstract=True):
    """The mean of each window, see `AvgPool2D`."""

    @property
    def text(self) -> str:
        if not self.window.pads:
            return f"x[{self.places},c] = mean[{self.offsets}]({self.read('')})"
        inside = [self._inside(axis) for axis in range(self.axes)]
        count = " * ".join(f"({one})" for one in inside) if self.axes > 1 else inside[0]
        return (
            f"count[{self.places}] = {count}\n"
            f"x[{self.places},c] = sum[{self.offsets}]({self.read('0')}) / count[{self.places}]"
        )

    def _inside(self, axis: int) -> str:
        """How many positions of the window lie in the image along one axis."""
        place = self.window.positions(PLACES[self.axes], OFFSETS[self.axes])[axis]
        limit, offset = AXIS_NAMES[self.axes][axis], OFFSETS[self.axes][axis]
        if self.window.dilation[axis] > 1:
            return f"sum[{offset}](where({place} >= 0, where({place} < {limit}, 1, 0), 0))"
        last, first = place.replace(f"+{offset}", f"+{offset.upper()}"), place.replace(f"+{offset}", "")
        return f"min({last}, {limit}) - max({first}, 0)"

    def build(self, *input_shapes: Shape) -> Built:
        built = super().build(*input_shapes)
        if self.window.pads:
            built.integers.update(zip(AXIS_NAMES[self.axes], built.input_shapes[0], strict=False))
        return built


class AvgPool1D(AvgPooling):
    """x[i,c] = mean[m](o[s*i+d*m,c]). See `AvgPool2D`, and `Pooling` for the arguments."""

    axes = 1


class AvgPool2D(AvgPooling):
    """x[i,j,c] = mean[m,n](o[s*i+d*m,s*j+d*n,c])

    With padding the mean is over those positions of the window that lie in the image, as in Keras (PyTorch's
    count_include_pad=False); `count` is how many there are:

        count[i,j] = (min(s*i+M-p,rows) - max(s*i-p,0)) * (min(s*j+N-p,columns) - max(s*j-p,0))
        x[i,j,c] = sum[m,n](o[s*i+m-p,s*j+n-p,c else 0]) / count[i,j]

    o: (H, W, C). x: (I, J, C). See `Pooling` for the arguments.

    >>> AvgPool2D((2, 3)).build((11, 7, 5)).output_shape
    (5, 2, 5)
    """

    axes = 2


class AvgPool3D(AvgPooling):
    """x[i,j,l,c] = mean[m,n,r](o[s*i+d*m,s*j+d*n,s*l+d*r,c]). See `AvgPool2D`, and `Pooling` for the arguments."""

    axes = 3


@dataclass(frozen=True, eq=False, repr=False)
class LpPooling(Pooling, abstract=True):
    """The length of each window by a power, see `LpPool2D`."""

    norm: float = 2

    def check(self) -> None:
        super().check()
        self.require(norm=between(1, math.inf))

    @property
    def text(self) -> str:
        read, norm = self.read("0"), f"{self.norm:.12g}"
        if self.norm == 1:
            return f"x[{self.places},c] = sum[{self.offsets}](abs({read}))"
        power = f"{read}^2" if self.norm == 2 else f"abs({read})^{norm}"
        return (
            f"h[{self.places},c] = sum[{self.offsets}]({power})\n"
            # The slope of a root is infinite at 0; what where does not take does not matter.
            f"x[{self.places},c] = where(h[{self.places},c] > 0, h[{self.places},c]^(1/{norm}), 0)"
        )


class LpPool1D(LpPooling):
    """x[i,c] = sum[m](abs(o[s*i+d*m-p,c else 0])^P)^(1/P). See `LpPool2D`, and `Pooling` for the arguments."""

    axes = 1


class LpPool2D(LpPooling):
    """x[i,j,c] = sum[m,n](abs(o[s*i+d*m-p,s*j+d*n-p,c else 0])^P)^(1/P), a number P written into the equation

    o: (H, W, C). x: (I, J, C). Where a window holds zeros only, the derivative is 0.

    norm: P, at least 1: 1 is the sum of the absolute values, 2 the Euclidean length.
    See `Pooling` for the other arguments.

    PyTorch leaves `abs` out, so that at an odd P numbers below 0 count against others.

    Reference: Gulcehre, Cho, Pascanu and Bengio, Learned-norm pooling, 2014, eq. 3 (without the mean).

    >>> print(LpPool2D(2, norm=3))
    h[i,j,c] = sum[m,n](abs(o[s*i+m,s*j+n,c])^3)
    x[i,j,c] = where(h[i,j,c] > 0, h[i,j,c]^(1/3), 0)
    """

    axes = 2


class LpPool3D(LpPooling):
    """x[i,j,l,c] = sum[m,n,r](abs(o[...])^P)^(1/P). See `LpPool2D`, and `Pooling` for the arguments."""

    axes = 3


@dataclass(frozen=True, eq=False, repr=False)
class GlobalPooling(Layer, abstract=True):
    """One value for each channel of an image of `axes` axes, made by `reduction`."""

    axes: ClassVar[int]
    reduction: ClassVar[str]

    @property
    def text(self) -> str:
        places = ",".join(PLACES[self.axes])
        return f"x[c] = {self.reduction}[{places}](o[{places},c])"

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes, self.axes + 1, ", ".join((*AXIS_NAMES[self.axes], "channels")))
        return Built(self.equation, ("o",), (shape,), shape[-1:])


class GlobalAvgPool1D(GlobalPooling):
    """x[c] = mean[i](o[i,c]). o: (H, C). x: (C,)."""

    axes, reduction = 1, "mean"


class GlobalAvgPool2D(GlobalPooling):
    """x[c] = mean[i,j](o[i,j,c])

    o: (H, W, C). x: (C,).

    Reference: Lin, Chen and Yan, Network in network, 2014, section 3.2.
    """

    axes, reduction = 2, "mean"


class GlobalAvgPool3D(GlobalPooling):
    """x[c] = mean[i,j,l](o[i,j,l,c]). o: (D, H, W, C). x: (C,)."""

    axes, reduction = 3, "mean"


class GlobalMaxPool1D(GlobalPooling):
    """x[c] = max[i](o[i,c]). o: (H, C). x: (C,). The gradient goes to the first greatest value of each channel."""

    axes, reduction = 1, "max"


class GlobalMaxPool2D(GlobalPooling):
    """x[c] = max[i,j](o[i,j,c])

    o: (H, W, C). x: (C,). The gradient goes to the first greatest value of each channel in row-major order.
    """

    axes, reduction = 2, "max"


class GlobalMaxPool3D(GlobalPooling):
    """x[c] = max[i,j,l](o[i,j,l,c]). o: (D, H, W, C). x: (C,). The gradient goes to the first greatest value."""

    axes, reduction = 3, "max"
