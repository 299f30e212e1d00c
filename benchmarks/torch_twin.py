"""The same network in PyTorch: made from convgrad's layers as straight-line code (torch.fx), with the same weights.

What comes out is the code that one would write by hand: `x = self.conv1(x); x = torch.relu_(x); ...`.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from benchmarks.verify import Array
from convgrad.layers import Conv2D, Dense, DepthwiseConv2D
from convgrad.models.network import Network
from convgrad.network.placed import PlacedLayer

NODES = "layer_{}"
"""How a layer's node is called in the graph."""
NAMES = {
    "w": "weight",
    "b": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def twin(network: Network) -> fx.GraphModule:
    """A PyTorch module of the same layers on images (N, C, H, W); its weights are PyTorch's own, see `copy_weights`."""
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {"input": graph.placeholder("x")}
    readers = [source for placed in network.layers for source in placed.sources]
    modules = nn.Module()
    for placed in network.layers:
        inputs = [nodes[source] for source in placed.sources]
        module = _module(placed)
        if module is not None:
            modules.add_module(placed.name, module)
            nodes[placed.name] = graph.call_module(placed.name, tuple(inputs))
        else:
            alone = readers.count(placed.sources[0]) == 1 and placed.sources[0] != "input"
            nodes[placed.name] = _called(graph, placed, inputs, alone)
        nodes[placed.name].name = NODES.format(placed.name)
    graph.output(nodes[network.layers[-1].name])
    return fx.GraphModule(modules, graph)


class Kept(nn.Module):  # type: ignore[misc]  # PyTorch's types are not looked at
    """relu with the places kept that were given: x * (place was positive)."""

    def __init__(self, positive: torch.Tensor):
        super().__init__()
        self.register_buffer("positive", positive, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(self.positive, x, torch.zeros_like(x))


class Picked(nn.Module):  # type: ignore[misc]  # PyTorch's types are not looked at
    """Max pooling with given places: x[n,c,places[n,c,i,j]], its rows and columns as one axis."""

    def __init__(self, places: torch.Tensor):
        super().__init__()
        self.register_buffer("places", places, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2).gather(2, self.places.flatten(2)).reshape(self.places.shape)


def with_decisions(module: fx.GraphModule, network: Network, values: Mapping[str, Array]) -> fx.GraphModule:
    """The twin with relu and max pooling deciding as `values`, our tensors by name, say: which numbers were positive,
    and which of a window the largest. What is left to compare is smooth, so rounding stays small in it."""
    nodes = {node.name: node for node in module.graph.nodes}
    for placed in network.layers:
        kind = type(placed.layer).__name__
        if kind not in ("ReLU", "MaxPool2D"):
            continue
        source = placed.sources[0]
        before = _channels_first(values["input" if source == "input" else f"{source}.x"])
        if kind == "ReLU":
            decided: nn.Module = Kept(_channels_first(values[f"{placed.name}.x"]) > 0)
        else:
            pool: Any = _module(placed)
            arguments = pool.kernel_size, pool.stride, pool.padding
            decided = Picked(nn.functional.max_pool2d(before, *arguments, return_indices=True)[1])
        module.add_module(f"decided_{placed.name}", decided)
        node = nodes[NODES.format(placed.name)]
        with module.graph.inserting_after(node):
            new = module.graph.call_module(f"decided_{placed.name}", (node.args[0],))
        node.replace_all_uses_with(new)
        module.graph.erase_node(node)
    module.recompile()
    return module


def _channels_first(array: Array) -> torch.Tensor:
    value = torch.tensor(array)
    return value.permute(0, 3, 1, 2) if value.ndim == 4 else value


def copy_weights(network: Network, module: nn.Module) -> None:
    """Put the parameters and the state of our network into its twin."""
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    with torch.no_grad():
        for name, array in in_torch_order(network, network.parameters | network.state).items():
            own[name].copy_(torch.tensor(array))


def in_torch_names(network: Network, tensors: Collection[str]) -> dict[str, str]:
    """PyTorch's names of some of our tensors, in the network's order -> ours: `conv1.weight` -> `conv1.w`."""
    return {
        f"{placed.name}.{NAMES[key]}": placed.tensor(key)
        for placed in network.layers
        for key in (*placed.built.parameters, *placed.built.state)
        if placed.tensor(key) in tensors
    }


def in_torch_order(network: Network, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Our tensors -> PyTorch's names and order of axes: `conv1.w` (M, N, C, K) -> `conv1.weight` (K, C, M, N)."""
    result = {}
    for placed in network.layers:
        for key in (*placed.built.parameters, *placed.built.state):
            array = tensors[placed.tensor(key)]
            result[f"{placed.name}.{NAMES[key]}"] = _weights(network, placed, array) if key == "w" else array
    return result


def batch_statistics(network: Network, x: Array) -> dict[str, Array]:
    """The moving means and variances of batch normalization, our names, that one batch (N, H, W, C) gives."""
    module = twin(network).train()
    copy_weights(network, module)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0  # forget what was there
    with torch.no_grad():
        module(as_image(x, torch.float32, torch.contiguous_format))
    buffers = dict(module.named_buffers())
    return {ours: buffers[theirs].numpy() for theirs, ours in in_torch_names(network, network.state).items()}


def as_image(x: Array, dtype: torch.dtype, fmt: Any) -> torch.Tensor:
    """(N, H, W, C) -> (N, C, H, W) in a memory format."""
    return torch.tensor(x, dtype=dtype).permute(0, 3, 1, 2).contiguous(memory_format=fmt)


def _module(placed: PlacedLayer) -> nn.Module | None:
    layer: Any = placed.layer
    window: Any = getattr(layer, "window", None)
    shape = placed.built.input_shapes[0]
    kind = type(layer).__name__
    if isinstance(layer, (Conv2D, DepthwiseConv2D)):
        depthwise = isinstance(layer, DepthwiseConv2D)
        filters, groups = placed.built.output_shape[-1], shape[-1] if depthwise else 1
        padding = _symmetric(window.pad(shape[:2]))
        bias = layer.bias is not None
        return nn.Conv2d(shape[-1], filters, window.kernel, window.strides, padding, window.dilation, groups, bias=bias)
    if kind == "Dense":
        return nn.Linear(shape[-1], layer.units, bias=layer.bias is not None)
    if kind == "BatchNorm":
        return nn.BatchNorm2d(shape[-1], layer.epsilon, 1 - layer.momentum)
    if kind == "MaxPool2D":
        return nn.MaxPool2d(window.kernel, window.strides, _symmetric(window.pad(shape[:2])))
    return None


def _called(graph: fx.Graph, placed: PlacedLayer, inputs: list[fx.Node], in_place: bool) -> fx.Node:
    """A layer without parameters as a call of a function. in_place: nobody else reads the input."""
    kind, node = type(placed.layer).__name__, inputs[0]
    if kind == "Add":
        for other in inputs[1:]:
            node = graph.call_function(operator.add, (node, other))
        return node
    functions: dict[str, tuple[Any, ...]] = {
        "ReLU": (torch.relu_ if in_place else torch.relu,),
        "GELU": (nn.functional.gelu,),
        "Sigmoid": (torch.sigmoid,),
        "Flatten": (torch.flatten, 1),
        "GlobalAvgPool2D": (torch.mean, (2, 3)),
        "GlobalMaxPool2D": (torch.amax, (2, 3)),
    }
    function, *more = functions[kind]
    return graph.call_function(function, (node, *more))


def _symmetric(pairs: tuple[tuple[int, int], ...]) -> Any:
    if any(before != after for before, after in pairs):
        raise ValueError(f"PyTorch pads both sides alike, but the layer has {pairs}. Write padding=1, say.")
    return tuple(before for before, _ in pairs)


def _weights(network: Network, placed: PlacedLayer, w: Array) -> Array:
    if isinstance(placed.layer, DepthwiseConv2D):
        return np.ascontiguousarray(w.transpose(2, 0, 1)[:, None])
    if not isinstance(placed.layer, Dense):
        return np.ascontiguousarray(w.transpose(3, 2, 0, 1))
    image = _flattened(network, placed)
    if image is not None:  # our rows are in the order i, j, c; PyTorch's c, i, j
        w = w.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(w.shape)
    return np.ascontiguousarray(w.T)


def _flattened(network: Network, placed: PlacedLayer) -> tuple[int, ...] | None:
    """The shape of the image that a dense layer sees in a row, or None where it sees none."""
    by_name = {other.name: other for other in network.layers}
    before = by_name.get(placed.sources[0])
    if before is None or type(before.layer).__name__ != "Flatten":
        return None
    source = by_name.get(before.sources[0])
    shape = network.input_shape if source is None else source.built.output_shape
    return shape if len(shape) == 3 else None
