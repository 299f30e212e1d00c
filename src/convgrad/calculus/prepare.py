"""Give inner reductions a name of their own before an equation is differentiated.

`x[c] = exp(o[c]) / sum[k](exp(o[k]))` becomes

    x_sum = sum[k](exp(o[k]))
    x[c] = exp(o[c]) / x_sum

so that the value of the sum is known where a derivative needs it, instead of being summed again for every element. A
sum stays where it is if it merely adds to the result (`sum[m](...) + b`), since its value is then not needed.
Extremes always get a name, and with it the place that they were found at.
"""

from __future__ import annotations

from dataclasses import replace

from convgrad.calculus.names import FreshTensors, bound_in_order, names_used
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import (
    Access,
    Add,
    Definition,
    Divide,
    Equation,
    Multiply,
    Negate,
    Number,
    Reduce,
    Term,
    bound_indices,
    free_names,
)


def prepared(equation: Equation) -> Equation:
    """The same equation with every inner reduction, and every max and min over indices, in a definition of its own."""
    namer = _Namer(equation)
    for definition in equation.definitions:
        namer.add(definition)
    return replace(equation, definitions=tuple(namer.done), shapes=tuple(namer.shapes.items()))


class _Namer:
    def __init__(self, equation: Equation):
        self.fresh = FreshTensors(names_used(equation))
        self.shapes = dict(equation.shapes)
        self.done: list[Definition] = []
        self.named: dict[Term, Access] = {}
        self.indices: tuple[Definition | None, tuple[str, ...]] = (None, ())

    def add(self, definition: Definition) -> None:
        """Append the definition, and in front of it those of its inner reductions."""
        self.named = {}
        self._add(definition)

    def _add(self, definition: Definition) -> None:
        term = definition.term
        if isinstance(term, Reduce) and term.kind not in ("sum", "mean"):
            self._emit(replace(definition, term=replace(term, body=self._inner(term.body, definition))))
            return
        self._emit(replace(definition, term=self._additive(term, definition)))

    def _emit(self, definition: Definition) -> None:
        inside = bound_indices(definition.term) | set(definition.indices)
        ranges = tuple((index, size) for index, size in definition.ranges if index in inside)
        self.done.append(replace(definition, ranges=ranges))

    def _additive(self, term: Term, home: Definition) -> Term:
        """Rewrite a term that merely adds to the result."""
        if isinstance(term, Add | Negate):
            return term.with_children(tuple(self._additive(child, home) for child in term.children))
        if isinstance(term, Multiply) and sum(not _is_literal(f) for f in term.factors) <= 1:
            return term.with_children(tuple(self._additive(child, home) for child in term.children))
        if isinstance(term, Divide) and _is_literal(term.denominator):
            return replace(term, numerator=self._additive(term.numerator, home))
        if isinstance(term, Reduce) and term.kind in ("sum", "mean"):
            return replace(term, body=self._inner(term.body, home))
        return self._inner(term, home)

    def _inner(self, term: Term, home: Definition) -> Term:
        """Rewrite a term whose value may be needed: every reduction in it gets a name."""
        if not isinstance(term, Reduce):
            children = tuple(self._inner(child, home) for child in term.children)
            return term.with_children(children) if children else term
        if term in self.named:
            return self.named[term]
        free = free_names(term)
        indices = tuple(i for i in self._indices_of(home) if i in free)
        name = self.fresh.take(self.fresh.name(f"{home.name}_{term.kind}"))
        definition = Definition(name, indices, term, home.ranges)
        if home.ranges:
            self.shapes[name] = definition.shape
        self._add(definition)
        self.named[term] = Access(name, tuple(Position.name(i) for i in indices))
        return self.named[term]

    def _indices_of(self, home: Definition) -> tuple[str, ...]:
        """All indices of a definition, kept until another one is asked for."""
        if self.indices[0] is not home:
            self.indices = (home, tuple(dict.fromkeys((*home.indices, *bound_in_order(home.term)))))
        return self.indices[1]


def _is_literal(term: Term) -> bool:
    return isinstance(term, Number) or (isinstance(term, Multiply | Divide) and all(map(_is_literal, term.children)))
