"""What the definitions of a document give for numbers: a tensor, or a gradient, of arrays that are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from convgrad.calculus.derive import gradients
from convgrad.check.documents.ledger import Ledger
from convgrad.check.problems.choice import bound_by_choice
from convgrad.check.problems.problem import Array
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ConvgradError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Definition, Equation, accesses, gradient_name

LARGEST_AXIS = 12
"""Of a kernel, where its size is to be found out."""


@dataclass(frozen=True)
class Quantity:
    """Something that a document's definitions give: `name`, computed from `needs`.

    target: the tensor that it is the gradient of; empty for what is defined. forward: the definitions in order.
    """

    name: str
    target: str
    forward: Equation
    needs: tuple[str, ...]

    def shapes(self, given: Mapping[str, tuple[int, ...]], own: tuple[int, ...]) -> Equation | None:
        """The definitions bound at shapes of what is needed and of itself; None where they don't fit."""
        shapes = {n: s for n, s in given.items() if n in self.forward.inputs}
        if self.target in self.forward.inputs:
            shapes[self.target] = own
        try:
            bound = bound_by_choice(self.forward, shapes, self._sizes(given, own), {}, {})
        except ConvgradError:
            return None
        found = bound.shape_of
        for name, shape in given.items():
            tensor = name[1:] if name not in found and name[1:] in found else name
            if found.get(tensor, shape) != shape:
                return None
        mine = self.target or self.name
        return bound if found.get(mine) == own else None

    def _sizes(self, given: Mapping[str, tuple[int, ...]], own: tuple[int, ...]) -> dict[str, int]:
        """Sizes of the indices of definitions, as shapes tell them."""
        sizes: dict[str, int] = {}
        for definition in self.forward.definitions:
            shape = given.get(definition.name, given.get(gradient_name(definition.name)))
            if definition.name == (self.target or self.name):
                shape = own
            if shape is not None and len(shape) == len(definition.indices):
                sizes |= {i.upper(): s for i, s in zip(definition.indices, shape, strict=True)}
        for tensor, shape in (*given.items(), (self.target, own)):
            for access in (a for d in self.forward.definitions for a in accesses(d.term)):
                if access.tensor == tensor and len(shape) == len(access.positions):
                    sizes |= {p.as_name.upper(): s for p, s in zip(access.positions, shape, strict=True) if p.as_name}
        return sizes

    def value(self, given: Mapping[str, Array], own: tuple[int, ...]) -> Array | None:
        """Itself, of its shape; None where arrays don't fit."""
        bound = self.shapes({name: array.shape for name, array in given.items()}, own)
        if bound is None:
            return None
        try:
            if not self.target:
                return np.asarray(
                    evaluate(replace(bound, definitions=_needed(bound, {self.name}, given)), given)[self.name]
                )
            adjoint = gradients(bound, [self.target])
            values = dict(given)
            upstream = gradient_name(bound.result.name)
            if upstream not in values and not bound.result.indices:
                values[upstream] = np.ones(())
            wanted = {gradient_name(self.target)}
            back = replace(adjoint.backward, definitions=_needed(adjoint.backward, wanted, values))
            reads = {a.tensor for d in back.definitions for a in accesses(d.term)}
            ahead = _needed(adjoint.forward, reads, values)
            found = evaluate(replace(adjoint.forward, definitions=ahead), values) if ahead else {}
            return np.asarray(evaluate(back, {**values, **found})[gradient_name(self.target)])
        except ConvgradError:
            return None

    def own_shape(self, given: Mapping[str, tuple[int, ...]]) -> tuple[int, ...] | None:
        """The shape that it has, where the shapes of what it needs tell it: the largest that fits."""
        axes = _axes(self.forward, self.target or self.name)
        found = None
        for sizes in np.ndindex(*[LARGEST_AXIS] * axes):
            own = tuple(int(size) + 1 for size in sizes)
            if self.shapes(given, own) is not None:
                found = own
        return found


def _needed(equation: Equation, wanted: set[str], known: Mapping[str, Array]) -> tuple[Definition, ...]:
    needed, kept = {*wanted}, []
    for definition in reversed(equation.definitions):
        if definition.name in needed and definition.name not in known:
            needed |= {a.tensor for a in accesses(definition.term)}
            kept.append(definition)
    return tuple(reversed(kept))


def _axes(equation: Equation, tensor: str) -> int:
    for definition in equation.definitions:
        if definition.name == tensor:
            return len(definition.indices)
        for access in accesses(definition.term):
            if access.tensor == tensor:
                return len(access.positions)
    return 0


def quantities(ledger: Ledger) -> list[Quantity]:
    """All that the definitions give, gradients that the document speaks of first."""
    found: list[Quantity] = []
    spoken = [said.name for said in reversed(ledger.said)]
    gradients_of = sorted(ledger.gradients.items(), key=lambda item: item[0] not in spoken)
    for name, target in gradients_of:
        forward = ledger.forward(target)
        if forward:
            found += _quantity(name, target, tuple(known.equation for known in forward))
    for name in ledger.definitions:
        found += _quantity(name, "", tuple(known.equation for known in ledger.forward("", name)))
    return found


def _quantity(name: str, target: str, forward: tuple[Equation, ...]) -> list[Quantity]:
    equation = parse("\n".join(str(one) for one in forward))
    try:
        if not target:
            return [Quantity(name, "", equation, tuple(equation.inputs))]
        adjoint = gradients(equation, [target])
    except ConvgradError:
        return []
    wanted = {gradient_name(target)}
    back = _needed(adjoint.backward, wanted, {})
    reads = {a.tensor for d in back for a in accesses(d.term)} - {d.name for d in back}
    needs = reads - {*equation.defined}
    for name_of in reads & {*equation.defined}:
        index = [d.name for d in equation.definitions].index(name_of)
        needs |= {n for d in equation.definitions[: index + 1] for n in (a.tensor for a in accesses(d.term))} - {
            *equation.defined
        }
    if not equation.result.indices:
        needs -= {gradient_name(equation.result.name)}
    return [Quantity(name, target, equation, tuple(sorted(needs)))]
