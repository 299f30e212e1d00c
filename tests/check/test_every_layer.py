"""A right gradient, PyTorch's, of each layer is called right, and one that is off in one row is not."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.check import check
from convgrad.layers import BatchNorm, LayerNorm, LogSoftmax, Softmax
from torch_cases import CASES, Case

pytestmark = pytest.mark.torch
BY_ROWS = (BatchNorm, LogSoftmax, Softmax)
"""What the checker gives rows to, whatever the shape of a case."""


def by_rows(case: Case) -> bool:
    return isinstance(case.layer, BY_ROWS) or case.layer == LayerNorm()


def backward_of(case: Case, torch: ModuleType, change: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Any]:
    """A person's backward pass by name of its arguments: dx, o and the layer's parameters; `change` is its mistake.

    Where a layer sees its arrays in another shape (channels in groups, say), PyTorch's function gets them in its own.
    """
    parameters = case.layer.build(case.shape).parameters

    def gradients(dx: np.ndarray, o: np.ndarray, *given: np.ndarray) -> dict[str, np.ndarray]:
        tensors = [torch.tensor(array, requires_grad=True) for array in (o, *given)]
        whole = tensors[0] if by_rows(case) else tensors[0].reshape(-1, *case.shape)
        seen = dict(zip(parameters, tensors[1:], strict=True))
        if not by_rows(case):
            seen = {n: t.reshape(parameters[n].shape) for n, t in seen.items()}
        x = case.forward(torch, whole, seen)
        x.backward(torch.tensor(dx).reshape(x.shape))
        found = {f"d{n}": t.grad.numpy() for n, t in zip(("o", *parameters), tensors, strict=True)}
        return {**found, "do": change(found["do"])}

    scope: dict[str, Any] = {"gradients": gradients}
    arguments = ", ".join(("dx", "o", *parameters))
    exec(f"def backward({arguments}):\n    return gradients({arguments})", scope)
    return scope["backward"]  # type: ignore[no-any-return]


def unchanged(do: np.ndarray) -> np.ndarray:
    return do


def off_in_the_first(do: np.ndarray) -> np.ndarray:
    """In the first number of each example, or the first row."""
    moved = do.copy()
    moved[:, 0] += 1
    return np.asarray(moved)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_right_and_wrong(case: Case, torch: ModuleType) -> None:
    shape = None if by_rows(case) else case.shape
    right = check(backward_of(case, torch, unchanged), case.layer, input_shape=shape, explain=False)
    assert right.ok, str(right)
    wrong = check(backward_of(case, torch, off_in_the_first), case.layer, input_shape=shape, explain=False)
    assert str(wrong).startswith("WRONG"), str(wrong)
