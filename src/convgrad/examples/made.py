"""Data made by a formula, for networks whose targets are a class for each place, or whose inputs are signals.

The same arguments give the same arrays, to the bit, wherever NumPy's generator is the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import COUNT, NOT_NEGATIVE, SEED, at_least, takes
from convgrad.errors import DataError

SHAPES = ("background", "disc", "square", "triangle")
WAVES = ("sine", "square", "triangle", "sawtooth")
_SIDE = at_least(16)
"""Fewer rows, columns or times do not show which shape it is."""


@takes(DataError, count=COUNT, size=_SIDE, noise=NOT_NEGATIVE, seed=SEED)
def made_shapes(
    count: int, size: int = 32, *, noise: float = 0.2, seed: int = 0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """x[e,i,j,0] = level of the shape at (i, j), or 0, plus noise: one to three shapes an image; t[e,i,j] is which.

    Discs, squares and triangles have levels of 0.5 to 1, drawn alike for each, so that only the outline tells them
    apart. What comes later lies above what came before.

    >>> images, labels = made_shapes(3, 16, seed=1)
    >>> images.shape, labels.shape, SHAPES[labels.max()]
    ((3, 16, 16, 1), (3, 16, 16), 'triangle')

    Args:
        count: images, N.
        size: rows and columns, at least 16.
        noise: its standard deviation.
        seed: of all that is drawn.

    Returns: images (N, size, size, 1) float32, and the number of the class in `SHAPES` of each place, (N, size, size)
    int64.

    Raises: DataError for arguments out of range.
    """
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    images = np.zeros((count, size, size, 1))
    labels = np.zeros((count, size, size), np.int64)
    for image, label in zip(images, labels, strict=True):
        for kind in rng.integers(1, len(SHAPES), rng.integers(1, 4)):
            half = size * rng.uniform(0.12, 0.22)
            row, column = rng.uniform(half, size - 1 - half, 2)
            inside = _inside(int(kind), rows - row, columns - column, half)
            image[inside] = rng.uniform(0.5, 1)
            label[inside] = kind
    return (images + rng.normal(0, noise, images.shape)).astype(np.float32), labels


def _inside(kind: int, down: npt.NDArray[Any], right: npt.NDArray[Any], half: float) -> npt.NDArray[np.bool_]:
    """Which places, as distances from the middle, a shape of that half width covers."""
    if SHAPES[kind] == "disc":
        return np.asarray(down**2 + right**2 <= half**2)
    square = np.maximum(abs(down), abs(right)) <= half
    return np.asarray(square if SHAPES[kind] == "square" else square & (2 * abs(right) <= down + half))


@takes(DataError, count=COUNT, length=_SIDE, noise=NOT_NEGATIVE, seed=SEED)
def made_waves(
    count: int, length: int = 64, *, noise: float = 0.1, seed: int = 0
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """x[e,i,0] = a * f(r * i / length + s) + noise, f one of four wave forms between -1 and 1; t[e] is which.

    The strength a is 0.7 to 1.3, there are r = 2 to 4 waves, and they begin anywhere, s.

    >>> signals, labels = made_waves(5, 32, seed=1)
    >>> signals.shape, [WAVES[label] for label in labels[:2]]
    ((5, 32, 1), ['square', 'triangle'])

    Args:
        count: signals, N.
        length: times, at least 16.
        noise: its standard deviation.
        seed: of all that is drawn.

    Returns: signals (N, length, 1) float32, and the number of each one's form in `WAVES`, (N,) int64.

    Raises: DataError for arguments out of range.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(WAVES), count)
    strength, waves, start = (rng.uniform(low, high, (count, 1)) for low, high in ((0.7, 1.3), (2.0, 4.0), (0.0, 1.0)))
    phase = (waves * np.arange(length) / length + start) % 1
    forms = (
        np.sin(2 * np.pi * phase),
        np.where(phase < 0.5, 1.0, -1.0),
        1 - 4 * abs(phase - 0.5),
        2 * phase - 1,
    )
    signals = strength * np.choose(labels[:, None], forms)
    return (signals + rng.normal(0, noise, signals.shape)).astype(np.float32)[..., None], labels
