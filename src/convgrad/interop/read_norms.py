"""Normalizations of ONNX as layers with their weights."""

from __future__ import annotations

from math import prod

import numpy as np

import convgrad.layers as L
from convgrad.interop.reading import Array, Result, Step, image, plain


def _as_before(value: Result, made: Result) -> Result:
    return image(made.node, made.size) if len(value.shape) > 1 else made


def batch_norm(step: Step) -> Result:
    if step.said.get("training_mode", 0):
        raise step.refuse("it is in training mode; export the model in evaluation mode")
    value = step.result()
    source = step.last(value)
    weights = dict(zip(("gamma", "beta", "moving_mean", "moving_variance"), map(step.weight, range(1, 5)), strict=True))
    layer = L.BatchNorm(momentum=step.real("momentum", 0.9), epsilon=step.real("epsilon", 1e-5))
    return _as_before(value, plain(*step.add(layer, source, weights=weights)))


def instance_norm(step: Step) -> Result:
    value = step.result()
    weights = {"gamma": step.weight(1), "beta": step.weight(2)}
    layer = L.InstanceNorm(epsilon=step.real("epsilon", 1e-5))
    return _as_before(value, plain(*step.add(layer, step.last(value), weights=weights)))


def group_norm(step: Step) -> Result:
    """gamma and beta for each channel; before opset 21 for each group."""
    value, groups = step.result(), int(step.said.get("num_groups", 0))
    source = step.last(value)
    channels = source.size[-1]
    if groups < 1 or channels % groups:
        raise step.refuse(f"num_groups is {groups}, which does not divide the {channels} channels of its input")
    weights = {}
    for place, key in ((1, "gamma"), (2, "beta")):
        array = step.weight(place)
        if array.size not in (groups, channels):
            raise step.refuse(f"input {place} has {array.size} numbers for {channels} channels in {groups} groups")
        each = array.reshape(groups, -1)
        weights[key] = np.broadcast_to(each, (groups, channels // groups)).copy()
    layer = L.GroupNorm(groups, epsilon=step.real("epsilon", 1e-5))
    return _as_before(value, plain(*step.add(layer, source, weights=weights)))


def _over(step: Step, value: Result) -> int:
    """How many of the last axes are normalized over."""
    rank = len(value.shape) + 1
    return rank - 1 - step.axis(int(step.said.get("axis", -1)), rank)


def _scale(step: Step, place: int, sizes: tuple[int, ...]) -> Array:
    array = step.weight(place)
    try:
        return np.broadcast_to(array, sizes).reshape(-1)
    except ValueError:
        raise step.refuse(f"input {place} has shape {array.shape}, but what is normalized over has {sizes}") from None


def layer_norm(step: Step) -> Result:
    value = step.settled(step.result())
    over = _over(step, value)
    sizes = value.shape[-over:]
    beta = _scale(step, 2, sizes) if step.constant(2) is not None else np.zeros(prod(sizes))
    axis = -1 if over == 1 else tuple(range(-over, 0))
    layer = L.LayerNorm(epsilon=step.real("epsilon", 1e-5), axis=axis)
    return plain(*step.add(layer, value, weights={"gamma": _scale(step, 1, sizes), "beta": beta}))


def rms_norm(step: Step) -> Result:
    """Over several axes as over one that has them all."""
    value = step.settled(step.result())
    over, shape = _over(step, value), value.shape
    row = step.settled(Result(value.node, value.size, value.axes, (*shape[:-over], prod(shape[-over:]))))
    layer = L.RMSNorm(epsilon=step.real("epsilon", 1e-5))
    node, size = step.add(layer, row, weights={"gamma": _scale(step, 1, shape[-over:])})
    return Result(node, size, tuple(range(len(size))), shape)


def local_response_norm(step: Step) -> Result:
    """The layer for an odd size; an even one has its window a channel further on, which is an equation of its own."""
    value = step.result()
    source, rank = step.last(value), len(value.shape)
    size = int(step.said.get("size", 0))
    alpha, beta, k = step.real("alpha", 1e-4), step.real("beta", 0.75), step.real("bias", 1.0)
    if size < 1:
        raise step.refuse(f"its size is {size}; at least 1 is supported")
    if size % 2:
        layer = L.LocalResponseNorm(size, alpha=alpha, beta=beta, k=k)
        return _as_before(value, plain(*step.add(layer, source)))
    every = ",".join(step.indices(rank))
    before = f"-{(size - 1) // 2}" if size > 2 else ""
    text = (
        f"s[{every}] = sum[r](o[{every}+r{before} else 0]^2)\n"
        f"x[{every}] = o[{every}] * (k + alpha * s[{every}] / R)^(-{beta!r})"
    )
    return _as_before(value, step.equation(text, source, sizes={"R": size}, numbers={"alpha": alpha, "k": k}))
