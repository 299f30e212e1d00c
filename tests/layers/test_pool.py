"""Pooling against PyTorch's, and with TensorFlow's `same` against windows cut out by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.errors import ModelError, ShapeError
from convgrad.layers import (
    AvgPool1D,
    AvgPool2D,
    AvgPool3D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalAvgPool3D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPool3D,
    Layer,
    LpPool1D,
    LpPool2D,
    LpPool3D,
    MaxPool1D,
    MaxPool2D,
    MaxPool3D,
)
from convgrad.layers.pool import Pooling
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


IMAGES = {1: (11, 3), 2: (11, 7, 3), 3: (6, 11, 7, 2)}


@pytest.mark.torch
@pytest.mark.parametrize(
    "arguments",
    [
        {"pool_size": 2, "ceil_mode": True},
        {"pool_size": 3, "strides": 2, "padding": 1, "ceil_mode": True},
        {"pool_size": 2, "strides": 3, "ceil_mode": True},
        {"pool_size": 3, "strides": 1, "padding": 1},
    ],
)
@pytest.mark.parametrize(
    "kind", [MaxPool1D, MaxPool2D, MaxPool3D, AvgPool1D, AvgPool2D, AvgPool3D, LpPool1D, LpPool2D, LpPool3D]
)
def test_each_number_of_axes_as_in_torch(kind: type[Pooling], arguments: dict[str, Any], torch: ModuleType) -> None:
    axes, functions = kind.axes, torch.nn.functional
    o = normal(2, *IMAGES[axes])
    image = torch.tensor(np.moveaxis(o, -1, 1).copy())
    given = {"stride": arguments.get("strides"), "ceil_mode": arguments.get("ceil_mode", False)}
    if kind.__name__.startswith("Lp"):
        # PyTorch's makes the mean of what is inside and multiplies it by the size, so that a part of a window is
        # counted up to a whole one. Zeros behind the image make whole windows of all.
        padded = functions.pad(image, [arguments.get("padding", 0), 5] * axes)
        places = kind(**arguments).window.outputs(o.shape[1:-1])
        expected = getattr(functions, f"lp_pool{axes}d")(padded, 2, arguments["pool_size"], stride=given["stride"])
        cut = (slice(None), slice(None), *(slice(n) for n in places))
        expected = expected[cut]
    elif kind.__name__.startswith("Max"):
        pool = getattr(functions, f"max_pool{axes}d")
        expected = pool(image, arguments["pool_size"], padding=arguments.get("padding", 0), **given)
    else:
        pool = getattr(functions, f"avg_pool{axes}d")
        padding = arguments.get("padding", 0)
        expected = pool(image, arguments["pool_size"], padding=padding, count_include_pad=False, **given)
    close(Run(kind(**arguments), o).x, np.moveaxis(expected.numpy(), 1, -1))


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (MaxPool2D((2, 3), strides=(2, 1), padding=(1, 2), dilation=(2, 3)), np.nanmax),
        (AvgPool2D((2, 3), strides=(2, 1), padding=(1, 2), dilation=(2, 3)), np.nanmean),
        (AvgPool2D((2, 3), strides=3, dilation=(3, 1), ceil_mode=True), np.nanmean),
        (LpPool2D((2, 3), strides=(2, 1), padding=(1, 2), dilation=(2, 3)), lambda a: np.sqrt(np.nansum(a**2))),
        (LpPool2D((2, 3), norm=1), lambda a: np.nansum(np.abs(a))),
        (LpPool2D((2, 3), norm=3), lambda a: np.nansum(np.abs(a) ** 3) ** (1 / 3)),
        (LpPool2D((2, 3), norm=2.5, ceil_mode=True), lambda a: np.nansum(np.abs(a) ** 2.5) ** 0.4),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_windows_cut_out_by_hand(layer: Any, function: Callable[..., Any]) -> None:
    o = normal(1, 11, 8, 2)
    run, window = Run(layer, o), layer.window
    for n, i, j, c in np.ndindex(*run.x.shape):
        values = np.full(window.kernel, np.nan)
        for at in np.ndindex(*window.kernel):
            row, column = (
                s * place + d * m - before
                for s, place, d, m, (before, _) in zip(
                    window.strides, (i, j), window.dilation, at, window.pad((11, 8)), strict=True
                )
            )
            if 0 <= row < 11 and 0 <= column < 8:
                values[at] = o[n, row, column, c]
        assert run.x[n, i, j, c] == pytest.approx(function(values), rel=1e-12)


def test_a_root_of_zeros_has_slope_0() -> None:
    network = Network(LpPool2D(2), input_shape=(4, 6, 1), dtype="float64")
    o = np.zeros((1, 4, 6, 1))
    o[0, :2, :2] = 3
    found = gradients(network, o, np.zeros((1, 2, 3, 1)), "half_squared_error", engine="oracle")
    # x = 6, the length of four threes; dE/dx * dx/do = 6 * 3/6
    close(found["dinput"], o)


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (GlobalAvgPool1D(), np.mean),
        (GlobalAvgPool2D(), np.mean),
        (GlobalAvgPool3D(), np.mean),
        (GlobalMaxPool1D(), np.max),
        (GlobalMaxPool2D(), np.max),
        (GlobalMaxPool3D(), np.max),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value)),
)
def test_global(layer: Layer, function: Callable[..., np.ndarray]) -> None:
    o = normal(5, *IMAGES[type(layer).axes])  # type: ignore[attr-defined]
    close(Run(layer, o).x, function(o, axis=tuple(range(1, o.ndim - 1))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxPool2D(2, padding=2), r"a padding of 2 on axis 0 is too much for a window of 2.*The limit is 1"),
        (lambda: AvgPool2D((3, 2), padding=((0, 2), (0, 2))), r"a padding of 2 on axis 1 is too much"),
        (lambda: AvgPool2D(0), r"kernel_size must be a whole number of at least 1"),
        (lambda: LpPool2D(2, norm=0.5), r"LpPool2D\(.*\): norm must be a number of at least 1, not 0.5"),
        (lambda: LpPool2D(2, norm=float("inf")), r"norm must be a number of at least 1, not inf"),
        (lambda: MaxPool2D(2, dilation=0), r"dilation must be a whole number of at least 1"),
        (lambda: AvgPool3D(2, ceil_mode=1), r"AvgPool3D\(.*\): ceil_mode must be True or False, not 1"),  # type: ignore[arg-type]
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
    with pytest.raises(
        ShapeError,
        match=r"window 0 along axis 1 holds nothing of the image, which has 1 columns: its positions are 3 apart.\n"
        r"Take less padding or a smaller dilation.",
    ):
        MaxPool2D(2, strides=1, padding=(0, 2), dilation=(1, 3)).build((5, 1, 2))


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
