"""Derive gradients: from an equation and the gradient of its result to the gradients of the tensors that it reads.

    x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b        and dx, the gradient of an error with respect to x, give
    dw[m,n] = sum[i,j](dx[i,j] * o[i+m,j+n])
    do[p,q] = sum[m,n](dx[p-m,q-n else 0] * w[m,n])

Definitions are walked from the last to the first, as in reverse mode differentiation: when a definition's turn comes,
everything that reads it has already added to its gradient.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from convgrad.calculus import narrate
from convgrad.calculus.contribution import Contribution, contribution
from convgrad.calculus.names import fresh_index, fresh_tensor, names_of_definition, names_used, size_name
from convgrad.calculus.partials import Partial, Partials
from convgrad.calculus.prepare import prepared
from convgrad.calculus.simplify import simplify
from convgrad.calculus.steps import Derivation, Step
from convgrad.errors import DerivationError
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Definition,
    Equation,
    Number,
    Reduce,
    Term,
    accesses,
    gradient_name,
    rebuild,
    substitute_indices,
    walk,
)


@dataclass(frozen=True)
class Adjoint:
    """`forward`: the equation with inner reductions and places of extremes named (compute these first).
    `backward`: the gradients, in an order in which they can be computed. `steps`: how they were found.
    """

    forward: Equation
    backward: Equation
    steps: tuple[Step, ...]


def gradients(equation: Equation, wrt: Collection[str], of: str | None = None) -> Adjoint:
    """Gradients with respect to the tensors `wrt`, given the gradient `d<of>` (default: of the last definition).

    Raises: DerivationError where a tensor is not read, a name is taken, or a function has no derivative rule.
    """
    return _Derivation(equation, wrt, of or equation.result.name).run()


def derivation(equation: Equation, wrt: str, of: str | None = None) -> Derivation:
    """The gradient with respect to one tensor, with the steps that lead to it, in the form a reader wants: kernels in
    a correlation turned by 180 degrees.
    """
    adjoint = gradients(equation, [wrt], of)
    turned = [narrate.turned(definition) for definition in adjoint.backward.definitions]
    steps = list(adjoint.steps)
    for before, after in zip(adjoint.backward.definitions, turned, strict=True):
        if before != after:
            steps.append(narrate.turn(after))
    return Derivation(adjoint.forward, tuple(steps), replace(adjoint.backward, definitions=tuple(turned)))


class _Derivation:
    def __init__(self, equation: Equation, wrt: Collection[str], of: str):
        self.source = equation.source or str(equation)
        self.of = of
        self.wrt = tuple(wrt)
        self.equation = equation
        self._check()
        self.forward = _with_places(prepared(equation), self._reach)
        self.used = names_used(self.forward)
        self.shapes = dict(self.forward.shapes)
        if self.shapes:
            self.shapes.update({gradient_name(d.name): d.shape for d in self.forward.definitions})
        self.contributions: dict[str, list[tuple[Definition, Partial]]] = {}
        self.backward: list[Definition] = []
        self.steps: list[Step] = []

    def _check(self) -> None:
        known = {*self.equation.inputs, *self.equation.defined}
        for name in self.wrt:
            if name not in known:
                raise DerivationError(
                    f"The equation does not read `{name}`, so there is no gradient with respect to it.",
                    remedy=f"It reads {_listed(self.equation.inputs)}.",
                )
        if self.of not in self.equation.defined:
            raise DerivationError(
                f"The equation does not define `{self.of}`.", remedy=f"It defines {_listed(self.equation.defined)}."
            )
        for name in (*self.wrt, *self.equation.defined):
            if gradient_name(name) in known:
                raise DerivationError(
                    f"`{gradient_name(name)}` is a tensor of the equation, but it is also the name of the gradient "
                    f"with respect to `{name}`.",
                    remedy=f"Rename `{name}` or `{gradient_name(name)}`.",
                )

    def _reach(self, forward: Equation) -> set[str]:
        """The tensors that depend on `wrt`, `wrt` included."""
        reached = set(self.wrt)
        for definition in forward.definitions:
            if any(a.tensor in reached for a in _followed(definition.term)):
                reached.add(definition.name)
        return reached

    def run(self) -> Adjoint:
        wanted = self._reach(self.forward)
        for definition in reversed(self.forward.definitions):
            if definition.name not in wanted or not self._has_gradient(definition, wanted):
                continue
            place = place_name(definition.name)
            for partial in Partials(definition, wanted, place, self.source).all():
                self.contributions.setdefault(partial.reading.tensor, []).append((definition, partial))
        for name in self.wrt:
            if gradient_name(name) not in {d.name for d in self.backward} and name != self.of:
                self._finish(name)
        shapes = {}
        if self.shapes:
            known = {a.tensor for d in self.backward for a in accesses(d.term)} | {d.name for d in self.backward}
            shapes = {name: shape for name, shape in self.shapes.items() if name in known}
        backward = Equation(tuple(self.backward), shapes=tuple(shapes.items()))
        return Adjoint(self._without_unread_places(), backward, tuple(self.steps))

    def _without_unread_places(self) -> Equation:
        """Places of extremes are there for the gradient: where none comes that way, they are not needed."""
        read = {a.tensor for d in self.backward for a in accesses(d.term)}
        added = {place_name(d.name) for d in self.forward.definitions} - set(self.equation.defined)
        kept = tuple(d for d in self.forward.definitions if d.name not in added or d.name in read)
        return replace(self.forward, definitions=kept)

    def _has_gradient(self, definition: Definition, wanted: set[str]) -> bool:
        """Finish the gradient of a defined tensor: all that reads it has been seen. False where none arrives."""
        if definition.name == self.of:
            return True
        if definition.name not in self.contributions:
            return False
        self._finish(definition.name)
        return True

    def _finish(self, tensor: str) -> None:
        """Add up all contributions to the gradient of `tensor` in one definition."""
        shape = self.shapes.get(tensor)
        found = self.contributions.get(tensor, [])
        if not found:
            self._append(self._zero(tensor, shape))
            return
        indices = self._indices_for(tensor, [partial.reading for _, partial in found])
        total: list[Term] = []
        ranges: dict[str, int] = dict(zip(indices, shape, strict=True)) if shape is not None else {}
        for home, partial in found:
            part = self._contribution(home, partial, tensor, indices, shape)
            self.steps += narrate.by_contribution(tensor, indices, home, partial, part)
            term = self._disjoint(part, indices, ranges)
            total.append(term)
        term = total[0] if len(total) == 1 else simplify(Add(tuple(total)), ranges)
        definition = _definition(gradient_name(tensor), indices, term, ranges)
        if len(total) > 1:
            self.steps.append(narrate.add_up(definition, len(total)))
        self._append(definition)

    def _contribution(
        self, home: Definition, partial: Partial, tensor: str, indices: tuple[str, ...], shape: tuple[int, ...] | None
    ) -> Contribution:
        """One contribution, found with target names of its own and then told in the names of the gradient's indices."""
        used = self.used | names_of_definition(home)
        targets = tuple(i if i not in names_of_definition(home) else f"{i}'" for i in indices)
        helper = fresh_tensor(f"{home.name}_slope", used)
        part = contribution(home, partial, targets, shape, self.shapes, helper)
        if part.helper is not None:
            self._append(part.helper)
            self.used.add(part.helper.name)
            self.steps.append(narrate.helper(part.helper))
        return part

    def _disjoint(self, part: Contribution, indices: tuple[str, ...], ranges: dict[str, int]) -> Term:
        """The contribution with targets renamed to `indices`, and its reduction indices to names that are free."""
        renamed = {f"{i}'": i for i in indices}
        term = part.gathered
        bound = list(dict.fromkeys(i for t in walk(term) if isinstance(t, Reduce) for i in t.indices))
        taken = {*indices, *ranges, *self.used}
        mapping = dict(renamed)
        for index in bound:
            size = part.ranges.get(index)
            if index in indices or (index in ranges and ranges[index] != size):
                mapping[index] = fresh_index(taken, [index, *"pqruvgh"])
                taken.add(mapping[index])
            if size is not None:
                ranges[mapping.get(index, index)] = size
        return renamed_indices(term, mapping)

    def _indices_for(self, tensor: str, readings: Sequence[Access]) -> tuple[str, ...]:
        """Names for the axes of a gradient: the index that reads the axis alone where there is one, else a new one."""
        names: list[str] = []
        taken = set(self.used)
        defined = [d for d in self.forward.definitions if d.name == tensor]
        for axis in range(len(readings[0].positions)):
            bare = [r.positions[axis].as_name for r in readings]
            own = defined[0].indices[axis] if defined else None
            candidates = [name for name in [*bare, own] if name is not None and name not in names]
            if candidates and candidates[0] not in self._parameters:
                names.append(candidates[0])
                continue
            name = fresh_index(taken)
            taken |= {name, size_name(name)}
            names.append(name)
        return tuple(names)

    @property
    def _parameters(self) -> set[str]:
        loops = {i for d in self.forward.definitions for i in (*d.indices, *_bound(d))}
        return {n for d in self.forward.definitions for n in names_of_definition(d)} - loops

    def _zero(self, tensor: str, shape: tuple[int, ...] | None) -> Definition:
        readings = [a for d in self.forward.definitions for a in accesses(d.term) if a.tensor == tensor]
        indices = self._indices_for(tensor, readings)
        ranges = dict(zip(indices, shape, strict=True)) if shape is not None else {}
        definition = _definition(gradient_name(tensor), indices, Number(0.0), ranges)
        self.steps.append(narrate.nothing(definition, tensor, self.of))
        return definition

    def _append(self, definition: Definition) -> None:
        self.backward.append(definition)
        if self.shapes:
            self.shapes[definition.name] = definition.shape


def place_name(tensor: str) -> str:
    """The tensor that holds where a max or min over indices was found."""
    return f"{tensor}_arg"


def renamed_indices(term: Term, mapping: dict[str, str]) -> Term:
    """Rename loop indices, those bound by reductions included."""
    mapping = {old: new for old, new in mapping.items() if old != new}
    term = substitute_indices(term, {old: Position.name(new) for old, new in mapping.items()})

    def change(t: Term) -> Term:
        if isinstance(t, Reduce):
            return replace(t, indices=tuple(mapping.get(i, i) for i in t.indices))
        return t

    return rebuild(term, change)


def _with_places(forward: Equation, reach: object) -> Equation:
    """After each max or min over indices that a gradient passes, define the place that it was found at."""
    assert callable(reach)
    reached = reach(forward)
    definitions: list[Definition] = []
    shapes = dict(forward.shapes)
    for definition in forward.definitions:
        definitions.append(definition)
        term = definition.term
        if isinstance(term, Reduce) and term.kind in ("max", "min") and definition.name in reached:
            place = replace(definition, name=place_name(definition.name), term=replace(term, kind=f"arg{term.kind}"))
            definitions.append(place)
            if shapes:
                shapes[place.name] = place.shape
    return replace(forward, definitions=tuple(definitions), shapes=tuple(shapes.items()))


def _followed(term: Term) -> list[Access]:
    """The readings that a derivative follows: none under stop(..), and none in a condition."""
    if isinstance(term, Access):
        return [term]
    if isinstance(term, Call) and term.function == "stop":
        return []
    children = term.children[1:] if isinstance(term, Call) and term.function == "where" else term.children
    return [access for child in children for access in _followed(child)]


def _bound(definition: Definition) -> list[str]:
    return [i for t in walk(definition.term) if isinstance(t, Reduce) for i in t.indices]


def _definition(name: str, indices: tuple[str, ...], term: Term, ranges: dict[str, int]) -> Definition:
    inside = {*indices, *(i for t in walk(term) if isinstance(t, Reduce) for i in t.indices)}
    return Definition(name, indices, term, tuple((i, s) for i, s in ranges.items() if i in inside))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"
