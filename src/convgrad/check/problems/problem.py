"""The right values of what a person's function computes: an equation with sizes, inputs, and an upstream gradient.

Everything comes from the equation: its gradient is derived, and evaluated in float64 by the oracle. A mistake is
another problem: other arrays handed to the right equation, or another equation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.calculus.derive import Adjoint, gradients
from convgrad.check.problems.written import above
from convgrad.compute.oracle.grid import evaluate
from convgrad.explain.trace.equations import equation_trace
from convgrad.explain.trace.trace import Trace
from convgrad.layers.base import Layer
from convgrad.layers.window import Window
from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind
from convgrad.notation.terms import Access, Definition, Equation, Term, accesses, gradient_name, rebuild

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """An equation for one example with everything that binds it. `examples`: tensors that get the batch axis."""

    equation: Equation
    shapes: Mapping[str, tuple[int, ...]]
    sizes: Mapping[str, int]
    integers: Mapping[str, int]
    numbers: Mapping[str, float]
    examples: frozenset[str]
    batch: int
    batch_index: str | None = None

    def bound(self) -> Equation:
        """The equation with sizes and the batch."""
        shapes = {n: s for n, s in self.shapes.items() if n in self.equation.inputs}
        sizes = dict(self.sizes)
        if self.batch_index:
            sizes[self.batch_index.upper()] = self.batch
            front = {n: (self.batch, *s) if n in self.examples else s for n, s in shapes.items()}
            return bind(self.equation, front, sizes, self.integers, self.numbers)
        one = bind(self.equation, shapes, sizes, self.integers, self.numbers)
        return batched(one, self.examples & {*one.inputs}, self.batch)

    def edited(self, change: Callable[[Definition], Definition]) -> Recipe:
        """With every definition changed, and without numbers that none of them reads then."""
        changed = replace(self.equation, definitions=tuple(change(d) for d in self.equation.definitions))
        numbers = {name: value for name, value in self.numbers.items() if name in changed.inputs}
        return replace(self, equation=changed, numbers=numbers)

    def padded(self, tensors: frozenset[str], value: float) -> Recipe:
        """With readings of these tensors giving `value` outside, where they have no `else` yet."""

        def change(term: Term) -> Term:
            if isinstance(term, Access) and term.tensor in tensors and term.positions and term.outside is None:
                return replace(term, outside=value)
            return term

        return self.edited(lambda d: replace(d, term=rebuild(d.term, change)))


@dataclass(frozen=True)
class Origin:
    """What a problem was made from, for reports and mistakes.

    space: labels of the axes along which something slides.
    layer, input_shape: a layer of the library, and the shape of one example that it gets; None for equations of a
        person's own, and for losses.
    names: further names of tensors.
    written: it is a calculation of a course (`written.py`); whole: tensors that hold
        whole numbers, with how many there are; numbers: single ones that an argument with a default may hold;
        parameters: what an object of a class has; absent: names of arguments that it can't have.
    """

    space: frozenset[str] = frozenset()
    layer: Layer | None = None
    input_shape: tuple[int, ...] | None = None
    written: bool = False
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    whole: Mapping[str, int] = field(default_factory=dict)
    numbers: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def window(self) -> Window | None:
        """What slides over the image; None where nothing does."""
        found = getattr(self.layer, "window", None)
        return found if isinstance(found, Window) else None

    @property
    def image(self) -> tuple[int, ...]:
        """Rows and columns of the layer's input."""
        return () if self.input_shape is None else self.input_shape[:-1]


@dataclass(frozen=True)
class Problem:
    """What to compute: all gradients with respect to `wrt`, and the result `of`, at the given arrays.

    arrays: float64, every input of the equation and the upstream gradient of `of`.
    labels: the name of each axis of every tensor and gradient a person may see.
    total: the result is one number, the sum over (upstream * result): a loss over a batch.
    origin: what the problem was made from.
    several: the results that people know, where `of` is the sum of what each gives with its gradient from above;
        beside: those that have no gradient from above.
    edits: changes of the derived gradients, where a mistake is one in the derivation.
    """

    recipe: Recipe
    of: str
    wrt: tuple[str, ...]
    arrays: Mapping[str, Array]
    labels: Mapping[str, tuple[str, ...]]
    total: bool = False
    origin: Origin = Origin()
    several: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    edits: tuple[Callable[[Adjoint, Problem], Adjoint], ...] = ()
    known: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was computed of it before; a changed problem begins with nothing."""

    @property
    def upstream(self) -> str:
        """The name of the gradient that comes from above."""
        return gradient_name(self.of)

    @property
    def results(self) -> tuple[str, ...]:
        """What goes forward."""
        return (*(self.several or (self.of,)), *self.beside)

    @property
    def upstreams(self) -> tuple[str, ...]:
        """The gradient of each result, as it comes from above."""
        return tuple(above(r) for r in self.several) or (self.upstream,)

    @property
    def gradients(self) -> tuple[str, ...]:
        """The gradients that are asked for."""
        return tuple(gradient_name(name) for name in self.wrt)

    @property
    def pooling(self) -> str:
        """What is taken of each window, "max" or "mean"."""
        return "max" if "max[" in str(self.recipe.equation) else "mean"

    @property
    def bound(self) -> Equation:
        """The equation with sizes."""
        return _bound(Key(self.recipe))

    @property
    def adjoint(self) -> Adjoint:
        """The derived gradients; with `edits`, as a mistaken person derives them."""
        adjoint = _adjoint(Key(self.recipe), self.wrt, self.of)
        for edit in self.edits:
            adjoint = edit(adjoint, self)
        return adjoint

    def values(self, wanted: Collection[str] | None = None) -> dict[str, Array]:
        """Result, intermediate tensors and gradients; or those that are wanted, with all that they need."""
        if wanted is None and "values" in self.known:
            return dict(self.known["values"])
        adjoint = self.adjoint
        forward, backward = adjoint.forward, adjoint.backward
        if wanted is not None:
            forward, backward = _needed_for(wanted, forward, backward)
        found = evaluate(forward, self.arrays)
        later = evaluate(backward, {**self.arrays, **found}) if backward.definitions else {}
        if self.total and self.of in found:
            found[self.of] = np.asarray(np.sum(self.arrays[self.upstream] * found[self.of]))
        result = {**found, **later}
        if wanted is None:
            self.known["values"] = dict(result)
        return result

    def trace(self) -> Trace:
        """Every tensor with what it is made of."""
        adjoint = self.adjoint
        return equation_trace(adjoint.forward, self.arrays, adjoint.backward.definitions)

    @property
    def given(self) -> tuple[str, ...]:
        """The equation's inputs in the order people pass them: those of the layer, then its parameters."""
        inputs = [n for n in self.recipe.equation.inputs if n in self.arrays and n not in self.upstreams]
        return (*(n for n in self.wrt if n in inputs), *(n for n in inputs if n not in self.wrt))

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a person's function may return: the result and the gradients."""
        return (*self.results, *self.gradients)

    def with_arrays(self, **arrays: Array) -> Problem:
        """With other arrays."""
        return replace(self, arrays={**self.arrays, **arrays})

    def with_integers(self, **integers: int) -> Problem:
        """With other whole numbers in the equation; what it then reads outside is 0."""
        recipe = self.recipe.padded(self.recipe.examples or frozenset(self.recipe.equation.inputs), 0.0)
        return replace(self, recipe=replace(recipe, integers={**recipe.integers, **integers}))

    def with_definitions(self, change: Callable[[Definition], Definition]) -> Problem:
        """With other definitions."""
        return replace(self, recipe=self.recipe.edited(change))


def _needed_for(wanted: Collection[str], *equations: Equation) -> list[Equation]:
    """The equations, each of which may read earlier ones, without definitions that nothing wanted hangs on."""
    needed = {*wanted}
    kept: list[Equation] = []
    for equation in reversed(equations):
        definitions = []
        for definition in reversed(equation.definitions):
            if definition.name in needed:
                needed |= {a.tensor for a in accesses(definition.term)}
                definitions.append(definition)
        kept.append(replace(equation, definitions=tuple(reversed(definitions))))
    return kept[::-1]


class Key:
    """A recipe, or what else has mappings as fields, as a key: these can't be hashed."""

    def __init__(self, of: Any):
        self.of = of
        values = (getattr(of, one.name) for one in fields(of))
        self.key = tuple(tuple(value.items()) if isinstance(value, Mapping) else value for value in values)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.key == other.key


@lru_cache(maxsize=256)
def _bound(key: Key) -> Equation:
    bound: Equation = key.of.bound()
    return bound


@lru_cache(maxsize=256)
def _adjoint(key: Key, wrt: tuple[str, ...], of: str) -> Adjoint:
    return gradients(_bound(key), wrt, of)
