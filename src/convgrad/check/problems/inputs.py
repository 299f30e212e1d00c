"""Inputs that tell mistakes apart: random, exact in single precision, with ties for pooling and zeros at kinks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from convgrad.check.problems.problem import Array, Origin, Problem, Recipe
from convgrad.compute.oracle.grid import evaluate
from convgrad.notation.terms import Access, Call, Power, Term, gradient_name, walk

RATE = 0.375
"""The learning rate that a class gets: no round-off in a product with it, and no other factor that a mistake makes."""


def with_inputs(
    recipe: Recipe,
    of: str,
    wrt: tuple[str, ...],
    labels: Mapping[str, tuple[str, ...]],
    seed: int,
    origin: Origin,
) -> Problem:
    """A problem on random inputs that single precision holds exactly, with ties and zeros among them."""
    equation = recipe.bound()
    rng = np.random.default_rng([seed, 11])
    shapes = equation.shape_of
    arrays: dict[str, Array] = {}
    for name in equation.inputs:
        positive = name in ("gamma", "moving_variance")
        arrays[name] = _values(rng, shapes[name], positive)
    if "o" in arrays:
        arrays["o"] = with_kinks(arrays["o"], rng, recipe)
    # The gradient of a single number, an error, with respect to itself is 1.
    arrays[gradient_name(of)] = _values(rng, shapes[of], False) if shapes[of] else np.asarray(1.0)
    named = {}
    for name, own in labels.items():
        full = ("batch", *own) if len(shapes[name]) == len(own) + 1 else own
        named[name] = named[gradient_name(name)] = full
    if recipe.batch_index is not None:
        named = {n: tuple(a for a in own) for n, own in named.items()}
    return in_domain(Problem(recipe, of, wrt, arrays, named, origin=origin))


def in_domain(problem: Problem) -> Problem:
    """With positive parameters, and else with positive inputs, where the equation has no value otherwise.

    sqrt(v + eps) has none for eps = -1.2: each gradient, right or wrong, would then be not a number.
    """
    equation = problem.bound
    if not any(_may_have_no_value(term) for d in equation.definitions for term in walk(d.term)):
        return problem
    numbers = [name for name in equation.inputs if problem.arrays[name].ndim == 0]
    for names in ([], numbers, equation.inputs):
        tried = problem.with_arrays(**{name: np.abs(problem.arrays[name]) for name in names})
        if all(np.isfinite(value).all() for value in evaluate(equation, tried.arrays).values()):
            return tried
    return problem


def _may_have_no_value(term: Term) -> bool:
    if isinstance(term, Power):
        return term.exponent != int(term.exponent)
    return isinstance(term, Call) and term.function in ("sqrt", "log")


def _values(rng: np.random.Generator, shape: tuple[int, ...], positive: bool) -> Array:
    values = np.asarray(rng.uniform(0.25, 1.75, shape) * (1 if positive else rng.choice([-1.0, 1.0], shape)))
    rounded: Array = np.round(values * 2**12) / 2**12
    return rounded


def with_kinks(o: Array, rng: np.random.Generator, recipe: Recipe) -> Array:
    """Pooling gets ties, some in one window and some over borders; relu and others get exact zeros."""
    flat = o.copy().reshape(-1)
    text = recipe.equation.source or str(recipe.equation)
    if "max[" in text and "stop(max[" not in text:
        ties: Array = np.round(o * 2) / 2
        return ties
    if any(isinstance(t, Access) and t.positions for t in walk(recipe.equation.result.term)) and (
        "max(" in text or "where(" in text
    ):
        flat[rng.choice(flat.size, max(1, flat.size // 5), replace=False)] = 0.0
    kinked: Array = flat.reshape(o.shape)
    return kinked


LARGE = 20.0
"""Factor of the usual values, up to 1.75: past every bound that people clip at (6 of ReLU6, 10, 20, 30)."""
SMALL = 2.0**-12


def with_values(problem: Problem, kind: str, tensor: str) -> Problem:
    """With values of another kind in an input.

    usual: of both signs, from 0.25 to 1.75. large: up to 35. small: up to 0.0004, zeros of both signs among them.
    negative: all below zero, where a maximum that begins with 0 or padding with 0 shows.

    Raises: KeyError for another kind.
    """
    usual = problem.arrays[tensor] if tensor in problem.arrays else np.zeros(0)
    small = usual * SMALL
    small.reshape(-1)[::7], small.reshape(-1)[3::7] = 0.0, -0.0
    values = {"usual": usual, "large": usual * LARGE, "small": small, "negative": -np.abs(usual) - 0.5}[kind]
    return problem if kind == "usual" else problem.with_arrays(**{tensor: values})
