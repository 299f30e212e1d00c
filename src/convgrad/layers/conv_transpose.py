"""Transposed convolution: what a convolution with strides does to gradients, used to enlarge an image."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from convgrad.arguments import at_least, one_of
from convgrad.errors import ModelError, ShapeError
from convgrad.initializers import Initializer, check_initializer
from convgrad.layers.base import Built, Layer, Parameter, Shape
from convgrad.layers.window import AXIS_NAMES, OFFSETS, PLACES, Padding, Sizes, padding_per_axis, per_axis, written


@dataclass(frozen=True, eq=False, repr=False)
class ConvTranspose(Layer, abstract=True):
    """x[i,j,k] = sum[m,n,c](w[m,n,k,c] * o[(i+p-d*m)/s, (j+p-d*n)/s, c else 0]) + b[k]

    A place (i+p-d*m)/s that is not whole reads 0 like one outside. Without padding and with s = 1, each o[h,w,c]
    puts one scaled copy of the kernel on the result.

    o: (H, W, C). w: (M, N, K, C), as Keras stores it. x: (I, J, K).

    filters: K.
    kernel_size, strides, dilation: a whole number, or one for each axis. With extent = d*(M-1) + 1:
    padding: how many rows and columns are cut off.
        "valid": nothing; I = (H-1)*s + max(extent, s), as in Keras.
        "same": I = H*s, as in Keras; max(extent - s, 0) in all, half (rounded down) before.
        numbers (an int, or for each axis an int or a pair): I = (H-1)*s + extent - before - after + output_padding,
        as in PyTorch.
    output_padding: rows and columns added behind, less than the stride; with numbers as padding only.
    groups: G, which must divide C and K; an element goes into the filters of its own group. w is then
        (M, N, K/G, G, C/G), a view of Keras' (M, N, K/G, C).
    bias: "channel" for one b[k] a filter, or None.

    Reference: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016, section 4.

    >>> layer = ConvTranspose2D(8, (3, 5), strides=2, padding="same")
    >>> print(layer)
    x[i,j,k] = sum[m,n,c](w[m,n,k,c] * o[(i-m)/s,(j+p2-n)/s,c else 0]) + b[k]
    >>> layer.build((7, 5, 2)).output_shape
    (14, 10, 8)
    """

    filters: int
    kernel_size: Sizes
    strides: Sizes = 1
    padding: Padding = "valid"
    output_padding: Sizes = 0
    dilation: Sizes = 1
    bias: str | None = "channel"
    kernel_initializer: str | Initializer = "glorot_uniform"
    groups: int = 1
    axes: ClassVar[int]

    def check(self) -> None:
        self.require(filters=at_least(1), groups=at_least(1), bias=one_of("channel", None))
        check_initializer(self.kernel_initializer)
        if self.filters % self.groups:
            raise ModelError(
                f"{self.label}: {self.groups} groups don't divide {self.filters} filters. "
                f"Make filters a multiple of {self.groups}."
            )
        padding = padding_per_axis(self.label, self.padding, self.axes)
        added = per_axis(self.label, "output_padding", self.output_padding, self.axes, least=0)
        if any(added) and isinstance(padding, str):
            raise ModelError(
                f"{self.label}: output_padding needs a padding in numbers; {padding!r} fixes the size already. "
                f"Write padding=0 for none."
            )
        for extra, stride in zip(added, self._strides, strict=True):
            if extra >= stride and extra > 0:
                raise ModelError(
                    f"{self.label}: output_padding {extra} must be less than the stride, {stride}: "
                    f"no kernel reaches further."
                )
        self._extent  # noqa: B018  (kernel_size and dilation are checked there)

    @property
    def _strides(self) -> tuple[int, ...]:
        return per_axis(self.label, "strides", self.strides, self.axes)

    @property
    def _dilation(self) -> tuple[int, ...]:
        return per_axis(self.label, "dilation", self.dilation, self.axes)

    @property
    def _kernel(self) -> tuple[int, ...]:
        return per_axis(self.label, "kernel_size", self.kernel_size, self.axes)

    @property
    def _extent(self) -> tuple[int, ...]:
        return tuple(d * (m - 1) + 1 for m, d in zip(self._kernel, self._dilation, strict=True))

    @property
    def _cut(self) -> tuple[tuple[int, int], ...]:
        """(before, after) along each axis; after may be negative where "valid" or "same" adds empty rows."""
        padding = padding_per_axis(self.label, self.padding, self.axes)
        if isinstance(padding, tuple):
            added = per_axis(self.label, "output_padding", self.output_padding, self.axes, least=0)
            return tuple((pair[0], pair[1] - extra) for pair, extra in zip(padding, added, strict=True))
        cut = []
        for extent, stride in zip(self._extent, self._strides, strict=True):
            total = extent - stride if padding == "same" else min(extent - stride, 0)
            before = max(total, 0) // 2
            cut.append((before, total - before))
        return tuple(cut)

    @property
    def text(self) -> str:
        places, offsets = PLACES[self.axes], OFFSETS[self.axes]
        read = ",".join(self._position(i, m, axis) for axis, (i, m) in enumerate(zip(places, offsets, strict=True)))
        group = "g," if self.groups > 1 else ""
        bias = f" + b[{group}k]" if self.bias else ""
        place, offset = ",".join(places), ",".join(offsets)
        return f"x[{place},{group}k] = sum[{offset},c](w[{offset},k,{group}c] * o[{read},{group}c else 0]){bias}"

    def _position(self, place: str, offset: str, axis: int) -> str:
        s, d, p = (names[axis] for names, _ in self._named)
        numerator = place + (f"+{p}" if p else "") + "-" + (f"{d}*{offset}" if d else offset)
        return f"({numerator})/{s}" if s else numerator

    @property
    def _named(self) -> tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]:
        """How the equation writes strides, dilation and what is cut off before, with their values, by axis."""
        before = tuple(before for before, _ in self._cut)
        return (
            (written("s", self._strides), self._strides),
            (written("d", self._dilation), self._dilation),
            (written("p", before, unsaid=0), before),
        )

    def build(self, *input_shapes: Shape) -> Built:
        named = ", ".join((*AXIS_NAMES[self.axes], "channels"))
        *image, channels = self.one_input(input_shapes, self.axes + 1, named)
        if channels % self.groups:
            raise ShapeError(
                f"{self.label}: {self.groups} groups don't divide the {channels} channels of its input.",
                remedy=f"Make the layer before it return a multiple of {self.groups} channels.",
            )
        outputs = []
        for axis, size in enumerate(image):
            full = (size - 1) * self._strides[axis] + self._extent[axis]
            outputs.append(full - sum(self._cut[axis]))
            if outputs[-1] < 1:
                raise ShapeError(
                    f"{self.label}: nothing would be left along axis {axis}: {full} places, of which the padding cuts "
                    f"off {sum(self._cut[axis])}.",
                    remedy=f"Cut off at most {full - 1}.",
                )
        kernel = self._kernel
        integers = {
            name: value for names, values in self._named for name, value in zip(names, values, strict=True) if name
        }
        within = channels // self.groups
        grouped = (self.groups,) if self.groups > 1 else ()
        filters = self.filters // self.groups
        fans = (prod(kernel) * within, prod(kernel) * self.filters)
        parameters = {"w": Parameter((*kernel, filters, *grouped, within), self.kernel_initializer, fans)}
        if self.bias:
            parameters["b"] = Parameter((*grouped, filters), "zeros")
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=((*image, *grouped, within),),
            output_shape=(*outputs, self.filters),
            parameters=parameters,
            sizes={i.upper(): size for i, size in zip(PLACES[self.axes], outputs, strict=True)},
            integers=integers,
        )


class ConvTranspose1D(ConvTranspose):
    """x[i,k] = sum[m,c](w[m,k,c] * o[(i+p-d*m)/s,c else 0]) + b[k]. See `ConvTranspose` for the arguments."""

    axes = 1


class ConvTranspose2D(ConvTranspose):
    """x[i,j,k] = sum[m,n,c](w[m,n,k,c] * o[(i+p-d*m)/s,(j+p-d*n)/s,c else 0]) + b[k]. See `ConvTranspose`."""

    axes = 2


class ConvTranspose3D(ConvTranspose):
    """x[i,j,l,k] = sum[m,n,r,c](w[m,n,r,k,c] * o[(i+p-d*m)/s,(j+p-d*n)/s,(l+p-d*r)/s,c else 0]) + b[k].

    See `ConvTranspose` for the arguments.
    """

    axes = 3
