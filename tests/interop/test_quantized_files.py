"""ONNX files whose weights are int8: DequantizeLinear makes of them the weights of `network.quantized()`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convgrad.layers as L
from convgrad import ArgumentError, Network, from_onnx
from convgrad.interop import to_onnx, written
from convgrad.models import load_model
from convgrad.network.quantizing import quantized
from onnx_files import close, graph, node, onnx
from optional import large_module
from quantized_networks import NETWORKS, WHOLE, quantizable
from torch_cases import CASES

runtime: Any = large_module("onnxruntime")
RNG = np.random.default_rng(8)


def evaluated(path: Path, name: str) -> Any:
    """A weight as the reference implementation of ONNX makes it, from the nodes that make it alone."""
    model = onnx.load(path)
    made = [one for one in model.graph.node if one.output[0].startswith(name)]
    end = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    part = onnx.helper.make_graph(made, "part", [], [end], model.graph.initializer)
    opsets = [onnx.helper.make_opsetid("", 21)]  # older ones have the same operator, but no reference implementation
    return onnx.reference.ReferenceEvaluator(onnx.helper.make_model(part, opset_imports=opsets)).run(None, {})[0]


@pytest.mark.parametrize("opset", [18, 21])
@pytest.mark.parametrize("name", NETWORKS)
def test_onnxruntime_computes_what_the_quantized_network_does(tmp_path: Path, name: str, opset: int) -> None:
    network = quantizable(name)
    told = network.to_onnx(tmp_path / "net.onnx", opset=opset, quantize=True)
    assert told.quantization is not None
    assert {*told.quantization.tensors} == WHOLE[name]
    assert told.difference is not None
    assert told.difference <= 1e-5 * max(1, told.scale or 0)
    assert told.quantization.difference > 100 * told.difference
    assert told.file_bytes == (tmp_path / "net.onnx").stat().st_size
    made = quantized(network).tensors
    model = onnx.load(tmp_path / "net.onnx")
    kept = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    for tensor in WHOLE[name]:
        ours = made[tensor]
        assert kept[f"{tensor}.int8"].dtype == np.int8
        assert kept[f"{tensor}.int8"].size == ours.numbers.size
        assert kept[f"{tensor}.scale"].dtype == np.float32
        assert kept[f"{tensor}.scale"].size == ours.scales.size
        found = evaluated(tmp_path / "net.onnx", tensor)
        assert np.array_equal(np.sort(found, axis=None), np.sort(ours.values("float32"), axis=None))


AXES = {"conv": 0, "groups": 0, "depthwise": 0, "transposed": 1}


@pytest.mark.parametrize("name", AXES)
def test_scales_lie_along_the_operators_own_output_channels(tmp_path: Path, name: str) -> None:
    quantizable(name).to_onnx(tmp_path / "net.onnx", quantize=True)
    nodes = [one for one in onnx.load(tmp_path / "net.onnx").graph.node if one.op_type == "DequantizeLinear"]
    assert nodes[0].attribute[0].i == AXES[name]
    assert not [one for one in onnx.load(tmp_path / "net.onnx").graph.node if one.op_type == "Transpose"]


def has_weights_to_quantize(case: Any) -> bool:
    network = Network(case.layer, input_shape=case.shape)
    network.initialize(seed=3)
    return bool(quantized(network).tensors)


@pytest.mark.parametrize("case", [one for one in CASES if has_weights_to_quantize(one)], ids=lambda case: case.name)
def test_every_layer_that_has_some(tmp_path: Path, case: Any) -> None:
    network = Network(case.layer, input_shape=case.shape)
    network.initialize(seed=3)
    for layout in ("channels_first", "channels_last"):
        told = network.to_onnx(tmp_path / "net.onnx", layout=layout, quantize=True)
        assert told.quantization is not None
        kinds = [one.op_type for one in onnx.load(tmp_path / "net.onnx").graph.node]
        assert kinds.count("DequantizeLinear") == len(told.quantization.tensors) > 0


@pytest.mark.parametrize("opset", [18, 21])
@pytest.mark.parametrize("name", [name for name in NETWORKS if "equation1.w" not in WHOLE[name]])
def test_a_file_is_read_back_with_the_same_weights(tmp_path: Path, name: str, opset: int) -> None:
    network = quantizable(name)
    network.to_onnx(tmp_path / "net.onnx", quantize=True, opset=opset, check=False)
    found, x = from_onnx(tmp_path / "net.onnx"), RNG.normal(size=(3, *network.input_shape)).astype(np.float32)
    expected = network.quantized()
    close(found.predict(x), expected.predict(x))
    read = [np.sort(array, axis=None) for array in found.parameters.values()]
    for tensor in WHOLE[name]:
        values = np.sort(expected.parameters[tensor], axis=None)
        assert any(np.array_equal(array, values) for array in read)


@pytest.mark.parametrize(
    "layer",
    [
        L.Conv2D(6, (3, 2), bias=None, groups=2),
        L.ConvTranspose2D(6, (3, 2), strides=2, groups=2),
        L.DepthwiseConv2D((2, 3), depth_multiplier=2),
        L.Dense(5),
    ],
    ids=["conv", "transposed", "depthwise", "dense"],
)
def test_a_folded_norm_goes_into_the_scales(tmp_path: Path, layer: L.Layer) -> None:
    dense = isinstance(layer, L.Dense)
    network = Network(layer, L.BatchNorm(), input_shape=(20,) if dense else (5, 7, 4))
    network.initialize(seed=3)
    norm = {"gamma": RNG.uniform(0.5, 1.5, network.parameters["batchnorm1.gamma"].shape)}
    norm["gamma"][::2] *= -1  # scales stay above 0
    norm["moving_variance"] = RNG.uniform(0.5, 2, norm["gamma"].shape)
    network.set_weights(network.get_weights() | {f"batchnorm1.{key}": array for key, array in norm.items()})
    told = network.to_onnx(tmp_path / "net.onnx", fold_batch_norm=True, quantize=True)
    assert told.folded == ("batchnorm1",)
    assert told.difference is not None
    assert told.difference <= 1e-5 * max(1, told.scale or 0)
    for one in onnx.load(tmp_path / "net.onnx").graph.initializer:
        if one.name.endswith(".scale"):
            assert (onnx.numpy_helper.to_array(one) > 0).all()


def test_one_output_channel_has_one_scale_for_all(tmp_path: Path) -> None:
    network = Network(L.Dense(1), input_shape=(20,))
    network.initialize(seed=3)
    network.to_onnx(tmp_path / "net.onnx", quantize=True)
    (scale,) = (one for one in onnx.load(tmp_path / "net.onnx").graph.initializer if one.name == "dense1.w.scale")
    assert onnx.numpy_helper.to_array(scale).shape == ()
    close(from_onnx(tmp_path / "net.onnx").predict(np.ones((2, 20))), network.quantized().predict(np.ones((2, 20))))


def test_what_is_told_of_a_file(tmp_path: Path) -> None:
    network = load_model("lenet5", (28, 28, 1), 10).network
    network.initialize(seed=2)
    plain = network.to_onnx(tmp_path / "plain.onnx")
    told = network.to_onnx(tmp_path / "net.onnx", quantize=True)
    assert plain.quantization is None
    assert plain.by_default is None
    assert told.quantization is not None
    assert told.quantization.float_bytes == plain.file_bytes
    assert 3.7 < plain.file_bytes / told.file_bytes < 4
    lines = str(told).splitlines()
    assert lines[3] == f"  size    {told.file_bytes:,} bytes, {plain.file_bytes:,} as float32"
    assert lines[4] == "  quantized to int8: conv1.w, conv2.w, dense1.w, dense2.w, dense3.w"
    assert lines[5].startswith("  results differ by up to ")
    assert lines[6].startswith("  onnxruntime differs by up to ")
    assert lines[7] == (f"  and by up to {told.by_default:.3g} by its own settings, which may round inputs of layers")


def test_weights_that_are_not_those_of_the_quantized_network_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison that an export makes is with the quantized network, to rounding."""
    network = quantizable("conv")
    monkeypatch.setattr(written, "compared", lambda one, model, layout: (one, 0.0))
    told = to_onnx(network, tmp_path / "net.onnx", quantize=True)
    compared_with: Any = told.difference
    assert np.array_equal(compared_with.parameters["dense1.w"], network.quantized().parameters["dense1.w"])


def test_a_flag_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="quantize must be True or False, not 'int8'"):
        to_onnx(quantizable("conv"), tmp_path / "net.onnx", quantize="int8")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("whole", "scale", "zero", "said"),
    [
        (RNG.integers(-128, 128, (6, 3, 2, 2)).astype(np.int8), RNG.uniform(0.1, 1, 6), None, {"axis": 0}),
        (
            RNG.integers(0, 256, (6, 3, 2, 2)).astype(np.uint8),
            RNG.uniform(0.1, 1, 6),
            RNG.integers(0, 256, 6),
            {"axis": 0},
        ),
        (RNG.integers(-128, 128, (6, 3, 2, 2)).astype(np.int8), np.array(0.3), np.array(5), {}),
    ],
    ids=["channels", "zero points", "one scale"],
)
def test_weights_that_others_quantized_are_read(whole: Any, scale: Any, zero: Any, said: dict[str, int]) -> None:
    weights = {"q": whole, "s": scale.astype(np.float32)}
    if zero is not None:
        weights["z"] = zero.astype(whole.dtype)
    nodes = (node("DequantizeLinear", [*weights], ["w"], **said), node("Conv", ["x", "w"], ["y"]))
    found = from_onnx(graph(*nodes, shape=("N", 3, 5, 4), opset=13, **weights))
    sides = (-1, 1, 1, 1) if said else ()
    floats = (whole.astype(float) - (0 if zero is None else zero.reshape(sides))) * scale.reshape(sides)
    w = np.moveaxis(floats, (0, 1), (-1, -2))
    assert np.allclose(found.parameters["conv1.w"], w, rtol=2.0**-22, atol=0)
