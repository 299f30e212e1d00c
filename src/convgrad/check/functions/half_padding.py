"""Padding "same" with a stride, of which there are two kinds: so much that ceil(H / s) places are left, with more at
the end where it is odd (Keras), and (M - 1) / 2 on both sides of an odd kernel (as PyTorch's padding=M//2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from convgrad.check.functions.returned import Attempt, score
from convgrad.check.problems.subject import LayerSubject

SAME = "same"
NOTE = (
    'Its "same" adds half of the kernel on both sides, and with this stride other places are read than by Keras, '
    "which adds more at the end; it was compared with its own kind."
)


def of_its_own_kind(tried: Attempt) -> Attempt:
    """What came back beside a layer of the other kind, where its own forward pass is of that kind; else as it was.

    The person is told the word and no number, and the result has the same shape in both kinds. A backward pass alone
    shows no kind of its own: it has to be that of the layer.
    """
    subject, problem = tried.convention.subject, tried.problem
    window = problem.origin.window
    if window is None or window.padding != SAME or not isinstance(subject, LayerSubject):
        return tried
    if problem.of not in tried.roles or not tried.shapes_fit or not tried.score[3]:
        return tried
    if any(extent % 2 == 0 for extent in window.extent):
        return tried
    padding = tuple((extent - 1) // 2 for extent in window.extent)
    image = problem.arrays["o"].shape[1:]
    half = replace(subject, given={**subject.given, "padding": padding}, input_shape=image)
    other = half.problem(tried.convention.sizes)
    if _shapes(other.arrays.values()) != _shapes(problem.arrays.values()):
        return tried
    other = replace(other, arrays=problem.arrays)
    result = replace(tried, problem=other, values={**other.arrays, **other.values()}, other_padding=NOTE)
    result.score = score(result)
    forward = np.allclose(tried.roles[problem.of], result.expected(problem.of), rtol=1e-4, atol=1e-4)
    return result if forward and result.score[3] <= tried.score[3] - 0.5 else tried


def _shapes(arrays: Iterable[np.ndarray]) -> list[tuple[int, ...]]:
    return [array.shape for array in arrays]
