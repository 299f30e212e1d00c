"""A network as a file of ONNX, checked against its own predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from convgrad.arguments import FLAG, PATH, an, at_least, one_of, takes
from convgrad.compute.several import tensor
from convgrad.errors import ArgumentError, EngineError
from convgrad.interop.graph import Array, Graph, Shape, Value
from convgrad.interop.library import LEAST_OPSET, OPSET, library, runtime
from convgrad.interop.norms import fold
from convgrad.interop.operators import write_layer
from convgrad.interop.whole_weights import codes, dequantized
from convgrad.layers import BatchNorm
from convgrad.network.comparing import apart, predicted, random_inputs
from convgrad.network.ends import INPUT
from convgrad.network.plain import PlainNetwork
from convgrad.network.quantizing import Int8, Quantization, measured, quantized
from convgrad.system.files import write_file

Layout = Literal["channels_first", "channels_last"]
WITH_FLOATS = {"session.qdq_matmulnbits_accuracy_level": "1"}
"""Settings of onnxruntime. By its own it rounds what goes into some layers with weights of int8 to int8, too."""
SLACK = 16
"""How many times the rounding of one sum a result may be off: layers hand on what those before them rounded."""


@dataclass(frozen=True)
class OnnxFile:
    """What was written.

    Attributes:
        path: of the file; opset: of its operators.
        inputs, outputs: name -> shape, "N" for the batch.
        layout: where the channels of inputs and outputs of two axes and more are.
        folded: the batch normalizations that became part of the layers before them.
        file_bytes: of the file.
        difference: the largest difference of a result of onnxruntime from `predict`; scale: the largest result there;
            None where onnxruntime is missing, or `check` was False.
        by_default: that difference where weights are int8 and onnxruntime has its own settings, by which it rounds what
            goes into some layers, too.
        quantization: which weights became int8, and what that changes, where it was asked for.
    """

    path: Path
    opset: int
    inputs: dict[str, tuple[str | int, ...]]
    outputs: dict[str, tuple[str | int, ...]]
    layout: str
    folded: tuple[str, ...]
    file_bytes: int
    difference: float | None
    scale: float | None
    by_default: float | None = None
    quantization: Quantization | None = None

    def __str__(self) -> str:
        lines = [f"wrote {self.path}: opset {self.opset}, {self.layout.replace('_', ' ')}"]
        for ends in (self.inputs, self.outputs):
            side = "input" if ends is self.inputs else "output"
            lines += [f"  {side:7} {name}  ({', '.join(map(str, shape))})" for name, shape in ends.items()]
        if self.folded:
            lines.append(f"  folded  {', '.join(self.folded)}")
        if self.quantization is not None:
            lines.append(f"  size    {self.file_bytes:,} bytes, {self.quantization.float_bytes:,} as float32")
            lines += [f"  {line}" for line in str(self.quantization).splitlines()]
        if self.difference is None:
            lines.append("  not compared with onnxruntime: it is not installed, or was not asked")
        else:
            lines.append(f"  onnxruntime differs by up to {self.difference:.3g}, of results up to {self.scale:.3g}")
        if self.by_default is not None:
            lines.append(f"  and by up to {self.by_default:.3g} by its own settings, which may round inputs of layers")
        return "\n".join(lines)


@takes(
    ArgumentError,
    network=an(PlainNetwork, "a Network"),
    path=PATH,
    opset=at_least(LEAST_OPSET),
    fold_batch_norm=FLAG,
    layout=one_of("channels_first", "channels_last"),
    check=FLAG,
    quantize=FLAG,
)
def to_onnx(
    network: PlainNetwork,
    path: str | PathLike[str],
    *,
    opset: int = OPSET,
    fold_batch_norm: bool = False,
    layout: Layout = "channels_first",
    check: bool = True,
    quantize: bool = False,
) -> OnnxFile:
    """Write a network as an ONNX file, of float32, that computes what `predict` does, for any number of examples.

    Needs the package onnx (`pip install 'convgrad[onnx]'`). A layer without an operator of its own, such as `Equation`,
    is written as a composition of operators that its equation says. Dropout stays as a node that changes nothing.

    Args:
        network: with its weights; one of float64 is rounded.
        path: of the file.
        opset: the version of the operators, at least 18.
        fold_batch_norm: let a convolution or dense layer do what the BatchNorm behind it does, where no other layer
            reads it.
        layout: "channels_first" for inputs and outputs (N, C, H, W), as other tools have them, or "channels_last" for
            (N, H, W, C), as `predict` does. That goes for all of two axes and more; what is a row stays one.
        check: run onnx.checker, and onnxruntime, if that is installed, on random inputs.
        quantize: keep weights as int8 with a scale of float32 for each output channel, and DequantizeLinear behind
            them. The file is then compared with `network.quantized()`.

    Returns: names and shapes of inputs and outputs, and the largest differences found.

    Raises: ArgumentError where the network has no weights, or onnx does not know the opset; DataError where onnx is
    missing, or the file can't be written; ModelError where a layer can't be written; EngineError where results of
    onnxruntime differ by more than rounding explains. Nothing is written then.
    """
    onnx = library("to_onnx")
    newest = onnx.defs.onnx_opset_version()
    if opset > newest:
        raise ArgumentError(f"to_onnx: opset is {opset}, but the installed onnx {onnx.__version__} knows {newest}.")
    if not network.initialized:
        raise ArgumentError("The network has no weights yet. Train it, load it, or call network.initialize(seed).")
    kept = quantized(network) if quantize else None
    written = network if kept is None else kept.network
    with written.lock:
        model, folded = _model(onnx, written, opset, fold_batch_norm, layout, {} if kept is None else kept.tensors)
    inputs, outputs = ({one.name: _shape(one) for one in ends} for ends in (model.graph.input, model.graph.output))
    content = model.SerializeToString()
    difference = scale = by_default = None
    if check:
        onnx.checker.check_model(model, full_check=True)
        if runtime() is not None:
            difference, scale = compared(written, content, layout)
            if quantize:
                by_default = max(off for off, _ in _apart(written, content, layout, {}))
    told = None
    if kept is not None:
        plain, _ = _model(onnx, written, opset, fold_batch_norm, layout, {})
        told = measured(network, kept, plain.ByteSize())
    write_file(path, content)
    found = (len(content), difference, scale, by_default, told)
    return OnnxFile(Path(path), opset, inputs, outputs, layout, folded, *found)


def _shape(one: Any) -> tuple[str | int, ...]:
    return tuple(dim.dim_param or dim.dim_value for dim in one.type.tensor_type.shape.dim)


def _model(
    onnx: Any, network: PlainNetwork, opset: int, fold_norms: bool, layout: str, whole: Mapping[str, Int8]
) -> tuple[Any, tuple[str, ...]]:
    """The file, and the normalizations that were folded. whole: weights that are kept as whole numbers."""
    coded = {name: codes(one) for name, one in whole.items()}
    graph = Graph(onnx, opset, network.parameters | network.state | coded)
    first = layout == "channels_first"
    values: dict[str, Value] = {}
    inputs = []
    for name, shape in network.input_shapes.items():
        called, order = name or INPUT, "first" if first and len(shape) > 1 else "last"
        values[tensor(INPUT, name)] = Value(called, shape, order)  # type: ignore[arg-type]
        inputs.append(_end(onnx, called, shape, first))
    uses = [source for placed in network.layers for source in placed.sources] + [*network.ends.outputs.values()]
    folded = []
    for placed in network.layers:
        graph.layer = placed.name
        sources = [values[source] for source in placed.sources]
        alone = uses.count(placed.sources[0]) == 1 and not placed.shared
        if fold_norms and isinstance(placed.layer, BatchNorm) and alone and fold(graph, placed, sources[0]):
            values[placed.name] = sources[0]
            folded.append(placed.name)
        else:
            values[placed.name] = write_layer(graph, placed, sources)
    graph.layer = ""
    outputs = []
    for name, layer in network.ends.outputs.items():
        value, shape = values[layer], network.output_shapes[name]
        called = name or "output"
        called = f"output.{called}" if called in network.input_shapes else called
        source = graph.first(value) if first and len(shape) > 1 else graph.last(value)
        graph.nodes.append(onnx.helper.make_node("Identity", [source], [called], name=f"to {called}"))
        outputs.append(_end(onnx, called, shape, first))
    read = {name for node in graph.nodes for name in node.input}
    graph.nodes[:0], kept = dequantized(onnx, {name: array for name, array in graph.weights.items() if name in read})
    weights = [onnx.numpy_helper.from_array(array, name) for name, array in kept.items()]
    about = f"written by convgrad; images have their {layout.replace('_', ' ')}"
    made = onnx.helper.make_graph(graph.nodes, network.name or "network", inputs, outputs, weights, doc_string=about)
    opsets = [onnx.helper.make_opsetid("", opset)]
    model = onnx.helper.make_model(
        made,
        opset_imports=opsets,
        ir_version=onnx.helper.find_min_ir_version_for(opsets),
        producer_name="convgrad",
    )
    said = {"layout": layout}
    if network.preparation.mean or network.preparation.class_names:
        prepared = network.preparation.to_config()
        said |= {"classes": json.dumps(prepared["class_names"]), "preparation": json.dumps(prepared)}
    onnx.helper.set_model_props(model, said)
    return model, tuple(folded)


def _end(onnx: Any, name: str, shape: Shape, first: bool) -> Any:
    sizes = (shape[-1], *shape[:-1]) if first and len(shape) > 1 else shape
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", *sizes])


def as_laid_out(array: Array, layout: str) -> Array:
    """Examples with their channels last, as a file of this layout has them."""
    return np.moveaxis(array, -1, 1) if layout == "channels_first" and array.ndim > 2 else array


def compared(network: PlainNetwork, model: bytes, layout: str) -> tuple[float, float]:
    """The largest difference of onnxruntime's results from `predict`, and the largest result, on random inputs.

    Raises: EngineError where it is more than rounding explains.
    """
    numbers = max((array.size for array in network.parameters.values()), default=1)
    most = SLACK * float(np.finfo(np.float32).eps) * np.sqrt(numbers) * len(network.layers)
    found = _apart(network, model, layout, WITH_FLOATS)
    for off, largest in found:
        if not off <= most * max(1.0, largest):
            raise EngineError(
                f"onnxruntime's results differ from those of predict by up to {off:.3g}, more than rounding explains. "
                "Nothing was written; please report it. With check=False the file is written all the same."
            )
    return max(off for off, _ in found), max(largest for _, largest in found)


def _apart(network: PlainNetwork, model: bytes, layout: str, settings: Mapping[str, str]) -> list[tuple[float, float]]:
    """Of each output: how far onnxruntime's results are from `predict`, and the largest of them."""
    found = runtime()
    assert found is not None
    x = random_inputs(network)
    given = {name or INPUT: as_laid_out(array.astype(np.float32), layout) for name, array in x.items()}
    options = found.SessionOptions()
    options.log_severity_level = 3
    for name, value in settings.items():
        options.add_session_config_entry(name, value)
    session = found.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    theirs = session.run(None, {name: np.ascontiguousarray(array) for name, array in given.items()})
    pairs = zip(predicted(network, x), theirs, strict=True)
    return [apart(as_laid_out(one, layout), other) for one, other in pairs]
