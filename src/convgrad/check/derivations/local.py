"""Claims that are not gradients of an error: local derivatives, `x_by_w`, and updates, `w_next` and `Delta_w`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from convgrad.calculus.derive import gradients
from convgrad.check.derivations.latex_input import BY
from convgrad.check.problems.problem import Array, Problem
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import EquationError
from convgrad.notation.terms import Access, Equation, gradient_name, walk

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


def local_names(equation: Equation) -> set[str]:
    """The local derivatives that an equation reads or defines."""
    reads = {t.tensor for d in equation.definitions for t in walk(d.term) if isinstance(t, Access)}
    return {name for name in {*reads, *equation.defined} if BY in name}


def local_derivative(problem: Problem, name: str) -> Array:
    """D[p,q] = dx[p] / do[q] for `x_by_o`: p are the indices of x, q those of o.

    Raises: EquationError where the equation has no such tensors, or they are too large.
    """
    above, _, below = name.partition(BY)
    shapes = problem.bound.shape_of
    for tensor in (above, below):
        if tensor not in shapes:
            raise EquationError(f"`{tensor}` is not a tensor of the equation.", remedy=f"It has {', '.join(shapes)}.")
    count = int(np.prod(shapes[above]))
    if count > MOST_ELEMENTS:
        raise EquationError(
            f"The derivative of each of {count:,} elements of {above} is too much to compute.",
            remedy="Give smaller sizes.",
        )
    adjoint = gradients(problem.bound, [below], above)
    found = evaluate(adjoint.forward, problem.arrays)
    upstream = np.zeros(shapes[above])
    result = np.zeros((*shapes[above], *shapes[below]))
    for place in np.ndindex(*shapes[above]):
        upstream[place] = 1.0
        values = {**problem.arrays, **found, gradient_name(above): upstream}
        result[place] = evaluate(adjoint.backward, values)[gradient_name(below)]
        upstream[place] = 0.0
    return result


def expected_value(
    name: str, values: Mapping[str, Any], indices: tuple[str, ...], all_indices: tuple[str, ...]
) -> Array:
    """What a claim with that name on the left should be.

    indices: those of the definition; all_indices: as they were written on the left, some perhaps more than once.
    """
    if BY in name:
        whole = np.asarray(values[name])
        letters = {index: chr(ord("a") + n) for n, index in enumerate(dict.fromkeys(all_indices))}
        ins = "".join(letters[i] for i in all_indices)
        found: Array = np.einsum(f"{ins}->{''.join(letters[i] for i in indices)}", whole)
        return found
    if name.startswith(CHANGE):
        return np.asarray(-values["eta"] * values[gradient_name(name.removeprefix(CHANGE))])
    old = name.removesuffix(NEXT)
    return np.asarray(values[old] - values["eta"] * values[gradient_name(old)])


def difference(found: Array, expected: Array) -> str:
    """In what two arrays differ beyond rounding, in words; empty where they don't."""
    if found.shape != expected.shape:
        return f"has shape {found.shape} and not {expected.shape}"
    scale = max(float(np.max(np.abs(expected), initial=0.0)), 1e-3)
    gap = np.abs(found - expected)
    wrong = int((~(gap <= TOLERANCE * scale)).sum())
    return f"differs in {wrong} of {gap.size} entries, by up to {gap.max():.3g}" if wrong else ""
