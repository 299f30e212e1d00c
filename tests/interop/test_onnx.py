"""Networks as ONNX files: onnxruntime computes from them what `predict` does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convgrad.layers as L
from command_runs import TINY, convgrad
from convgrad import ArgumentError, DataError, EngineError, ModelError, Network
from convgrad.interop import library, written
from convgrad.layers.base import registry
from convgrad.models import load_model
from convgrad.network.preparation import Preparation
from optional import large_module
from torch_cases import CASES

onnx: Any = large_module("onnx")
runtime: Any = large_module("onnxruntime")
RNG = np.random.default_rng(5)
OWN = "x[i,j,c] = sum[m,n](w[m,n,c] * o[2*i+m-1,j+n,c else 0]) * where(i > 1, 1, b[c])"


def with_weights(network: Network) -> Network:
    """Weights that are small enough for many layers, statistics above 0."""
    network.initialize(seed=3)
    weights = network.get_weights()
    weights |= {name: RNG.uniform(0.5, 1.5, array.shape) for name, array in weights.items() if array.ndim == 1}
    network.set_weights(weights)
    return network


def results(path: Path, *inputs: np.ndarray) -> list[np.ndarray]:
    session = runtime.InferenceSession(path)
    names = [one.name for one in session.get_inputs()]
    given = {name: np.ascontiguousarray(x, np.float32) for name, x in zip(names, inputs, strict=True)}
    found: list[np.ndarray] = session.run(None, given)
    return found


OTHERS = [
    L.Dropout(0.3),
    L.Subtract(),
    L.Add(),
    L.Multiply(),
    L.Concatenate(),
]


@pytest.mark.parametrize("opset", [18, 21])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_layer(tmp_path: Path, case: Any, opset: int) -> None:
    network = with_weights(Network(case.layer, input_shape=case.shape))
    for layout in ("channels_first", "channels_last"):
        network.to_onnx(tmp_path / "net.onnx", opset=opset, layout=layout, check=False)
        x = RNG.uniform(0.1, 1, (3, *case.shape)).astype(np.float32)
        (found,) = results(tmp_path / "net.onnx", written.as_laid_out(x, layout))
        ours = written.as_laid_out(network.predict(x), layout)
        # A sum of n products is off by sqrt(n) roundings: there are 60 products at most, and functions behind them.
        assert np.abs(found - ours).max() <= 32 * 1.2e-7 * max(1, np.abs(ours).max())


def test_no_layer_is_left_out() -> None:
    tried = {type(case.layer).__name__ for case in CASES} | {type(layer).__name__ for layer in OTHERS}
    assert tried == {name for name, kind in registry.items() if kind.__module__.startswith("convgrad.layers.")}


def several() -> Network:
    image, meta = L.Input((7, 5, 4)), L.Input((4,))
    shared = L.Conv2D(4, (3, 2), padding="same")
    once = shared(image)
    gated = L.Multiply()(shared(once), meta)
    both = L.Concatenate()(L.Add()(once, gated), L.Subtract()(gated, L.Dropout(0.3)(image)))
    row = L.Dense(3)(L.Flatten()(L.ReLU()(both)))
    return with_weights(Network(inputs={"image": image, "meta": meta}, outputs={"scores": row, "map": both}))


def test_several_inputs_and_outputs_branches_and_shared_layers(tmp_path: Path) -> None:
    network = several()
    told = network.to_onnx(tmp_path / "net.onnx")
    assert told.inputs == {"image": ("N", 4, 7, 5), "meta": ("N", 4)}
    assert told.outputs == {"scores": ("N", 3), "map": ("N", 8, 7, 5)}
    assert told.difference is not None
    x, meta = RNG.normal(size=(2, 7, 5, 4)), RNG.normal(size=(2, 4))
    scores, places = results(tmp_path / "net.onnx", np.moveaxis(x, -1, 1), meta)
    ours = network.predict({"image": x.astype(np.float32), "meta": meta.astype(np.float32)})
    assert scores == pytest.approx(ours["scores"], abs=1e-5 * float(np.abs(ours["scores"]).max()))
    assert np.moveaxis(places, 1, -1) == pytest.approx(ours["map"], abs=1e-5 * float(np.abs(ours["map"]).max()))


class Curve(L.Layer, abstract=True):  # not in the list of layers, which other tests read
    """A class of one's own."""

    @property
    def text(self) -> str:
        return "h[f] = max[k](o[f,k])\nx[f,k] = (o[f,k] - h[f])^2 * 3 / (1 + abs(o[f,k])) + k"

    def build(self, *input_shapes: tuple[int, ...]) -> L.Built:
        rows, columns, channels = self.one_input(input_shapes)
        return L.Built(self.equation, ("o",), ((rows * columns, channels),), input_shapes[0])


def own() -> Network:
    return Network(
        *(
            L.Conv2D(3, (3, 2)),
            L.Equation(OWN, sizes={"M": 3, "N": 2, "I": 4, "J": 6}),
            Curve(),
            L.Flatten(),
            L.Dense(4),
        ),
        input_shape=(9, 7, 2),
    )


@pytest.mark.parametrize("name", ["lenet5", "resnet8", "autoencoder", "own"])
def test_whole_networks_differ_by_a_hundred_thousandth_at_most(tmp_path: Path, name: str) -> None:
    network = own() if name == "own" else load_model(name, (28, 28, 1), 10).network
    network.initialize(seed=4)
    for fold in (False, True):
        told = network.to_onnx(tmp_path / "net.onnx", fold_batch_norm=fold)
        assert told.difference is not None
        assert told.scale
        assert told.difference <= 1e-5 * told.scale
        norms = [node for node in onnx.load(tmp_path / "net.onnx").graph.node if node.op_type == "BatchNormalization"]
        assert not (fold and norms)
    moved = [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node].count("Transpose")
    assert name != "lenet5" or moved == 0


@pytest.mark.parametrize(
    "before",
    [
        L.Conv2D(6, (3, 2), bias=None, groups=2),
        L.ConvTranspose2D(6, (3, 2), strides=2, groups=2),
        L.DepthwiseConv2D((2, 3), depth_multiplier=2),
    ],
    ids=["conv", "transposed", "depthwise"],
)
def test_a_folded_norm(tmp_path: Path, before: L.Layer) -> None:
    network = with_weights(Network(before, L.BatchNorm(), L.Flatten(), L.Dense(5), input_shape=(5, 7, 4)))
    assert network.to_onnx(tmp_path / "net.onnx", fold_batch_norm=True).folded == ("batchnorm1",)


def test_a_norm_behind_what_others_read_is_not_folded(tmp_path: Path) -> None:
    image = L.Input((5, 7, 2))
    conv = L.Conv2D(3, 2)(image)
    network = with_weights(Network(inputs=image, outputs=L.Add()(L.BatchNorm()(conv), conv)))
    assert network.to_onnx(tmp_path / "net.onnx", fold_batch_norm=True).folded == ()


@pytest.mark.parametrize(
    ("text", "shape", "others"),
    [
        ("x[i] = o[i,i] + argmax[j](o[i,j])", (4, 4), {}),
        ("x[i,k] = sum[m](w[m] * o[(i+1-m)/2,k else 5]) - floor(o[0,k])", (4, 3), {"sizes": {"I": 8, "M": 2}}),
        ("x[i] = mean[j](o[i,j] * v[j]) * min[j](softplus(o[i,j])) + sum[j](2)", (4, 3), {}),
        ("h[i] = sum[j](o[i,j])\nx[i,j] = where(o[i,j] != h[i], exp(-h[i]), o[3-i,j]) + erf(stop(o[i,j]))", (4, 3), {}),
        ("x[i,j] = sin(o[i,j]) * cos(3 * o[i,j])", (4, 3), {}),
    ],
    ids=["diagonal", "strided", "means", "choice", "waves"],
)
def test_equations(tmp_path: Path, text: str, shape: tuple[int, ...], others: dict[str, Any]) -> None:
    network = with_weights(Network(L.Equation(text, **others), input_shape=shape))
    told = network.to_onnx(tmp_path / "net.onnx")
    assert told.difference is not None
    assert told.difference <= 1e-5 * max(1, told.scale or 0)


@dataclass(frozen=True, eq=False, repr=False)
class Meeting(L.Layer, abstract=True):  # not in the list of layers, which other tests read
    """Examples that meet when they predict."""

    said: str = "mu[f] = mean[e](o[e,f])\nx[e,f] = o[e,f] - mu[f]"

    @property
    def text(self) -> str:
        return self.said

    def build(self, *input_shapes: tuple[int, ...]) -> L.Built:
        return L.Built(self.equation, ("o",), input_shapes, input_shapes[0], batch_index="e")


@dataclass(frozen=True, eq=False, repr=False)
class Drawing(L.Layer, abstract=True):  # not in the list of layers, which other tests read
    """Random numbers when it predicts."""

    @property
    def text(self) -> str:
        return "x[e,f] = o[e,f] * uniform(seed, f)"

    def build(self, *input_shapes: tuple[int, ...]) -> L.Built:
        return L.Built(self.equation, ("o",), input_shapes, input_shapes[0], batch_index="e", seeds=("seed",))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Meeting(), r"`meeting1`, Meeting\(\), can't be written as ONNX: examples of a batch meet .* BatchNorm has"),
        (Meeting("x[e,f] = o[e,f] - o[0,f]"), "examples of a batch meet in its equation to predict with. Give it one"),
        (
            Meeting("x[e,f] = o[e,f] - o[e,f+e else 0]"),
            "examples of a batch meet in its equation to predict with. Give it one",
        ),
        (Meeting("x[e,f] = o[e,f] * e"), "examples of a batch meet in its equation to predict with. Give it one"),
        (L.Equation("h[i] = o[i]\nx[i] = 2 * w[i]", shapes={"w": (5,)}), "its result does not depend on its input"),
        (
            L.Equation("x[i] = sum[m,n](o[(2*i+3*m+n)/9 else 0])", sizes={"I": 5, "M": 3000, "N": 3000}),
            "a table of the positions that it reads would have more than 16,777,216 numbers. Split the position into",
        ),
        (Drawing(), "draws numbers at random when it predicts. Let it draw in training only"),
        (
            L.Equation("x[i] = o[i] * uniform(3, i)"),
            "no operator of ONNX is `uniform`. Write the equation with exp, log",
        ),
    ],
    ids=["meeting", "first-example", "as-an-index", "as-a-number", "constant", "large-table", "drawing", "uniform"],
)
def test_what_can_not_be_written_is_named(tmp_path: Path, layer: L.Layer, message: str) -> None:
    network = with_weights(Network(layer, input_shape=(5,)))
    with pytest.raises(ModelError, match=message):
        network.to_onnx(tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_a_run_says_its_classes_and_how_pixels_were_prepared(tmp_path: Path) -> None:
    network = with_weights(Network(L.Flatten(), L.Dense(2), input_shape=(3, 2, 1)))
    network.preparation = Preparation((0.5,), (0.25,), ("cat", "dog"))
    network.to_onnx(tmp_path / "net.onnx")
    said = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    assert said["layout"] == "channels_first"
    assert json.loads(said["classes"]) == ["cat", "dog"]
    assert json.loads(said["preparation"])["mean"] == [0.5]


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(L.Dense(2), input_shape=(3,))
    with pytest.raises(ArgumentError, match="The network has no weights yet"):
        network.to_onnx(tmp_path / "net.onnx")
    network.initialize(1)
    with pytest.raises(ArgumentError, match=r"opset is 1000, but the installed onnx .* knows \d+"):
        network.to_onnx(tmp_path / "net.onnx", opset=1000)
    with pytest.raises(ArgumentError, match="opset must be a whole number of at least 18, not 17"):
        network.to_onnx(tmp_path / "net.onnx", opset=17)
    monkeypatch.setattr(written, "SLACK", -1)
    with pytest.raises(EngineError, match=r"onnxruntime's results differ .* more than rounding explains"):
        network.to_onnx(tmp_path / "net.onnx")
    monkeypatch.setattr(written, "runtime", lambda: None)
    assert "not compared with onnxruntime" in str(network.to_onnx(tmp_path / "net.onnx"))

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(library, "import_module", missing)
    with pytest.raises(DataError, match=r"to_onnx needs the package onnx: pip install 'convgrad\[onnx\]'"):
        network.to_onnx(tmp_path / "net.onnx")


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    convgrad("train", "digits", "--model", tmp_path / "tiny.toml", "--epochs", 1, "--out", tmp_path / "run", "--quiet")
    lines = convgrad("export", tmp_path / "run", "--to", "onnx").stdout.splitlines()
    assert lines[0].startswith(f"wrote {tmp_path / 'run' / 'onnx' / 'network.onnx'}: opset 21, channels first")
    assert lines[-1].startswith("  onnxruntime differs by up to ")
    told = json.loads(convgrad("export", tmp_path / "run", "--to", "onnx", "--json").stdout)
    assert told["difference"] <= 1e-5 * told["scale"]
    assert (told["file_bytes"], "quantized" in told) == ((tmp_path / "run/onnx/network.onnx").stat().st_size, False)
    whole = json.loads(convgrad("export", tmp_path / "run", "--to", "onnx", "--quantize", "--json").stdout)
    assert whole["quantized"]["float_bytes"] == told["file_bytes"] > 3 * whole["file_bytes"]
    assert whole["quantized"]["tensors"] == ["conv1.w", "dense1.w"]
    assert whole["difference"] <= 1e-5 * whole["scale"]
    assert whole["difference"] <= whole["by_default"]
    lines = convgrad("export", tmp_path / "run", "--to", "onnx", "--quantize").stdout.splitlines()
    assert "  quantized to int8: conv1.w, dense1.w" in lines
    message = convgrad("export", tmp_path / "run", "--to", "onnx", "--out", tmp_path / "tiny.toml", code=2).stderr
    assert "tiny.toml can't be made: File exists. Write --out DIR." in message
