"""Which operator of ONNX is read by what."""

from __future__ import annotations

import convgrad.layers as L
from convgrad.interop import read_elements as elements
from convgrad.interop import read_norms as norms
from convgrad.interop import read_shapes as shapes
from convgrad.interop import read_windows as windows
from convgrad.interop.read_elements import element
from convgrad.interop.read_resize import resize
from convgrad.interop.reading import Reads, Result, Step

FLOATS = (1, 10, 11, 16)
"""TensorProto.FLOAT, FLOAT16, DOUBLE and BFLOAT16."""


def _dropout(step: Step) -> L.Layer:
    ratio = step.number(1, "ratio", None)
    training = step.constant(2)
    if training is not None and bool(training):
        raise step.refuse("it is in training mode; export the model in evaluation mode")
    return L.Dropout(0.5 if ratio is None else ratio)


def _cast(step: Step) -> Result:
    if step.said.get("to") not in FLOATS:
        raise step.refuse("it makes other numbers than floats of what depends on the network's inputs")
    return step.result()


def _gelu(step: Step) -> L.Layer:
    return L.GELU(approximate=step.said.get("approximate", b"none") == b"tanh")


OPERATORS: dict[str, Reads] = {
    "Conv": windows.conv,
    "ConvTranspose": windows.transposed,
    "MaxPool": windows.pool,
    "AveragePool": windows.pool,
    "LpPool": windows.pool,
    "GlobalAveragePool": windows.global_pool,
    "GlobalMaxPool": windows.global_pool,
    "Pad": windows.pad,
    "DepthToSpace": windows.depth_to_space,
    "SpaceToDepth": windows.space_to_depth,
    "Resize": resize,
    "BatchNormalization": norms.batch_norm,
    "InstanceNormalization": norms.instance_norm,
    "GroupNormalization": norms.group_norm,
    "LayerNormalization": norms.layer_norm,
    "RMSNormalization": norms.rms_norm,
    "LRN": norms.local_response_norm,
    "Gemm": shapes.gemm,
    "MatMul": lambda step: shapes.dense(step, step.weight(1), step.weight(2) if len(step.given) > 2 else None),
    "Relu": element(lambda step: L.ReLU()),
    "LeakyRelu": element(lambda step: L.LeakyReLU(step.real("alpha", 0.01))),
    "PRelu": elements.prelu,
    "Elu": element(lambda step: L.ELU(step.real("alpha", 1.0))),
    "Selu": element(elements.selu),
    "Celu": element(elements.celu),
    "Gelu": element(_gelu),
    "Sigmoid": element(lambda step: L.Sigmoid()),
    "Tanh": element(lambda step: L.Tanh()),
    "Softplus": element(lambda step: L.Softplus()),
    "Softsign": element(lambda step: L.Softsign()),
    "Swish": element(elements.swish),
    "Mish": element(lambda step: L.Mish()),
    "HardSigmoid": element(elements.hard_sigmoid),
    "HardSwish": element(lambda step: L.HardSwish()),
    "ThresholdedRelu": element(lambda step: f"where({{o}} > {elements.written(step.real('alpha', 1.0))}, {{o}}, 0)"),
    "Clip": element(elements.clip),
    "Dropout": element(_dropout),
    **{name: element(lambda step: elements.FUNCTIONS[step.operator]) for name in elements.FUNCTIONS},
    "Neg": elements.negated,
    "Pow": elements.power,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum"), elements.arithmetic),
    **dict.fromkeys(elements.COMPARED, elements.arithmetic),
    "Where": elements.where,
    "Softmax": shapes.softmax,
    "LogSoftmax": shapes.softmax,
    "Flatten": shapes.flatten,
    "Reshape": shapes.reshape,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    "Transpose": shapes.transpose,
    "Expand": shapes.expand,
    "Slice": shapes.slices,
    "Gather": shapes.gather,
    "Split": shapes.split,
    "Concat": shapes.concat,
    **dict.fromkeys(shapes.REDUCED, shapes.reduction),
    "Identity": lambda step: step.result(),
    "Cast": _cast,
}
"""Operator -> what reads it. What depends on constants alone is computed before."""
