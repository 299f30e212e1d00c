"""Networks as PyTorch's exporters write them, and as tools for TensorFlow do: they predict the same, and train on."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from onnx_files import graph, node, onnx, read_the_same
from optional import large_module

torch: Any = large_module("torch")
nn, F = torch.nn, torch.nn.functional
RNG = np.random.default_rng(13)


class Of(nn.Module):  # type: ignore[misc, name-defined]
    """Layers, and what is computed with them."""

    def __init__(self, forward: Callable[[Any, Any], Any], **layers: Any):
        super().__init__()
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.computed = forward

    def forward(self, x: Any) -> Any:
        return self.computed(self, x)


def lenet() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 3, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(3, 7, 3), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(28, 11), nn.Tanh(), nn.Linear(11, 5),
    )  # fmt: skip


def vgg() -> Any:
    return Of(
        lambda self, x: self.dense(self.pool(self.features(x)).view(x.size(0), -1)),
        features=nn.Sequential(nn.Conv2d(3, 7, 3, padding=1), nn.BatchNorm2d(7), nn.ReLU(), nn.MaxPool2d(2)),
        pool=nn.AdaptiveAvgPool2d((2, 3)),
        dense=nn.Sequential(nn.Linear(42, 11), nn.ReLU(), nn.Dropout(), nn.Linear(11, 5)),
    )


def residual(inner: Any, around: Any = None) -> Any:
    return Of(
        lambda self, x: (x if self.around is None else self.around(x)) + self.inner(x), inner=inner, around=around
    )


def resnet() -> Any:
    def convolutions(before: int, filters: int, stride: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(before, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters),
        )  # fmt: skip

    shortcut = nn.Sequential(nn.Conv2d(6, 7, 1, 2, bias=False), nn.BatchNorm2d(7))
    return Of(
        lambda self, x: self.dense(torch.flatten(self.blocks(x).mean((2, 3), keepdim=True), 1)),
        blocks=nn.Sequential(
            nn.Conv2d(3, 6, 3, 2, 1), nn.MaxPool2d(3, 2, 1), residual(convolutions(6, 6, 1)), nn.ReLU(),
            residual(convolutions(6, 7, 2), shortcut), nn.ReLU(),
        ),
        dense=nn.Linear(7, 5),
    )  # fmt: skip


def padded_shortcut() -> Any:
    """Fewer places and more channels without weights, as in the first residual networks for small images."""
    return Of(
        lambda self, x: F.avg_pool2d(
            F.relu(self.conv(x) + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))), (4, 3)
        ).flatten(1),
        conv=nn.Conv2d(3, 7, 3, 2, 1),
    )


def squeezed(channels: int, gate: Any) -> Any:
    def forward(self: Any, x: Any) -> Any:
        batch, many, _, _ = x.size()
        mean = F.adaptive_avg_pool2d(x, 1).view(batch, many)
        return x * self.gate(self.up(F.relu(self.down(mean)))).view(batch, many, 1, 1).expand_as(x)

    return Of(forward, down=nn.Linear(channels, 3), up=nn.Linear(3, channels), gate=gate)


def mobile(activation: Any, gate: Any = None) -> Any:
    def inverted(before: int, wide: int, after: int, stride: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(before, wide, 1, bias=False), nn.BatchNorm2d(wide), activation(),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), activation(),
            *([squeezed(wide, gate)] if gate else []), nn.Conv2d(wide, after, 1, bias=False), nn.BatchNorm2d(after),
        )  # fmt: skip

    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), activation(), residual(inverted(6, 11, 6, 1)), inverted(6, 13, 7, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(7, 5),
    )  # fmt: skip


def unet(mode: str) -> Any:
    def forward(self: Any, x: Any) -> Any:
        wide = F.silu(self.first(x))
        deep = F.gelu(self.second(F.max_pool2d(wide, 2)))
        larger = F.interpolate(
            deep, size=x.shape[2:], mode=mode, **({} if mode == "nearest" else {"align_corners": True})
        )
        return self.last(F.mish(self.joined(torch.cat([wide, self.up(deep), larger, self.back(deep)], 1))))

    return Of(
        forward, first=nn.Conv2d(3, 6, 3, padding=1), second=nn.Conv2d(6, 7, 3, padding=1),
        up=nn.Upsample(scale_factor=2, mode=mode), back=nn.ConvTranspose2d(7, 5, 2, 2),
        joined=nn.Conv2d(6 + 7 + 7 + 5, 4, 3, padding=1), last=nn.Conv2d(4, 5, 1),
    )  # fmt: skip


def signal() -> Any:
    return nn.Sequential(
        nn.Conv1d(2, 6, 5, stride=2, padding=2), nn.GELU("tanh"), nn.GroupNorm(2, 6), nn.Conv1d(6, 7, 3, dilation=2),
        nn.PReLU(), nn.InstanceNorm1d(7, affine=True), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(7, 5),
    )  # fmt: skip


def autoencoder() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, 2, 1), nn.ELU(), nn.Flatten(), nn.Linear(90, 7), nn.SELU(), nn.Linear(7, 90),
        nn.Unflatten(1, (3, 6, 5)), nn.ConvTranspose2d(3, 1, 3, 2, 1, output_padding=1), nn.Sigmoid(),
    )  # fmt: skip


def channels_last() -> Any:
    def forward(self: Any, x: Any) -> Any:
        x = self.conv(x)
        inner = self.narrow(F.gelu(self.wide(self.norm(x.permute(0, 2, 3, 1)))))
        return self.dense((x + (self.scale * inner).permute(0, 3, 1, 2)).mean([-2, -1]))

    return Of(
        forward, conv=nn.Conv2d(3, 6, 2, 2), norm=nn.LayerNorm(6), wide=nn.Linear(6, 11), narrow=nn.Linear(11, 6),
        dense=nn.Linear(6, 5), scale=nn.Parameter(torch.rand(6)),
    )  # fmt: skip


def shuffled() -> Any:
    def forward(self: Any, x: Any) -> Any:
        x = self.conv(torch.cat([x, x], 1))
        batch, channels, height, width = x.shape
        x = x.view(batch, 3, channels // 3, height, width).transpose(1, 2).reshape(batch, channels, height, width)
        linear, gate = x.chunk(2, 1)
        x = F.pixel_shuffle(F.pad(self.deep(linear * torch.sigmoid(gate)), (1, 0, 0, 1), mode="reflect"), 2)
        return F.lp_pool2d(F.leaky_relu(F.local_response_norm(x, 4)), 2, 2).flatten(1)

    return Of(forward, conv=nn.Conv2d(6, 6, 3, padding=1, groups=3), deep=nn.Conv2d(3, 8, 1))


NETWORKS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "lenet": (lenet, (1, 14, 12)),
    "vgg": (vgg, (3, 8, 12)),
    "resnet": (resnet, (3, 24, 20)),
    "padded-shortcut": (padded_shortcut, (3, 8, 6)),
    "mobilenet-v2": (lambda: mobile(nn.ReLU6), (3, 14, 12)),
    "mobilenet-v3": (lambda: mobile(nn.Hardswish, nn.Hardsigmoid()), (3, 14, 12)),
    "squeeze-and-excitation": (
        lambda: nn.Sequential(nn.Conv2d(3, 7, 3), squeezed(7, nn.Sigmoid()), nn.Flatten(), nn.Linear(7 * 4 * 3, 5)),
        (3, 6, 5),
    ),
    "unet": (lambda: unet("nearest"), (3, 8, 12)),
    "unet-bilinear": (lambda: unet("bilinear"), (3, 8, 12)),
    "signal": (signal, (2, 23)),
    "autoencoder": (autoencoder, (1, 12, 10)),
    "channels-last": (channels_last, (3, 8, 10)),
    "shuffled": (shuffled, (3, 6, 8)),
}


def exported(model: Any, x: Any, how: str) -> Any:
    if how == "dynamo":
        examples = ({0: torch.export.Dim("N", min=1, max=1000)},)
        return torch.onnx.export(model, (x,), dynamo=True, verbose=False, dynamic_shapes=examples).model_proto
    file, fixed = io.BytesIO(), how == "fixed"
    said = {} if fixed else {"dynamic_axes": {"x": {0: "N"}}}
    torch.onnx.export(model, (x,), file, dynamo=False, input_names=["x"], opset_version=17, **said)
    return onnx.load_from_string(file.getvalue())


@pytest.mark.filterwarnings("ignore")  # of the exporters themselves
@pytest.mark.parametrize("how", ["traced", "fixed", "dynamo"])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_pytorch_writes(name: str, how: str) -> None:
    if how == "dynamo":
        pytest.importorskip("onnxscript")  # which that exporter is written with
    torch.manual_seed(1)
    make, shape = NETWORKS[name]
    model = make()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    model.eval()
    many = 1 if how == "fixed" else 3
    x = RNG.uniform(size=(many, *shape)).astype(np.float32)
    # The longest sum has 324 products, in 20 layers at most: 20 * sqrt(324) roundings, which cancel out in part.
    network = read_the_same(exported(model, torch.from_numpy(x), how), x, 360)
    given = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    target = np.zeros((many, *network.output_shapes[""]), np.float32)
    before = network.evaluate(given, target, loss="mse")["loss"]
    network.fit(given, target, epochs=1, batch_size=many, loss="mse", learning_rate=1e-3, verbose=False)
    assert network.evaluate(given, target, loss="mse")["loss"] < before


def floats(*shape: int) -> Any:
    return RNG.uniform(-0.5, 0.5, shape).astype(np.float32)


def test_what_is_written_of_tensorflow() -> None:
    """Images come with their channels last, and each operator for them stands between two transpositions."""
    weights = {
        "w": floats(6, 3, 3, 2), "scale": floats(6, 1, 1), "shift": floats(6, 1, 1), "deep": floats(6, 1, 3, 3),
        "dense": floats(6, 5), "b": floats(5), "low": np.float32(0), "high": np.float32(6),
        "places": np.array([1, 2], np.int64), "rest": np.array([-1, 6], np.int64),
    }  # fmt: skip
    nodes = [
        node("Transpose", ["x"], ["first"], perm=[0, 3, 1, 2]),
        node("Conv", ["first", "w"], ["c"], auto_pad="SAME_UPPER", strides=[2, 2]),
        node("Mul", ["c", "scale"], ["m"]),
        node("Add", ["m", "shift"], ["n"]),
        node("Clip", ["n", "low", "high"], ["r"]),
        node("Transpose", ["r"], ["last"], perm=[0, 2, 3, 1]),
        node("Transpose", ["last"], ["again"], perm=[0, 3, 1, 2]),
        node("Conv", ["again", "deep"], ["d"], auto_pad="SAME_UPPER", group=6),
        node("Transpose", ["d"], ["back"], perm=[0, 2, 3, 1]),
        node("Sigmoid", ["back"], ["s"]),
        node("Mul", ["back", "s"], ["swish"]),
        node("ReduceMean", ["swish", "places"], ["mean"], keepdims=0),
        node("Reshape", ["mean", "rest"], ["row"]),
        node("MatMul", ["row", "dense"], ["o"]),
        node("Add", ["o", "b"], ["p"]),
        node("Softmax", ["p"], ["y"]),
    ]
    model = graph(*nodes, opset=18, shape=("N", 9, 7, 3), **weights)
    network = read_the_same(model, RNG.normal(size=(2, 9, 7, 3)).astype(np.float32), layout="channels_last")
    assert [type(placed.layer).__name__ for placed in network.layers] == [
        "Conv2D", "Equation", "Equation", "ReLU6", "DepthwiseConv2D", "SiLU", "GlobalAvgPool2D", "Dense", "Softmax",
    ]  # fmt: skip
