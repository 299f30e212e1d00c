"""A network from a file of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from convgrad.arguments import one_of, takes
from convgrad.errors import ArgumentError
from convgrad.interop.read import read_onnx
from convgrad.models.network import Network
from convgrad.network.preparation import Preparation


@takes(ArgumentError, layout=one_of("channels_first", "channels_last", None))
def from_onnx(model: Any, *, layout: str | None = None) -> Network:
    """The network that an ONNX file describes, with its weights: it predicts the same, and can be trained on.

    w[m,n,c,k] here is W[k,c,m,n] there, and inputs (N, C, H, W) there are (N, H, W, C) here; the rows of a dense layer
    behind Flatten are put in that order, too. Nodes that make up a layer, such as GELU by Erf, are that layer;
    arithmetic and sums that no layer has are layers `Equation`, where a constant of several numbers is a weight that is
    trained. Needs the package onnx (`pip install 'convgrad[onnx]'`). Numbers become float32.

    Args:
        model: a path, or a ModelProto of onnx.
        layout: "channels_first" or "channels_last", where inputs and outputs of two axes and more have their channels
            in the file; None for what the file says itself, and else "channels_first".

    Returns: the network; one input, or one output, has no name.

    Raises: ModelError where an operator, or how it is used, is not supported, which names the node; DataError where the
    file can't be read or onnx is missing.
    """
    found = read_onnx(model, layout)
    inputs: Any = found.inputs if len(found.inputs) > 1 else [*found.inputs.values()]
    outputs: Any = found.outputs if len(found.outputs) > 1 else [*found.outputs.values()]
    network = Network(inputs=inputs, outputs=outputs)
    network.initialize()
    weights = network.get_weights()
    for placed in network.layers:
        for key, array in found.weights.get(id(placed.layer), (None, {}))[1].items():
            weights[placed.tensor(key)] = np.asarray(array)
    network.set_weights(weights)
    if found.preparation is not None:
        network.preparation = Preparation.from_config(found.preparation)
    return network
