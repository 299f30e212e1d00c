"""Weights in Keras' order of axes, as layers here take them; images have their channels last in both."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.layers import Dense, DepthwiseConv2D
from convgrad.layers.conv import Convolution
from convgrad.layers.conv_transpose import ConvTranspose
from convgrad.network.placed import PlacedLayer

Array = npt.NDArray[Any]
KERAS_EPSILON = 1e-3
KERNELS = (Dense, DepthwiseConv2D, ConvTranspose, Convolution)


def converted_from_keras(placed: PlacedLayer, arrays: Sequence[Array]) -> dict[str, Array] | str:
    """A layer's arrays, in Keras' order, under the names of the layer, `w`; or why they can't be its tensors."""
    built = placed.built
    shapes = {key: parameter.shape for key, parameter in built.parameters.items()}
    shapes |= {key: shape for key, (shape, _) in built.state.items()}
    if len(arrays) != len(shapes):
        return f"it has {len(arrays)} arrays, and the layer {len(shapes)} ({', '.join(shapes)})"
    found: dict[str, Array] = {}
    for (key, shape), array in zip(shapes.items(), arrays, strict=True):
        if array.size != prod(shape) or not _has_axes(placed, key, array):
            return f"an array has shape {array.shape}, and `{placed.tensor(key)}` {shape}"
        found[key] = array.reshape(shape)
    return found


def _has_axes(placed: PlacedLayer, key: str, array: Array) -> bool:
    """Whether the axes mean what they mean here, but for those that are split in groups or are 1."""
    own = placed.built.parameters[key].shape if key in placed.built.parameters else array.shape
    if key != "w":
        return int(np.max(array.shape, initial=1)) == array.size or array.shape == own  # one axis, or all the same
    if not isinstance(placed.layer, KERNELS):
        return False
    kernel = 1 if isinstance(placed.layer, Dense) else array.ndim - 2
    return array.shape[:kernel] == own[:kernel] and (
        isinstance(placed.layer, DepthwiseConv2D) or array.shape[kernel] == own[kernel]
    )
