"""How far a right calculation may be from the exact one, from its arithmetic.

A sum of n products computed in any order in arithmetic of unit roundoff u is off by at most about n*u*sum|terms|
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, section 3.1). So each gradient is computed a
second time with every term replaced by its magnitude, how far it is off if each operand is off by its own: with A and B
for a and b, `A + B` for `a - b`, `|a| * B + |b| * A` for `a * b`, and for a function its sensitivity to an error of its
argument. To first order, since a product of magnitudes, A * B, would grow with every step that a normalization takes.
The bound of an element is (number of operations that it hangs on) * eps * magnitude.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np
import numpy.typing as npt

from convgrad.check.problems.problem import Problem
from convgrad.compute.oracle.grid import evaluate
from convgrad.functions import FUNCTIONS, VALUE
from convgrad.notation.templates import filled
from convgrad.notation.terms import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
    Divide,
    Equation,
    Multiply,
    Negate,
    Number,
    Power,
    Reduce,
    Term,
    walk,
)

Array = npt.NDArray[np.float64]


def error_bounds(problem: Problem, values: Mapping[str, Array]) -> dict[str, tuple[Array, int]]:
    """For each result and gradient: the magnitude of its terms, and the number of operations.

    The bound for arithmetic of machine epsilon eps is `operations * eps * magnitude`.
    """
    adjoint = problem.adjoint
    known: dict[str, Array] = {**problem.arrays, **values}
    if problem.total:
        known.update(evaluate(adjoint.forward, problem.arrays))
    operations: dict[str, int] = {}
    for equation in (adjoint.forward, adjoint.backward):
        for definition in equation.definitions:
            known[magnitude_name(definition.name)] = _magnitudes(definition, equation, known)
            operations[definition.name] = _operations(definition, operations)
    result = {name: (known[magnitude_name(name)], count) for name, count in operations.items()}
    if problem.total:
        whole = np.sum(np.abs(problem.arrays[problem.upstream]) * result[problem.of][0])
        result[problem.of] = (np.asarray(whole), result[problem.of][1] + problem.recipe.batch)
    return result


def magnitude_name(tensor: str) -> str:
    """The tensor of magnitudes; no tensor of a person's equation has a space in its name."""
    return f"{tensor} magnitude"


def _magnitudes(definition: Definition, equation: Equation, known: Mapping[str, Array]) -> Array:
    term = _magnitude(definition.term, {n for n in known if magnitude_name(n) in known})
    named = replace(definition, name=magnitude_name(definition.name), term=term)
    arrays = {a.tensor: known[a.tensor] for a in walk(term) if isinstance(a, Access)}
    shapes = tuple((n, a.shape) for n, a in arrays.items())
    bound = replace(equation, definitions=(named,), shapes=(*shapes, (named.name, definition.shape)))
    return evaluate(bound, arrays)[named.name]


def _magnitude(term: Term, computed: set[str]) -> Term:
    """The term with every sum taken over magnitudes."""

    def of(t: Term) -> Term:
        return _magnitude(t, computed)

    if isinstance(term, Access):
        if term.tensor in computed:
            return replace(term, tensor=magnitude_name(term.tensor), outside=_size(term.outside))
        return _absolute(replace(term, outside=_size(term.outside)))
    if isinstance(term, Number):
        return Number(abs(term.value))
    if isinstance(term, Negate):
        return of(term.term)
    if isinstance(term, Add):
        return term.with_children(tuple(of(t) for t in term.children))
    if isinstance(term, Multiply):
        return _product(term, computed)
    if isinstance(term, Divide):
        above, below = _absolute(term.numerator), _absolute(term.denominator)
        both = Add((Multiply((of(term.numerator), below)), Multiply((above, of(term.denominator)))))
        return Divide(both, Multiply((below, below)))
    if isinstance(term, Power):
        slope = Multiply((Number(abs(term.exponent)), Power(_absolute(term.base), term.exponent - 1), of(term.base)))
        return Add((_absolute(term), slope))
    if isinstance(term, Reduce):
        if term.kind in ("argmax", "argmin"):
            return term
        kind, body = "max" if term.kind == "min" else term.kind, of(term.body)
        if kind == "sum" and isinstance(body, Add):  # each is a contraction then
            return body.with_children(tuple(replace(term, kind=kind, body=part) for part in body.children))
        return replace(term, kind=kind, body=body)
    if isinstance(term, Call):
        return _call(term, computed)
    return _absolute(term)


def _product(term: Multiply, computed: set[str]) -> Term:
    """A sum with a product for each factor that is off; those that are off by their own rounding only share one."""
    sizes = tuple(_absolute(t) for t in term.factors)
    off = tuple(_magnitude(t, computed) for t in term.factors)
    parts: list[Term] = [
        term.with_children((*sizes[:n], o, *sizes[n + 1 :])) for n, o in enumerate(off) if o != sizes[n]
    ]
    own = len(sizes) - len(parts)
    if own:
        parts.append(term.with_children((Number(float(own)), *sizes)))
    return Add(tuple(parts)) if len(parts) > 1 else parts[0]


def _call(term: Call, computed: set[str]) -> Term:
    """The bound of the function's row, of its arguments, their magnitudes (capital letters) and its value."""
    row = FUNCTIONS[term.function]
    parts: dict[str, Term] = {VALUE: term}
    for name, argument in zip(row.arguments, term.arguments, strict=True):
        parts[name] = argument
        parts[name.upper()] = argument if isinstance(argument, Compare) else _magnitude(argument, computed)
    return filled(row.bound, parts)


def _absolute(term: Term) -> Term:
    return Call("abs", (term,))


def _size(value: float | None) -> float | None:
    return None if value is None else 0.0 if np.isinf(value) else abs(value)


def _operations(definition: Definition, before: Mapping[str, int]) -> int:
    """Terms added up for one element, a few roundings for each step, and what its operands went through."""
    sizes = definition.sizes
    sums = [t for t in walk(definition.term) if isinstance(t, Reduce)]
    added = sum(prod(sizes[i] for i in t.indices) for t in sums)
    own = added + 8 * sum(1 for _ in walk(definition.term) if not isinstance(_, Access | Number))
    inherited = [before.get(t.tensor, 0) for t in walk(definition.term) if isinstance(t, Access)]
    return own + 8 + max(inherited, default=0)
