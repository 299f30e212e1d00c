"""Files of ONNX as other tools write them, and what onnxruntime computes from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from convgrad import from_onnx
from optional import large_module

onnx: Any = large_module("onnx")
runtime: Any = large_module("onnxruntime")
node: Any = onnx.helper.make_node


def graph(*nodes: Any, opset: int = 17, kind: int = 1, shape: Any = ("N", 3, 5, 4), **weights: Any) -> Any:
    """A file from `x` to `y`."""
    h, numpy = onnx.helper, onnx.numpy_helper
    given, made = h.make_tensor_value_info("x", kind, shape), h.make_tensor_value_info("y", 1, None)
    kept = [numpy.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = h.make_graph(nodes, "g", [given], [made], kept)
    return h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=10)


def theirs(model: Any, x: Any, first: bool = True) -> Any:
    """What onnxruntime computes; first: of examples with their channels first, which are put last."""
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (found, *_) = session.run(None, {session.get_inputs()[0].name: x})
    if found.ndim < 3:
        return found.reshape(len(x), -1)
    return np.moveaxis(found, 1, -1) if first else found


def close(ours: Any, theirs: Any, roundings: int = 64) -> None:
    most = roundings * 1.2e-7 * max(1, float(np.abs(theirs).max()))
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= most


def read_the_same(model: Any, x: Any, roundings: int = 64, layout: Any = "channels_first") -> Any:
    """The network of the file, which predicts what onnxruntime does."""
    network, first = from_onnx(model, layout=layout), layout == "channels_first"
    ours = network.predict(np.ascontiguousarray(np.moveaxis(x, 1, -1) if first else x))
    close(ours, theirs(model, x, first), roundings)
    return network
