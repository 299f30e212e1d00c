"""Mistakes of reshaping: what is read is counted along the axes in another order than it was written in."""

from __future__ import annotations

import numpy as np

from convgrad.check.mistakes.base import Before, Mistake
from convgrad.check.problems.problem import Problem

UPSTREAM = "dx"
ORDERS: tuple[tuple[str, str, str, str, tuple[str, ...], str], ...] = (
    (
        "dx",
        "batch k i j",
        "k batch i j",
        "reshape(F, -1) takes it from (N, F, H, W) without a transpose",
        ("do", "dw"),
        "dout.transpose(1, 0, 2, 3).reshape(F, -1)",
    ),
    (
        "dx",
        "batch k i j",
        "batch i j k",
        "reshape(-1, F) takes it from (N, F, H, W) without a transpose",
        ("do", "dw"),
        "dout.transpose(0, 2, 3, 1).reshape(-1, F)",
    ),
    (
        "dx",
        "batch i j k",
        "k batch i j",
        "reshape(F, -1) takes it from (N, H, W, F) without a transpose",
        ("do", "dw"),
        "dout.reshape(-1, F).T",
    ),
    (
        "dx",
        "k batch i j",
        "k i j batch",
        "its columns are in the order (N, H, W), those of the input in (H, W, N)",
        ("do", "dw"),
        "dout.transpose(1, 2, 3, 0).reshape(F, -1)",
    ),
    (
        "dx",
        "k i j batch",
        "k batch i j",
        "its columns are in the order (H, W, N), those of the input in (N, H, W)",
        ("do", "dw"),
        "dout.transpose(1, 0, 2, 3).reshape(F, -1)",
    ),
    (
        "w",
        "k c m n",
        "c m n k",
        "reshape(-1, F) takes it from (F, C, kh, kw) without a transpose",
        ("do", "x"),
        "w.reshape(F, -1).T",
    ),
    (
        "w",
        "k c m n",
        "k m n c",
        "it is in the order (C, kh, kw), the columns of the input in (kh, kw, C)",
        ("do", "x"),
        "w.transpose(0, 2, 3, 1).reshape(F, -1)",
    ),
    (
        "w",
        "m n c k",
        "k m n c",
        "reshape(F, -1) takes it from (kh, kw, C, F) without a transpose",
        ("do", "x"),
        "w.reshape(-1, F).T",
    ),
    (
        "w",
        "m n c k",
        "c m n k",
        "it is in the order (kh, kw, C), the columns of the input in (C, kh, kw)",
        ("do", "x"),
        "w.transpose(2, 0, 1, 3).reshape(-1, F)",
    ),
    (
        "o",
        "batch c h v",
        "batch h v c",
        "reshape(N, H, W, C) takes it from (N, C, H, W) without a transpose",
        ("dw", "x"),
        "x.transpose(0, 2, 3, 1)",
    ),
    (
        "o",
        "batch h v c",
        "batch c h v",
        "reshape(N, C, H, W) takes it from (N, H, W, C) without a transpose",
        ("dw", "x"),
        "x.transpose(0, 3, 1, 2)",
    ),
)
"""Tensor, the order of its axes, that in which it is read, how that comes, where it is seen, and the change."""
CALLED = {"dx": "gradient from above", "w": "kernel", "o": "input"}


def _misread(tensor: str, own: str, read: str) -> Before:
    """The tensor's numbers, counted along its axes in one order, put down along them in another."""

    def before(problem: Problem) -> Problem | None:
        name = problem.upstream if tensor == UPSTREAM else tensor
        labels = problem.labels.get(problem.of if tensor == UPSTREAM else tensor, ())
        array = problem.arrays.get(name)
        if array is None or sorted(labels) != sorted(own.split()) or "w" not in problem.arrays:
            return None
        first, second = ([labels.index(n) for n in order.split()] for order in (own, read))
        counted = array.transpose(first).reshape([array.shape[a] for a in second])
        return problem.with_arrays(**{name: counted.transpose(np.argsort(second))})

    return before


MISTAKES = tuple(
    Mistake(
        "order-mixed",
        f"in {{output}} the {CALLED[tensor]} is read in the wrong order: {words}",
        f"Write {right}: reshape counts on, only transpose moves axes.",
        "with the same order in the right calculation",
        outputs=outputs,
        before=_misread(tensor, own, read),
        likelihood=3,
    )
    for tensor, own, read, words, outputs, right in ORDERS
)
