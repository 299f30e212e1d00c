"""Pooling against PyTorch's, and with TensorFlow's `same` against windows cut out by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from convgrad.errors import ModelError, ShapeError
from convgrad.layers import AvgPool2D, GlobalAvgPool2D, MaxPool2D
from convgrad.models.network import Network
from convgrad.network.step import gradients
from layer_runs import Run, close, normal

ARGUMENTS = [
    {"pool_size": 2},
    {"pool_size": (2, 3)},
    {"pool_size": (3, 2), "strides": (1, 2)},
    {"pool_size": (3, 4), "strides": 2, "padding": (1, 2)},
    {"pool_size": 3, "strides": 1, "padding": 1},
]


@pytest.mark.torch
@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize("kind", [MaxPool2D, AvgPool2D])
def test_pooling_as_in_torch(kind: type, arguments: dict[str, object], torch: ModuleType) -> None:
    o = normal(2, 11, 7, 3)
    size, padding = arguments["pool_size"], arguments.get("padding", 0)
    strides = arguments.get("strides", size)
    functions = torch.nn.functional
    image = torch.tensor(np.moveaxis(o, -1, 1).copy())
    if kind is MaxPool2D:
        expected = functions.max_pool2d(image, size, strides, padding)
    else:
        expected = functions.avg_pool2d(image, size, strides, padding, count_include_pad=False)
    close(Run(kind(**arguments), o).x, np.moveaxis(expected.numpy(), 1, -1))


@pytest.mark.parametrize(("kind", "function"), [(MaxPool2D, np.max), (AvgPool2D, np.mean)])
@pytest.mark.parametrize(("size", "strides"), [((2, 3), (2, 3)), ((3, 2), (2, 1)), ((5, 4), (3, 4)), ((1, 2), (2, 2))])
def test_same_pools_what_of_each_window_is_inside(
    kind: type, function: Callable[..., np.ndarray], size: tuple[int, int], strides: tuple[int, int]
) -> None:
    o = normal(2, 11, 7, 3) - 5  # all negative: a padding of 0 would show
    run = Run(kind(size, strides=strides, padding="same"), o)
    expected = np.empty((2, -(-11 // strides[0]), -(-7 // strides[1]), 3))
    starts = []
    for rows, width, stride, places in zip((11, 7), size, strides, expected.shape[1:3], strict=True):
        padding = max((places - 1) * stride + width - rows, 0)
        starts.append([place * stride - padding // 2 for place in range(places)])
    for i, top in enumerate(starts[0]):
        for j, left in enumerate(starts[1]):
            window = o[:, max(top, 0) : top + size[0], max(left, 0) : left + size[1]]
            expected[:, i, j] = function(window, axis=(1, 2))
    close(run.x, expected)


def test_padding_before_and_after_differ() -> None:
    o = normal(1, 5, 7, 2)
    padded = np.pad(o, ((0, 0), (1, 0), (0, 1), (0, 0)), constant_values=-np.inf)
    run = Run(MaxPool2D(2, padding=((1, 0), (0, 1))), o)
    close(run.x, padded.reshape(1, 3, 2, 4, 2, 2).max(axis=(2, 4)))


def test_global_average() -> None:
    o = normal(3, 5, 7, 2)
    close(Run(GlobalAvgPool2D(), o).x, o.mean(axis=(1, 2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxPool2D(2, padding=2), r"a padding of 2 on axis 0 is too much for a window of 2.*The limit is 1"),
        (lambda: AvgPool2D((3, 2), padding=((0, 2), (0, 2))), r"a padding of 2 on axis 1 is too much"),
        (lambda: AvgPool2D(0), r"kernel_size must be a whole number of at least 1"),
        (lambda: MaxPool2D(2, strides=0), r"strides must be a whole number of at least 1"),
    ],
)
def test_refuses_arguments(make: Callable[..., np.ndarray], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()


def test_refuses_images() -> None:
    with pytest.raises(ShapeError, match=r"the kernel is larger than the image. It spans 3 rows, .* 2 rows"):
        MaxPool2D(3).build((2, 9, 1))
    with pytest.raises(ShapeError, match=r"takes 3 axes, \(rows, columns, channels\), but its input has shape \(5,\)"):
        GlobalAvgPool2D().build((5,))


def test_gradient_of_many_windows_of_one_channel() -> None:
    """9,191 windows: more than NumPy's buffer of 8,192, where its own function for places goes wrong."""
    network = Network(MaxPool2D((2, 3)), input_shape=(182, 303, 1))
    o = np.random.default_rng(5).normal(size=(1, *network.input_shape))
    found = gradients(network, o, np.zeros((1, *network.output_shape)), "half_squared_error", engine="oracle")
    windows = o.reshape(91, 2, 101, 3).transpose(0, 2, 1, 3).reshape(91, 101, 6)
    winners = np.where(np.arange(6) == windows.argmax(-1)[..., None], windows, 0)
    expected = winners.reshape(91, 101, 2, 3).transpose(0, 2, 1, 3).reshape(o.shape)
    # With a target of 0, the derivative of the loss at a result is the result; one float32 rounding at most.
    np.testing.assert_allclose(found["dinput"], expected, rtol=2**-23, atol=0)
