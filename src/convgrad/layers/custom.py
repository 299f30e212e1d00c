"""A layer of the user's own, from the text of its equation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from convgrad.arguments import NAMES, SHAPE, TABLE, shown
from convgrad.errors import ModelError, ShapeError, suggestion
from convgrad.initializers import Initializer, check_initializer
from convgrad.layers.base import Built, Layer, Parameter, Shape
from convgrad.notation import terms
from convgrad.notation.binding.bind import bind
from convgrad.notation.terms import Access, Negate, walk

TABLES = ("sizes", "integers", "numbers", "shapes", "initial")
"""Arguments that say something for each of several names."""


@dataclass(frozen=True, eq=False, repr=False)
class Equation(Layer):
    """Whatever the equation says; its last definition is the result

    definition: the equation in the notation, for one example.
    inputs: the names of the tensors that come from the layers before, in order.
    sizes, integers, numbers, shapes: sizes that can't be inferred, values of named whole and other numbers, and shapes
        of trained tensors where they don't follow (() for a scalar), as for `convgrad.notation.binding.bind.bind`.
    initial: tensor -> initializer. All tensors that are read and are not inputs are trained. Those that are only ever
        added (`+ b[k]`) begin at 0, all others by Glorot and Bengio's rule, unless this says otherwise.

    >>> layer = Equation("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b[i,j]", sizes={"M": 3, "N": 5})
    >>> built = layer.build((11, 13))
    >>> built.output_shape, {name: p.shape for name, p in built.parameters.items()}
    ((9, 9), {'w': (3, 5), 'b': (9, 9)})
    """

    definition: str
    inputs: tuple[str, ...] = ("o",)
    sizes: Mapping[str, int] = field(default_factory=dict)
    integers: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    initial: Mapping[str, str | Initializer] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.definition

    @property
    def label(self) -> str:
        return f"layer `{self.name}`" if self.name else "Equation"

    def check(self) -> None:
        if not isinstance(self.definition, str):
            raise ModelError(f"{self.label}: the equation must be text, not {shown(self.definition)}.")
        for argument in TABLES:
            self.require(**{argument: TABLE})
        equation = self.equation
        if isinstance(self.inputs, str):
            raise ModelError(f"{self.label}: inputs is a tuple of names; write inputs=({self.inputs!r},).")
        self.require(inputs=NAMES)
        for name in self.inputs:
            if name not in equation.inputs:
                raise ModelError(
                    f"{self.label}: its input {name!r} is not read by the equation.{suggestion(name, equation.inputs)}"
                )
        for name, initializer in self.initial.items():
            if name not in self._trained:
                raise ModelError(
                    f"{self.label}: initial names {name!r}, which is not a tensor that is trained."
                    f"{suggestion(name, self._trained)}"
                )
            check_initializer(initializer)

    @property
    def _trained(self) -> tuple[str, ...]:
        """Tensors that are read, and neither come from other layers nor are values given by name."""
        given = {*self.inputs, *self.numbers, *self.integers, *self.sizes}
        return tuple(name for name in self.equation.inputs if name not in given)

    def build(self, *input_shapes: Shape) -> Built:
        if len(input_shapes) != len(self.inputs):
            raise ModelError(
                f"{self.label} reads {', '.join(self.inputs)} from other layers, but got {len(input_shapes)} of them."
            )
        for shape in input_shapes:
            SHAPE.keep(self.label, "the shape of an input", shape, ModelError)
        equation = self.equation
        shapes = {**self.shapes, **dict(zip(self.inputs, input_shapes, strict=True))}
        try:
            bound = bind(equation, shapes, self.sizes, self.integers, self.numbers)
        except ShapeError as error:
            raise ShapeError(f"{self.label}: {error.message}", error.source, error.span, error.remedy) from None
        found = bound.shape_of
        return Built(
            equation=equation,
            inputs=tuple(self.inputs),
            input_shapes=input_shapes,
            output=bound.result.name,
            output_shape=bound.result.shape,
            parameters={n: self._parameter(n, found[n]) for n in self._trained if n in found},
            sizes=dict(self.sizes),
            integers=dict(self.integers),
            numbers=dict(self.numbers),
        )

    def _parameter(self, name: str, shape: Shape) -> Parameter:
        default = "zeros" if _only_added(self.equation, name) else "glorot_uniform"
        around = prod(shape[:-2])  # as for a kernel: rows and columns, then inputs, then outputs
        fans = (around * shape[-2], around * shape[-1]) if len(shape) > 1 else (prod(shape), prod(shape))
        return Parameter(shape, self.initial.get(name, default), fans)


def _only_added(equation: terms.Equation, name: str) -> bool:
    """Whether every use of the tensor is a term of a sum."""
    uses = added = 0
    for definition in equation.definitions:
        for term in walk(definition.term):
            if isinstance(term, Access) and term.tensor == name:
                uses += 1
            if isinstance(term, terms.Add):
                parts = (part.term if isinstance(part, Negate) else part for part in term.terms)
                added += sum(isinstance(part, Access) and part.tensor == name for part in parts)
    return uses == added
