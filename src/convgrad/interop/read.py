"""A file of ONNX as nodes of layers, and their weights."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from convgrad.errors import ConvgradError, DataError, ModelError
from convgrad.interop.folding import FOLDED, constant, folded, shape_of
from convgrad.interop.library import library
from convgrad.interop.read_operators import OPERATORS
from convgrad.interop.reading import Array, Given, Reader, Result, Step, image, plain
from convgrad.layers import Input, Layer, Node, Reshape
from convgrad.layers.base import NAME

FLOATS = (1, 10, 11)
"""TensorProto.FLOAT, FLOAT16 and DOUBLE."""


@dataclass(frozen=True)
class Read:
    """Both ends of a graph, its layers' weights, and the record of how pixels were prepared, if the file holds one."""

    inputs: dict[str, Input]
    outputs: dict[str, Node]
    weights: dict[int, tuple[Layer, dict[str, Array]]]
    preparation: dict[str, Any] | None


def read_onnx(given: Any, layout: str | None) -> Read:
    """What `from_onnx` makes a network of; it says what is raised."""
    onnx = library("from_onnx")
    model = given
    if isinstance(given, (str, PathLike)):
        try:
            model = onnx.load(given)
        except Exception as error:  # protobuf's errors have no common base here
            raise DataError(f"from_onnx: {given} can't be read as ONNX: {error}.") from error
    if not isinstance(model, onnx.ModelProto):
        raise DataError(f"from_onnx takes a path or a ModelProto of onnx, not {type(given).__name__}.")
    opset = max((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), default=0)
    if opset < 13:
        raise ModelError(f"from_onnx: the file is of opset {opset}; from 13 on they can be read. Export it again.")
    said = {entry.key: entry.value for entry in model.metadata_props}
    first = (layout or said.get("layout", "channels_first")) == "channels_first"
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    reader, graph = Reader(opset), model.graph
    for tensor in graph.initializer:
        reader.known[tensor.name] = onnx.numpy_helper.to_array(tensor)
    inputs = _inputs(reader, graph, first)
    nodes = _without_constants(onnx, reader, list(graph.node))
    uses = [name for node in nodes for name in node.input] + [one.name for one in graph.output]
    while nodes:
        node = nodes.pop(0)
        alone = node.op_type == "MatMul" and uses.count(node.output[0]) == 1
        after = next((one for one in nodes if node.output[0] in one.input), None) if alone else None
        if after is not None:
            others = [name for name in after.input if name != node.output[0]]
            bias = reader.known.get(others[0]) if after.op_type == "Add" and len(others) == 1 else None
            weight = reader.known.get(node.input[1])
            if _is_bias(bias, weight):
                nodes.remove(after)
                _read(onnx, reader, node, (*node.input, others[0]), tuple(after.output))
                continue
        _read(onnx, reader, node, tuple(node.input), tuple(node.output))
    outputs = {_name(one.name, "output"): _output(reader, one.name, first) for one in graph.output}
    prepared = json.loads(said["preparation"]) if "preparation" in said else None
    return Read(inputs, outputs, reader.weights, prepared)


def _without_constants(onnx: Any, reader: Reader, nodes: list[Any]) -> list[Any]:
    """The nodes that depend on the inputs. Those before are computed first: a bias may come after its MatMul."""
    left = []
    for node in nodes:
        given = [reader.known.get(name) for name in node.input if name]
        branches = node.op_type == "If"  # which may read what depends on the inputs
        if not branches and not any(one is None or isinstance(one, Result) for one in given):
            _read(onnx, reader, node, tuple(node.input), tuple(node.output))
        else:
            left.append(node)
    return left


def _is_bias(bias: Given | None, weight: Given | None) -> bool:
    if not (isinstance(bias, np.ndarray) and isinstance(weight, np.ndarray)) or weight.ndim != 2:
        return False
    return bias.shape in ((weight.shape[1],), (1, weight.shape[1]))


def _inputs(reader: Reader, graph: Any, first: bool) -> dict[str, Input]:
    inputs = {}
    for one in graph.input:
        if one.name in reader.known:
            continue
        kind = one.type.tensor_type
        sizes = [dim.dim_value for dim in kind.shape.dim]
        if kind.elem_type not in FLOATS or len(sizes) < 2 or min(sizes[1:]) < 1:
            raise ModelError(
                f"from_onnx: input `{one.name}` can't be read: it must hold floats, with the examples as its first "
                "axis and fixed sizes along all others. Export it with these sizes given."
            )
        shape = tuple(sizes[1:])
        size = (*shape[1:], shape[0]) if first and len(shape) > 1 else shape
        inputs[_name(one.name, "input")] = node = Input(size)
        reader.known[one.name] = image(node, size) if first and len(shape) > 1 else plain(node, size)
    return inputs


def _name(name: str, end: str) -> str:
    name = re.sub(r"\W", "_", name, flags=re.ASCII)
    return name if re.fullmatch(NAME, name, re.ASCII) else f"{end}_{name}"


def _read(onnx: Any, reader: Reader, node: Any, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    named = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    said = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    given = tuple(map(reader.known.get, inputs))
    step = Step(reader, node.name or outputs[0], named, inputs, given, said, len(outputs))
    for place, name in enumerate(inputs):
        if name and name not in reader.known:
            raise step.refuse(f"no node before it makes its input {place}, `{name}`")
    if onnx.defs.has(named, reader.opset, ""):
        kinds = onnx.defs.get_schema(named, reader.opset, "").attributes
        for one in node.attribute:
            if one.name in kinds and one.type != kinds[one.name].type.value:
                raise step.refuse(f"its `{one.name}` is not of the kind {kinds[one.name].type.name} that it has to be")
    try:
        found = _made(onnx, step, node)
    except ConvgradError as error:
        if str(error).startswith("from_onnx: "):
            raise
        raise step.refuse(str(error).rstrip(".")) from error
    if any(name for name in outputs[len(found) :]):
        raise step.refuse("it has several outputs; only the first is supported")
    reader.known.update(zip(outputs, found, strict=False))


def _made(onnx: Any, step: Step, node: Any) -> list[Given]:
    named, depends = step.operator, any(isinstance(one, Result) for one in step.given)
    if named == "Constant":
        return [constant(onnx, step)]
    if named in ("Shape", "Size"):
        return [shape_of(step)]
    if named in ("Identity", "Dropout") and not depends and step.given[0] is not None:
        return [step.given[0]]
    if named == "If":
        return _branch(onnx, step)
    if named in FOLDED and not depends:
        return folded(onnx, step, node)
    if named not in OPERATORS:
        raise step.refuse(
            f"no layer is read from this operator; supported are {', '.join(sorted(OPERATORS))}. Export the model "
            "without it, or write it as layers and take the weights over by set_weights"
        )
    found = OPERATORS[named](step)
    return found if isinstance(found, list) else [found]


def _branch(onnx: Any, step: Step) -> list[Given]:
    """What an If with a constant condition comes to: PyTorch writes one around what squeezes an axis."""
    condition = step.constant(0)
    if condition is None or condition.size != 1:
        raise step.refuse("its condition must be one truth")
    wanted, known = "then_branch" if condition.reshape(-1)[0] else "else_branch", step.reader.known
    if wanted not in step.said:
        raise step.refuse(f"it has no {wanted}")
    graph = step.said[wanted]
    known.update({tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer})
    for node in graph.node:
        _read(onnx, step.reader, node, tuple(node.input), tuple(node.output))
    missing = [one.name for one in graph.output if one.name not in known]
    if missing:
        raise step.refuse(f"no node of its {wanted} makes `{missing[0]}`")
    return [known[one.name] for one in graph.output]


def _output(reader: Reader, name: str, first: bool) -> Node:
    found = reader.known.get(name)
    if not isinstance(found, Result):
        raise ModelError(f"from_onnx: output `{name}` does not depend on the inputs.")
    step = Step(reader, name, "output", (), ())
    settled = step.last(found) if first else step.settled(found)
    return settled.node if isinstance(settled.node, Node) else Reshape(settled.size)(settled.node)
