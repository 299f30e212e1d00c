"""Lines of a program in another tool's language, with its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from convgrad.errors import ModelError
from convgrad.explain.rendering.conventions.kinds import Kind, kinds
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.numbers import written
from convgrad.explain.trace.trace import Trace
from convgrad.losses import BinaryCrossEntropy, HalfSquaredError, Loss, MeanSquaredError, SoftmaxCrossEntropy
from convgrad.network.plan import TARGET
from convgrad.notation.terms import gradient_name

LARGEST = 64
"""Numbers of an array that a program spells out; a larger one is read from a file."""


def nested(values: Array, opening: str = "[", closing: str = "]", exact: bool = True) -> str:
    """Numbers in nested brackets: every digit, or as people write them."""
    if values.ndim == 0:
        return repr(float(values)) if exact else written(float(values))
    inner = (nested(part, opening, closing, exact) for part in values)
    return f"{opening}{', '.join(inner)}{closing}"


@dataclass
class Listing:
    """A program as it grows.

    trace: without pins, which other tools have no place for. shape: of one example's numbers so far.
    """

    trace: Trace
    tool: str
    lines: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)

    @property
    def kinds(self) -> list[Kind]:
        """The network's layers."""
        return kinds(self.trace, self.tool)

    def add(self, *lines: str) -> None:
        self.lines += lines

    def array(self, name: str, values: Array, turned: Callable[[Array], Array], as_code: str) -> str:
        """An array as an expression: its numbers as the tool has them, or, where there are many, how to get them from
        our array. turned: ours -> the tool's; as_code: the same in Python, of `{}`.
        """
        if values.size <= LARGEST:
            return f"np.array({nested(turned(values))})"
        self.files.add(name)
        return as_code.format(f'arrays["{name}"]')

    def expected(self, values: Array) -> str:
        """What the tool should print."""
        return nested(values, exact=False) if values.size <= LARGEST else f"shape {tuple(values.shape)}"

    @property
    def expected_loss(self) -> str:
        """What the tool should print as the loss."""
        return self.expected(np.asarray(self.trace.loss))

    def text(self, head: list[str]) -> str:
        """The whole program."""
        if self.files:
            made = 'np.savez("arrays.npz", input=x, target=t, **network.get_weights())'
            head = [*head, f"# written by {made}", 'with np.load("arrays.npz") as file:', "    arrays = dict(file)"]
        return "\n".join([*head, "", *self.lines]) + "\n"

    def gradient(self, tensor: str) -> Array | None:
        """Ours, where it can be computed."""
        name = gradient_name(tensor)
        return self.trace[name].values if name in self.trace else None

    @property
    def start(self) -> tuple[str, Array] | None:
        """The layer whose deltas are given, with these; None where the way back begins at the loss."""
        deltas = self.trace.start.deltas
        if len(deltas) > 1:
            raise ModelError(f"Deltas are given at {len(deltas)} places; {self.tool} can begin at only one.")
        for name, values in deltas.items():
            for placed in self.trace.network.layers:
                if gradient_name(placed.output) == name:
                    return placed.name, values
            raise ModelError(
                f"Deltas are given at {name}, which is not a layer's result; {self.tool} can't begin there."
            )
        return None

    @property
    def has_loss(self) -> bool:
        """Whether there is a target."""
        return TARGET in self.trace

    @property
    def loss(self) -> Loss:
        """The loss. Raises: ModelError where the other tools have no word for it."""
        found = self.trace.start.loss
        if isinstance(found, SoftmaxCrossEntropy) and found.label_smoothing:
            raise ModelError(f"{self.tool} code can't be written for label smoothing.")
        if not isinstance(found, (HalfSquaredError, MeanSquaredError, SoftmaxCrossEntropy, BinaryCrossEntropy)):
            raise ModelError(f"{self.tool} has no equivalent of the loss {type(found).__name__}.")
        return found


def with_batch(values: Array, trace: Trace) -> Array:
    """With the axis of examples in front, where the trace has none."""
    return values[None] if trace.start.batch is None else values


def example(trace: Trace) -> str:
    """In Python, an input from a file with the axis of examples in front."""
    return "{}[None]" if trace.start.batch is None else "{}"


def channels_first(values: Array) -> Array:
    """(N, H, W) or (N, H, W, C) -> (N, C, H, W); others as they are."""
    if values.ndim == 3:
        return values[:, None]
    return np.moveaxis(values, -1, 1) if values.ndim == 4 else values


def channels_last(values: Array) -> Array:
    """(N, H, W) -> (N, H, W, 1); others as they are."""
    return values[..., None] if values.ndim == 3 else values
