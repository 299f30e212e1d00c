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

from convgrad.arguments import NAMES, TEXT, Rule, at_least, optional, takes
from convgrad.calculus import narrate
from convgrad.calculus.contribution import Contribution, contribution
from convgrad.calculus.estimate import parts_of_slopes
from convgrad.calculus.names import FreshTensors, bound_in_order, fresh_index, names_used, size_name
from convgrad.calculus.partials import Partial, Partials
from convgrad.calculus.prepare import prepared
from convgrad.calculus.simplify import simplify
from convgrad.calculus.steps import Derivation, Step, one_after_the_other
from convgrad.errors import ArgumentError, DerivationError
from convgrad.notation.legality import is_deeper
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    EQUATION,
    Access,
    Add,
    Call,
    Definition,
    Equation,
    Number,
    Reduce,
    Term,
    accesses,
    bound_indices,
    gradient_name,
    rebuild,
    substitute_indices,
)


@dataclass(frozen=True)
class Adjoint:
    """`forward`: the equation with inner reductions and places of extremes named (compute these first).
    `backward`: the gradients, in an order in which they can be computed. `steps`: how they were found.

    >>> from convgrad.notation import parse
    >>> print(gradients(parse("x[i] = o[i] / sum[j](o[j])"), ["o"]).whole)
    x_sum = sum[j](o[j])
    x[i] = o[i] / x_sum
    dx_sum = -sum[i](dx[i] * x[i]) / x_sum
    do[i] = dx[i] / x_sum + dx_sum
    """

    forward: Equation
    backward: Equation
    steps: tuple[Step, ...]

    @property
    def whole(self) -> Equation:
        """Forward and backward as one equation, which reads only the inputs of the forward pass and the gradient from
        above; it is bound where that was, or can be, with the same shapes and sizes.
        """
        return one_after_the_other(self.forward, self.backward)


MOST_PARTS = 100_000
"""Of all slopes of a derivation together: some five seconds and 100 MB."""
DEEPEST = 140
"""Terms inside each other in a derived equation: conditions are put around those that were written."""
NAME_OR_NAMES = Rule("a collection of names", lambda value: isinstance(value, str) or NAMES.accepts(value))


@takes(ArgumentError, equation=EQUATION, wrt=NAME_OR_NAMES, of=optional(TEXT), most=optional(at_least(1)))
def gradients(
    equation: Equation, wrt: Collection[str], of: str | None = None, *, most: int | None = MOST_PARTS
) -> Adjoint:
    """Definitions of dt[..] = dE/dt[..] for every tensor t in `wrt`, given the upstream gradient dE/dx.

    In the equations of layers `o` is the input and `x` the result: `dx` is given, `do` and `dw` are derived.

    Args:
        equation: with sizes bound, which is what programs compute with, or without, which is what people read.
        wrt: names of tensors, inputs or defined ones. One that has no influence gets the gradient 0.
        of: the tensor x whose gradient `dx`, of the shape of x, the result reads as an input; by default the last
            that the equation defines.
        most: parts that the slopes may have together, estimated beforehand; None for as many as there are.

    Returns:
        the forward definitions to compute first, the gradients, and how they were found.

    Raises:
        DerivationError: a tensor is not there, the name of a gradient is taken, a function has no derivative rule, the
            derivation would be too long.

    Reference: reverse mode differentiation; A. Griewank and A. Walther, Evaluating Derivatives, 2nd ed. (2008),
    section 3.2.

    >>> from convgrad.notation import parse
    >>> print(gradients(parse("x[i] = sum[m](w[m] * o[i+m])"), ["w", "o"]).backward)
    dw[m] = sum[i](dx[i] * o[i+m])
    do[p] = sum[m](dx[p-m else 0] * w[m])
    """
    try:
        return _Derivation(equation, wrt, of or equation.result.name, most).run()
    except RecursionError:
        raise _too_deep() from None


@takes(ArgumentError, equation=EQUATION, wrt=TEXT, of=optional(TEXT), most=optional(at_least(1)))
def derivation(equation: Equation, wrt: str, of: str | None = None, *, most: int | None = MOST_PARTS) -> Derivation:
    """The gradient with respect to one tensor, and the steps that lead to it: `o` is a layer's input, `x` its result.

    Arguments and errors are those of `gradients`. The result is in the form that a reader wants, with kernels in a
    correlation turned by 180 degrees; its values are the same.

    >>> from convgrad.notation import parse
    >>> print(derivation(parse("x[i] = sum[m](w[m] * o[i+m])"), "o").result)
    do[p] = sum[m](dx[p+m-M+1 else 0] * w[M-1-m])
    """
    adjoint = gradients(equation, [wrt], of, most=most)
    turned = [narrate.turned(definition) for definition in adjoint.backward.definitions]
    steps = list(adjoint.steps)
    for before, after in zip(adjoint.backward.definitions, turned, strict=True):
        if before != after:
            steps.append(narrate.turn(after))
    return Derivation(adjoint.forward, tuple(steps), replace(adjoint.backward, definitions=tuple(turned)))


class _Derivation:
    def __init__(self, equation: Equation, wrt: Collection[str], of: str, most: int | None):
        self.source = equation.source or str(equation)
        self.of, self.most = of, most
        self.wrt = (wrt,) if isinstance(wrt, str) else tuple(dict.fromkeys(wrt))
        self.equation = equation
        check_asked(equation, self.wrt, of)
        self.forward, self.places = self._with_places(prepared(equation))
        self.used = names_used(self.forward)
        self.indices_of = {d.name: d.indices for d in self.forward.definitions}
        self.parameters = _parameters(self.forward)
        self.shapes = dict(self.forward.shapes)
        if self.shapes:
            self.shapes.update({gradient_name(d.name): d.shape for d in self.forward.definitions})
        self.contributions: dict[str, list[tuple[Definition, Partial]]] = {}
        self.backward: list[Definition] = []
        self.steps: list[Step] = []

    def _with_places(self, forward: Equation) -> tuple[Equation, dict[str, str]]:
        """After each max or min over indices that a gradient passes, define the place that it was found at."""
        reached, fresh = self._reach(forward), FreshTensors(names_used(forward))
        definitions: list[Definition] = []
        shapes, places = dict(forward.shapes), {}
        for definition in forward.definitions:
            definitions.append(definition)
            term = definition.term
            if isinstance(term, Reduce) and term.kind in ("max", "min") and definition.name in reached:
                name = places[definition.name] = fresh.take(fresh.name(place_name(definition.name)))
                definitions.append(replace(definition, name=name, term=replace(term, kind=f"arg{term.kind}")))
                if shapes:
                    shapes[name] = definition.shape
        return replace(forward, definitions=tuple(definitions), shapes=tuple(shapes.items())), places

    def _reach(self, forward: Equation) -> set[str]:
        """The tensors that depend on `wrt`, `wrt` included."""
        reached = set(self.wrt)
        for definition in forward.definitions:
            if any(a.tensor in reached for a in _followed(definition.term)):
                reached.add(definition.name)
        return reached

    def _check_length(self, wanted: Collection[str]) -> None:
        parts = sum(parts_of_slopes(d, wanted) for d in self.forward.definitions if d.name in wanted)
        if self.most is not None and parts > self.most:
            message = f"The slopes of this derivation would have about {parts:,} parts; the limit is {self.most:,}."
            remedy = (
                "Write a product or sum of many factors over an index, such as sum[m](w[m] * o[i+m]), or name parts"
            )
            remedy += " of it as tensors of their own. In Python, `most=` allows more."
            raise DerivationError(message, remedy=remedy)

    def run(self) -> Adjoint:
        wanted = self._reach(self.forward)
        self._check_length(wanted)
        for definition in reversed(self.forward.definitions):
            if definition.name not in wanted or not self._has_gradient(definition):
                continue
            place = self.places.get(definition.name)
            for partial in Partials(definition, wanted, place, self.source).all():
                self.contributions.setdefault(partial.reading.tensor, []).append((definition, partial))
        finished = {definition.name for definition in self.backward}
        for name in self.wrt:
            if gradient_name(name) not in finished:
                self._finish(name)
        shapes = {}
        if self.shapes:
            known = {a.tensor for d in self.backward for a in accesses(d.term)} | {d.name for d in self.backward}
            shapes = {name: shape for name, shape in self.shapes.items() if name in known}
        self._check_depth()
        backward = Equation(tuple(self.backward), shapes=tuple(shapes.items()), alike=self._alike())
        return Adjoint(self._without_unread_places(), backward, tuple(self.steps))

    def _alike(self) -> tuple[tuple[str, str], ...]:
        """The gradients that the backward pass defines or reads, each with its tensor."""
        known = {d.name for d in self.backward} | {a.tensor for d in self.backward for a in accesses(d.term)}
        tensors = dict.fromkeys((*self.forward.inputs, *self.forward.defined))
        return tuple((gradient_name(t), t) for t in tensors if gradient_name(t) in known)

    def _check_depth(self) -> None:
        told = [step.definition for step in self.steps if step.definition is not None]
        if any(is_deeper(definition.term, DEEPEST) for definition in (*told, *self.backward)):
            raise _too_deep()

    def _without_unread_places(self) -> Equation:
        """Places of extremes are there for the gradient: where none comes that way, they are not needed."""
        told = [step.definition for step in self.steps if step.definition is not None]
        read = {a.tensor for d in (*self.backward, *told) for a in accesses(d.term)}
        dropped = {*self.places.values()} - read
        kept = tuple(d for d in self.forward.definitions if d.name not in dropped)
        shapes = tuple((name, shape) for name, shape in self.forward.shapes if name not in dropped)
        return replace(self.forward, definitions=kept, shapes=shapes)

    def _has_gradient(self, definition: Definition) -> bool:
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
        indices, parts = self._parts(tensor, found, shape)
        total: list[Term] = []
        ranges: dict[str, int] = dict(zip(indices, shape, strict=True)) if shape is not None else {}
        for (home, partial), part in zip(found, parts, strict=True):
            if part.helper is not None:
                self._append(part.helper)
                self.steps.append(narrate.helper(part.helper))
            term = self._told(part, indices, ranges)
            told = _definition(gradient_name(tensor), indices, term, ranges)
            self.steps += narrate.by_contribution(home, partial, part, told)
            total.append(term)
        term = total[0] if len(total) == 1 else simplify(Add(tuple(total)), ranges)
        definition = _definition(gradient_name(tensor), indices, term, ranges)
        if len(total) > 1:
            self.steps.append(narrate.add_up(definition, len(total)))
        self._append(definition)

    def _parts(
        self, tensor: str, found: Sequence[tuple[Definition, Partial]], shape: tuple[int, ...] | None
    ) -> tuple[tuple[str, ...], list[Contribution]]:
        """Indices for a gradient, and the contributions to it. An index that a sum in one of them keeps is not an
        index of the gradient: where sizes are not bound, the name of the sum's index tells its size.
        """
        indices = self._indices_for(tensor, [partial.reading for _, partial in found])
        parts = self._contributions(found, indices, shape)
        kept = {i for part in parts for i in bound_indices(part.gathered)}
        if not kept & {*indices}:
            return indices, parts
        taken = {*indices}
        others = []
        for index in indices:
            others.append(fresh_index(self.used, taken) if index in kept else index)
            taken |= {others[-1], size_name(others[-1])}
        return tuple(others), self._contributions(found, tuple(others), shape)

    def _contributions(
        self, found: Sequence[tuple[Definition, Partial]], indices: tuple[str, ...], shape: tuple[int, ...] | None
    ) -> list[Contribution]:
        fresh = FreshTensors(self.used)
        parts = []
        for home, partial in found:
            name = fresh.name(f"{home.name}_slope")
            parts.append(contribution(home, partial, indices, shape, self.shapes, name))
            if parts[-1].helper is not None:
                fresh.take(name)
        return parts

    def _told(self, part: Contribution, indices: tuple[str, ...], ranges: dict[str, int]) -> Term:
        """The contribution in the names that the gradient's indices have. A reduction index that has another size in
        another contribution gets another name. Adds the ranges of all.
        """
        mapping = dict(zip(part.targets, indices, strict=True))
        fresh: set[str] = set()
        for index in bound_in_order(part.gathered):
            size = part.ranges.get(index)
            if index in ranges and ranges[index] != size:
                mapping[index] = fresh_index(indices, ranges, self.used, fresh)
                fresh.add(mapping[index])
            if size is not None:
                ranges[mapping.get(index, index)] = size
        return renamed_indices(part.gathered, mapping)

    def _indices_for(self, tensor: str, readings: Sequence[Access]) -> tuple[str, ...]:
        """Names for the axes of a gradient: the index that reads the axis alone where there is one, else a new one."""
        names: list[str] = []
        fresh: set[str] = set()
        own = [self.indices_of[tensor]] if tensor in self.indices_of else []
        for axis in range(len(own[0] if own else readings[0].positions)):
            bare = [r.positions[axis].as_name for r in readings]
            candidates = [i for i in [*bare, *(indices[axis] for indices in own)] if i is not None and i not in names]
            if candidates and candidates[0] not in self.parameters:
                names.append(candidates[0])
                continue
            names.append(fresh_index(self.used, fresh))
            fresh |= {names[-1], size_name(names[-1])}
        return tuple(names)

    def _zero(self, tensor: str, shape: tuple[int, ...] | None) -> Definition:
        readings = [a for d in self.forward.definitions for a in accesses(d.term) if a.tensor == tensor]
        indices = self._indices_for(tensor, readings)
        ranges = dict(zip(indices, shape, strict=True)) if shape is not None else {}
        definition = _definition(gradient_name(tensor), indices, Number(0.0), ranges)
        self.steps.append(narrate.nothing(definition, tensor, self.of))
        return definition

    def _append(self, definition: Definition) -> None:
        self.backward.append(definition)
        self.used.add(definition.name)
        if self.shapes:
            self.shapes[definition.name] = definition.shape


def check_asked(equation: Equation, wrt: Collection[str], of: str) -> None:
    """Raises: DerivationError where there is no such tensor, or the name of a gradient is taken."""
    known = {*equation.inputs, *equation.defined}
    for name in wrt:
        if name not in known:
            raise DerivationError(
                f"The equation does not read `{name}`, so there is no gradient with respect to it.",
                remedy=f"It reads {_listed(equation.inputs)}.",
            )
    if of not in equation.defined:
        raise DerivationError(
            f"The equation does not define `{of}`.", remedy=f"It defines {_listed(equation.defined)}."
        )
    if of in wrt:
        raise DerivationError(
            f"The gradient with respect to `{of}` is `{gradient_name(of)}`, which is given.",
            remedy=f"Ask for the gradient with respect to what `{of}` depends on.",
        )
    taken = known.union(*(definition.names for definition in equation.definitions))
    for name in (*wrt, *equation.defined):
        if gradient_name(name) in taken:
            raise DerivationError(
                f"The equation has a name `{gradient_name(name)}`, but that is also the name of the gradient "
                f"with respect to `{name}`.",
                remedy=f"Rename `{name}` or `{gradient_name(name)}`.",
            )


def _too_deep() -> DerivationError:
    message = f"The derived equation would be nested more than {DEEPEST} deep."
    remedy = "Define parts of the expression as tensors of their own; each condition of a product counts."
    return DerivationError(message, remedy=remedy)


def _parameters(equation: Equation) -> set[str]:
    """All names but those of loop indices."""
    loops = {i for d in equation.definitions for i in (*d.indices, *bound_indices(d.term))}
    return {name for d in equation.definitions for name in d.names} - loops


def place_name(tensor: str) -> str:
    """The tensor that holds where a max or min over indices was found, unless the equation has another of that name."""
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


def _followed(term: Term) -> list[Access]:
    """The readings that a derivative follows: none under stop(..), and none in a condition."""
    if isinstance(term, Access):
        return [term]
    if isinstance(term, Call) and term.function == "stop":
        return []
    children = term.children[1:] if isinstance(term, Call) and term.function == "where" else term.children
    return [access for child in children for access in _followed(child)]


def _definition(name: str, indices: tuple[str, ...], term: Term, ranges: dict[str, int]) -> Definition:
    inside = {*indices, *bound_indices(term)}
    return Definition(name, indices, term, tuple((i, s) for i, s in ranges.items() if i in inside))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"
