"""Weights in PyTorch's order of axes and elements, as layers here take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.layers import Dense, DepthwiseConv2D, Flatten, Layer, PReLU, Reshape
from convgrad.layers.conv import Convolution
from convgrad.layers.conv_transpose import ConvTranspose
from convgrad.network.placed import PlacedLayer
from convgrad.network.plain import PlainNetwork

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Rows = npt.NDArray[np.int64]
PARTS = {
    "weight": ("w", "gamma", "alpha"),
    "bias": ("b", "beta"),
    "running_mean": ("moving_mean",),
    "running_var": ("moving_variance",),
}
"""PyTorch's name of a module's tensor -> what it may be called here."""


class Flattened:
    """Which results are images in a row: PyTorch has (C, H, W) in a row there, and layers here (H, W, C)."""

    def __init__(self, network: PlainNetwork):
        self._images: dict[str, Shape] = {}
        shapes = network.ends.input_tensors | {p.name: p.built.output_shape for p in network.layers}
        for placed in network.layers:
            before = shapes[placed.sources[0]]
            if isinstance(placed.layer, Flatten) and len(before) > 1:
                self._images[placed.name] = before
            elif placed.name not in self._images and _keeps_places(placed, shapes):
                self._copy(placed.sources[0], placed.name)
        for placed in reversed(network.layers):
            after = placed.built.output_shape
            if isinstance(placed.layer, Reshape) and len(after) > 1 and len(shapes[placed.sources[0]]) == 1:
                self._images.setdefault(placed.sources[0], after)
            elif _keeps_places(placed, shapes):
                for source in placed.sources:
                    self._copy(placed.name, source)

    def order(self, result: str) -> Rows | None:
        """For each element of the row here, its place in PyTorch's; None where both are in the same order."""
        image = self._images.get(result)
        if image is None:
            return None
        *places, channels = image
        return np.moveaxis(np.arange(prod(image)).reshape(channels, *places), 0, -1).reshape(-1)

    def _copy(self, known: str, other: str) -> None:
        if known in self._images:
            self._images.setdefault(other, self._images[known])


def _keeps_places(placed: PlacedLayer, shapes: Mapping[str, Shape]) -> bool:
    """Whether each element of a row stays in its place: functions of elements, dropout, norms, sums."""
    rows = {shapes[source] for source in placed.sources} | {placed.built.output_shape}
    return len(rows) == 1 and len(rows.pop()) == 1 and not isinstance(placed.layer, Dense)


def converted(placed: PlacedLayer, module: Mapping[str, Array], flattened: Flattened) -> dict[str, Array] | str:
    """A module's tensors under the names of the layer, `w`, in its order; or why they can't be its tensors."""
    built = placed.built
    shapes = {key: parameter.shape for key, parameter in built.parameters.items()}
    shapes |= {key: shape for key, (shape, _) in built.state.items()}
    found: dict[str, Array] = {}
    for theirs, array in module.items():
        key = next((name for name in PARTS.get(theirs, ()) if name in shapes), None)
        if key is None:
            return f"the layer has nothing for `{theirs}`"
        arranged = _arranged(placed, key, array, flattened)
        if arranged is None or arranged.size != prod(shapes[key]):
            return f"`{theirs}` has shape {array.shape}, and `{placed.tensor(key)}` {shapes[key]}"
        found[key] = arranged.reshape(shapes[key])
    lacking = sorted(shapes.keys() - found)
    return f"the module lacks what `{placed.tensor(lacking[0])}` would be" if lacking else found


def _arranged(placed: PlacedLayer, key: str, array: Array, flattened: Flattened) -> Array | None:
    """The array with its axes and elements in our order, but for axes that are split; None where it can't be."""
    layer, order = placed.layer, flattened.order(placed.sources[0])
    if key == "w":
        for kind, arrange in KERNELS.items():
            if isinstance(layer, kind):
                return arrange(placed, array, flattened)
        return None
    if array.ndim > 1:  # a norm over several axes may mean (C, H, W) or (H, W, C)
        return None
    if isinstance(layer, Dense):
        order = flattened.order(placed.name)
    if isinstance(layer, PReLU) and array.size == 1:
        return np.broadcast_to(array, placed.built.parameters[key].shape)
    return array if order is None or len(order) != len(array) else array[order]


def _convolution(placed: PlacedLayer, w: Array, _: Flattened) -> Array | None:
    """(K, C, M, N) -> (M, N, C, K), with K made of groups where there are some."""
    *kernel, within = placed.built.parameters["w"].shape[: w.ndim - 1]
    return _with_kernel(np.moveaxis(w, (1, 0), (-2, -1)), (*kernel, within))


def _transposed(placed: PlacedLayer, w: Array, _: Flattened) -> Array | None:
    """(C, K, M, N) -> (M, N, K, C), with C made of groups where there are some."""
    return _with_kernel(np.moveaxis(w, (1, 0), (-2, -1)), placed.built.parameters["w"].shape[: w.ndim - 1])


def _depthwise(placed: PlacedLayer, w: Array, _: Flattened) -> Array | None:
    """(C*Q, 1, M, N) -> (M, N, C*Q)."""
    if w.ndim != 4 or w.shape[1] != 1:
        return None
    return _with_kernel(np.moveaxis(w[:, 0], 0, -1), placed.built.parameters["w"].shape[:2])


def _dense(placed: PlacedLayer, w: Array, flattened: Flattened) -> Array | None:
    """(K, C) -> (C, K), the elements of images in a row in our order."""
    shape = placed.built.parameters["w"].shape
    if w.shape != shape[::-1]:
        return None
    rows, columns = flattened.order(placed.sources[0]), flattened.order(placed.name)
    w = w.T if rows is None else w.T[rows]
    return w if columns is None else w[:, columns]


def _with_kernel(w: Array, beginning: Shape) -> Array | None:
    """`w`, if its axes begin so."""
    return w if w.shape[: len(beginning)] == beginning else None


KERNELS: dict[type[Layer], Callable[[PlacedLayer, Array, Flattened], Array | None]] = {
    DepthwiseConv2D: _depthwise,
    ConvTranspose: _transposed,
    Convolution: _convolution,
    Dense: _dense,
}


def said_elsewhere(placed: PlacedLayer) -> str:
    """What a layer computes with that PyTorch does not keep with the weights, and is another number there."""
    epsilon = getattr(placed.layer, "epsilon", TORCH_EPSILON)
    if epsilon == TORCH_EPSILON or "gamma" not in placed.built.parameters:
        return ""
    return f"{placed.name} has epsilon={epsilon:g}; a state dict does not hold PyTorch's, {TORCH_EPSILON:g} by default."


TORCH_EPSILON = 1e-5
