"""Equations of a document evaluated at random numbers, with what earlier lines say in place of the right values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from convgrad.check.derivations.local import local_derivative, local_names
from convgrad.check.derivations.outside import zero_outside
from convgrad.check.problems.problem import Array, Problem
from convgrad.check.problems.subject import EquationSubject, Sizes
from convgrad.compute.oracle.grid import evaluate
from convgrad.errors import ConvgradError
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Access, Equation, Term, accesses, rebuild, walk

SEEDS = 3
TOLERANCE = 1e-9
"""Relative to the largest number: sums of some thousand products in float64."""


def problem_of(forward: str, target: str, seed: int = 0) -> Problem:
    """An equation in our notation at random numbers, with the gradient of a tensor. Raises: ConvgradError."""
    forward = str(zero_outside(parse(forward)))
    subject = EquationSubject(forward)
    inputs = subject.problem().given
    wrt = tuple(dict.fromkeys([*([target] if target else []), *(n for n in inputs if n[:1].islower())]))
    return EquationSubject(forward, wrt=wrt).problem(Sizes(seed=seed))


def values_of(problem: Problem, written: Equation, instead: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """All that an equation may read. Raises: ConvgradError."""
    values: dict[str, Array] = {**problem.arrays, **problem.values()}
    values.setdefault("eta", np.asarray(0.375))
    for name in local_names(written):
        if name not in (instead or {}):
            values[name] = local_derivative(problem, name)
    return {**values, **(instead or {})}


def evaluated(written: Equation, problem: Problem, instead: Mapping[str, Array] | None = None) -> Array:
    """The last definition of an equation; 0 is read outside a tensor. Raises: ConvgradError."""
    values = values_of(problem, written, instead)
    reads = {a.tensor for d in written.definitions for a in accesses(d.term)} - {*written.defined}
    shapes = {name: values[name].shape for name in reads if name in values}
    own = values.get(written.result.name)
    if own is not None and own.ndim == len(written.result.indices):
        shapes[written.result.name] = own.shape
    padded = replace(written, definitions=tuple(replace(d, term=rebuild(d.term, _padded)) for d in written.definitions))
    loops = {
        i
        for d in written.definitions
        for i in (*d.indices, *(j for t in walk(d.term) for j in getattr(t, "indices", ())))
    }
    recipe = problem.recipe
    known = {n: s for n, s in recipe.sizes.items() if n.lower() in loops}
    last: ConvgradError | None = None
    for equation in (written, padded):
        for sizes in ({}, known):
            try:
                bound = bind(equation, shapes, sizes, recipe.integers, recipe.numbers)
                return np.asarray(evaluate(bound, values)[written.result.name])
            except ConvgradError as error:
                last = last or error
    assert last is not None
    raise last


def alike(one: Array, two: Array) -> bool:
    """Whether two arrays are the same up to rounding."""
    if one.shape != two.shape:
        return False
    scale = max(float(np.max(np.abs(two), initial=0.0)), 1e-3)
    return bool(np.all(np.abs(one - two) <= TOLERANCE * scale))


def _padded(term: Term) -> Term:
    return replace(term, outside=0.0) if isinstance(term, Access) and term.positions and term.outside is None else term
