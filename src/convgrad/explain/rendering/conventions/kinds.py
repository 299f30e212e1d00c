"""What kind of layer an equation is: a convolution, a pooling, a dense layer, a function of single elements.

Found from the equation itself, so that a layer written as text counts as well as one of the library.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from convgrad.errors import ModelError
from convgrad.explain.trace.trace import Array, Trace
from convgrad.explain.words.layers import Slide, slide_along
from convgrad.network.plan import INPUT, PlacedLayer
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Access, Add, Definition, Multiply, Reduce, Term, accesses

FUNCTIONS = {"relu": "max(o, 0)", "sigmoid": "sigmoid(o)", "tanh": "tanh(o)"}
Pairs = tuple[tuple[int, int], tuple[int, int]]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Kind:
    """A layer of some kind.

    source: the layer that it reads, or `input`. inputs, outputs: shapes of one example, as the equation sees them.
    """

    name: str
    source: str
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
    """w: (M, N) or (M, N, C, K). b: one number, (K,), or None."""

    dilation: Pair
    w: Array
    b: Array | None

    @property
    def kernel(self) -> Array:
        """As (M, N, C, K)."""
        return self.w if self.has_channels else self.w[:, :, None, None]

    @property
    def bias(self) -> Array | None:
        """As (K,)."""
        return None if self.b is None else self.b.reshape(-1)


@dataclass(frozen=True)
class Pooling(Windowed):
    """kind: max or mean."""

    kind: str


@dataclass(frozen=True)
class Dense(Kind):
    """w: an axis for each of the input's, K last. b: (K,) or None."""

    w: Array
    b: Array | None

    @property
    def matrix(self) -> Array:
        """As (inputs in a row, K)."""
        return self.w.reshape(-1, self.w.shape[-1])


@dataclass(frozen=True)
class Elementwise(Kind):
    """function: relu, sigmoid or tanh."""

    function: str


@dataclass(frozen=True)
class Flat(Kind):
    """All elements in a row."""


def kinds(trace: Trace, tool: str) -> list[Kind]:
    """Every layer of a network in a row. Raises: ModelError where a layer is of no kind that `tool` has words for."""
    found = []
    before = INPUT
    for placed in trace.network.layers:
        if placed.sources != (before,):
            raise ModelError(
                f"`{placed.name}` makes the network a graph; {tool} code can be written only for layers in a row."
            )
        found.append(_kind(trace, placed, tool))
        before = placed.name
    return found


def _kind(trace: Trace, placed: PlacedLayer, tool: str) -> Kind:
    definition = _of_one_example(trace, trace.definitions[placed.output])
    kind = (
        _windowed(trace, placed, definition) or _dense(trace, placed, definition) or _simple(trace, placed, definition)
    )
    if kind is None:
        raise ModelError(
            f"`{placed.name}` can't be written for {tool}: {definition} is not one of the layers that it has a "
            "name for (convolution, max or mean pooling, dense, ReLU, sigmoid, tanh, flatten)."
        )
    return kind


def _of_one_example(trace: Trace, definition: Definition) -> Definition:
    """The definition without its batch axis."""
    if trace.start.batch is None:
        return definition
    return replace(definition, indices=definition.indices[1:])


def _image_shape(trace: Trace, name: str) -> tuple[int, ...]:
    shape = trace.shapes[name]
    return shape if trace.start.batch is None else shape[1:]


def _parts(trace: Trace, term: Term) -> tuple[Access | None, Access | None, Reduce | None, str | None]:
    """Image, weights, reduction and bias of `sum(w * o) + b`, `max(o)` or `mean(o)`."""
    bias = None
    if isinstance(term, Add) and len(term.terms) == 2 and isinstance(term.terms[1], Access):
        bias, term = term.terms[1].tensor, term.terms[0]
    if not isinstance(term, Reduce):
        return None, None, None, bias
    factors = term.body.factors if isinstance(term.body, Multiply) else (term.body,)
    read = [f for f in factors if isinstance(f, Access)]
    weights = [a for a in read if a.tensor in trace.network.parameters]
    images = [a for a in read if a.tensor not in trace.network.parameters]
    if len(read) != len(factors) or len(images) != 1 or len(weights) > 1:
        return None, None, term, bias
    return images[0], weights[0] if weights else None, term, bias


def _windowed(trace: Trace, placed: PlacedLayer, definition: Definition) -> Kind | None:
    image, weights, reduction, bias = _parts(trace, definition.term)
    if image is None or reduction is None:
        return None
    first = 0 if trace.start.batch is None else 1
    along = [slide_along(trace, definition, image, axis) for axis in (first, first + 1)[: len(image.positions)]]
    slides = [slide for slide in along if slide is not None]
    inputs, outputs = _image_shape(trace, image.tensor), definition.indices
    if len(slides) != 2 or len(inputs) not in (2, 3) or len(outputs) != len(inputs):
        return None
    window = {
        "name": placed.name,
        "source": placed.sources[0],
        "inputs": inputs,
        "outputs": _image_shape(trace, placed.output),
        "strides": (slides[0].stride, slides[1].stride),
        "pads": (_pads(slides[0]), _pads(slides[1])),
    }
    extents = (slides[0].extent, slides[1].extent)
    if weights is None:
        own = len(inputs) == 2 or image.positions[-1].as_name == outputs[-1]
        kind = reduction.kind in ("max", "mean") and own and bias is None and len(reduction.indices) == 2
        return Pooling(**window, size=extents, kind=reduction.kind) if kind else None  # type: ignore[arg-type]
    w = trace[weights.tensor].values
    b = None if bias is None else trace[bias].values
    kernel = [p.as_name for p in weights.positions]
    channels = [] if len(inputs) == 2 else [image.positions[-1].as_name, outputs[-1]]
    fits = reduction.kind == "sum" and kernel[2:] == channels and len({*kernel}) == w.ndim == len(inputs) * 2 - 2
    if not fits or (b is not None and b.size != (w.shape[3] if len(inputs) == 3 else 1)):
        return None
    dilation = tuple((e - 1) // (m - 1) if m > 1 else 1 for e, m in zip(extents, w.shape, strict=False))
    return Convolution(**window, size=w.shape[:2], dilation=dilation, w=w, b=b)  # type: ignore[arg-type]


def _pads(slide: Slide) -> Pair:
    return (slide.before, slide.border - slide.before) if slide.outside is not None else (0, 0)


def _dense(trace: Trace, placed: PlacedLayer, definition: Definition) -> Kind | None:
    image, weights, reduction, bias = _parts(trace, definition.term)
    if image is None or weights is None or reduction is None or reduction.kind != "sum":
        return None
    read = [p.as_name for p in image.positions[0 if trace.start.batch is None else 1 :]]
    if [p.as_name for p in weights.positions] != [*read, *definition.indices] or len(definition.indices) != 1:
        return None
    b = None if bias is None else trace[bias].values
    shapes = _image_shape(trace, image.tensor), _image_shape(trace, placed.output)
    return Dense(placed.name, placed.sources[0], *shapes, w=trace[weights.tensor].values, b=b)


def _simple(trace: Trace, placed: PlacedLayer, definition: Definition) -> Kind | None:
    read = list(accesses(definition.term))
    if len(read) != 1 or [p.as_name for p in read[0].positions][-len(definition.indices) :] != [*definition.indices]:
        return None
    shapes = _image_shape(trace, read[0].tensor), _image_shape(trace, placed.output)
    where = (placed.name, placed.sources[0])
    if definition.term == read[0]:
        return Flat(*where, *shapes)
    written = str(definition.term).replace(str(read[0]), "o")
    for function, text in FUNCTIONS.items():
        if written == str(parse(f"x = {text}").result.term):
            return Elementwise(*where, *shapes, function=function)
    return None
