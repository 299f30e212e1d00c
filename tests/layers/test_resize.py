"""Layers that enlarge images without weights, against NumPy and PyTorch."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from convgrad.errors import ModelError, ShapeError
from convgrad.layers import Layer, PixelShuffle, UpSampling1D, UpSampling2D, UpSampling3D
from layer_runs import Run, close, normal


@pytest.mark.parametrize(
    ("layer", "factors"),
    [
        (UpSampling1D(3), (3,)),
        (UpSampling2D(), (2, 2)),
        (UpSampling2D((2, 3)), (2, 3)),
        (UpSampling3D((3, 1, 2)), (3, 1, 2)),
    ],
    ids=repr,
)
def test_each_element_several_times(layer: Layer, factors: tuple[int, ...]) -> None:
    o = normal(2, *(3, 5, 7)[: len(factors)], 4)
    expected = o
    for axis, factor in enumerate(factors):
        expected = expected.repeat(factor, axis=axis + 1)
    close(Run(layer, o).x, expected)


@pytest.mark.torch
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_pixel_shuffle_as_in_torch(factor: int, torch: ModuleType) -> None:
    o = normal(2, 5, 7, 3 * factor**2)
    expected = torch.nn.functional.pixel_shuffle(torch.tensor(np.moveaxis(o, -1, 1).copy()), factor)
    close(Run(PixelShuffle(factor), o).x, np.moveaxis(expected.numpy(), 1, -1))


def test_refuses() -> None:
    with pytest.raises(ModelError, match=r"UpSampling2D\(.*\): size must be a whole number of at least 1"):
        UpSampling2D((2, 0))
    with pytest.raises(ModelError, match=r"PixelShuffle\(0\): factor must be a whole number of at least 1, not 0"):
        PixelShuffle(0)
    with pytest.raises(
        ShapeError,
        match=r"the 6 channels of its input don't make up squares of 2 x 2 places.\nMake .* a multiple of 4 channels.",
    ):
        PixelShuffle(2).build((3, 5, 6))
