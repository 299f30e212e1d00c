"""Networks that are not a plain list: calling a layer on nodes makes a node.

image = Input((28, 28, 1))
hidden = Conv2D(8, 3, padding="same")(image)
result = Add()(hidden, Conv2D(8, 1)(image))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from convgrad.arguments import TEXT, made_from, optional, shown, whole
from convgrad.errors import ModelError

if TYPE_CHECKING:
    from convgrad.layers.base import Layer


@made_from(ModelError)
@dataclass(frozen=True, eq=False)
class Input:
    """Where examples come in. `shape` is that of one example, without the batch.

    Raises: ModelError where `shape` is not a tuple of sizes of at least 1.
    """

    shape: tuple[int, ...]
    name: str | None = None

    def __post_init__(self) -> None:
        optional(TEXT).keep("Input", "name", self.name, ModelError)
        sizes = [whole(n) for n in self.shape] if isinstance(self.shape, (tuple, list)) else []
        shape = tuple(n for n in sizes if n is not None and n >= 1)
        if not shape or len(shape) != len(sizes):
            raise ModelError(
                f"Input: the shape of one example must be a tuple of whole numbers of at least 1, not "
                f"{shown(self.shape)}. Write Input((28, 28, 1)) for images of 28 rows, 28 columns and 1 channel."
            )
        object.__setattr__(self, "shape", shape)


@made_from(ModelError)
@dataclass(frozen=True, eq=False)
class Node:
    """The result of `layer` on the results of `inputs`. Nodes are equal only if they are the same object.

    A layer object may be used once in a network: its parameters belong to it.
    """

    layer: Layer
    inputs: tuple[Node | Input, ...]

    def __post_init__(self) -> None:
        # What is a layer can't be checked here: layers stand on nodes. They make nodes themselves when they are called.
        fits = isinstance(self.inputs, tuple) and all(isinstance(one, (Node, Input)) for one in self.inputs)
        if (
            not fits
            or not self.inputs
            or not callable(getattr(self.layer, "one_input", None))
            or isinstance(self.layer, type)
        ):
            raise ModelError(
                f"A node is a layer and a tuple of nodes, not {shown(self.layer)} and {shown(self.inputs)}. Call the "
                f"layer on its inputs: Add()(a, b)."
            )
