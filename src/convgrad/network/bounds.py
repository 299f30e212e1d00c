"""How large a network may be, told from its layers before any array is made."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from convgrad.errors import ModelError
from convgrad.network.placed import PlacedLayer
from convgrad.system.memory import memory_limit

MOST_LAYERS = 10_000
COPIES = 4
"""Of all weights, which training keeps at once: the weights, gradients, what an optimizer carries along, the best."""
TELLABLE = 10**18
"""Of larger numbers a message tells no more than that."""


class TooManyWeights(ModelError):
    """A network has more weights than there is room for: `weights`, all in all."""

    def __init__(self, message: str, weights: int):
        super().__init__(message)
        self.weights = weights


def check_weights(layers: Iterable[PlacedLayer], dtype: str, most: int | None) -> None:
    """Refuse layers with more than `most` weights and running statistics together; None: what the memory has room for.

    Raises: TooManyWeights, with the figure and the largest layer.
    """
    sizes = {
        placed.name: sum(prod(parameter.shape) for parameter in placed.own_parameters.values())
        + sum(prod(shape) for shape, _ in placed.own_state.values())
        for placed in layers
    }
    total, itemsize = sum(sizes.values()), np.dtype(dtype).itemsize
    room = most_weights(itemsize) if most is None else most
    if room is None or total <= room:
        return
    largest = max(sizes, key=lambda name: sizes[name])
    remedy = ""
    if most is None and total <= TELLABLE:
        remedy = f" Make it smaller, or write Network(..., most_weights={total}) to try it."
    raise TooManyWeights(
        f"The network would have {told(total)} weights, of {itemsize} bytes each; the limit here is {told(room)}. "
        f"Layer `{largest}` has {told(sizes[largest])}.{remedy}",
        total,
    )


def most_weights(itemsize: int) -> int | None:
    """As many as fit `COPIES` times into the memory that this process can have; None where that is not known."""
    memory = memory_limit()
    return None if memory is None else memory // COPIES // itemsize


def check_layers(count: int) -> None:
    """Refuse more layers than anybody compiles. Raises: ModelError, with the figure."""
    if count > MOST_LAYERS:
        raise ModelError(f"A network of {count:,} layers is too deep; the limit is {MOST_LAYERS:,}.")


def told(number: int) -> str:
    """The number as messages write it, however many digits it has."""
    return f"{number:,}" if number <= TELLABLE else f"more than {TELLABLE:,}"
