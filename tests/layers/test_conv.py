"""Convolutions against PyTorch's, on images and kernels whose sizes differ on every axis."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.errors import ModelError, ShapeError
from convgrad.layers import (
    Conv1D,
    Conv2D,
    Conv3D,
    ConvTranspose1D,
    ConvTranspose2D,
    ConvTranspose3D,
    DepthwiseConv2D,
    Layer,
)
from convgrad.layers.conv import Convolution
from convgrad.layers.window import same_padding
from layer_runs import Run, close, normal

CONVOLUTIONS = [
    Conv2D(4, (2, 3)),
    Conv2D(4, (2, 3), bias=None),
    Conv2D(4, (2, 3), strides=2),
    Conv2D(4, (2, 3), strides=(2, 3)),
    Conv2D(4, (3, 2), dilation=(2, 3)),
    Conv2D(4, (3, 2), strides=(3, 2), dilation=2, padding=2),
    Conv2D(4, (3, 2), padding=(0, 1)),
    Conv2D(4, (3, 2), padding=((1, 2), (0, 3))),
    Conv2D(4, (3, 5), padding="same"),
    Conv2D(4, (2, 4), padding="same"),
    Conv2D(4, (4, 3), padding="same", strides=(3, 2)),
    Conv2D(4, 1, padding="same", strides=2),
    Conv2D(4, (3, 1), padding="same", strides=2, dilation=(2, 3)),
    Conv2D(6, (2, 3), groups=3, strides=(1, 2)),
    Conv2D(6, (2, 3), groups=6, padding=1),
    Conv1D(4, 3),
    Conv1D(4, 3, strides=2, padding="same", dilation=2),
    Conv1D(4, 2, padding=((2, 1),), groups=2),
    Conv3D(4, (2, 3, 1)),
    Conv3D(4, (2, 1, 3), strides=(1, 2, 3), padding=(1, 0, 2), dilation=(2, 1, 1)),
    Conv3D(3, 2, strides=2, padding="same", groups=3),
]
IMAGES = {1: (11,), 2: (11, 7), 3: (5, 7, 6)}


def to_channels_first(o: np.ndarray) -> np.ndarray:
    return np.moveaxis(o, -1, 1)


def to_channels_last(o: Any) -> np.ndarray:
    return np.moveaxis(o.numpy(), 1, -1)


def pad(torch: ModuleType, layer: Convolution | DepthwiseConv2D, o: Any) -> Any:
    """Zeros around as `same` or the layer's numbers have it, by formulas of TensorFlow's documentation."""
    window = layer.window
    pairs = list(window.padding) if isinstance(window.padding, tuple) else []
    if window.padding == "valid":
        return o
    if window.padding == "same":
        for size, kernel, stride, dilation in zip(
            o.shape[2:], layer.window.kernel, layer.window.strides, layer.window.dilation, strict=True
        ):
            extent = (kernel - 1) * dilation + 1
            total = max(extent - stride, 0) if size % stride == 0 else max(extent - size % stride, 0)
            pairs.append((total // 2, total - total // 2))
    return torch.nn.functional.pad(o, [n for pair in reversed(pairs) for n in pair])


@pytest.mark.torch
@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=repr)
def test_convolution_as_in_torch(layer: Conv1D | Conv2D | Conv3D, torch: ModuleType) -> None:
    o = normal(2, *IMAGES[layer.axes], 6)
    run = Run(layer, o)
    w = run.parameters["w"].reshape(*layer.window.kernel, 6 // layer.groups, layer.filters)
    w = torch.tensor(np.moveaxis(w, (-1, -2), (0, 1)).copy())
    b = torch.tensor(run.parameters["b"].ravel()) if layer.bias else None
    conv = getattr(torch.nn.functional, f"conv{layer.axes}d")
    padded = pad(torch, layer, torch.tensor(to_channels_first(o).copy()))
    expected = conv(padded, w, b, layer.window.strides, 0, layer.window.dilation, layer.groups)
    close(run.x, to_channels_last(expected))


def test_bias_of_each_position() -> None:
    o = normal(2, 7, 5, 4)
    run = Run(Conv2D(6, (2, 3), bias="position", groups=2), o)
    without = Run(Conv2D(6, (2, 3), bias=None, groups=2), o, given={"w": run.parameters["w"]})
    assert run.parameters["b"].shape == (6, 3, 2, 3)
    close(run.x, without.x + run.parameters["b"].reshape(6, 3, 6))


def test_same_keeps_ceil_of_size_over_stride() -> None:
    for size in range(1, 12):
        for extent in range(1, 6):
            for stride in range(1, 5):
                before, after = same_padding(size, extent, stride)
                assert 0 <= after - before <= 1
                assert (size + before + after - extent) // stride + 1 == -(-size // stride)


@pytest.mark.torch
@pytest.mark.parametrize(
    "layer",
    [
        ConvTranspose2D(4, (2, 3)),
        ConvTranspose2D(4, (2, 3), strides=(2, 3), bias=None),
        ConvTranspose2D(4, (3, 4), strides=2, padding=1),
        ConvTranspose2D(4, (3, 4), strides=(3, 2), padding=(1, 2), output_padding=(2, 1)),
        ConvTranspose2D(4, (3, 2), strides=2, dilation=(2, 3), padding=1),
    ],
    ids=repr,
)
def test_transposed_convolution_as_in_torch(layer: ConvTranspose2D, torch: ModuleType) -> None:
    o = normal(2, 5, 7, 3)
    run = Run(layer, o)
    w = torch.tensor(np.transpose(run.parameters["w"], (3, 2, 0, 1)).copy())
    b = torch.tensor(run.parameters["b"]) if layer.bias else None
    padding = 0 if layer.padding == "valid" else layer.padding
    expected = torch.nn.functional.conv_transpose2d(
        torch.tensor(to_channels_first(o).copy()), w, b, layer.strides, padding, layer.output_padding, 1, layer.dilation
    )
    close(run.x, to_channels_last(expected))


@pytest.mark.torch
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kind", [ConvTranspose1D, ConvTranspose2D, ConvTranspose3D])
def test_transposed_convolution_of_each_number_of_axes_as_in_torch(kind: Any, groups: int, torch: ModuleType) -> None:
    axes = kind.axes
    kernel, strides, padding, added = ((2, 3, 4)[:axes], (3, 2, 1)[:axes], (1, 0, 2)[:axes], (2, 1, 0)[:axes])
    o = normal(2, *(4, 5, 3)[:axes], 6)
    run = Run(kind(4, kernel, strides=strides, padding=padding, output_padding=added, groups=groups), o)
    w = run.parameters["w"].reshape(*kernel, 4 // groups, 6)
    expected = getattr(torch.nn.functional, f"conv_transpose{axes}d")(
        torch.tensor(np.moveaxis(o, -1, 1).copy()),
        torch.tensor(np.moveaxis(w, (-1, -2), (0, 1)).copy()),
        torch.tensor(run.parameters["b"].ravel()),
        strides,
        padding,
        added,
        groups,
    )
    close(run.x, np.moveaxis(expected.numpy(), 1, -1))


@pytest.mark.torch
@pytest.mark.parametrize(("kernel", "strides"), [((3, 4), 2), ((2, 5), (3, 2)), (4, 1)])
def test_transposed_same_is_the_gradient_of_same(
    kernel: int | tuple[int, int], strides: int | tuple[int, int], torch: ModuleType
) -> None:
    """Keras' definition: `same` enlarges as the gradient of a `same` convolution does."""
    layer = ConvTranspose2D(4, kernel, strides=strides, padding="same", bias=None)
    o = normal(2, 5, 7, 3)
    run = Run(layer, o)
    forward = Conv2D(3, kernel, strides=strides, padding="same")
    s1, s2 = forward.window.strides
    assert run.x.shape == (2, 5 * s1, 7 * s2, 4)
    image = torch.zeros((2, 4, 5 * s1, 7 * s2), dtype=torch.float64, requires_grad=True)
    w = torch.tensor(np.transpose(run.parameters["w"], (3, 2, 0, 1)).copy())
    result = torch.nn.functional.conv2d(pad(torch, forward, image), w, stride=(s1, s2))
    result.backward(torch.tensor(to_channels_first(o).copy()))
    close(run.x, to_channels_last(image.grad))


def test_transposed_valid_ends_with_empty_rows_where_the_stride_exceeds_the_kernel() -> None:
    run = Run(ConvTranspose2D(1, (2, 3), strides=(3, 2), bias=None), normal(1, 4, 5, 2))
    assert run.x.shape == (1, 12, 11, 1)  # Keras: H*s + max(M - s, 0)
    assert not run.x[:, 2::3].any()
    assert run.x[:, 0::3].all()


@pytest.mark.torch
@pytest.mark.parametrize(
    "layer",
    [
        DepthwiseConv2D((2, 3)),
        DepthwiseConv2D((2, 3), depth_multiplier=2, strides=(2, 3)),
        DepthwiseConv2D((3, 2), depth_multiplier=3, padding="same", bias=None, dilation=2),
    ],
    ids=repr,
)
def test_depthwise_as_in_torch(layer: DepthwiseConv2D, torch: ModuleType) -> None:
    o = normal(2, 11, 7, 5)
    run = Run(layer, o)
    w = run.parameters["w"].reshape(*layer.window.kernel, 5 * layer.depth_multiplier, 1)
    w = torch.tensor(np.transpose(w, (2, 3, 0, 1)).copy())
    b = torch.tensor(run.parameters["b"].ravel()) if layer.bias else None
    padded = pad(torch, layer, torch.tensor(to_channels_first(o).copy()))
    expected = torch.nn.functional.conv2d(padded, w, b, layer.window.strides, 0, layer.window.dilation, 5)
    close(run.x, to_channels_last(expected))


def test_fans_count_terms() -> None:
    built = Conv2D(6, (2, 3), groups=2).build((7, 5, 4))
    assert built.parameters["w"].fans == (2 * 3 * 2, 2 * 3 * 6)
    assert DepthwiseConv2D((2, 3), depth_multiplier=5).build((7, 5, 4)).parameters["w"].fans == (6, 30)
    assert ConvTranspose2D(6, (2, 3)).build((7, 5, 4)).parameters["w"].fans == (24, 36)


def test_bias_begins_at_zero() -> None:
    assert not Conv2D(6, 3).build((7, 5, 4)).parameters["b"].initial(np.random.default_rng(0)).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2D(0, 3), r"Conv2D\(0, 3\): filters must be a whole number of at least 1, not 0"),
        (lambda: Conv2D(8.0, 3), r"filters must be a whole number of at least 1, not 8.0"),  # type: ignore[arg-type]
        (lambda: Conv2D(True, 3), r"filters must be a whole number of at least 1, not True"),
        (lambda: Conv2D(8, (3, 0)), r"kernel_size must be a whole number of at least 1 or a tuple of 2 of them"),
        (lambda: Conv2D(8, (3, 3, 3)), r"one for each axis, not \(3, 3, 3\)"),
        (lambda: Conv1D(8, (3, 3)), r"kernel_size must be a whole number of at least 1, not \(3, 3\)"),
        (lambda: Conv2D(8, 3, strides=-1), r"strides must be a whole number of at least 1.* not -1"),
        (lambda: Conv2D(8, 3, dilation=0), r"dilation must be a whole number of at least 1.* not 0"),
        (lambda: Conv2D(8, 3, padding="full"), r"padding must be 'valid', 'same', a whole number .* not 'full'"),
        (lambda: Conv2D(8, 3, padding=-1), r"or pairs \(before, after\), not -1"),
        (lambda: Conv2D(8, 3, padding=((1, 2, 3), 1)), r"not \(\(1, 2, 3\), 1\)"),  # type: ignore[arg-type]
        (lambda: Conv2D(8, 3, padding=(1,)), r"a tuple of 2 such numbers or pairs .* not \(1,\)"),
        (lambda: Conv2D(8, 3, bias="chanel"), r"bias must be 'channel' or 'position' or None, .*mean 'channel'\?"),
        (lambda: Conv2D(8, 3, bias=True), r"bias must be 'channel' or 'position' or None, not True\.$"),  # type: ignore[arg-type]
        (lambda: Conv2D(8, 3, groups=3), r"3 groups don't divide 8 filters. Make filters a multiple of 3"),
        (lambda: Conv2D(8, 3, groups=0), r"groups must be a whole number of at least 1, not 0"),
        (lambda: Conv2D(8, 3, kernel_initializer="he_norml"), r"no initializer called 'he_norml'.*mean 'he_normal'\?"),
        (
            lambda: ConvTranspose1D(8, 3, groups=3),
            r"ConvTranspose1D\(.*\): 3 groups don't divide 8 filters. Make filters a multiple of 3.",
        ),
        (lambda: ConvTranspose2D(8, 3, output_padding=1), r"output_padding needs a padding in numbers; 'valid'"),
        (
            lambda: ConvTranspose2D(8, 3, strides=2, padding=0, output_padding=2),
            r"output_padding 2 must be less than the stride, 2",
        ),
        (lambda: DepthwiseConv2D(3, bias="position"), r"bias must be 'channel' or None, not 'position'"),
        (lambda: DepthwiseConv2D(3, depth_multiplier=0), r"depth_multiplier must be a whole number of at least 1"),
    ],
)
def test_refuses_arguments(make: Callable[..., np.ndarray], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (
            Conv2D(8, (2, 5), name="conv1"),
            (7, 4, 1),
            r"layer `conv1`, Conv2D\(8, \(2, 5\), name='conv1'\): the kernel is larger than the image. It spans "
            r"5 columns, but the image has 4 columns.\nMake it at most 4, or write padding='same'",
        ),
        (
            Conv2D(8, 3, dilation=3, padding=1),
            (4, 9, 1),
            r"spans 7 rows \(3, 3 apart\), but the image has 4 rows and a padding of 2.\nMake it at most 6",
        ),
        (Conv2D(8, (2, 1)), (1, 9, 1), r"spans 2 rows, but the image has 1 row.\nMake it at most 1"),
        (Conv2D(8, 3, groups=4), (7, 5, 6), r"4 groups don't divide the 6 channels of its input.\nMake the layer"),
        (
            Conv2D(8, 3),
            (28, 28),
            r"takes 3 axes, \(rows, columns, channels\), but its input has shape \(28, 28\).\n"
            r"Reshape\(\(28, 28, 1\)\) before it adds the axis",
        ),
        (Conv2D(8, 3), (784,), r"takes 3 axes, \(rows, columns, channels\), but its input has shape \(784,\)\.$"),
        (Conv2D(8, 1), (0, 3, 1), r"its input has shape \(0, 3, 1\), which has no elements"),
        (ConvTranspose2D(8, 3, groups=4), (7, 5, 6), r"4 groups don't divide the 6 channels of its input.\nMake the"),
        (
            ConvTranspose2D(8, 3, padding=2),
            (2, 5, 1),
            r"nothing would be left along axis 0: 4 places, of which the padding cuts off 4.\nCut off at most 3",
        ),
    ],
)
def test_refuses_images(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        layer.build(shape)


def test_refuses_two_inputs() -> None:
    with pytest.raises(ModelError, match=r"Conv2D\(8, 3\) takes one input, but got 2. Join them by Add"):
        Conv2D(8, 3).build((7, 5, 1), (7, 5, 1))
