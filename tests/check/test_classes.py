"""Layers as classes: right ones in the styles of tutorials, the same with one slip each, and such that do harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import planted_classes
from convgrad.check import check
from convgrad.check.functions.report import Report

FILE = str(Path(planted_classes.__file__))


def checked(name: str, layer: str, **settings: Any) -> Report:
    """The report on one of the planted classes."""
    return check(f"{FILE}:{name}", layer, **settings)


def written(folder: Path, code: str) -> str:
    """A file with a person's code."""
    file = folder / "layers_of_a_person.py"
    file.write_text("import numpy as np\n" + code)
    return str(file)


RIGHT = {
    "Convolution": ("conv2d", "w in self.kernels, b in self.bias, dw in self.d_kernels, db in self.d_bias"),
    "Convolutional": ("conv2d", "dw and db from how the parameters change, divided by 0.375"),
    "LayerDense": ("dense", "x in self.output, dw in self.dweights, db in self.dbiases, do in self.dinputs"),
    "Affine": ("dense", "w in self.params.W, b in self.params.b, dw in self.grads.W, db in self.grads.b"),
    "ConvolutionOfWeights": ("conv2d", "ConvolutionOfWeights(W=array(5, 4, 3, 2), b=array(5,), stride=1, pad=0)"),
    "MaxPool": ("max_pool2d", "HWC arrays, one example, forward(image = o), backprop(d_out = dx)"),
    "Relu": ("relu", "forward(x = o), backward(dout = dx), Relu()"),
    "Sigmoid": ("sigmoid", "__call__(z = o), backward(upstream = dx)"),
    "BatchNorm": ("batch_norm", "forward(x = o, training), backward(dout = dx), BatchNorm(eps=0.001)"),
    "Linear": ("dense", "w in self.weight.data, b in self.bias.data, dw in self.weight.grad"),
    "Columns": ("dense", "[features, batch] arrays, kernel [out,in]"),
    "WithoutBias": ("dense", "fprop(x = o), bprop(delta = dx), WithoutBias(size_in=4, size_out=5)"),
    "SoftmaxLoss": ("softmax_cross_entropy", "mean over the batch, forward(x = y, t), backward()"),
    "ConvolutionFirst": ("conv2d", "HW to HWF arrays, kernel [out,h,w], one example, forward(image = o)"),
    "Tanh": ("tanh", "__call__(x = o), gradient(x = o), Tanh()"),
    "AveragePool": ("avg_pool2d", "AveragePool(pool_size=(2, 3), strides=(2, 3))"),
    "FullyConnected": ("dense", "FullyConnected(n_out=5), w in self.parameters.W, b in self.parameters.b"),
    "SquaredError": ("mse", "backward(dvalues = y, y_true = t), SquaredError(), dy in self.dinputs"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_class_is_right(name: str) -> None:
    layer, words = RIGHT[name]
    report = checked(name, layer)
    assert report.ok, str(report)
    assert words in report.reading
    assert "x" in report.returned or "E" in report.returned, "the forward pass is compared, too"


SLIPS: dict[str, tuple[str, dict[str, int], str, str]] = {
    "ConvolutionTurned": ("conv2d", {}, "gradient-rotated", "dw"),
    "ConvolutionalUphill": ("conv2d", {}, "sign", "dw"),
    "LayerDenseHalved": ("dense", {}, "factor-half", "dw"),
    "AffineMean": ("dense", {}, "mean-over-batch", "db"),
    "ConvolutionOfWeightsUncropped": ("conv2d", {"padding": 1}, "padding-not-cropped", "do"),
    "MaxPoolByRows": ("max_pool2d", {}, "pool-wrong-position", "do"),
    "SigmoidAtOutput": ("sigmoid", {}, "activation-at-output", "do"),
    "BatchNormConstant": ("batch_norm", {}, "statistics-constant", "do"),
    "LinearFirst": ("dense", {}, "first-example-only", "dw"),
    "ColumnsSign": ("dense", {}, "sign", "dw"),
    "ConvolutionFirstTwice": ("conv2d", {}, "factor-2", "dw"),
    "AveragePoolUndivided": ("avg_pool2d", {}, "average-without-1/n", "do"),
    "SquaredErrorHalf": ("mse", {}, "factor-half", "dy"),
    "SoftmaxLossSum": ("softmax_cross_entropy", {}, "sum-over-batch", "dy"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_one_slip_is_named(name: str) -> None:
    layer, settings, cause, output = SLIPS[name]
    report = checked(name, layer, **settings)
    assert report.causes[:1] == (cause,), str(report)
    assert report.diagnosis is not None
    assert report.diagnosis.causes[0].outputs == (output,)
    wrong = [n for n, c in report.diagnosis.comparisons.items() if not c.right]
    assert wrong == [output]
