"""Operators of ONNX as layers with their weights."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

import convgrad.layers as L
from convgrad.interop.reading import Array, Reads, Result, Shape, Step, image, plain


def _axes(step: Step, value: Result) -> int:
    axes = len(value.shape) - 1
    if axes not in (1, 2, 3):
        raise step.refuse(f"an image has 1, 2 or 3 axes besides its channels, not {axes}")
    return axes


def _pads(step: Step, axes: int, kernel: Shape, sizes: Shape) -> tuple[tuple[int, int], ...]:
    """(before, behind) along each axis."""
    auto = step.said.get("auto_pad", b"NOTSET").decode()
    if auto == "NOTSET":
        pads = [int(pad) for pad in step.said.get("pads", [0] * (2 * axes))]
        if min(pads) < 0:
            raise step.refuse("its pads are below 0; 0 and more are supported")
        return tuple(zip(pads[:axes], pads[axes:], strict=True))
    if auto == "VALID":
        return ((0, 0),) * axes
    strides, apart = (step.said.get(name, [1] * axes) for name in ("strides", "dilations"))
    pairs = []
    for size, m, s, d in zip(sizes, kernel, strides, apart, strict=True):
        total = max((-(-size // s) - 1) * s + d * (m - 1) + 1 - size, 0)
        less, more = total // 2, total - total // 2
        pairs.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return tuple(pairs)


def _window(step: Step, axes: int, pads: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    strides, apart = (tuple(step.said.get(name, [1] * axes)) for name in ("strides", "dilations"))
    return {"strides": strides, "dilation": apart, "padding": pads if any(map(any, pads)) else "valid"}


def conv(step: Step) -> Result:
    source, w = step.last(step.result()), step.weight(1)
    axes, groups = _axes(step, source), int(step.said.get("group", 1))
    kernel = w.shape[2:]
    said = _window(step, axes, _pads(step, axes, kernel, source.size[:-1]))
    bias = len(step.given) > 2 and step.given[2] is not None
    said["bias"] = "channel" if bias else None
    moved = np.moveaxis(w, (0, 1), (-1, -2))
    filters, channels = w.shape[0], source.size[-1]
    layer: L.Layer
    if axes == 2 and groups == channels > 1:
        each = filters // groups
        layer, grouped = L.DepthwiseConv2D(kernel, depth_multiplier=each, **said), (channels, each)[: 1 + (each > 1)]
        moved = moved.reshape(*kernel, *grouped)
    else:
        layer = getattr(L, f"Conv{axes}D")(filters, kernel, groups=groups, **said)
        grouped = (groups, filters // groups) if groups > 1 else (filters,)
        moved = moved.reshape(*kernel, -1, *grouped)
    weights = {"w": moved} | ({"b": step.weight(2).reshape(grouped)} if bias else {})
    return image(*step.add(layer, source, weights=weights))


def transposed(step: Step) -> Result:
    source, w = step.last(step.result()), step.weight(1)
    axes, groups = _axes(step, source), int(step.said.get("group", 1))
    if "output_shape" in step.said or step.said.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise step.refuse("output_shape and auto_pad are not supported; pads and output_padding are")
    kernel, filters = w.shape[2:], w.shape[1] * groups
    said = _window(step, axes, _pads(step, axes, kernel, source.size[:-1]))
    said["padding"] = said["padding"] if said["padding"] != "valid" else 0
    added = tuple(step.said.get("output_padding", [0] * axes))
    if any(extra >= stride for extra, stride in zip(added, said["strides"], strict=True) if extra):
        raise step.refuse("output_padding is supported where it is less than the stride")
    bias = len(step.given) > 2 and step.given[2] is not None
    made = getattr(L, f"ConvTranspose{axes}D")
    layer = made(filters, kernel, groups=groups, output_padding=added, bias="channel" if bias else None, **said)
    grouped = (groups,) if groups > 1 else ()
    moved = np.moveaxis(w, (0, 1), (-1, -2)).reshape(*kernel, w.shape[1], *grouped, -1)
    weights = {"w": moved} | ({"b": step.weight(2).reshape(*grouped, -1)} if bias else {})
    return image(*step.add(layer, source, weights=weights))


def gemm(step: Step) -> Result:
    if step.said.get("transA", 0):
        raise step.refuse("its first input is transposed, which mixes examples")
    w = step.weight(1) * step.said.get("alpha", 1.0)
    w = w.T if step.said.get("transB", 0) else w
    bias = len(step.given) > 2 and step.given[2] is not None
    b = step.weight(2) * step.said.get("beta", 1.0) if bias else None
    return dense(step, w, b)


def dense(step: Step, w: Array, b: Array | None) -> Result:
    """The rows of w by what the file has in them, put in our order."""
    value = step.result()
    if w.ndim != 2 or len(value.shape) < 1 or w.shape[0] != value.shape[-1]:
        raise step.refuse(f"an input of shape {value.shape} and weights of shape {w.shape} are not supported")
    if b is not None:
        if b.shape not in ((), (1,), (1, 1), (w.shape[1],), (1, w.shape[1])):
            raise step.refuse(f"a bias of shape {b.shape} is not supported; one number for each unit is")
        b = np.broadcast_to(b.reshape(-1), (w.shape[1],))
    if len(value.shape) == 1:
        source, ours = step.row(value), np.empty_like(w)
        ours[value.rows] = w
    else:
        source, ours = step.settled(value), w
    layer = L.Dense(w.shape[1], bias=None if b is None else "channel")
    return plain(*step.add(layer, source, weights={"w": ours} | ({} if b is None else {"b": b})))


def pool(step: Step) -> Result:
    source = step.last(step.result())
    axes, kernel = _axes(step, source), tuple(step.said["kernel_shape"])
    pads = _pads(step, axes, kernel, source.size[:-1])
    said = _window(step, axes, pads) | {"ceil_mode": bool(step.said.get("ceil_mode", 0))}
    kind = {"MaxPool": "Max", "AveragePool": "Avg"}[step.operator]
    if kind == "Avg" and step.said.get("count_include_pad", 0) and any(map(any, pads)):
        if said["ceil_mode"]:
            raise step.refuse("count_include_pad together with ceil_mode is not supported")
        border = getattr(L, f"ZeroPadding{axes}D")(pads)
        source, said["padding"] = plain(*step.add(border, source)), "valid"
    return image(*step.add(getattr(L, f"{kind}Pool{axes}D")(kernel, **said), source))


def global_pool(step: Step) -> Result:
    source = step.last(step.result())
    axes = _axes(step, source)
    kind = {"GlobalAveragePool": "Avg", "GlobalMaxPool": "Max"}[step.operator]
    node, size = step.add(getattr(L, f"Global{kind}Pool{axes}D")(), source)
    return Result(node, size, (0,), (*size, *[1] * axes))


def batch_norm(step: Step) -> Result:
    if step.said.get("training_mode", 0):
        raise step.refuse("it is in training mode; export the model in evaluation mode")
    value = step.result()
    source = step.last(value)
    weights = dict(zip(("gamma", "beta", "moving_mean", "moving_variance"), map(step.weight, range(1, 5)), strict=True))
    layer = L.BatchNorm(momentum=float(f"{step.said.get('momentum', 0.9):.7g}"), epsilon=_short(step, "epsilon", 1e-5))
    made = step.add(layer, source, weights=weights)
    return image(*made) if len(value.shape) > 1 else plain(*made)


def _short(step: Step, name: str, default: float) -> float:
    """An attribute of float32 as the shortest number that rounds to it."""
    return float(f"{step.said.get(name, default):.7g}")


def element(layer: Callable[[Step], L.Layer]) -> Reads:
    def read(step: Step) -> Result:
        value = step.result()
        node, _ = step.add(layer(step), value)
        return Result(node, value.size, value.axes, value.shape)

    return read


def _clip(step: Step) -> L.Layer:
    limits = [step.constant(1), step.constant(2)]
    bounds = [step.said.get(n) if v is None else float(v) for n, v in zip(("min", "max"), limits, strict=True)]
    if bounds == [0, 6]:
        return L.ReLU6()
    if bounds[0] == 0 and bounds[1] in (None, np.inf):
        return L.ReLU()
    raise step.refuse(f"limits of {bounds[0]} and {bounds[1]} are not supported; 0 and 6 are")


def _dropout(step: Step) -> L.Layer:
    ratio = step.constant(1)
    training = step.constant(2)
    if training is not None and bool(training):
        raise step.refuse("it is in training mode; export the model in evaluation mode")
    rate = step.said.get("ratio", 0.5) if ratio is None else float(ratio)
    return L.Dropout(float(f"{rate:.7g}"))


def softmax(step: Step) -> Result:
    value, layer = step.result(), {"Softmax": L.Softmax, "LogSoftmax": L.LogSoftmax}[step.operator]()
    rank = len(value.shape)
    axis = int(step.said.get("axis", -1))
    axis = axis - 1 if axis > 0 else axis + rank
    if not 0 <= axis < rank:
        raise step.refuse("it goes over examples")
    dims = (*(other for other in range(rank) if other != axis), axis)
    node, size = step.add(layer, step.moved(value, dims))
    return Result(node, size, tuple(dims.index(other) for other in range(rank)), value.shape)


def flatten(step: Step) -> Result:
    value = step.result()
    if int(step.said.get("axis", 1)) not in (1, -len(value.shape)):
        raise step.refuse("only axis=1, which keeps the examples apart, is supported")
    return Result(value.node, value.size, value.axes, (prod(value.shape),))


def reshape(step: Step) -> Result:
    value, target = step.result(), step.constant(1)
    sizes = [] if target is None else [int(size) for size in target]
    rest = [value.shape[at] if size == 0 and at < len(value.shape) else size for at, size in enumerate(sizes[1:])]
    known = prod(size for size in rest if size != -1)
    if -1 in rest and known > 0:
        rest[rest.index(-1)] = prod(value.shape) // known
    if not rest or min(rest) < 1 or prod(rest) != prod(value.shape):
        raise step.refuse(f"from {value.shape} to {tuple(sizes)} the examples don't stay apart")
    return Result(value.node, value.size, value.axes, tuple(rest))


def transpose(step: Step) -> Result:
    value = step.result()
    perm = tuple(step.said.get("perm", ()))
    if not perm or perm[0] != 0:
        raise step.refuse("the examples must stay the first axis")
    if value.shape != value.transposed:
        value = step.settled(value)
    dims = tuple(axis - 1 for axis in perm[1:])
    return Result(
        value.node, value.size, tuple(value.axes[axis] for axis in dims), tuple(value.shape[axis] for axis in dims)
    )


def joined(step: Step) -> Result:
    """Add, Sub and Mul of results; a constant only where a bias goes into the layer before it."""
    if any(not isinstance(one, Result) for one in step.given):
        raise step.refuse("with a constant it is supported only as the bias that follows a MatMul")
    values = [step.result(place) for place in range(len(step.given))]
    layer = {"Add": L.Add, "Sub": L.Subtract, "Mul": L.Multiply}[step.operator]()
    one = values[0]
    if all((v.size, v.axes, v.shape) == (one.size, one.axes, one.shape) for v in values):
        node, size = step.add(layer, *values)
        return Result(node, size, one.axes, one.shape)
    if len({len(v.shape) for v in values}) > 1:
        raise step.refuse("its inputs have unequal numbers of axes, which is not supported")
    if any(v.first for v in values):
        return image(*step.add(layer, *(step.last(v) for v in values)))
    return plain(*step.add(layer, *(step.settled(v) for v in values)))


def concat(step: Step) -> Result:
    values = [step.result(place) for place in range(len(step.given))]
    rank, axis = len(values[0].shape), int(step.said["axis"])
    axis = axis - 1 if axis > 0 else axis + rank
    if not 0 <= axis < rank:
        raise step.refuse("it joins examples")
    dims = (*(other for other in range(rank) if other != axis), axis)
    node, size = step.add(L.Concatenate(), *(step.moved(v, dims) for v in values))
    back = tuple(dims.index(other) for other in range(rank))
    return Result(node, size, back, tuple(size[at] for at in back))


OPERATORS: dict[str, Reads] = {
    "Conv": conv,
    "ConvTranspose": transposed,
    "Gemm": gemm,
    "MatMul": lambda step: dense(step, step.weight(1), step.weight(2) if len(step.given) > 2 else None),
    "MaxPool": pool,
    "AveragePool": pool,
    "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool,
    "BatchNormalization": batch_norm,
    "Relu": element(lambda step: L.ReLU()),
    "LeakyRelu": element(lambda step: L.LeakyReLU(_short(step, "alpha", 0.01))),
    "Elu": element(lambda step: L.ELU(_short(step, "alpha", 1.0))),
    "Sigmoid": element(lambda step: L.Sigmoid()),
    "Tanh": element(lambda step: L.Tanh()),
    "Softplus": element(lambda step: L.Softplus()),
    "Softsign": element(lambda step: L.Softsign()),
    "Mish": element(lambda step: L.Mish()),
    "HardSwish": element(lambda step: L.HardSwish()),
    "Clip": element(_clip),
    "Dropout": element(_dropout),
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "Flatten": flatten,
    "Reshape": reshape,
    "Transpose": transpose,
    "Add": joined,
    "Sub": joined,
    "Mul": joined,
    "Concat": concat,
}
"""Operator -> what reads it. Identity and Constant are read with the graph."""
