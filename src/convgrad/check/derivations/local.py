"""Claims that are not gradients of an error: local derivatives, `x_by_w`, and updates, `w_next` and `Delta_w`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from convgrad.calculus.derive import gradients
from convgrad.check.derivations.latex_input import BY
from convgrad.check.problems.problem import Array, Problem
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import EquationError
from convgrad.notation.binding.bind import bind
from convgrad.notation.terms import Access, Definition, Equation, gradient_name, walk

MOST_ELEMENTS = 4096
"""Of a tensor whose local derivative is computed, one element after the other."""
NEXT, CHANGE = "_next", "Delta_"
TOLERANCE = 1e-9
"""Relative to the largest number: both sides are computed in float64 from some thousand products at most."""


def is_local(name: str) -> bool:
    """Whether what has this name is a local derivative or an update."""
    return BY in name or name.startswith(CHANGE) or name.endswith(NEXT)


def target_of(name: str) -> str:
    """The tensor that a local derivative is taken with respect to, or that is updated."""
    return name.partition(BY)[2] if BY in name else name.removeprefix(CHANGE).removesuffix(NEXT)


def local_names(equation: Equation, left: Access | None = None) -> set[str]:
    """The local derivatives that an equation reads, and that it is of."""
    reads = {t.tensor for d in equation.definitions for t in walk(d.term) if isinstance(t, Access)}
    return {name for name in {*reads, *equation.defined, *([left.tensor] if left else [])} if BY in name}


def local_derivative(problem: Problem, name: str, helpers: Sequence[Definition] = ()) -> Array:
    """D[p,q] = dx[p] / do[q] for `x_by_o`: p are the indices of x, q those of o.

    helpers: definitions of further tensors, made of those of the equation.

    Raises: EquationError where the equation has no such tensors, or they are too large.
    """
    above, _, below = name.partition(BY)
    bound = problem.bound
    if any(d.name == above for d in helpers):
        bound = _with_helpers(problem, [d for d in helpers if d.name not in bound.defined])
    shapes = bound.shape_of
    for tensor in (above, below):
        if tensor not in shapes:
            raise EquationError(f"`{tensor}` is not a tensor of the equation.", remedy=f"It has {', '.join(shapes)}.")
    count = int(np.prod(shapes[above]))
    if count > MOST_ELEMENTS:
        raise EquationError(
            f"The derivative of each of {count:,} elements of {above} is too much to compute.",
            remedy="Give smaller sizes.",
        )
    adjoint = gradients(bound, [below], above)
    found = evaluate(adjoint.forward, problem.arrays)
    upstream = np.zeros(shapes[above])
    result = np.zeros((*shapes[above], *shapes[below]))
    for place in np.ndindex(*shapes[above]):
        upstream[place] = 1.0
        values = {**problem.arrays, **found, gradient_name(above): upstream}
        result[place] = evaluate(adjoint.backward, values)[gradient_name(below)]
        upstream[place] = 0.0
    return result


def _with_helpers(problem: Problem, helpers: Sequence[Definition]) -> Equation:
    recipe = problem.recipe
    extended = replace(recipe.equation, definitions=(*recipe.equation.definitions, *helpers), source="")
    shapes = {n: a.shape for n, a in problem.arrays.items() if n in extended.inputs}
    loops = {i.upper() for d in extended.definitions for i, _ in d.ranges}
    sizes = {n: s for n, s in recipe.sizes.items() if n in loops}
    return bind(extended, shapes, sizes or recipe.sizes, recipe.integers, recipe.numbers)


def expected_of(
    claim_left: Access, indices: tuple[str, ...], shape: tuple[int, ...], values: Mapping[str, Any]
) -> Array:
    """What a claim with that left side should be, at all values of its indices."""
    name = claim_left.tensor
    if BY in name:
        whole = np.asarray(values[name])
        sizes = {i.upper(): n for i, n in zip(indices, shape, strict=True)}
        asked = Definition("expected", indices, replace(claim_left, outside=0.0 if claim_left.positions else None))
        given = {i.upper(): n for i, n in zip(indices, shape, strict=True)} if sizes else {}
        bound = bind(Equation((asked,)), {name: whole.shape, "expected": shape}, given)
        return np.asarray(evaluate(bound, {name: whole})["expected"])
    if name.startswith(CHANGE):
        return np.asarray(-values["eta"] * values[gradient_name(name.removeprefix(CHANGE))])
    if name.endswith(NEXT):
        old = name.removesuffix(NEXT)
        return np.asarray(values[old] - values["eta"] * values[gradient_name(old)])
    return np.asarray(values[name])


def shape_on_the_left(left: Access, indices: tuple[str, ...], values: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The sizes of the indices on the left, where they read whole axes; None where one does not."""
    name = left.tensor
    if BY not in name:
        base = name.removeprefix(CHANGE).removesuffix(NEXT)
        return tuple(np.shape(values[base])) if base in values else None
    sizes: dict[str, int] = {}
    for position, size in zip(left.positions, np.shape(values[name]), strict=False):
        if position.as_name is not None:
            sizes[position.as_name] = min(size, sizes.get(position.as_name, size))
    return tuple(sizes[i] for i in indices) if all(i in sizes for i in indices) else None


def difference(found: Array, expected: Array) -> str:
    """In what two arrays differ beyond rounding, in words; empty where they don't."""
    if found.shape != expected.shape:
        return f"has shape {found.shape} and not {expected.shape}"
    scale = max(float(np.max(np.abs(expected), initial=0.0)), 1e-3)
    gap = np.abs(found - expected)
    wrong = int((~(gap <= TOLERANCE * scale)).sum())
    return f"differs in {wrong} of {gap.size} entries, by up to {gap.max():.3g}" if wrong else ""
