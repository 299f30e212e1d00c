"""Weights as whole numbers of 8 bits, with a scale for each output channel, as programs and files may keep them.

    s[k] = max[m,n,c](abs(w[m,n,c,k])) / 127        q[m,n,c,k] = round(w[m,n,c,k] / s[k])

and the weight is s[k] * q[m,n,c,k] from then on, which is off by s[k]/2 at most. Which axes of a weight are output
channels is read from the layer's equation: those whose index is an index of the result, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from convgrad.network.comparing import apart, predicted, random_inputs
from convgrad.network.placed import PlacedLayer
from convgrad.network.plain import PlainNetwork, check_initialized
from convgrad.notation.terms import Access, Definition, Equation, accesses

Array = npt.NDArray[Any]
N = TypeVar("N", bound=PlainNetwork)
LARGEST = 127
"""Whole numbers are -127 to 127, as many below 0 as above."""
FEWEST = 4
"""Numbers that must share a scale of float32: with fewer of them a weight would take more than half of its float32s."""


@dataclass(frozen=True)
class Int8:
    """A weight of whole numbers.

    Attributes:
        numbers: int8, of the weight's shape.
        scales: float32, of as many axes, with 1 along those that share a scale.
    """

    numbers: Array
    scales: Array

    @property
    def nbytes(self) -> int:
        return self.numbers.nbytes + self.scales.nbytes

    def values(self, dtype: str) -> Array:
        """What the weight is from now on: the product, rounded once."""
        values: Array = self.numbers.astype(dtype) * self.scales.astype(dtype)
        return values


@dataclass(frozen=True)
class Quantized(Generic[N]):
    """A copy of a network with the weights that its whole numbers stand for, and these numbers by tensors' names."""

    network: N
    tensors: dict[str, Int8]


@dataclass(frozen=True)
class Quantization:
    """What was quantized, and what it changes.

    Attributes:
        tensors: names of the weights that are int8; the others are as they were.
        float_bytes: what all weights would take without it; of ONNX, the file.
        difference: the largest difference of a result from the network's own, on a few random inputs.
        scale: the network's largest result there.
    """

    tensors: tuple[str, ...]
    float_bytes: int
    difference: float
    scale: float

    def __str__(self) -> str:
        which = ", ".join(self.tensors) or "nothing"
        return (
            f"quantized to int8: {which}\n"
            f"results differ by up to {self.difference:.3g}, of results up to {self.scale:.3g}, on random inputs"
        )


def quantized(network: N) -> Quantized[N]:
    """The network with its weights quantized. Raises: ModelError before there are weights."""
    check_initialized(network)
    with network.lock:
        copy = deepcopy(network)
    tensors = {}
    for placed in copy.layers:
        for key, channels in output_channels(placed).items():
            found = int8_of(copy.parameters[placed.tensor(key)], channels)
            if found is not None:
                tensors[placed.tensor(key)] = found
                copy.parameters[placed.tensor(key)][...] = found.values(copy.dtype)
    return Quantized(copy, tensors)


def measured(network: PlainNetwork, made: Quantized[Any], float_bytes: int) -> Quantization:
    """What is told of it, with results of both networks on random inputs."""
    inputs = random_inputs(network)
    pairs = zip(predicted(network, inputs), predicted(made.network, inputs), strict=True)
    differences, scales = zip(*(apart(before, after) for before, after in pairs), strict=True)
    return Quantization(tuple(made.tensors), float_bytes, max(differences), max(scales))


def int8_of(array: Array, channels: tuple[int, ...]) -> Int8 | None:
    """A weight in whole numbers, with a scale for each place along `channels`, its axes of output channels.

    None where it has no such axis, or fewer than 4 numbers share a scale; or where numbers are not finite, or too
    large for a scale of float32.
    """
    shared = tuple(axis for axis in range(array.ndim) if axis not in channels)
    if not channels or prod(array.shape[axis] for axis in shared) < FEWEST:
        return None
    wide = array.astype(np.float64)
    limits = np.finfo(np.float32)
    largest = np.abs(wide).max(shared, keepdims=True) / LARGEST
    if not (largest <= limits.max).all():
        return None
    scales = np.maximum(largest, limits.tiny).astype(np.float32)  # a smaller one would be rounded too far itself
    return Int8(np.rint(wide / scales).astype(np.int8), scales)


def output_channels(placed: PlacedLayer) -> dict[str, tuple[int, ...]]:
    """The axes of each of a layer's weights whose index is that of a result, wherever it is read when it predicts.

    A result is what depends on the layer's input. What is made of weights alone, such as a kernel divided by its norm,
    stands between: then the axis must be one of those that it has for a result.
    """
    built = placed.predicting.built
    equation = built.equation
    results = _results(equation, built.inputs)
    found: dict[str, tuple[int, ...]] = {}
    for definition in reversed(equation.definitions):
        if definition.name not in results:
            found[definition.name] = _channels(equation, definition.name, found)
    return {key: _channels(equation, key, found) for key in placed.own_parameters}


def _results(equation: Equation, inputs: tuple[str, ...]) -> set[str]:
    """What an equation defines by its inputs."""
    known = {*inputs}
    for definition in equation.definitions:
        if any(access.tensor in known for access in accesses(definition.term)):
            known.add(definition.name)
    return known


def _channels(equation: Equation, tensor: str, between: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Of one tensor. between: those of what later definitions make of weights alone."""
    kept = [_kept(definition, access, between) for definition, access in _reads(equation, tensor)]
    return tuple(sorted(set.intersection(*kept))) if kept else ()


def _reads(equation: Equation, tensor: str) -> Iterator[tuple[Definition, Access]]:
    for definition in equation.definitions:
        for access in accesses(definition.term):
            if access.tensor == tensor:
                yield definition, access


def _kept(definition: Definition, access: Access, between: dict[str, tuple[int, ...]]) -> set[int]:
    axes = between.get(definition.name, range(len(definition.indices)))
    names = {definition.indices[axis] for axis in axes}
    return {axis for axis, position in enumerate(access.positions) if position.as_name in names}
