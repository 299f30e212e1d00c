"""What the definitions of a document give for numbers: a tensor, or a gradient, of arrays that are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from convgrad.calculus.derive import gradients
from convgrad.check.derivations.outside import zero_outside
from convgrad.check.documents.ledger import Known, Ledger
from convgrad.check.problems.choice import bound_by_choice
from convgrad.check.problems.problem import Array
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ConvgradError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Definition, Equation, Reduce, accesses, gradient_name, walk

ENDLESS = 50
"""So many elements more along an axis: no window reaches so far."""
LARGEST_AXIS = 12
"""Of a kernel, where its size is to be found out."""


@dataclass(frozen=True)
class Quantity:
    """Something that a document's definitions give: `name`, computed from `needs`.

    target: the tensor that it is the gradient of; empty for what is defined. forward: the definitions in order.
    told: sizes of windows that the document tells. aliases: names that the document has for gradients, and these.
    """

    name: str
    target: str
    forward: Equation
    needs: tuple[str, ...]
    told: tuple[tuple[str, int], ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()

    def shapes(self, given: Mapping[str, tuple[int, ...]], own: tuple[int, ...]) -> Equation | None:
        """The definitions bound at shapes of what is needed and of itself; None where they don't fit."""
        shapes = {n: s for n, s in given.items() if n in self.forward.inputs}
        if self.target in self.forward.inputs:
            shapes[self.target] = own
        sizes = self._sizes(given, own)
        free = [index.upper() for index in self._free if index.upper() not in sizes]
        bound = None
        for windows in sorted(np.ndindex(*[LARGEST_AXIS] * len(free)), reverse=True)[: LARGEST_AXIS**2]:
            try:  # the largest windows that fit
                chosen = sizes | {index: int(size) + 1 for index, size in zip(free, windows, strict=True)}
                bound = bound_by_choice(self.forward, shapes, chosen, {}, {})
                break
            except ConvgradError:
                continue
        if bound is None:
            return None
        found = bound.shape_of
        for name, shape in given.items():
            tensor = name[1:] if name not in found and name[1:] in found else name
            if found.get(tensor, shape) != shape:
                return None
        mine = self.target or self.name
        return bound if found.get(mine) == own else None

    @property
    def is_guess(self) -> bool:
        """Whether the document leaves open how large a window is."""
        return bool({index.upper() for index in self._free} - dict(self.told).keys())

    @property
    def _free(self) -> list[str]:
        """Indices of sums and maxima that no axis has for itself, as those of a pooling window."""
        summed = [i for d in self.forward.definitions for t in walk(d.term) if isinstance(t, Reduce) for i in t.indices]
        own = {p.as_name for d in self.forward.definitions for a in accesses(d.term) for p in a.positions}
        return [index for index in dict.fromkeys(summed) if index not in own]

    def _sizes(self, given: Mapping[str, tuple[int, ...]], own: tuple[int, ...]) -> dict[str, int]:
        """Sizes of the indices of definitions, as shapes tell them."""
        sizes: dict[str, int] = dict(self.told)
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

    def ranked(self, name: str, array: Array) -> Array:
        """The numbers of a tensor with as many axes as it has: those of a column or a row as a vector."""
        known = {d.name for d in self.forward.definitions} | {
            a.tensor for d in self.forward.definitions for a in accesses(d.term)
        }
        rank = _axes(self.forward, name if name in known else name[1:])
        if array.ndim > rank and sum(size != 1 for size in array.shape) <= rank == 1:
            return array.reshape(-1)
        return array

    def is_whole(self, given: Mapping[str, tuple[int, ...]], own: tuple[int, ...]) -> bool:
        """Whether it can't have more elements along an axis. What may be as long as one likes, as an image of which
        the end is not read, is whole.
        """
        for axis, size in enumerate(own):
            longer, endless = ((*own[:axis], one, *own[axis + 1 :]) for one in (size + 1, size + ENDLESS))
            if self.shapes(given, longer) is not None and self.shapes(given, endless) is None:
                return False
        return True

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
    for name, target in sorted(ledger.gradients.items(), key=lambda item: item[0] not in spoken):
        ends = dict.fromkeys(["", *(known.name for known in ledger.definitions.values() if target in known.reads)])
        for forward in dict.fromkeys(ledger.forward(target, end) for end in ends):
            found += _quantity(name, target, forward, ledger)
    for name in ledger.definitions:
        found += _quantity(name, "", ledger.forward("", name), ledger)
    return found


def _quantity(name: str, target: str, forward: tuple[Known, ...], ledger: Ledger) -> list[Quantity]:
    if not forward:
        return []
    equation = zero_outside(parse("\n".join(str(known.equation) for known in forward)))
    told = tuple(_told(forward, ledger).items())
    aliases = tuple((one.name, one.gradient) for one in ledger.abbreviations.values() if one.plain)
    try:
        if not target:
            return [Quantity(name, "", equation, tuple(equation.inputs), told, aliases)]
        adjoint = gradients(equation, [target])
    except ConvgradError:
        return []
    wanted = {gradient_name(target)}
    back = _needed(adjoint.backward, wanted, {})
    reads = {a.tensor for d in back for a in accesses(d.term)} - {d.name for d in back}
    ahead = _needed(adjoint.forward, reads, {})
    needs = {*reads, *(a.tensor for d in ahead for a in accesses(d.term))} - {*adjoint.forward.defined}
    if not equation.result.indices:
        needs -= {gradient_name(equation.result.name)}
    return [Quantity(name, target, equation, tuple(sorted(needs)), told, aliases)]


def _told(forward: tuple[Known, ...], ledger: Ledger) -> dict[str, int]:
    """Sizes of windows: as bounds have them, or the kernel's as sentences have it."""
    sizes: dict[str, int] = {}
    kernel = [int(axis) for axis in ledger.sizes.get(("numbers", "kernel"), ()) if axis.isdigit()]
    for known in forward:
        sizes |= known.sizes
        result = known.equation.result
        summed = [i for t in walk(result.term) if isinstance(t, Reduce) for i in t.indices]
        own = {p.as_name for a in accesses(result.term) for p in a.positions}
        windows = [index for index in summed if index not in own and index.upper() not in sizes]
        if len(windows) == len(kernel):
            sizes |= {index.upper(): size for index, size in zip(windows, kernel, strict=True)}
    return sizes
