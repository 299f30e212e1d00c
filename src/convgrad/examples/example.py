"""A network with numbers for one training step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from convgrad.arguments import FLAG, NAMES, takes
from convgrad.errors import DataError
from convgrad.explain.trace.start import trace
from convgrad.explain.trace.trace import Trace
from convgrad.losses import Loss
from convgrad.models.network import Network
from convgrad.optimizers import SGD, Optimizer


@dataclass(frozen=True)
class Example:
    """A network, an input and whatever else a step begins with.

    about: one line for people who choose; text: a few sentences before the numbers.
    x: of the network's input shape, or a batch; target: one for each example, or None.
    deltas, pins: as in `Network.trace`; those of `exact` are taken off.
    """

    name: str
    network: Network
    about: str = ""
    text: str = ""
    x: Any = None
    target: Any = None
    loss: str | Loss | None = None
    optimizer: Optimizer = field(default_factory=SGD)
    deltas: Mapping[str, Any] = field(default_factory=dict)
    pins: Mapping[str, Any] = field(default_factory=dict)

    @takes(DataError, exact=FLAG, unpinned=NAMES)
    def trace(self, exact: bool = False, unpinned: Collection[str] = ()) -> Trace:
        """The step's numbers. exact: without pins, except deltas; unpinned: without these."""
        found = trace(
            self.network,
            self.x,
            self.target,
            loss=self.loss,
            optimizer=self.optimizer,
            deltas=self.deltas,
            pins=self.pins,
        )
        return found.without_pins() if exact else found.without_pins(unpinned) if unpinned else found

    def left_out(self, x: Any = None, target: Any = None) -> str:
        """A sentence on what `given` leaves out; empty where that is nothing."""
        kept = self.given(x, target)
        tables = {"deltas": (self.deltas, kept.deltas), "pins": (self.pins, kept.pins)}
        names = [f"the {kind} of {name}" for kind, (old, new) in tables.items() for name in old if name not in new]
        if not names:
            return ""
        belongs = "its own input" if x is not None else "its own target"
        return f"{self.name} gives {' and '.join(names)}; they belong to {belongs} and are left out."

    def given(self, x: Any = None, target: Any = None) -> Example:
        """The same with another input or target where one is given. Pins and deltas, which belong to the old input, and
        with another input the old target are left out.
        """
        if x is not None:
            return replace(self, x=x, target=target, deltas={}, pins={})
        if target is not None:
            return replace(self, target=target, deltas={})
        return self
