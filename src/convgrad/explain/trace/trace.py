"""A trace: every tensor of a training step by name, computed when it is asked for, each element explained.

trace = network.trace(x, target)
trace["conv1.dw"].values
print(trace["conv1.dw"][0, 0].explain())
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from convgrad.arguments import NAMES, TABLE, TEXT, optional, shown, takes
from convgrad.calculus.derive import renamed_indices
from convgrad.compute.contract import in_order, root
from convgrad.compute.oracle.grid import evaluate_definition
from convgrad.errors import DataError, ModelError, UnknownName, suggestion
from convgrad.explain.trace.element import Element
from convgrad.explain.trace.given import Array, Start
from convgrad.explain.trace.showing import as_html, as_text
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.terms import json_number
from convgrad.network.plain import PlainNetwork
from convgrad.network.plan import INPUT, TARGET, Plan
from convgrad.notation.terms import Definition, Equation, accesses, bound_indices

ELEMENT = re.compile(r"\s*([\w.']+)\s*(?:\[([^\]]*)\])?\s*")


class Trace(Mapping[str, Tensor]):
    """Tensor's name -> tensor, of all that can be computed from what is given. Made by `Network.trace`.

    Nothing is computed before it is asked for. Where tensors are pinned or deltas are given, whatever reads them goes
    on from these values.

    >>> from convgrad import Network
    >>> from convgrad.layers import Dense
    >>> network = Network(Dense(1, bias=None), input_shape=(2,), dtype="float64")
    >>> network.set_weights({"dense1.w": [[0.5], [-0.25]]})
    >>> trace = network.trace([2, 3], target=[1])
    >>> print(trace["dense1.dw"][0, 0].explain().numbers)
    -0.75*2 = -1.5
    >>> print(", ".join(trace))
    dense1.w, input, dense1.x, target, loss.E, dense1.dx, dense1.dw, dinput, optimizer.eta, dense1.w_next
    """

    def __init__(self, start: Start):
        self.start = start
        self.views = start.plan.views
        definitions = _readable(start.plan)
        self.equation = replace(start.plan.equation, definitions=tuple(definitions))
        self.definitions = {d.name: d for d in definitions}
        self.shapes = {**dict(start.plan.equation.shapes), **{n: start.plan.shapes[n] for n in start.deltas}}
        computed = tuple(d for d in definitions if d.name not in start.replaced)
        self._computed = Equation(computed, shapes=start.plan.equation.shapes)
        self._values: dict[str, Array] = {**start.given, **start.replaced}
        self._names, self._missing = self._reachable()
        self._tensors: dict[str, Tensor] = {}

    @property
    def network(self) -> PlainNetwork:
        """The network that this is a step of. Raises: ModelError where the equations are not those of a network."""
        if self.start.network is None:
            raise ModelError("This is a trace of equations, not of a network.")
        return self.start.network

    @property
    def learning_rate(self) -> float:
        """Of the update; 0 where the equations are not those of a network."""
        return 0.0 if self.start.optimizer is None else self.start.optimizer.learning_rate

    @property
    def loss(self) -> float | None:
        """The loss, of a batch the mean; None where no target is given."""
        name = self.start.plan.loss
        return float(self.values_of(name)) if name in self else None

    def __getitem__(self, name: str) -> Tensor:
        if not isinstance(name, str) or name not in self._names:
            raise UnknownName(self._why_not(name))
        if name not in self._tensors:
            self._tensors[name] = Tensor(self, name)
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._names

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    @takes(DataError, element=TEXT)
    def at(self, element: str) -> Element:
        """The element that a text names: `trace.at("conv1.dw[0,0]")`.

        Raises: DataError where there is none; the message names the nearest tensor or the legal range.
        """
        match = ELEMENT.fullmatch(element)
        numbers = (match[2] or "").split(",") if match and match[2] and match[2].strip() else []
        if match is None or not all(re.fullmatch(r"\s*-?\d{1,18}\s*", number) for number in numbers):
            raise DataError(
                f"{shown(element)} is not an element; write a tensor and its indices, such as conv1.dw[0,0]."
            )
        return self[match[1]][tuple(int(number) for number in numbers)]

    @takes(DataError, name=TEXT)
    def values_of(self, name: str) -> Array:
        """The values of a tensor, computed with all that it needs. Read only."""
        source = root(name, self.views)
        if source not in self._values:
            for definition in in_order(self._computed, [source], views=self.views):
                if definition.name not in self._values:
                    read = {a.tensor for a in accesses(definition.term)}
                    arguments = {n: self._values[root(n, self.views)].reshape(self.shapes[n]) for n in read}
                    self._values[definition.name] = _frozen(evaluate_definition(definition, arguments))
        return self._values[source].reshape(self.shapes[name])

    @takes(DataError, names=optional(NAMES))
    def without_pins(self, names: Collection[str] | None = None) -> Trace:
        """The same with some pins taken off (all where None): their tensors are what their equations say. Deltas that
        were given stay. Raises: DataError where a name is not pinned.
        """
        pins = self.start.pins
        for name in () if names is None else names:
            if name not in pins:
                raise DataError(f"`{name}` is not pinned.{suggestion(name, pins)}" if pins else "Nothing is pinned.")
        kept = {} if names is None else {n: v for n, v in pins.items() if n not in names}
        return Trace(replace(self.start, pins=kept))

    @takes(DataError, pins=TABLE)
    def with_pins(self, pins: Mapping[str, Array]) -> Trace:
        """The same with further tensors pinned; values in the tensors' shapes."""
        return Trace(replace(self.start, pins={**self.start.pins, **pins}))

    def to_json(self) -> dict[str, Any]:
        """All tensors as data that JSON can hold: {"tensors": {name: {"shape", "values", "equation"}}, "loss",
        "learning_rate"}. `equation` is None for what is given; `pinned` is there, and true, where values were.
        """
        return {
            "tensors": {name: self[name].to_json() for name in self},
            "loss": None if self.loss is None else json_number(self.loss),
            "learning_rate": self.learning_rate,
        }

    def _reachable(self) -> tuple[dict[str, None], dict[str, str]]:
        """The tensors that can be computed, in the order of the calculation, and of the others what they lack."""
        names: dict[str, None] = {}
        missing: dict[str, str] = {}
        known = dict.fromkeys([*self.start.given, *self.start.replaced])
        for definition in self.definitions.values():
            for access in accesses(definition.term):
                source = root(access.tensor, self.views)
                for name in (source, access.tensor):
                    if source in known:
                        names.setdefault(name)
                    else:
                        missing.setdefault(name, missing.get(source, source))
            reads = [root(a.tensor, self.views) for a in accesses(definition.term)]
            lacking = [name for name in reads if name not in known]
            if definition.name in known or not lacking:
                known.setdefault(definition.name)
                names.setdefault(definition.name)
            else:
                missing[definition.name] = missing.get(lacking[0], lacking[0])
        for name in self.start.deltas:
            names.setdefault(name)
        for name, source in self.views.items():
            if root(source, self.views) in known:
                names.setdefault(name)
        return names, missing

    def _why_not(self, name: str) -> str:
        if isinstance(name, str) and name in self._missing:
            lacks = self._missing[name]
            advice = {TARGET: "Give a target, or the deltas of a layer.", INPUT: "Give x, the input."}
            if lacks == name:
                return f"`{name}` was not given. {advice.get(lacks, 'Give it as a pin.')}"
            return (
                f"`{name}` can't be computed without `{lacks}`, which was not given. {advice.get(lacks, '')}".rstrip()
            )
        if not isinstance(name, str):
            return f"Tensors have names, such as 'conv1.dw', not {shown(name)}."
        return f"There is no tensor `{name}`.{suggestion(name, self)}"

    def __repr__(self) -> str:
        network = self.start.network
        return f"<Trace of {'equations' if network is None else network.name or 'a network'}: {len(self)} tensors>"

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.values())) if self.start.network is None else as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def _readable(plan: Plan) -> list[Definition]:
    """The definitions, updates with the indices of their gradient, conv1.w_next[m,n], where the optimizer has names for
    any shape.
    """
    gradients: dict[str, Definition] = {}
    found = []
    for definition in plan.definitions:
        during = plan.passes[definition.name]
        if during == "backward":
            gradients[definition.name] = definition
        if during == "update":
            read = [a.tensor for a in accesses(definition.term) if a.tensor in gradients]
            if read:
                gradients[definition.name] = gradients[read[0]]
                definition = _with_indices_of(gradients[read[0]], definition)
        found.append(definition)
    return found


def _with_indices_of(gradient: Definition, update: Definition) -> Definition:
    if gradient.shape != update.shape or bound_indices(update.term):
        return update
    names = dict(zip(update.indices, gradient.indices, strict=True))
    ranges = tuple((names[i], size) for i, size in update.ranges)
    return replace(update, indices=gradient.indices, term=renamed_indices(update.term, names), ranges=ranges)


def _frozen(array: Array) -> Array:
    array = np.asarray(array, dtype=np.float64)
    array.flags.writeable = False
    return array
