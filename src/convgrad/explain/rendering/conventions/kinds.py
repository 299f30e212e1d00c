"""What kind of layer an equation is: a convolution, a pooling, a dense layer, a function of single elements.

Found from the equation itself, so that a layer written as text counts as well as one of the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from convgrad.errors import ModelError
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.trace import Trace
from convgrad.explain.words.layers import slide_along
from convgrad.network.placed import PlacedLayer
from convgrad.network.plan import INPUT
from convgrad.notation.parsing.parser import parse
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Add, Multiply, Reduce, Term, accesses

FUNCTIONS = {"relu": "max(o, 0)", "sigmoid": "sigmoid(o)", "tanh": "tanh(o)"}
Pairs = tuple[tuple[int, int], tuple[int, int]]
Pair = tuple[int, int]
BEYOND = {"sum": 0.0, "mean": 0.0, "max": float("-inf")}
"""Reduction of a window -> what other tools read outside of a padded image."""


@dataclass(frozen=True)
class Kind:
    """A layer of some kind.

    source: the layer that it reads, or `input`. result: its tensor in the trace, such as conv1.x.
    inputs, outputs: shapes of one example's input, as the source has it, and of its result.
    """

    name: str
    source: str
    result: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Windowed(Kind):
    """Something that slides over an image. pads: positions (before, after) that are added, of rows and of columns."""

    size: Pair
    strides: Pair
    pads: Pairs

    @property
    def padded(self) -> bool:
        """Whether anything is added."""
        return any(map(any, self.pads))

    @property
    def has_channels(self) -> bool:
        """Whether the image has an axis of channels."""
        return len(self.inputs) == 3


@dataclass(frozen=True)
class Convolution(Windowed):
    """weights, bias: tensors in the trace, such as conv1.w. w: (M, N) or (M, N, C, K). b: one number, (K,), or None."""

    dilation: Pair
    weights: str
    bias: str
    w: Array
    b: Array | None

    @property
    def kernel(self) -> Array:
        """As (M, N, C, K)."""
        return self.w if self.has_channels else self.w[:, :, None, None]


@dataclass(frozen=True)
class Pooling(Windowed):
    """kind: max or mean."""

    kind: str


@dataclass(frozen=True)
class Dense(Kind):
    """weights, bias: tensors in the trace, such as dense1.w. w: an axis for each of the input's, K last. b: or None."""

    weights: str
    bias: str
    w: Array
    b: Array | None


@dataclass(frozen=True)
class Elementwise(Kind):
    """function: relu, sigmoid or tanh."""

    function: str


@dataclass(frozen=True)
class Flat(Kind):
    """All elements in a row, the last index fastest."""


def kinds(trace: Trace, tool: str) -> list[Kind]:
    """Every layer of a network in a row. Raises: ModelError where a layer is of no kind that `tool` has words for."""
    found = []
    before, result = INPUT, INPUT
    for placed in trace.network.layers:
        if placed.sources != (before,):
            raise ModelError(
                f"`{placed.name}` makes the network a graph; {tool} code can be written only for layers in a row."
            )
        found.append(_Reading(trace, placed, result).kind(tool))
        before, result = placed.name, placed.output
    return found


@dataclass(frozen=True)
class _Parts:
    """Image, weights, reduction and bias of `sum(w * o) + b`, `max(o)` or `mean(o)`."""

    image: Access
    weights: Access | None
    reduction: Reduce
    bias: Access | None


@dataclass(frozen=True)
class _Window:
    """How a window of `size` places slides along an axis: `index` runs within it."""

    index: str
    size: int
    stride: int
    dilation: int
    pads: Pair


class _Reading:
    """A layer's definition, as it is read for one example. result: the tensor of the layer before."""

    def __init__(self, trace: Trace, placed: PlacedLayer, result: str):
        self.trace, self.placed, self.result = trace, placed, result
        self.definition = trace.definitions[placed.output]
        self.first = 0 if trace.start.batch is None else 1
        self.indices = self.definition.indices[self.first :]
        self.outputs = trace.shapes[placed.output][self.first :]
        self.inputs = trace.shapes[result][self.first :]

    def kind(self, tool: str) -> Kind:
        parts = _parts(self.trace, self.definition.term)
        kind = self.simple() if parts is None else self.windowed(parts) or self.dense(parts)
        if kind is None:
            shown = replace(self.definition, indices=self.indices)
            raise ModelError(
                f"`{self.placed.name}` can't be written for {tool}: {shown} is not one of the layers that it has a "
                "name for (convolution, max or mean pooling, dense, ReLU, sigmoid, tanh, flatten)."
            )
        return kind

    @property
    def where(self) -> dict[str, Any]:
        """What every kind has."""
        shapes = {"inputs": self.inputs, "outputs": self.outputs}
        return {"name": self.placed.name, "source": self.placed.sources[0], "result": self.placed.output, **shapes}

    def positions(self, image: Access, flat: bool = False) -> tuple[Position, ...] | None:
        """Where the layer before is read in one example; None where something else is read, or, unless `flat`, in
        another shape.
        """
        views = self.trace.views
        if self.result not in (image.tensor, views.get(image.tensor)):
            return None
        if not flat and self.trace.shapes[image.tensor][self.first :] != self.inputs:
            return None
        if [p.as_name for p in image.positions[: self.first]] != [*self.definition.indices[: self.first]]:
            return None
        return image.positions[self.first :]

    def simple(self) -> Kind | None:
        """A function of single elements, or nothing but another shape."""
        read = list(accesses(self.definition.term))
        flat = len(self.indices) == 1 and read == [self.definition.term]
        positions = self.positions(read[0], flat) if len(read) == 1 else None
        if positions is None or [p.as_name for p in positions] != [*self.indices]:
            return None
        if flat:
            return Flat(**self.where)
        written = str(self.definition.term).replace(str(read[0]), "o")
        for function, text in FUNCTIONS.items():
            if written == str(parse(f"x = {text}").result.term):
                return Elementwise(**self.where, function=function)
        return None

    def dense(self, parts: _Parts) -> Kind | None:
        """A sum over all of the input, with weights of its own for each result."""
        positions = self.positions(parts.image)
        if positions is None or parts.weights is None or len(self.indices) != 1 or parts.reduction.kind != "sum":
            return None
        read = [p.as_name for p in positions]
        weights = [p.as_name for p in parts.weights.positions]
        if not _same(read, parts.reduction.indices) or weights != [*read, *self.indices] or not self.fits(parts.bias):
            return None
        return Dense(**self.where, **self.trained(parts))

    def windowed(self, parts: _Parts) -> Kind | None:
        """A convolution or a pooling over rows and columns."""
        positions = self.positions(parts.image)
        if positions is None or len(positions) not in (2, 3) or len(self.indices) != len(positions):
            return None
        reduced = parts.reduction.indices
        rows, columns = (self.window(parts, axis) for axis in (0, 1))
        if rows is None or columns is None:
            return None
        window: dict[str, Any] = {
            "size": (rows.size, columns.size),
            "strides": (rows.stride, columns.stride),
            "pads": (rows.pads, columns.pads),
        }
        dilation = (rows.dilation, columns.dilation)
        inner = [rows.index, columns.index]
        channels = [p.as_name for p in positions[2:]]
        if parts.weights is None:
            known = parts.reduction.kind in ("max", "mean") and parts.bias is None and dilation == (1, 1)
            if not known or channels != [*self.indices[2:]] or not _same(inner, reduced):
                return None
            return Pooling(**self.where, **window, kind=parts.reduction.kind)
        weights = [p.as_name for p in parts.weights.positions]
        if parts.reduction.kind != "sum" or weights != [*inner, *channels, *self.indices[2:]]:
            return None
        if not _same([*inner, *channels], reduced) or not self.fits(parts.bias):
            return None
        return Convolution(**self.where, **window, dilation=dilation, **self.trained(parts))

    def window(self, parts: _Parts, axis: int) -> _Window | None:
        """How rows (0) or columns (1) are read; None where it is not as other tools read them: from the first place to
        the last that fits, and outside of the image what they read there.
        """
        slide = slide_along(self.trace, self.definition, parts.image, self.first + axis)
        if slide is None or slide.index != self.indices[axis] or slide.before < 0 or not slide.is_full:
            return None
        inner = [name for name in slide.position.names if name != slide.index]
        if slide.outside not in (None, BEYOND.get(parts.reduction.kind)) or len(inner) != 1:
            return None
        dilation = slide.position.numerator.coefficient(inner[0]).constant_value
        pads = (0, 0) if slide.outside is None else (slide.before, slide.border - slide.before)
        return _Window(inner[0], (slide.extent - 1) // dilation + 1, slide.stride, dilation, pads)

    def fits(self, bias: Access | None) -> bool:
        """Whether the bias is one number for each channel, or each unit: b[k], or b where there is only one."""
        if bias is None:
            return True
        units = 1 if len(self.indices) == 2 else self.outputs[-1]
        own = units == 1 or [p.as_name for p in bias.positions] == [self.indices[-1]]
        return own and self.trace.values_of(bias.tensor).size == units

    def trained(self, parts: _Parts) -> dict[str, Any]:
        """Weights and bias, by name and by value."""
        assert parts.weights is not None
        weights, bias = parts.weights.tensor, parts.bias.tensor if parts.bias else ""
        b = self.trace.values_of(bias) if bias else None
        return {"weights": weights, "bias": bias, "w": self.trace.values_of(weights), "b": b}


def _parts(trace: Trace, term: Term) -> _Parts | None:
    bias = None
    parameters = trace.network.parameters
    if isinstance(term, Add) and len(term.terms) == 2 and isinstance(term.terms[1], Access):
        bias, term = term.terms[1], term.terms[0]
    if not isinstance(term, Reduce) or (bias is not None and bias.tensor not in parameters):
        return None
    factors = term.body.factors if isinstance(term.body, Multiply) else (term.body,)
    read = [f for f in factors if isinstance(f, Access)]
    weights = [a for a in read if a.tensor in parameters]
    images = [a for a in read if a.tensor not in parameters]
    if len(read) != len(factors) or len(images) != 1 or len(weights) > 1:
        return None
    if weights and bias is not None and bias.tensor == weights[0].tensor:
        return None
    return _Parts(images[0], weights[0] if weights else None, term, bias)


def _same(names: Sequence[str | None], indices: Sequence[str]) -> bool:
    """Whether these are the indices, each of them once."""
    return len(names) == len(indices) and {*names} == {*indices}
