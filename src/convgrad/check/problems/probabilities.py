"""What comes after the sigmoid or softmax that a loss has within it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from convgrad.check.problems.problem import Array, Problem
from convgrad.check.problems.subject import OF_PROBABILITIES, recipe_of
from convgrad.layers.activation import Sigmoid, Softmax
from convgrad.notation.parsing.parser import parse


def loss_of_logits(problem: Problem) -> str | None:
    """The loss that a problem is, where its y goes into a sigmoid or softmax; None where it does not.

    >>> from convgrad.check.problems.subject import LossSubject
    >>> loss_of_logits(LossSubject("mse").problem()), loss_of_logits(LossSubject("softmax_cross_entropy").problem())
    (None, 'softmax_cross_entropy')
    """
    if not problem.total or problem.origin.layer is not None or problem.origin.written:
        return None
    text = str(problem.recipe.equation)
    return "binary_cross_entropy" if "softplus(" in text else "softmax_cross_entropy" if "exp(" in text else None


def probabilities(problem: Problem) -> Array:
    """The softmax of the logits, or the sigmoid of each, by its own equation."""
    logits = problem.arrays["y"]
    if loss_of_logits(problem) == "binary_cross_entropy":
        recipe = recipe_of(Sigmoid().build(logits.shape[1:]), len(logits))
        return Problem(recipe, "x", ("o",), {"o": logits}, {}).values({"x"})["x"]
    recipe = recipe_of(Softmax().build(logits.shape[1:]), len(logits))
    return Problem(recipe, "x", ("o",), {"o": logits[:, None]}, {}).values({"x"})["x"][:, 0]


def of_probabilities(problem: Problem) -> Problem | None:
    """The same loss as an equation of its probabilities; as it is where it is one; None where it has none."""
    name = loss_of_logits(problem)
    if name is None:
        is_one = (
            problem.total
            and not problem.origin.written
            and "log(y[" in str(problem.recipe.equation).replace("1 - ", "")
        )
        return problem if is_one else None
    summed = name == "binary_cross_entropy" and "mean[" not in str(problem.recipe.equation)
    text = OF_PROBABILITIES[name].replace("mean[k]", "sum[k]") if summed else OF_PROBABILITIES[name]
    recipe = replace(problem.recipe, equation=parse(text))
    return replace(problem.with_arrays(y=np.asarray(probabilities(problem))), recipe=recipe)
