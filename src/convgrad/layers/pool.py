"""Pooling: each window of an image gives one value a channel."""

from __future__ import annotations

from dataclasses import dataclass

from convgrad.layers.base import Built, Layer, Shape
from convgrad.layers.window import Padding, Sizes, Window

IMAGE = "rows, columns, channels"


@dataclass(frozen=True, eq=False, repr=False)
class Pooling(Layer, abstract=True):
    """Arguments of both poolings.

    pool_size: M and N: a whole number, or one for each axis.
    strides: the pool size by default.
    padding: as for Conv2D; every window must hold a part of the image.
    """

    pool_size: Sizes = 2
    strides: Sizes | None = None
    padding: Padding = "valid"

    def check(self) -> None:
        self.window.check_overlap()

    @property
    def window(self) -> Window:
        """How the window slides."""
        strides = self.pool_size if self.strides is None else self.strides
        return Window.of(self.label, 2, self.pool_size, strides, self.padding)

    def build(self, *input_shapes: Shape) -> Built:
        rows, columns, channels = self.one_input(input_shapes, 3, IMAGE)
        outputs, (m, n) = self.window.outputs((rows, columns)), self.window.kernel
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=((rows, columns, channels),),
            output_shape=(*outputs, channels),
            sizes={"I": outputs[0], "J": outputs[1], "M": m, "N": n},
            integers=self.window.integers((rows, columns)),
        )


class MaxPool2D(Pooling):
    """x[i,j,c] = max[m,n](o[s*i+m-p,s*j+n-p,c else -inf])

    o: (H, W, C). x: (I, J, C). What is outside is never the greatest. The gradient goes to the first greatest value of
    each window in row-major order. See `Pooling` for the arguments.

    >>> print(MaxPool2D(2))
    x[i,j,c] = max[m,n](o[s*i+m,s*j+n,c])
    """

    @property
    def text(self) -> str:
        row, column = self.window.positions("ij", "mn")
        outside = " else -inf" if self.window.pads else ""
        return f"x[i,j,c] = max[m,n](o[{row},{column},c{outside}])"


class AvgPool2D(Pooling):
    """x[i,j,c] = mean[m,n](o[s*i+m,s*j+n,c])

    With padding the mean is over those positions of the window that lie in the image, as in Keras (PyTorch's
    count_include_pad=False); `count` is how many there are:

        count[i,j] = (min(s*i+M-p,rows) - max(s*i-p,0)) * (min(s*j+N-p,columns) - max(s*j-p,0))
        x[i,j,c] = sum[m,n](o[s*i+m-p,s*j+n-p,c else 0]) / count[i,j]

    o: (H, W, C). x: (I, J, C). See `Pooling` for the arguments.

    >>> AvgPool2D((2, 3)).build((11, 7, 5)).output_shape
    (5, 2, 5)
    """

    @property
    def text(self) -> str:
        row, column = self.window.positions("ij", "mn")
        if not self.window.pads:
            return f"x[i,j,c] = mean[m,n](o[{row},{column},c])"
        rows = self._inside(row, "+m", "+M", "rows")
        columns = self._inside(column, "+n", "+N", "columns")
        return f"count[i,j] = ({rows}) * ({columns})\nx[i,j,c] = sum[m,n](o[{row},{column},c else 0]) / count[i,j]"

    @staticmethod
    def _inside(position: str, offset: str, size: str, limit: str) -> str:
        """How many positions of the window lie in the image along one axis."""
        return f"min({position.replace(offset, size)}, {limit}) - max({position.replace(offset, '')}, 0)"

    def build(self, *input_shapes: Shape) -> Built:
        built = super().build(*input_shapes)
        if self.window.pads:
            ((rows, columns, _),) = built.input_shapes
            built.integers.update(rows=rows, columns=columns)
        return built


@dataclass(frozen=True, eq=False, repr=False)
class GlobalAvgPool2D(Layer):
    """x[c] = mean[i,j](o[i,j,c])

    o: (H, W, C). x: (C,).

    Reference: Lin, Chen and Yan, Network in network, 2014, section 3.2.
    """

    @property
    def text(self) -> str:
        return "x[c] = mean[i,j](o[i,j,c])"

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes, 3, IMAGE)
        return Built(self.equation, ("o",), (shape,), shape[-1:])
