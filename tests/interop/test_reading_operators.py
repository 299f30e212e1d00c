"""Each operator of ONNX that is read, as files of other tools have it: predictions are onnxruntime's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import convgrad.layers as L
from convgrad import Network, from_onnx
from convgrad.interop import read_elements
from convgrad.layers.base import registry
from onnx_files import close, graph, node, read_the_same

RNG = np.random.default_rng(11)


def floats(*shape: int) -> Any:
    return RNG.uniform(0.5, 1.5, shape).astype(np.float32)


def wholes(*numbers: int) -> Any:
    return np.array(numbers, np.int64)


def number(value: Any) -> Any:
    """One float32, or several."""
    return np.float32(value)


def one(operator: str, *weights: Any, **said: Any) -> tuple[list[Any], dict[str, Any]]:
    """A node of x and weights; None for one that is left out."""
    names = ["" if weight is None else f"w{place}" for place, weight in enumerate(weights)]
    opset = said.pop("opset", 21)
    shape = said.pop("shape", (3, 5, 4))
    kept = {name: weight for name, weight in zip(names, weights, strict=True) if name}
    return [node(operator, ["x", *names], ["y"], **said)], {"opset": opset, "shape": ("N", *shape), **kept}


GATE = [
    node("GlobalAveragePool", ["x"], ["m"]),
    node("Squeeze", ["m", "a"], ["s"]),
    node("Sigmoid", ["s"], ["t"]),
    node("Unsqueeze", ["t", "a"], ["u"]),
    node("Mul", ["x", "u"], ["y"]),
]
VIEW = [
    node("Shape", ["x"], ["s"]),
    node("Constant", [], ["zero"], value_int=0),
    node("Gather", ["s", "zero"], ["n"], axis=0),
    node("Constant", [], ["front"], value_ints=[0]),
    node("Unsqueeze", ["n", "front"], ["u"]),
    node("Constant", [], ["rest"], value_ints=[-1]),
    node("Concat", ["u", "rest"], ["t"], axis=0),
    node("Reshape", ["x", "t"], ["y"]),
]
EXPAND = [
    node("GlobalMaxPool", ["x"], ["m"]),
    node("Shape", ["x"], ["s"]),
    node("Expand", ["m", "s"], ["e"]),
    node("Sub", ["x", "e"], ["y"]),
]
CHAIN = [
    node("Abs", ["x"], ["a"]),
    node("Sqrt", ["a"], ["b"]),
    node("Exp", ["b"], ["c"]),
    node("Log", ["c"], ["d"]),
    node("Reciprocal", ["d"], ["e"]),
    node("Floor", ["e"], ["f"]),
    node("Ceil", ["x"], ["h"]),
    node("Sign", ["x"], ["i"]),
    node("Neg", ["i"], ["j"]),
    node("Erf", ["x"], ["k"]),
    node("Sin", ["x"], ["sine"]),
    node("Cos", ["sine"], ["cosine"]),
    node("Sum", ["f", "h", "j", "k", "cosine"], ["y"]),
]
CASES: dict[str, tuple[Any, list[str] | None]] = {
    "pad-channels": (one("Pad", wholes(0, 1, 2, 0, 0, 2, 0, 1), number(1.5)), ["Equation"]),
    "pad-cut": (one("Pad", wholes(0, 0, -1, 2, 0, 0, 0, -1)), ["Equation"]),
    "pad-zeros": (one("Pad", wholes(0, 0, 1, 2, 0, 0, 0, 3)), ["ZeroPadding2D"]),
    "pad-number": (one("Pad", wholes(0, 0, 1, 2, 0, 0, 0, 3), number(0.25)), ["Padding2D"]),
    "pad-axes": (one("Pad", wholes(1, 2), None, wholes(-1), mode="reflect"), ["Padding2D"]),
    "pad-edge": (one("Pad", wholes(0, 0, 1, 2, 0, 0, 0, 3), mode="edge"), ["Padding2D"]),
    "pad-lowest": (one("Pad", wholes(0, 0, 1, 0, 0, 0, 0, 2), number(-3.4028235e38)), ["Padding2D"]),
    "resize-nearest": (
        one("Resize", None, number([1, 1, 2, 3]), mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric"),
        ["UpSampling2D"],
    ),
    "resize-half-pixel": (one("Resize", None, number([1, 1, 2, 3])), ["UpSampling2D"]),
    "resize-smaller": (one("Resize", None, None, wholes(2, 3, 3, 2)), ["Equation", "Equation"]),
    "resize-ceil": (one("Resize", None, number([1, 1, 1.5, 2]), nearest_mode="ceil"), ["Equation", "Equation"]),
    "resize-prefer-ceil": (one("Resize", None, number([1, 1, 1, 2]), nearest_mode="round_prefer_ceil"), None),
    "resize-linear": (one("Resize", None, number([1, 1, 2, 3]), mode="linear"), ["Equation", "Equation"]),
    "resize-corners": (
        one("Resize", None, None, wholes(2, 3, 11, 9), mode="linear", coordinate_transformation_mode="align_corners"),
        ["Equation", "Equation"],
    ),
    "resize-pytorch": (
        one("Resize", None, None, wholes(7, 1), mode="linear", axes=[2, 3],
            coordinate_transformation_mode="pytorch_half_pixel"),
        ["Equation", "Equation"],
    ),
    "resize-part": (
        one("Resize", None, number([1, 1, 1.5, 1.3]), mode="linear", coordinate_transformation_mode="asymmetric"),
        ["Equation", "Equation"],
    ),
    "gather-some": (one("Gather", wholes(3, 1), axis=2), ["Equation"]),
    "gather-one": (one("Gather", np.int64(-1), axis=2), None),
    "slice": (one("Slice", wholes(-1, 1), wholes(-100, 5), wholes(2, 3), wholes(-2, 2)), ["Equation", "Equation"]),
    "slice-all": (one("Slice", wholes(0, 1), wholes(2**63 - 1, 3), wholes(0, 1)), ["Equation"]),
    "split": (
        ([node("Split", ["x", "k"], ["a", "b"], axis=2), node("Concat", ["b", "a"], ["y"], axis=2)],
         {"k": wholes(2, 3)}),
        None,
    ),
    "split-even": (
        ([node("Split", ["x"], ["a", "b"], axis=2, num_outputs=2), node("Concat", ["b", "a"], ["y"], axis=2)],
         {"shape": ("N", 3, 6, 4)}),
        None,
    ),
    "depth-to-space": (one("DepthToSpace", blocksize=2, shape=(12, 5, 3)), ["Reshape", "Permute", "Reshape"]),
    "pixel-shuffle": (one("DepthToSpace", blocksize=2, mode="CRD", shape=(12, 5, 3)), ["PixelShuffle"]),
    "space-to-depth": (one("SpaceToDepth", blocksize=2, shape=(3, 4, 6)), ["Reshape", "Permute", "Reshape"]),
    "lp-pool": (one("LpPool", kernel_shape=[2, 3], p=3, strides=[2, 1], pads=[1, 0, 0, 1]), ["LpPool2D"]),
    "same-upper": (one("MaxPool", kernel_shape=[2, 3], strides=[2, 3], auto_pad="SAME_UPPER"), ["MaxPool2D"]),
    "same-lower": (one("MaxPool", kernel_shape=[2, 3], strides=[2, 3], auto_pad="SAME_LOWER"), ["MaxPool2D"]),
    "valid": (one("AveragePool", kernel_shape=[2, 3], auto_pad="VALID"), ["AvgPool2D"]),
    "conv-same-upper": (one("Conv", floats(2, 3, 2, 3), strides=[2, 1], auto_pad="SAME_UPPER"), ["Conv2D"]),
    "conv-same-lower": (one("Conv", floats(2, 3, 2, 3), strides=[2, 1], auto_pad="SAME_LOWER"), ["Conv2D"]),
    "conv-valid": (one("Conv", floats(2, 3, 2, 3), auto_pad="VALID"), ["Conv2D"]),
    "count-pads": (one("AveragePool", kernel_shape=[2, 3], pads=[1, 2, 0, 1], count_include_pad=1), None),
    "selu": (one("Selu"), ["SELU"]),
    "selu-other": (one("Selu", alpha=1.5, gamma=1.2), ["Equation"]),
    "celu": (one("Celu", alpha=1.5), ["Equation"]),
    "thresholded": (one("ThresholdedRelu", alpha=0.5), ["Equation"]),
    "hard-sigmoid": (one("HardSigmoid"), ["Equation"]),
    "gelu": (one("Gelu"), ["GELU"]),
    "gelu-tanh": (one("Gelu", approximate="tanh"), ["GELU"]),
    "swish": (one("Swish", opset=24), ["SiLU"]),
    "swish-other": (one("Swish", alpha=1.5, opset=24), ["Equation"]),
    "relu6": (one("Clip", number(0), number(6)), ["ReLU6"]),
    "relu-as-clip": (one("Clip", number(0)), ["ReLU"]),
    "clip": (one("Clip", number(-0.5), number(0.7)), ["Equation"]),
    "clip-above": (one("Clip", None, number(0.7)), ["Equation"]),
    "prelu-one": (one("PRelu", floats(1)), ["Equation"]),
    "prelu": (one("PRelu", floats(3, 1, 1)), ["PReLU"]),
    "prelu-places": (one("PRelu", floats(5, 4)), ["Equation"]),
    "layer-norm": (one("LayerNormalization", floats(5, 4), floats(5, 4), axis=2), None),
    "layer-norm-images": (one("LayerNormalization", floats(3, 5, 4), axis=1), None),
    "group-norm": (one("GroupNormalization", floats(6), floats(6), num_groups=2, shape=(6, 5, 4)), ["GroupNorm"]),
    "group-norm-old": (
        one("GroupNormalization", floats(2), floats(2), num_groups=2, shape=(6, 5, 4), opset=18),
        ["GroupNorm"],
    ),
    "instance-norm": (one("InstanceNormalization", floats(3), floats(3)), ["InstanceNorm"]),
    "rms-norm": (one("RMSNormalization", floats(5, 4), axis=2, opset=23), None),
    "lrn": (one("LRN", size=3, alpha=0.5, beta=0.6, bias=2.0), ["LocalResponseNorm"]),
    "mean": (one("ReduceMean", wholes(2, 3), keepdims=0), ["GlobalAvgPool2D"]),
    "mean-old": (one("ReduceMean", axes=[2, 3], opset=17), None),
    "max": (one("ReduceMax", wholes(-1, -2)), None),
    "mean-last": (one("ReduceMean", wholes(-1)), None),
    "length": (one("ReduceL2", wholes(1), keepdims=0), None),
    "mean-of-all": (one("ReduceMean", wholes(1, 2, 3), keepdims=0), None),
    "max-of-all": (one("ReduceMax", wholes(1, 2, 3)), None),
    "nothing-reduced": (one("ReduceSum", noop_with_empty_axes=1), None),
    "add-number": (one("Add", number(0.3)), ["Equation"]),
    "mul-channels": (one("Mul", floats(3, 1, 1)), ["Equation"]),
    "div-columns": (one("Div", floats(1, 3, 1, 4)), ["Equation"]),
    "min": (one("Min", floats(1, 5, 1)), ["Equation"]),
    "pow": (one("Pow", number(3)), ["Equation"]),
    "square": (one("Pow", np.int64(2)), ["Equation"]),
    "cast": (one("Cast", to=1), None),
    "constant-less": (([node("Sub", ["c", "x"], ["y"])], {"c": floats(3, 1, 1)}), ["Equation"]),
    "constant-over": (([node("Div", ["c", "x"], ["y"])], {"c": number(2)}), ["Equation"]),
    "twice-the-same": (([node("Mul", ["x", "x"], ["y"])], {}), ["Reshape", "Multiply"]),
    "min-max": (([node("Min", ["x", "c"], ["z"]), node("Max", ["z", "x", "z"], ["y"])], {"c": number(0.2)}), None),
    "over-greatest": (
        ([node("ReduceMax", ["x", "a"], ["m"]), node("Div", ["x", "m"], ["y"])], {"a": wholes(1), "opset": 21}),
        None,
    ),
    "softplus-by-threshold": (
        ([node("Mul", ["x", "beta"], ["b"]), node("Greater", ["b", "most"], ["g"]), node("Softplus", ["b"], ["s"]),
          node("Div", ["s", "beta"], ["d"]), node("Where", ["g", "x", "d"], ["y"])],
         {"beta": number(1.5), "most": number(0.5)}),
        None,
    ),
    "where-numbers": (
        ([node("LessOrEqual", ["c", "x"], ["l"]), node("Where", ["l", "two", "one"], ["y"])],
         {"c": floats(3, 1, 1), "one": number(1), "two": number(2)}),
        ["Equation", "Equation"],
    ),
    "where-of-several": (
        ([node("ReduceMax", ["x", "a"], ["m"]), node("Less", ["x", "m"], ["l"]), node("Flatten", ["x"], ["f"]),
          node("Reshape", ["f", "back"], ["b"]), node("Where", ["l", "b", "half"], ["y"])],
         {"a": wholes(1), "back": wholes(-1, 3, 5, 4), "half": number(0.5)}),
        None,
    ),
    "gate": ((GATE, {"a": wholes(2, 3)}), None),
    "expand": ((EXPAND, {}), ["GlobalMaxPool2D", "Equation", "Subtract"]),
    "view": ((VIEW, {}), ["Permute", "Flatten"]),
    "chain": ((CHAIN, {}), None),
    "transpose-pair": (
        ([node("Transpose", ["x"], ["a"], perm=[0, 2, 3, 1]), node("Softmax", ["a"], ["b"]),
          node("Transpose", ["b"], ["y"], perm=[0, 3, 1, 2])], {}),
        ["Softmax"],
    ),
    "one-dimensional": (
        ([node("Conv", ["x", "w"], ["c"], auto_pad="SAME_UPPER", strides=[2]), node("Flatten", ["c"], ["y"])],
         {"shape": ("N", 3, 9), "w": floats(5, 3, 4)}),
        ["Conv1D", "Permute", "Flatten"],
    ),
    "bias-behind": (
        ([node("Flatten", ["x"], ["f"]), node("MatMul", ["f", "w"], ["m"]), node("Constant", [], ["b"],
          value_floats=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), node("Add", ["m", "b"], ["y"])], {"w": floats(60, 7)}),
        ["Flatten", "Dense"],
    ),
    "weights-computed": (
        ([node("Transpose", ["w"], ["t"], perm=[1, 0]), node("Mul", ["t", "c"], ["v"]),
          node("Flatten", ["x"], ["f"]), node("MatMul", ["f", "v"], ["y"])], {"w": floats(7, 60), "c": number(0.5)}),
        ["Flatten", "Dense"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_operator(name: str) -> None:
    (nodes, said), layers = CASES[name]
    model = graph(*nodes, **{"opset": 18, **said})
    sizes = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    x = RNG.normal(size=(2, *sizes[1:])).astype(np.float32)
    # a division by what is near 0, and a step of floor, tell of more than rounding: keep away from both
    x = np.where(np.abs(x) < 0.1, 0.1, x).astype(np.float32)
    network = read_the_same(model, x)
    assert layers is None or [type(placed.layer).__name__ for placed in network.layers] == layers


def test_an_even_local_response_norm_has_its_window_one_channel_on() -> None:
    """onnxruntime has none; the sum is over channels max(0, c - floor((M-1)/2)) to min(C-1, c + ceil((M-1)/2))."""
    x = RNG.normal(size=(2, 7, 3, 5)).astype(np.float32)
    for size in (2, 4):
        model = graph(node("LRN", ["x"], ["y"], size=size, alpha=0.5, beta=0.6, bias=2.0), shape=("N", 7, 3, 5))
        sums = np.zeros_like(x)
        for c in range(7):
            sums[:, c] = (x[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1] ** 2).sum(1)
        expected = np.moveaxis(x / (2 + 0.5 / size * sums) ** 0.6, 1, -1)
        close(from_onnx(model).predict(np.ascontiguousarray(np.moveaxis(x, 1, -1))), expected)


ROOT, CURVE = np.float32(np.sqrt(2)), np.float32(np.sqrt(2 / np.pi))
FORMULAS = {
    "SiLU": ([node("Sigmoid", ["x"], ["s"]), node("Mul", ["s", "x"], ["y"])], {}),
    "GELU": (
        [node("Div", ["x", "r"], ["a"]), node("Erf", ["a"], ["b"]), node("Add", ["b", "one"], ["c"]),
         node("Mul", ["x", "c"], ["d"]), node("Mul", ["d", "half"], ["y"])],
        {"r": ROOT, "one": number(1), "half": number(0.5)},
    ),
    "GELU(approximate=True)": (
        [node("Pow", ["x", "three"], ["a"]), node("Mul", ["k", "a"], ["b"]), node("Add", ["x", "b"], ["c"]),
         node("Mul", ["c", "r"], ["d"]), node("Tanh", ["d"], ["e"]), node("Add", ["one", "e"], ["f"]),
         node("Mul", ["half", "x"], ["g"]), node("Mul", ["g", "f"], ["y"])],
        {"three": number(3), "k": number(0.044715), "r": CURVE, "one": number(1), "half": number(0.5)},
    ),
    "Mish": ([node("Softplus", ["x"], ["s"]), node("Tanh", ["s"], ["t"]), node("Mul", ["x", "t"], ["y"])], {}),
    "HardSwish": (
        [node("Add", ["x", "three"], ["a"]), node("Clip", ["a", "zero", "six"], ["b"]), node("Mul", ["x", "b"], ["c"]),
         node("Div", ["c", "six"], ["y"])],
        {"three": number(3), "zero": number(0), "six": number(6)},
    ),
    "HardSigmoid": (
        [node("Add", ["x", "three"], ["a"]), node("Clip", ["a", "zero", "six"], ["b"]),
         node("Div", ["b", "six"], ["y"])],
        {"three": number(3), "zero": number(0), "six": number(6)},
    ),
    "Softplus": ([node("Exp", ["x"], ["e"]), node("Add", ["e", "one"], ["s"]), node("Log", ["s"], ["y"])],
                 {"one": number(1)}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_nodes_that_make_up_a_layer_are_read_as_it(name: str) -> None:
    nodes, weights = FORMULAS[name]
    (placed,) = read_the_same(graph(*nodes, **weights), RNG.normal(size=(2, 3, 5, 4)).astype(np.float32)).layers
    assert repr(placed.layer) == (name if "(" in name else f"{name}()")


@pytest.mark.parametrize("wrong", ["half", "one", "r"])
def test_almost_a_layer_is_not_read_as_it(wrong: str) -> None:
    nodes, weights = FORMULAS["GELU"]
    other = {**weights, wrong: weights[wrong] * np.float32(1.001)}
    network = read_the_same(graph(*nodes, **other), RNG.normal(size=(2, 3, 5, 4)).astype(np.float32))
    assert "GELU" not in {type(placed.layer).__name__ for placed in network.layers}


def test_a_constant_of_several_numbers_is_trained_and_one_number_is_not() -> None:
    nodes = [node("Mul", ["x", "w"], ["a"]), node("Add", ["a", "c"], ["y"])]
    network = from_onnx(graph(*nodes, w=floats(3, 1, 1), c=number(0.5)))
    assert {name: array.shape for name, array in network.get_weights().items()} == {"equation1.w": (3,)}


def test_every_layer_that_an_operator_has_is_one_of_ours() -> None:
    made = {type(layer()) for layer in read_elements.LAYERS.values()}
    assert made <= set(registry.values())


def test_one_node_read_by_a_layer_twice_trains() -> None:
    x, t = RNG.normal(size=(4, 5)).astype(np.float32), np.array([0, 1, 2, 1])
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Mul", ["a", "a"], ["y"])]
    network: Network = from_onnx(graph(*nodes, shape=("N", 5), w=floats(5, 3)))
    assert isinstance(network.layers[-1].layer, L.Multiply)
    before = network.evaluate(x, t)["loss"]
    network.fit(x, t, epochs=3, batch_size=4, learning_rate=0.01, verbose=False)
    assert network.evaluate(x, t)["loss"] < before
