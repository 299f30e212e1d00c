"""A matrix of derivatives as a batch: each example once for each of its results, with a gradient from above that is 1
there and 0 elsewhere, so that the input's gradient is a row of the matrix.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from convgrad.check.problems.problem import Problem


def features(problem: Problem) -> int:
    """The numbers of one example."""
    return prod(problem.arrays["o"].shape[1:])


def row_by_row(problem: Problem) -> Problem:
    """The problem whose gradients of o are the rows of all examples' matrices.

    >>> from convgrad.check.problems.subject import subject_of
    >>> (sigmoid,) = subject_of("sigmoid", {}, (2,), {})
    >>> row_by_row(sigmoid.problem()).arrays["dx"].tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    """
    o, size = problem.arrays["o"], features(problem)
    above = np.tile(np.eye(size), (len(o), 1)).reshape(len(o) * size, *o.shape[1:])
    repeated = problem.with_arrays(o=np.repeat(o, size, axis=0), **{problem.upstream: above})
    return replace(repeated, recipe=replace(problem.recipe, batch=len(o) * size))
