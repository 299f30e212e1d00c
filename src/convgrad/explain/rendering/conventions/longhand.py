"""Programs for tools that have no layers: one example, each step written out, and the way back as well."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from convgrad.errors import ModelError
from convgrad.explain.rendering.conventions.kinds import Convolution, Dense, Elementwise, Flat, Kind, Pooling
from convgrad.explain.rendering.conventions.listing import Listing
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.trace import Trace
from convgrad.losses import Loss
from convgrad.network.plan import INPUT, TARGET


class Longhand(ABC):
    """Forward line by line into `listing`; `back` collects what each layer does on the way back.

    tool: its name. comment: what a comment begins with. end: what ends a line that prints nothing.
    slopes: elementwise function -> how it is written, and the delta before it from the one behind it.
    """

    tool: ClassVar[str]
    comment: ClassVar[str]
    end: ClassVar[str]
    slopes: ClassVar[Mapping[str, tuple[str, str]]]

    def __init__(self, trace: Trace):
        if trace.start.batch is not None:
            raise ModelError(f"{self.tool} code is written only for one example without a batch.")
        self.listing, self.trace = Listing(trace, self.tool), trace
        self.back: list[list[str]] = []

    def write(self) -> None:
        """All lines, from the input to the gradients."""
        self.put("input", INPUT, self.trace[INPUT].values)
        for kind in self.listing.kinds:
            result = self.trace[kind.result]
            self.listing.add("", f"{self.comment} {kind.name}: {result.equation}")
            self.layer(kind)
            self.listing.add(self.printed(f"{kind.name}_x", result.values))
        if not self.delta():
            return
        sources = {INPUT: INPUT} | {kind.name: kind.result for kind in self.listing.kinds}
        for kind, lines in reversed([*zip(self.listing.kinds, self.back, strict=False)]):
            self.listing.add("", *lines, *self.shown(_delta(kind.source), sources[kind.source]))

    def parameters(self, kind: Convolution | Dense) -> None:
        """Kernel or weights, and the bias."""
        self.put(f"{kind.name}_w", kind.weights, kind.w)
        if kind.b is not None:
            self.put(f"{kind.name}_b", kind.bias, kind.b)

    def shown(self, variable: str, tensor: str) -> list[str]:
        """The line that prints a gradient, where ours is known."""
        gradient = self.listing.gradient(tensor)
        return [] if gradient is None else [self.printed(variable, gradient)]

    def layer(self, kind: Kind) -> None:
        """A layer's line or lines, and those of its way back."""
        o = INPUT if kind.source == INPUT else f"{kind.source}_x"
        do = _delta(kind.source)
        if isinstance(kind, Convolution):
            self.convolution(kind, o, do)
        elif isinstance(kind, Pooling):
            self.pooling(kind, o, do)
        elif isinstance(kind, Dense):
            self.dense(kind, o, do)
        elif isinstance(kind, Elementwise):
            names = {"o": o, "x": f"{kind.name}_x", "dx": f"{kind.name}_dx"}
            forward, backward = (text.format(**names) for text in self.slopes[kind.function])
            self.listing.add(f"{names['x']} = {forward}{self.end}")
            self.back.append([f"{do} = {backward}{self.end}"])
        else:
            assert isinstance(kind, Flat)
            self.flat(kind, o, do)

    def delta(self) -> bool:
        """Where the way back begins; False where nothing is known of it."""
        start = self.listing.start
        if start is not None:
            layer, values = start
            names = [placed.name for placed in self.trace.network.layers]
            self.back = self.back[: names.index(layer) + 1]
            self.listing.add("", f"{layer}_dx = {self.literal(values)}{self.end}  {self.comment} given")
            return True
        if not self.listing.has_loss:
            return False
        loss = self.listing.loss
        last, target = self.trace.network.layers[-1], self.trace[TARGET].values
        y, dy = f"{last.name}_x", f"{last.name}_dx"
        if target.ndim == 0:
            self.label_loss(y, dy, int(target))
        else:
            self.loss(y, dy, loss, target)
        self.listing.add(*self.shown(dy, last.output))
        return True

    @abstractmethod
    def literal(self, values: Array) -> str:
        """An array as an expression."""

    @abstractmethod
    def put(self, variable: str, tensor: str, values: Array) -> None:
        """The line that sets a variable to numbers of ours."""

    @abstractmethod
    def printed(self, variable: str, values: Array) -> str:
        """The line that prints a variable, with what it should print."""

    @abstractmethod
    def convolution(self, kind: Convolution, o: str, do: str) -> None: ...

    @abstractmethod
    def pooling(self, kind: Pooling, o: str, do: str) -> None: ...

    @abstractmethod
    def dense(self, kind: Dense, o: str, do: str) -> None: ...

    @abstractmethod
    def flat(self, kind: Flat, o: str, do: str) -> None: ...

    @abstractmethod
    def label_loss(self, y: str, dy: str, label: int) -> None:
        """Softmax and cross-entropy of a label, counted from 0, and the delta of y."""

    @abstractmethod
    def loss(self, y: str, dy: str, loss: Loss, target: Array) -> None:
        """A loss of numbers, and the delta of y."""


def _delta(layer: str) -> str:
    """The variable of the gradient of a layer's result, or of the input."""
    return "dinput" if layer == INPUT else f"{layer}_dx"
