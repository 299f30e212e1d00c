"""Kernels as pictures: what the first layer of a network looks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MOST_KERNELS = 64
ABOVE, BELOW = np.array([178.0, 24.0, 43.0]), np.array([33.0, 102.0, 172.0])
"""Red and blue of the largest and the smallest number; 0 is white."""


def first_kernels(weights: Mapping[str, Array]) -> tuple[str, Array] | None:
    """The first weight (rows, columns, channels, filters) of a network, with its name; None where there is none."""
    return next(((name, array) for name, array in weights.items() if array.ndim == 4), None)


def kernel_pixels(kernels: Array) -> npt.NDArray[np.uint8]:
    """The first kernels of (rows, columns, channels, filters) as pictures (K, rows, columns, 3), 64 at most.

    Kernels of three channels are shown as colours, 0 as gray; others by the mean of their channels: 0 is white, red is
    above it, blue below. All have one scale, that of the largest number.

    >>> kernel_pixels(np.array([-1.0, 0.0, 2.0]).reshape(1, 3, 1, 1))[0].tolist()
    [[[144, 178, 214], [255, 255, 255], [178, 24, 43]]]
    """
    pictures = np.moveaxis(np.asarray(kernels[..., :MOST_KERNELS], np.float64), -1, 0)
    if pictures.shape[-1] != 3:
        pictures = pictures.mean(axis=-1, keepdims=True)
    shares = pictures / (np.abs(pictures).max() or 1.0)
    if shares.shape[-1] == 3:
        pixels = 127.5 * (1 + shares)
    else:
        pixels = 255 + np.abs(shares) * (np.where(shares > 0, ABOVE, BELOW) - 255)
    return np.asarray(np.rint(pixels), np.uint8)
