"""Nodes of a file whose inputs are constants: what they come to, before layers are made of the others.

Exporters write shapes as nodes, `Shape`, `Gather`, `Concat`, since the number of examples is open. They are computed
for two numbers of examples; what comes out alike is a constant.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from convgrad.interop.reading import EXAMPLES, Array, Given, PerBatch, Result, Step

LARGEST = 2**26
"""Numbers in a constant that a node of a few bytes makes: 512 MiB."""
GROWING = ("ConstantOfShape", "Expand", "Range")
FOLDED = (
    *("Abs", "Add", "And", "Cast", "Ceil", "Clip", "Concat", "DequantizeLinear", "Div", "Equal", "Erf", "Exp"),
    *("Flatten", "Floor", "Gather", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Log", "Max", "Min", "Mod"),
    *("Mul", "Neg", "Not", "Or", "Pow", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd"),
    *("ReduceSum", "Reshape", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Transpose", "Unsqueeze", "Where"),
    *GROWING,
)
"""Operators that are computed where all their inputs are constants."""
NUMBERS = ("value_float", "value_floats", "value_int", "value_ints")


def constant(onnx: Any, step: Step) -> Array:
    """Of the operator Constant."""
    if "value" in step.said:
        return np.asarray(onnx.numpy_helper.to_array(step.said["value"]))
    for name in NUMBERS:
        if name in step.said:
            return np.asarray(step.said[name], np.float32 if "float" in name else np.int64)
    raise step.refuse("only a constant given as a tensor or as numbers is supported")


def shape_of(step: Step) -> Given:
    """Of the operators Shape and Size: the sizes of a result, of which the first is the number of examples."""
    value, whole = step.given[0], slice(step.said.get("start", 0), step.said.get("end"))
    many = EXAMPLES if isinstance(value, Result) else (0, 0)
    shapes = [(number, *value.shape) if isinstance(value, Result) else _shape(step, value) for number in many]
    found = [np.array(prod(s) if step.operator == "Size" else s[whole], np.int64) for s in shapes]
    return _collapsed((found[0], found[1]))


def _shape(step: Step, value: Given | None) -> tuple[int, ...]:
    if not isinstance(value, np.ndarray):
        raise step.refuse("it asks for the shape of what depends on the number of examples")
    return value.shape


def folded(onnx: Any, step: Step, node: Any) -> list[Given]:
    """The results of a node of constants."""
    evaluator = onnx.reference.ReferenceEvaluator(node, opsets={"": step.reader.opset})
    made: list[list[Array]] = []
    for number in range(2 if any(isinstance(one, PerBatch) for one in step.given) else 1):
        arrays = [one.arrays[number] if isinstance(one, PerBatch) else one for one in step.given]
        _check_size(step, arrays)
        given = {name: array for name, array in zip(step.inputs, arrays, strict=True) if name}
        try:
            made.append([np.asarray(one) for one in evaluator.run(None, given)])
        except Exception as error:  # the evaluator's errors have no common base
            raise step.refuse(f"its constants don't go together: {str(error).splitlines()[0].rstrip('.')}") from error
    if len(made) == 1:
        return list(made[0])
    return [_collapsed((one, other)) for one, other in zip(*made, strict=True)]


def _collapsed(arrays: tuple[Array, Array]) -> Given:
    return arrays[0] if np.array_equal(*arrays) else PerBatch(arrays)


def _check_size(step: Step, arrays: list[Any]) -> None:
    if step.operator not in GROWING:
        return
    if step.operator == "Range":
        first, last, by = (float(one) for one in arrays)
        many = abs((last - first) / by) if by else 0.0
    else:
        sizes = [float(size) for size in arrays[-1].reshape(-1)]
        many = prod(max(size, 1.0) for size in sizes) * (arrays[0].size if step.operator == "Expand" else 1)
    if not many <= LARGEST:
        raise step.refuse(f"a constant of {many:.3g} numbers is too large; at most {LARGEST:,} are computed")
