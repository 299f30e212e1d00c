"""What is not read from a file of ONNX: one sentence that names the node, and says what is supported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convgrad import ModelError, from_onnx
from convgrad.interop.reading import EXAMPLES
from onnx_files import graph, node, onnx


def wholes(*numbers: int) -> Any:
    return np.array(numbers, np.int64)


def one(operator: str, *weights: Any, **said: Any) -> tuple[list[Any], dict[str, Any]]:
    """A node of x and weights; None for one that is left out."""
    names = ["" if weight is None else f"w{place}" for place, weight in enumerate(weights)]
    shape = ("N", *said.pop("shape", (3, 5, 4)))
    kept = {name: weight for name, weight in zip(names, weights, strict=True) if name}
    return [node(operator, ["x", *names], ["y"], **said)], {"shape": shape, **kept}


def batch(*others: Any, **weights: Any) -> tuple[list[Any], dict[str, Any]]:
    """Nodes behind `n`, the number of examples."""
    front = [node("Shape", ["x"], ["s"]), node("Gather", ["s", "front"], ["n"], axis=0)]
    return [*front, *others], {"front": wholes(0), **weights}


def floats(*shape: int) -> Any:
    return np.ones(shape, np.float32)


CONVERSE = [
    node("Constant", [], ["t"], value=onnx.helper.make_tensor("t", onnx.TensorProto.BOOL, [2], [1, 0])),
    node("If", ["t"], ["y"], then_branch=onnx.helper.make_graph([], "a", [], []),
         else_branch=onnx.helper.make_graph([], "b", [], [])),
]  # fmt: skip


def branches(**said: Any) -> tuple[list[Any], dict[str, Any]]:
    """An If whose condition holds."""
    condition = onnx.helper.make_tensor("t", onnx.TensorProto.BOOL, [1], [1])
    return [node("Constant", [], ["t"], value=condition), node("If", ["t"], ["y"], **said)], {}


EMPTY = onnx.helper.make_graph([], "empty", [], [onnx.helper.make_tensor_value_info("z", 1, None)])
FIVE = (2, 2, 2, 2, 3)
CASES: dict[str, tuple[Any, str]] = {
    "einsum": (one("Einsum", equation="nchw->nchw"), "no layer is read .* supported are Abs, Add.* Export the model"),
    "other-domain": (one("Relu", domain="com.example"), "node `y`, com.example.Relu, can't be read: no layer is read"),
    "two-outputs": (
        ([node("MaxPool", ["x"], ["y", "places"], kernel_shape=[2, 2])], {}),
        "it has several outputs; only the first is supported",
    ),
    "nothing-before": (([node("Add", ["x", "gone"], ["y"])], {}), "no node before it makes its input 1, `gone`"),
    "two-conditions": ((CONVERSE, {}), "If, can't be read: its condition must be one truth"),
    "no-branch": (branches(else_branch=EMPTY), "If, can't be read: it has no then_branch"),
    "empty-branch": (branches(then_branch=EMPTY, else_branch=EMPTY), "no node of its then_branch makes `z`"),
    "constant-of-text": (
        ([node("Constant", [], ["c"], value_string="a"), node("Add", ["x", "c"], ["y"])], {}),
        "only a constant given as a tensor or as numbers is supported",
    ),
    "folded-badly": (
        ([node("Add", ["a", "b"], ["c"]), node("Add", ["x", "c"], ["y"])], {"a": floats(2), "b": floats(3)}),
        "its constants don't go together: ",
    ),
    "large-constant": (
        ([node("ConstantOfShape", ["a"], ["c"]), node("Add", ["x", "c"], ["y"])], {"a": wholes(2**20, 2**20)}),
        r"a constant of 1.1e\+12 numbers is too large; at most 67,108,864 are computed",
    ),
    "large-range": (
        ([node("Range", ["a", "b", "c"], ["d"]), node("Add", ["x", "d"], ["y"])],
         {"a": np.int64(0), "b": np.int64(2**40), "c": np.int64(1)}),
        r"a constant of 1.1e\+12 numbers is too large",
    ),
    "shape-of-what-varies": (
        batch(node("ConstantOfShape", ["n"], ["c"]), node("Shape", ["c"], ["y"])),
        "it asks for the shape of what depends on the number of examples",
    ),
    "not-from-input": (
        ([node("Sigmoid", ["w"], ["y"])], {"w": floats(2)}), "input 0 must come from the network's inputs",
    ),
    "computed-weights": (
        ([node("Conv", ["x", "x"], ["y"])], {}),
        "input 1 is computed from the network's inputs, but has to be a constant",
    ),
    "weights-that-vary": (
        batch(node("Cast", ["n"], ["f"], to=1), node("Add", ["x", "f"], ["y"])),
        "input 1 depends on the number of examples, but has to be a constant",
    ),
    "no-weights": (([node("Conv", ["x"], ["y"])], {}), "Conv, can't be read: input 1 is missing"),
    "whole-weights": (one("Conv", np.ones((2, 3, 1, 1), np.int64)), "input 1 must hold finite floats"),
    "infinite-weights": (one("Conv", floats(2, 3, 1, 1) * np.float32(np.inf)), "input 1 must hold finite floats"),
    "two-numbers": (one("Clip", floats(2)), "input 1 must hold one number, not 2"),
    "strides": (
        one("MaxPool", kernel_shape=[2, 2], strides=[1]), r"strides must be 2 whole numbers of at least 1, not \[1\]",
    ),
    "pads-below-0": (
        one("MaxPool", kernel_shape=[2, 2], pads=[0, 0, -1, 0]), "pads must be 4 whole numbers of at least 0, not",
    ),
    "sizes-that-mix": (
        batch(node("Mul", ["n", "two"], ["m"]), node("Concat", ["m", "rest"], ["t"], axis=0),
              node("Reshape", ["x", "t"], ["y"]), two=wholes(2), rest=wholes(30)),
        "it has a size that is computed from the number of examples, which mixes them",
    ),
    "other-kind": (one("Softmax", axis=[1]), "its `axis` is not of the kind INT that it has to be"),
    "number-for-text": (one("MaxPool", kernel_shape=[2, 2], auto_pad=3), "its `auto_pad` is not of the kind STRING"),
    "slopes-of-examples": (
        one("PRelu", floats(2, 3, 1, 1)), r"a constant of shape \(2, 3, 1, 1\) does not go with examples of shape",
    ),
    "no-such-axis": (one("Softmax", axis=4), "there is no axis 4, its input has 4"),
    "softmax-of-examples": (one("Softmax", axis=0), "it goes over examples, which must stay apart"),
    "concat-of-examples": (([node("Concat", ["x", "x"], ["y"], axis=0)], {}), "it goes over examples"),
    "mean-of-examples": (one("ReduceMean"), "it goes over examples"),
    "weights-of-other-size": (
        one("BatchNormalization", floats(3), floats(2), floats(3), floats(3)),
        r"its weights make `beta` of shape \(2,\), which has to be \(3,\)",
    ),
    "nine-axes": (one("Exp", shape=(1, 2) * 4 + (3,)), "9 axes besides the examples are too many; 8 are supported"),
    "array-that-adds-axes": (
        one("Add", floats(2, 5, 4)),
        r"a constant of shape \(2, 5, 4\) does not go with examples of shape \(3, 5, 4\); one that has 1 or the size",
    ),
    "many-constants": (
        one("Max", floats(1), floats(1)), "constants among more than two inputs are not supported; add them up two",
    ),
    "division-by-0": (one("Div", np.float32(0)), "it divides by 0"),
    "unequal-axes": (
        ([node("Flatten", ["x"], ["f"]), node("Add", ["x", "f"], ["y"])], {}),
        "its inputs have unequal numbers of axes, .* put a Reshape or Unsqueeze before the one with fewer",
    ),
    "division-of-unequal": (
        ([node("MaxPool", ["x"], ["m"], kernel_shape=[2, 2]), node("Div", ["x", "m"], ["y"])], {}),
        r"inputs of shapes \(5, 4, 3\) and \(4, 3, 3\) don't go together",
    ),
    "where-of-unequal": (
        ([node("MaxPool", ["x"], ["m"], kernel_shape=[2, 2]), node("Where", ["x", "m", "x"], ["y"])], {}),
        "its inputs have to be three of one shape, or single numbers",
    ),
    "where-of-arrays": (one("Where", floats(3, 1, 1), floats(1)), "three of one shape, or single numbers"),
    "no-exponent": (one("Pow", None), "input 1, the exponent, is missing"),
    "training-norm": (
        one("BatchNormalization", *[floats(3)] * 4, training_mode=1),
        "it is in training mode; export the model in evaluation mode",
    ),
    "training-dropout": (
        one("Dropout", np.float32(0.5), np.array(True)), "Dropout, .* it is in training mode; export the model",
    ),
    "groups-of-norm": (
        one("GroupNormalization", floats(3), floats(3), num_groups=2),
        "num_groups is 2, which does not divide the 3 channels of its input",
    ),
    "scales-of-norm": (
        one("GroupNormalization", floats(2), floats(3), num_groups=3),
        "input 1 has 2 numbers for 3 channels in 3 groups",
    ),
    "scale-of-layer-norm": (
        one("LayerNormalization", floats(3), axis=2),
        r"input 1 has shape \(3,\), but what is normalized over has \(5, 4\)",
    ),
    "size-of-lrn": (one("LRN", size=0), "its size is 0; at least 1 is supported"),
    "cast-to-whole": (one("Cast", to=7), "it makes other numbers than floats of what depends on the network's inputs"),
    "cubic": (
        one("Resize", None, np.array([1, 1, 2, 2], np.float32), mode="cubic"),
        "mode `cubic`, coordinates `half_pixel` and .* are not supported; nearest and linear with half_pixel",
    ),
    "antialias": (
        one("Resize", None, np.array([1, 1, 2, 2], np.float32), mode="linear", antialias=1),
        "with antialias are not supported",
    ),
    "aspect": (
        one("Resize", None, None, wholes(1, 3, 9, 9), keep_aspect_ratio_policy="not_larger"),
        "keep_aspect_ratio_policy is supported for stretch alone",
    ),
    "resized-to-nothing": (
        one("Resize", None, np.array([1, 1, 0.1, 1], np.float32)), r"nothing is left of an input of shape \(3, 5, 4\)",
    ),
    "three-scales": (one("Resize", None, np.ones(3, np.float32)), "it has 3 scales for 4 axes"),
    "scale-of-examples": (
        one("Resize", None, np.array([2, 1, 1, 1], np.float32)), "a scale of 2 along axis 0 is not supported",
    ),
    "no-scales": (one("Resize"), "it has neither scales nor sizes for each axis"),
    "resized-to-0": (one("Resize", None, None, wholes(1, 3, 0, 4)), "its sizes must be at least 1, and must not"),
    "transposed-input": (one("Gemm", floats(4, 4), transA=1, shape=(4,)), "its first input is transposed, which mixes"),
    "weights-of-matmul": (
        one("MatMul", floats(3, 7)), r"an input of shape \(3, 5, 4\) and weights of shape \(3, 7\) are not supported",
    ),
    "bias-of-gemm": (
        one("Gemm", floats(4, 7), floats(2, 7), shape=(4,)),
        r"a bias of shape \(2, 7\) is not supported; one number for each unit is",
    ),
    "flatten": (one("Flatten", axis=2), "only axis=1, which keeps the examples apart, is supported"),
    "reshape": (one("Reshape", wholes(3, 40)), r"from \(3, 5, 4\) to \(3, 40\) the examples don't stay apart"),
    "squeeze": (one("Squeeze", wholes(2)), r"axes \[2\] of an input of shape \(3, 5, 4\) are not all of length 1"),
    "transpose": (one("Transpose", perm=[1, 0, 2, 3]), "the examples must stay the first axis"),
    "reversed": (one("Transpose"), "the examples must stay the first axis"),
    "expand-front": (one("Expand", wholes(2, 1, 3, 5, 4)), "it adds axes before the examples, or as many places as"),
    "expand": (one("Expand", wholes(1, 2, 5, 4)), r"an input of shape \(3, 5, 4\) can't be expanded to \(2, 5, 4\)"),
    "slice-nothing": (
        one("Slice", wholes(3), wholes(3), wholes(2)), r"nothing is left of an input of shape \(3, 5, 4\)",
    ),
    "slice-starts": (one("Slice", wholes(1, 2), wholes(3)), "it needs as many starts as ends"),
    "slice-steps": (
        one("Slice", wholes(1), wholes(3), wholes(2), wholes(0)),
        "it needs an axis and a step other than 0 for each start",
    ),
    "gather-table": (
        one("Gather", np.zeros((2, 2), np.int64), axis=2), "input 1 must be one whole number, or several in a row",
    ),
    "gather-outside": (one("Gather", wholes(5), axis=2), r"it reads places \[5\] of an axis of 5"),
    "gather-apart": (
        one("Gather", wholes(0, 1, 3), axis=2), "its places are not equally far apart, which is not supported",
    ),
    "split": (
        ([node("Split", ["x", "k"], ["y", "z"], axis=2)], {"k": wholes(2, 2)}),
        r"an axis of 5 has no parts of \[2, 2\] for 2 outputs",
    ),
    "concat-axis": (([node("Concat", ["x", "x"], ["y"])], {}), "Concat, can't be read: it says no axis, which it"),
    "concat-ranks": (
        ([node("Flatten", ["x"], ["f"]), node("Concat", ["x", "f"], ["y"], axis=1)], {}),
        "its inputs have unequal numbers of axes",
    ),
    "four-places": (
        one("GlobalAveragePool", shape=FIVE), "an image has 1, 2 or 3 axes besides its channels, not 4",
    ),
    "auto-pad": (
        one("MaxPool", kernel_shape=[2, 2], auto_pad="WIDE"),
        "auto_pad is WIDE; NOTSET, VALID, SAME_UPPER and SAME_LOWER are supported",
    ),
    "kernel-axes": (one("Conv", floats(2, 3, 2)), "its kernel has 3 axes, but an image of 2 axes needs 4"),
    "kernel-shape": (
        one("Conv", floats(2, 3, 1, 1), kernel_shape=[2, 1]),
        r"kernel_shape is \[2, 1\], but its kernel has \[1, 1\]",
    ),
    "groups": (one("Conv", floats(2, 1, 1, 1), group=3), "3 groups don't divide the 2 channels of its kernel"),
    "no-groups": (one("Conv", floats(2, 3, 1, 1), group=0), "0 groups don't divide the 2 channels of its kernel"),
    "bias": (one("Conv", floats(2, 3, 1, 1), floats(3)), "its bias has 3 numbers for 2 filters"),
    "channels": (one("Conv", floats(2, 4, 1, 1)), "its kernel is for 4 channels, but its input has 3"),
    "channels-transposed": (
        one("ConvTranspose", floats(4, 2, 1, 1)), "ConvTranspose, .* its kernel is for 4 channels, but its input has 3",
    ),
    "output-shape": (
        one("ConvTranspose", floats(3, 2, 2, 2), output_shape=[9, 9]),
        "output_shape and auto_pad are not supported; pads and output_padding are",
    ),
    "auto-pad-transposed": (
        one("ConvTranspose", floats(3, 2, 2, 2), auto_pad="SAME_UPPER"),
        "output_shape and auto_pad are not supported; pads and output_padding are",
    ),
    "output-padding": (
        one("ConvTranspose", floats(3, 2, 2, 2), output_padding=[1, 0]),
        "output_padding is supported where it is less than the stride",
    ),
    "kernel-shape-missing": (one("MaxPool"), "MaxPool, can't be read: it says no kernel_shape, which it needs"),
    "pads-and-ceil": (
        one("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1, ceil_mode=1),
        "count_include_pad together with ceil_mode is not supported; export without one of them",
    ),
    "large-kernel": (one("MaxPool", kernel_shape=[9, 2]), "MaxPool, can't be read: .* the kernel is larger than the"),
    "pads": (one("Pad", wholes(0, 0, 1)), "it has 3 pads for 4 axes, which need two each"),
    "pads-of-examples": (one("Pad", wholes(1, 0, 0, 0, 0, 0, 0, 0)), "it goes over examples, which must stay apart"),
    "pads-mirror-channels": (
        one("Pad", wholes(0, 1, 0, 0, 0, 0, 0, 0), mode="reflect"),
        "mode `reflect` is supported for edge and reflect, around images of 1, 2 or 3 axes",
    ),
    "pads-wrap": (one("Pad", wholes(0, 0, 1, 0, 0, 0, 0, 0), mode="wrap"), "mode `wrap` is supported for edge and"),
    "pads-leave-nothing": (
        one("Pad", wholes(0, 0, -3, 0, 0, 0, -2, 0)), r"its pads leave nothing of an input of shape \(3, 5, 4\)",
    ),
    "squares": (one("DepthToSpace", blocksize=2), "the 3 channels of its input don't make up squares of 2 x 2 places"),
    "whole-squares": (
        one("SpaceToDepth", blocksize=2), "an image of 5 x 4 places has no whole squares of 2 x 2",
    ),
    "blocks-of-a-row": (
        one("DepthToSpace", blocksize=2, shape=(4, 5)),
        "it needs an image of 2 axes besides its channels, and a blocksize of at least 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_read_is_named(name: str) -> None:
    (nodes, said), message = CASES[name]
    with pytest.raises(ModelError, match=message) as found:
        from_onnx(graph(*nodes, **{"opset": 18, **said}))
    assert str(found.value).startswith("from_onnx: node `")


def test_an_output_that_is_constant() -> None:
    with pytest.raises(ModelError, match="output `y` does not depend on the inputs"):
        from_onnx(graph(node("Identity", ["w"], ["y"]), w=floats(2)))


def test_constants_that_vary_with_the_batch_are_computed_for_two_of_them() -> None:
    assert EXAMPLES[0] != EXAMPLES[1]
    nodes, said = batch(node("Concat", ["n", "rest"], ["t"], axis=0), node("Reshape", ["x", "t"], ["y"]))
    network = from_onnx(graph(*nodes, **said, rest=wholes(4, -1)))
    assert network.predict(np.ones((6, 5, 4, 3), np.float32)).shape == (6, 15, 4)
