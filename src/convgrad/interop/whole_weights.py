"""Weights of whole numbers in a file: an initializer of int8 and DequantizeLinear, which multiplies by scales.

While a graph is written, such a weight is one array whose elements are a number and its scale, so that whatever brings
a weight into the order of an operator takes both along.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from convgrad.interop.graph import Array
from convgrad.network.quantizing import Int8

CODES = np.dtype([("number", np.int8), ("scale", np.float32)])


def codes(whole: Int8) -> Array:
    """The weight as one array."""
    made = np.empty(whole.numbers.shape, CODES)
    made["number"], made["scale"] = whole.numbers, whole.scales
    return made


def scaled(array: Array, factor: Array) -> Array:
    """A weight of either kind times what may have length 1 along some axes."""
    if array.dtype != CODES:
        return np.asarray(array.astype(np.float64) * factor, np.float32)
    made: Array = array.copy()
    made["number"] = array["number"] * np.sign(factor)  # scales stay above 0, which some readers ask for
    made["scale"] = np.maximum(array["scale"] * np.abs(factor), np.finfo(np.float32).tiny)
    return made


def dequantized(onnx: Any, weights: Mapping[str, Array]) -> tuple[list[Any], dict[str, Array]]:
    """The nodes that make weights of whole numbers, and all that the file has to hold."""
    nodes: list[Any] = []
    kept: dict[str, Array] = {}
    for name, array in weights.items():
        if array.dtype == CODES:
            made, own = _dequantized(onnx, name, array)
            nodes, kept = [*nodes, *made], {**kept, **own}
        else:
            kept[name] = array
    return nodes, kept


def _dequantized(onnx: Any, name: str, array: Array) -> tuple[list[Any], dict[str, Array]]:
    """One weight, with its scales along one axis, or one for all."""
    along = _varying(array["scale"])
    if len(along) > 1:
        return _along_several(onnx, name, array)
    scales = array["scale"][tuple(slice(None if axis in along else 1) for axis in range(array.ndim))]
    inputs, said = [f"{name}.int8", f"{name}.scale"], {"axis": along[0]} if along else {}
    node = onnx.helper.make_node("DequantizeLinear", inputs, [name], **said)
    tensors = (array["number"].copy(), scales.reshape(-1 if along else ()).copy())
    return [node], dict(zip(inputs, tensors, strict=True))


def _along_several(onnx: Any, name: str, array: Array) -> tuple[list[Any], dict[str, Array]]:
    """One weight with scales along several axes, which the operator does not have: they are one axis meanwhile.

    An axis of groups and their channels is two of them, where scales differ from group to group only.
    """
    blocks = [_block(array["scale"], axis) for axis in range(array.ndim)]
    parts = [part for size, block in zip(array.shape, blocks, strict=True) for part in (size // block, block)]
    split = array.reshape(parts)
    along = _varying(split["scale"])
    order = [*along, *(axis for axis in range(split.ndim) if axis not in along)]
    moved = split.transpose(order)
    rows = moved.reshape(prod(moved.shape[: len(along)]), -1)
    tensors = {
        f"{name}.int8": rows["number"].copy(),
        f"{name}.scale": rows["scale"][:, 0].copy(),
        f"{name}.parts": np.array(moved.shape, np.int64),
        f"{name}.shape": np.array(array.shape, np.int64),
    }
    whole, scale, sizes, shape = tensors
    back = [int(place) for place in np.argsort(order)]
    node = onnx.helper.make_node
    nodes = [
        node("DequantizeLinear", [whole, scale], [f"{name}.rows"], axis=0),
        node("Reshape", [f"{name}.rows", sizes], [f"{name}.moved"]),
        node("Transpose", [f"{name}.moved"], [f"{name}.split"], perm=back),
        node("Reshape", [f"{name}.split", shape], [name]),
    ]
    return nodes, tensors


def _varying(scales: Array) -> tuple[int, ...]:
    """Axes along which scales differ."""
    return tuple(axis for axis in range(scales.ndim) if (scales != scales.take([0], axis)).any())


def _block(scales: Array, axis: int) -> int:
    """How many that follow one another along an axis have the same scale, from the first one on."""
    size = scales.shape[axis]
    rows = np.moveaxis(scales, axis, 0).reshape(size, -1)
    blocks = (block for block in range(size, 1, -1) if size % block == 0)
    return next((b for b in blocks if (rows == rows[np.arange(size) // b * b]).all()), 1)
