"""Layers that only arrange: flatten, reshape, axes in another order."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.arguments import shown, whole
from convgrad.errors import ModelError, ShapeError
from convgrad.layers.base import Built, Layer, Shape

LETTERS = "abcdfghij"
"""Indices of the axes of any shape."""


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
class Permute(Layer):
    """x[b,a] = o[a,b], the axes of an example in another order

    dims: for each axis of x, which axis of o it is, counted from 1 as in Keras: the batch is axis 0.

    >>> print(Permute((2, 3, 1)))
    x[b,c,a] = o[a,b,c]
    >>> Permute((2, 3, 1)).build((5, 7, 2)).output_shape
    (7, 2, 5)
    """

    dims: tuple[int, ...]

    def check(self) -> None:
        dims = self.dims
        axes = [whole(axis) for axis in dims] if isinstance(dims, (tuple, list)) else []
        if not axes or set(axes) != set(range(1, len(axes) + 1)) or len(axes) > len(LETTERS):
            raise ModelError(
                f"{self.label}: dims must be a tuple that has each axis once, counted from 1 for the first one behind "
                f"the batch, such as (2, 1), not {shown(dims)}."
            )

    @property
    def text(self) -> str:
        read = LETTERS[: len(self.dims)]
        return f"x[{','.join(read[axis - 1] for axis in self.dims)}] = o[{','.join(read)}]"

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        if len(shape) != len(self.dims):
            raise ShapeError(
                f"{self.label} takes {len(self.dims)} axes, but its input has shape {shape}.",
                remedy=f"Name each of {tuple(range(1, len(shape) + 1))} once.",
            )
        return Built(self.equation, ("o",), (shape,), tuple(shape[axis - 1] for axis in self.dims))
