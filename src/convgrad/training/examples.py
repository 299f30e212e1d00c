"""Checks of the arrays that a network is trained or evaluated on, before anything is compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.compute.samples import floats_from
from convgrad.errors import DataError
from convgrad.network.targets import first_not_finite

Array = npt.NDArray[Any]


def checked_inputs(x: Any, input_shape: tuple[int, ...], where: str, dtype: str) -> Array:
    """Examples (N, *input_shape) of `dtype`, float32 or float64; bytes (uint8) become 0..1.

    Args:
        where: what a message calls them, such as `training data`.

    Raises:
        DataError: none at all, other whole numbers, another size than the network takes, or NaN or infinity in
            one of them.
    """
    inputs = floats_from(x, f"{where}: x", dtype)
    if inputs.ndim == 0 or len(inputs) == 0:
        raise DataError(f"{where}: x is empty (shape {inputs.shape}). There must be at least one example.")
    if inputs.shape[1:] != tuple(input_shape):
        raise DataError(
            f"{where}: examples have shape {inputs.shape[1:]}, but the network takes {tuple(input_shape)}."
            f"{_shape_remedy(inputs, tuple(input_shape))}"
        )
    with np.errstate(over="ignore"):  # what the type can't hold becomes infinite and is named below
        inputs = np.ascontiguousarray(inputs, dtype)
    index = first_not_finite(inputs)
    if index is not None:
        raise DataError(
            f"{where}: image {index} holds NaN or infinity. Remove it (from x and from y) or fix its source."
        )
    return inputs


def _shape_remedy(inputs: Array, input_shape: tuple[int, ...]) -> str:
    if inputs.shape == input_shape:
        return " That is one example without the batch axis: pass x[np.newaxis]."
    if (*inputs.shape[1:], 1) == input_shape:
        return " Add the channel axis: x[..., np.newaxis]."
    if len(input_shape) == 3 and (*inputs.shape[2:], *inputs.shape[1:2]) == input_shape:
        return " Channels come last: x.transpose(0, 2, 3, 1)."
    return " Resize the images, or build the network with their shape."
