"""Each layer inside a network, and what PyTorch has for it.

Sizes differ on every axis. PyTorch sees images as (N, C, H, W) and kernels as (K, C, M, N); `image` and `kernel`
convert.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import convgrad.layers as L

Tensors = dict[str, Any]


def image(x: Any) -> Any:
    """(N, H, W, C) -> (N, C, H, W), for any number of axes in between."""
    return x.movedim(-1, 1)


def back(x: Any) -> Any:
    return x.movedim(1, -1)


def kernel(w: Any) -> Any:
    """(M, N, C, K) -> (K, C, M, N)."""
    return w.movedim(-1, 0).movedim(-1, 1)


@dataclass(frozen=True)
class Case:
    name: str
    layer: L.Layer
    shape: tuple[int, ...]
    forward: Callable[[ModuleType, Any, Tensors], Any]  # torch, o as NHWC, parameters -> x as NHWC


def grouped_kernel(w: Any) -> Any:
    """(M, N, C/G, G, K/G) -> (K, C/G, M, N)."""
    return kernel(w.flatten(-2))


def torch_windows(t: ModuleType, x: Any) -> Any:
    """(N, C, H, W) -> (N, C, M*N, I, J), windows of 2x2 positions 2 apart with a border of 1."""
    columns = t.nn.functional.unfold(x, 2, dilation=2, padding=1)
    return columns.reshape(len(x), x.shape[1], 4, x.shape[2], x.shape[3])


CASES = [
    Case(
        "conv1d",
        L.Conv1D(5, 3, strides=2, padding=2, dilation=2),
        (11, 2),
        lambda t, o, p: back(
            t.nn.functional.conv1d(
                image(o), p["w"].movedim(-1, 0).movedim(-1, 1), p["b"], stride=2, padding=2, dilation=2
            )
        ),
    ),
    Case(
        "conv2d",
        L.Conv2D(5, (2, 3)),
        (7, 11, 3),
        lambda t, o, p: back(t.nn.functional.conv2d(image(o), kernel(p["w"]), p["b"])),
    ),
    Case(
        "conv2d-everything",
        L.Conv2D(6, (3, 2), strides=(2, 3), padding=(2, 1), dilation=(1, 2), groups=2, bias="channel"),
        (11, 13, 4),
        lambda t, o, p: back(
            t.nn.functional.conv2d(
                image(o),
                grouped_kernel(p["w"]),
                p["b"].flatten(),
                stride=(2, 3),
                padding=(2, 1),
                dilation=(1, 2),
                groups=2,
            )
        ),
    ),
    Case(
        "conv2d-position-bias",
        L.Conv2D(3, (3, 2), bias="position"),
        (5, 7, 2),
        lambda t, o, p: back(t.nn.functional.conv2d(image(o), kernel(p["w"]))) + p["b"],
    ),
    Case(
        "conv2d-same-wide",
        L.Conv2D(17, 3, padding="same", bias=None),
        (7, 5, 20),
        lambda t, o, p: back(t.nn.functional.conv2d(image(o), kernel(p["w"]), padding=1)),
    ),
    Case(
        "conv3d",
        L.Conv3D(3, (2, 3, 1), strides=(1, 2, 1), padding=1),
        (3, 5, 4, 2),
        lambda t, o, p: back(
            t.nn.functional.conv3d(image(o), p["w"].movedim(-1, 0).movedim(-1, 1), p["b"], stride=(1, 2, 1), padding=1)
        ),
    ),
    Case(
        "conv-transpose2d",
        L.ConvTranspose2D(3, (3, 2), strides=(2, 3), padding=1),
        (4, 5, 2),
        lambda t, o, p: back(
            t.nn.functional.conv_transpose2d(image(o), p["w"].permute(3, 2, 0, 1), p["b"], stride=(2, 3), padding=1)
        ),
    ),
    Case(
        "conv-transpose1d-groups",
        L.ConvTranspose1D(6, 3, strides=2, padding=1, output_padding=1, groups=2),
        (5, 4),
        lambda t, o, p: back(
            t.nn.functional.conv_transpose1d(
                image(o), p["w"].flatten(-2).permute(2, 1, 0), p["b"].flatten(), 2, 1, 1, groups=2
            )
        ),
    ),
    Case(
        "conv-transpose3d",
        L.ConvTranspose3D(3, (2, 3, 1), strides=(2, 1, 2)),
        (2, 4, 3, 2),
        lambda t, o, p: (
            t.nn.functional.pad(
                back(t.nn.functional.conv_transpose3d(image(o), p["w"].permute(4, 3, 0, 1, 2), None, stride=(2, 1, 2))),
                (0, 0, 0, 1),  # Keras' "valid" has a plane for each stride, PyTorch's ends with the last kernel
            )
            + p["b"]
        ),
    ),
    Case(
        "depthwise2d",
        L.DepthwiseConv2D((3, 2), strides=2, padding=1),
        (7, 9, 5),
        lambda t, o, p: back(
            t.nn.functional.conv2d(
                image(o), p["w"].permute(2, 0, 1).unsqueeze(1), p["b"], stride=2, padding=1, groups=5
            )
        ),
    ),
    Case(
        "max-pool2d",
        L.MaxPool2D((3, 2), strides=(2, 1)),
        (7, 5, 3),
        lambda t, o, p: back(t.nn.functional.max_pool2d(image(o), (3, 2), (2, 1))),
    ),
    Case(
        "max-pool2d-padded",
        L.MaxPool2D(3, strides=2, padding=1),
        (7, 6, 3),
        lambda t, o, p: back(t.nn.functional.max_pool2d(image(o), 3, 2, 1)),
    ),
    Case(
        "avg-pool2d",
        L.AvgPool2D((2, 3), strides=(1, 2)),
        (5, 8, 3),
        lambda t, o, p: back(t.nn.functional.avg_pool2d(image(o), (2, 3), (1, 2))),
    ),
    Case(
        "avg-pool2d-padded",
        L.AvgPool2D(3, strides=2, padding=1),
        (7, 6, 2),
        lambda t, o, p: back(t.nn.functional.avg_pool2d(image(o), 3, 2, 1, count_include_pad=False)),
    ),
    Case(
        "max-pool1d-ceil",
        L.MaxPool1D(3, strides=2, dilation=2, ceil_mode=True),
        (12, 3),
        lambda t, o, p: back(t.nn.functional.max_pool1d(image(o), 3, 2, dilation=2, ceil_mode=True)),
    ),
    Case(
        "max-pool3d",
        L.MaxPool3D((1, 2, 3), padding=(0, 1, 1)),
        (3, 5, 7, 2),
        lambda t, o, p: back(t.nn.functional.max_pool3d(image(o), (1, 2, 3), padding=(0, 1, 1))),
    ),
    Case(
        "avg-pool1d",
        L.AvgPool1D(3, strides=2, padding=1, ceil_mode=True),
        (12, 3),
        lambda t, o, p: back(t.nn.functional.avg_pool1d(image(o), 3, 2, 1, ceil_mode=True, count_include_pad=False)),
    ),
    Case(
        "avg-pool3d",
        L.AvgPool3D((1, 2, 3)),
        (3, 5, 7, 2),
        lambda t, o, p: back(t.nn.functional.avg_pool3d(image(o), (1, 2, 3))),
    ),
    Case(
        "avg-pool2d-dilated",
        L.AvgPool2D(2, strides=1, padding=1, dilation=2),
        (5, 7, 2),
        lambda t, o, p: back(torch_windows(t, image(o)).sum(2) / torch_windows(t, t.ones_like(image(o))).sum(2)),
    ),
    Case(
        "lp-pool1d",
        L.LpPool1D(3, norm=3),
        (9, 2),
        lambda t, o, p: back(t.nn.functional.lp_pool1d(image(o.abs()), 3.0, 3)),
    ),
    Case(
        "lp-pool2d",
        L.LpPool2D((2, 3)),
        (5, 7, 3),
        lambda t, o, p: back(t.nn.functional.lp_pool2d(image(o), 2.0, (2, 3))),
    ),
    Case(
        "lp-pool3d",
        L.LpPool3D((1, 2, 3)),
        (3, 5, 7, 2),
        lambda t, o, p: back(t.nn.functional.lp_pool3d(image(o), 2.0, (1, 2, 3))),
    ),
    Case("global-avg-pool1d", L.GlobalAvgPool1D(), (7, 3), lambda t, o, p: o.mean(1)),
    Case("global-avg-pool3d", L.GlobalAvgPool3D(), (2, 5, 7, 3), lambda t, o, p: o.mean((1, 2, 3))),
    Case("global-max-pool1d", L.GlobalMaxPool1D(), (7, 3), lambda t, o, p: o.amax(1)),
    Case("global-max-pool2d", L.GlobalMaxPool2D(), (5, 7, 3), lambda t, o, p: o.amax((1, 2))),
    Case("global-max-pool3d", L.GlobalMaxPool3D(), (2, 5, 7, 3), lambda t, o, p: o.amax((1, 2, 3))),
    Case("global-avg-pool2d", L.GlobalAvgPool2D(), (5, 7, 3), lambda t, o, p: o.mean((1, 2))),
    Case("dense", L.Dense(7), (5,), lambda t, o, p: o @ p["w"] + p["b"]),
    Case("flatten", L.Flatten(), (2, 3, 5), lambda t, o, p: o.flatten(1)),
    Case("reshape", L.Reshape((5, 6)), (2, 3, 5), lambda t, o, p: o.reshape(-1, 5, 6)),
    Case(
        "zero-padding2d",
        L.ZeroPadding2D(((1, 2), (3, 0))),
        (5, 7, 2),
        lambda t, o, p: t.nn.functional.pad(o, (0, 0, 3, 0, 1, 2)),
    ),
    Case("zero-padding1d", L.ZeroPadding1D(2), (5, 2), lambda t, o, p: t.nn.functional.pad(o, (0, 0, 2, 2))),
    Case(
        "zero-padding3d",
        L.ZeroPadding3D((1, 0, 2)),
        (3, 5, 4, 2),
        lambda t, o, p: t.nn.functional.pad(o, (0, 0, 2, 2, 0, 0, 1, 1)),
    ),
    Case(
        "padding1d",
        L.Padding1D(2, value=1.5),
        (5, 2),
        lambda t, o, p: t.nn.functional.pad(o, (0, 0, 2, 2), value=1.5),
    ),
    Case(
        "padding2d",
        L.Padding2D((3, (1, 2)), mode="reflect"),
        (5, 4, 2),
        lambda t, o, p: back(t.nn.functional.pad(image(o), (1, 2, 3, 3), mode="reflect")),
    ),
    Case(
        "padding3d",
        L.Padding3D((1, (0, 2), 3), mode="edge"),
        (3, 5, 4, 2),
        lambda t, o, p: back(t.nn.functional.pad(image(o), (3, 3, 0, 2, 1, 1), mode="replicate")),
    ),
    Case("permute", L.Permute((3, 1, 2)), (3, 5, 2), lambda t, o, p: o.permute(0, 3, 1, 2)),
    Case("up-sampling1d", L.UpSampling1D(3), (5, 2), lambda t, o, p: o.repeat_interleave(3, 1)),
    Case(
        "up-sampling2d",
        L.UpSampling2D((2, 3)),
        (5, 4, 2),
        lambda t, o, p: o.repeat_interleave(2, 1).repeat_interleave(3, 2),
    ),
    Case(
        "up-sampling3d",
        L.UpSampling3D(2),
        (3, 5, 4, 2),
        lambda t, o, p: back(t.nn.functional.interpolate(image(o), scale_factor=2)),
    ),
    Case(
        "pixel-shuffle",
        L.PixelShuffle(2),
        (3, 5, 12),
        lambda t, o, p: back(t.nn.functional.pixel_shuffle(image(o), 2)),
    ),
    Case("relu", L.ReLU(), (3, 5, 2), lambda t, o, p: o.relu()),
    Case("leaky-relu", L.LeakyReLU(0.2), (3, 5, 2), lambda t, o, p: t.nn.functional.leaky_relu(o, 0.2)),
    Case("elu", L.ELU(0.7), (3, 5, 2), lambda t, o, p: t.nn.functional.elu(o, 0.7)),
    Case("sigmoid", L.Sigmoid(), (3, 5, 2), lambda t, o, p: o.sigmoid()),
    Case("tanh", L.Tanh(), (3, 5, 2), lambda t, o, p: o.tanh()),
    Case("gelu", L.GELU(), (3, 5, 2), lambda t, o, p: t.nn.functional.gelu(o)),
    Case("silu", L.SiLU(), (3, 5, 2), lambda t, o, p: t.nn.functional.silu(o)),
    Case("relu6", L.ReLU6(), (3, 5, 2), lambda t, o, p: t.nn.functional.relu6(o)),
    Case("selu", L.SELU(), (3, 5, 2), lambda t, o, p: t.nn.functional.selu(o)),
    Case("softplus", L.Softplus(), (3, 5, 2), lambda t, o, p: t.nn.functional.softplus(o)),
    Case("softsign", L.Softsign(), (3, 5, 2), lambda t, o, p: t.nn.functional.softsign(o)),
    Case("mish", L.Mish(), (3, 5, 2), lambda t, o, p: t.nn.functional.mish(o)),
    # PyTorch's own hardsigmoid takes 1/6 as a float32 in its backward pass, whatever the type.
    Case("hard-sigmoid", L.HardSigmoid(), (3, 5, 2), lambda t, o, p: t.nn.functional.relu6(o + 3) / 6),
    Case("hard-swish", L.HardSwish(), (3, 5, 2), lambda t, o, p: o * t.nn.functional.relu6(o + 3) / 6),
    Case("prelu", L.PReLU(), (3, 5, 2), lambda t, o, p: back(t.nn.functional.prelu(image(o), p["alpha"]))),
    Case("glu", L.GLU(), (3, 5, 6), lambda t, o, p: t.nn.functional.glu(o)),
    Case("log-softmax", L.LogSoftmax(), (3, 5, 7), lambda t, o, p: o.log_softmax(-1)),
    Case("softmax", L.Softmax(), (3, 5, 7), lambda t, o, p: o.softmax(-1)),
    Case(
        "batch-norm",
        L.BatchNorm(epsilon=1e-3),
        (5, 7, 3),
        lambda t, o, p: back(
            t.nn.functional.batch_norm(image(o), None, None, p["gamma"], p["beta"], training=True, eps=1e-3)
        ),
    ),
    Case(
        "group-norm",
        L.GroupNorm(2, epsilon=1e-3),
        (5, 7, 6),
        lambda t, o, p: back(
            t.nn.functional.group_norm(image(o), 2, p["gamma"].flatten(), p["beta"].flatten(), eps=1e-3)
        ),
    ),
    Case(
        "layer-norm",
        L.LayerNorm(epsilon=1e-3),
        (3, 5, 7),
        lambda t, o, p: t.nn.functional.layer_norm(o, (7,), p["gamma"], p["beta"], eps=1e-3),
    ),
    Case(
        "layer-norm-images",
        L.LayerNorm(axis=(-3, -1)),
        (3, 5, 7),
        lambda t, o, p: t.nn.functional.layer_norm(
            o.transpose(1, 2), (3, 7), p["gamma"], p["beta"], eps=1e-3
        ).transpose(1, 2),
    ),
    Case(
        "instance-norm",
        L.InstanceNorm(),
        (3, 5, 7),
        lambda t, o, p: back(t.nn.functional.instance_norm(image(o), weight=p["gamma"], bias=p["beta"], eps=1e-3)),
    ),
    Case(
        "rms-norm",
        L.RMSNorm(),
        (3, 5, 7),
        lambda t, o, p: t.nn.functional.rms_norm(o, (7,), p["gamma"], eps=1e-6),
    ),
    Case(
        "local-response-norm",
        L.LocalResponseNorm(4, alpha=0.7, k=2.0),
        (3, 5, 7),
        lambda t, o, p: back(t.nn.functional.local_response_norm(image(o), 4, alpha=0.7, k=2.0)),
    ),
    Case(
        "equation",
        L.Equation(
            "x[i,j,c] = sum[m,n](w[m,n,c] * o[i+m,j+n,c]) * sigmoid(v[c] * o[i+1,j+1,c])", sizes={"M": 3, "N": 2}
        ),
        (7, 5, 3),
        lambda t, o, p: (
            back(t.nn.functional.conv2d(image(o), p["w"].permute(2, 0, 1).unsqueeze(1), groups=3))
            * (p["v"] * o[:, 1:-1, 1:]).sigmoid()
        ),
    ),
]
