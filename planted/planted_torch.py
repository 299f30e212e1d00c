"""Backward passes written with PyTorch's functions, with mistakes to plant by name. Imported only where it is there."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch.nn import functional
from torch.nn import grad as given


def conv_backward(planted: Collection[str], stride: int = 2, padding: int = 1) -> Callable[..., Any]:
    """By PyTorch's own functions."""

    def backward(grad_output: torch.Tensor, input: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, ...]:
        kernel = weight.flip((2, 3)) if "kernel-not-rotated" in planted else weight
        step = 1 if "stride-not-dilated" in planted else stride
        size = input.shape[2:]
        rest = [size[a] - ((grad_output.shape[2 + a] - 1) * step - 2 * padding + kernel.shape[2 + a]) for a in (0, 1)]
        if "stride-far-edge" in planted:
            full = functional.conv_transpose2d(grad_output, kernel, stride=step, padding=padding)
            grad_input = functional.pad(full, (0, rest[1], 0, rest[0]))
        elif step < stride:
            full = functional.conv_transpose2d(functional.pad(grad_output, (0, rest[1], 0, rest[0])), kernel)
            grad_input = full[:, :, padding : padding + size[0], padding : padding + size[1]]
        else:
            grad_input = functional.conv_transpose2d(
                grad_output, kernel, stride=step, padding=padding, output_padding=rest
            )
        grad_weight = given.conv2d_weight(input, weight.shape, grad_output, stride, padding)
        if "gradient-rotated" in planted:
            grad_weight = grad_weight.flip((2, 3))
        if "mean-over-batch" in planted:
            grad_weight = grad_weight / len(input)
        grad_bias = grad_output.sum(dim=(2, 3)) if "bias-not-summed" in planted else grad_output.sum(dim=(0, 2, 3))
        return grad_input, grad_weight, grad_bias

    return backward


def autograd(stride: int = 2, padding: int = 1) -> Callable[..., Any]:
    """By automatic differentiation."""

    def backward(grad_output: torch.Tensor, x: torch.Tensor, w: torch.Tensor) -> dict[str, torch.Tensor]:
        x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
        functional.conv2d(x, w, stride=stride, padding=padding).backward(grad_output)
        assert x.grad is not None
        assert w.grad is not None
        return {"grad_input": x.grad, "grad_weight": w.grad}

    return backward


def tanh_backward(planted: Collection[str]) -> Callable[..., Any]:
    """tanh's gradient."""

    def backward(grad_output: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        y = torch.tanh(x)
        if "activation-missing" in planted:
            return grad_output
        if "activation-formula-at-input" in planted:
            y = x
        return grad_output * (1 - y**2)

    return backward
