"""Layers that only arrange: flatten, reshape, pad."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.arguments import shown, whole
from convgrad.errors import ModelError, ShapeError
from convgrad.layers.base import Built, Layer, Shape
from convgrad.layers.window import Padding, padding_per_axis, written


@dataclass(frozen=True, eq=False, repr=False)
class Reshape(Layer):
    """x[f] = o[f] over all elements in a row: the same numbers in row-major order, seen in another shape

    target_shape: sizes of one example, without the batch; -1 once for the size that the others leave.

    >>> Reshape((7, -1)).build((14, 6)).output_shape
    (7, 12)
    """

    target_shape: tuple[int, ...]

    def check(self) -> None:
        target = self.target_shape
        sizes = [whole(size) for size in target] if isinstance(target, (tuple, list)) else [None]
        if not sizes or any(size is None or (size < 1 and size != -1) for size in sizes) or sizes.count(-1) > 1:
            raise ModelError(
                f"{self.label}: target_shape must be a tuple of sizes of at least 1, one of which may be -1 for what "
                f"is left, not {shown(target)}."
            )

    @property
    def text(self) -> str:
        return "x[f] = o[f]"

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        elements, known = prod(shape), prod(size for size in self.target_shape if size != -1)
        left, target = elements // known, self.target_shape
        if (left if -1 in target else 1) * known != elements or left == 0:
            raise ShapeError(
                f"{self.label}: an input of shape {shape} has {elements} elements, which don't make up {target}.",
                remedy="The product of the sizes must stay the same; the batch is not among them.",
            )
        result = tuple(left if size == -1 else size for size in target)
        return Built(self.equation, ("o",), ((elements,),), result)


@dataclass(frozen=True, eq=False, repr=False)
class Flatten(Layer):
    """x[f] = o[f]: all elements in a row, the last axis innermost

    An image (H, W, C) becomes (H*W*C,) with f = (W*i + j)*C + c.
    """

    @property
    def text(self) -> str:
        return "x[f] = o[f]"

    def build(self, *input_shapes: Shape) -> Built:
        row = (prod(self.one_input(input_shapes)),)
        return Built(self.equation, ("o",), (row,), row)


@dataclass(frozen=True, eq=False, repr=False)
class ZeroPadding2D(Layer):
    """x[i,j,c] = o[i-p,j-p,c else 0]

    o: (H, W, C). x: (H + before + after, W + before + after, C).

    padding: a whole number, or for each axis a number or a pair (before, after).

    >>> print(ZeroPadding2D(((1, 2), 3)))
    x[i,j,c] = o[i-p1,j-p2,c else 0]
    """

    padding: Padding = 1

    def check(self) -> None:
        if isinstance(self.padding, str):
            raise ModelError(f"{self.label}: padding must be given in numbers, not {self.padding!r}.")
        self._pairs  # noqa: B018  (checks the padding)

    @property
    def _pairs(self) -> tuple[tuple[int, int], ...]:
        pairs = padding_per_axis(self.label, self.padding, 2)
        assert isinstance(pairs, tuple)  # text was refused
        return pairs

    @property
    def _names(self) -> tuple[str, ...]:
        # Said even where nothing comes before but something after: a bare i would say that the sizes are the same.
        return written("p", tuple(pair[0] if any(pair) else -1 for pair in self._pairs), unsaid=-1)

    @property
    def text(self) -> str:
        row, column = (f"{place}-{name}" if name else place for place, name in zip("ij", self._names, strict=True))
        return f"x[i,j,c] = o[{row},{column},c else 0]"

    def build(self, *input_shapes: Shape) -> Built:
        rows, columns, channels = self.one_input(input_shapes, 3, "rows, columns, channels")
        top, left = self._pairs
        outputs = (rows + sum(top), columns + sum(left), channels)
        integers = {name: before for name, (before, _) in zip(self._names, self._pairs, strict=True) if name}
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=((rows, columns, channels),),
            output_shape=outputs,
            sizes={"I": outputs[0], "J": outputs[1]},
            integers=integers,
        )
