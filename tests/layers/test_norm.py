"""Normalizations against PyTorch's and against their formulas."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.errors import ModelError, ShapeError
from convgrad.layers import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RMSNorm
from layer_runs import Run, close, normal

SHAPES = [(3, 5), (3, 7, 5), (3, 2, 7, 5)]


@pytest.mark.torch
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_as_in_torch(shape: tuple[int, ...], torch: ModuleType) -> None:
    o = 2 * normal(*shape) + 3
    mean, variance = np.arange(5.0), np.arange(1.0, 6)
    run = Run(BatchNorm(momentum=0.9), o, given={"moving_mean": mean, "moving_variance": variance})
    moving = torch.tensor(mean), torch.tensor(variance)
    expected = torch.nn.functional.batch_norm(
        torch.tensor(np.moveaxis(o, -1, 1).copy()),
        *moving,
        torch.tensor(run.parameters["gamma"]),
        torch.tensor(run.parameters["beta"]),
        training=True,
        momentum=0.1,
        eps=1e-3,
    )
    close(run.x, np.moveaxis(expected.numpy(), 1, -1))
    close(run.tensors["moving_mean_next"], moving[0].numpy())
    n = o.size // 5  # PyTorch's moving variance is the unbiased one, ours the biased one
    biased = 0.9 * variance + (moving[1].numpy() - 0.9 * variance) * (n - 1) / n
    close(run.tensors["moving_variance_next"], biased)


@pytest.mark.torch
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_predicts_by_its_moving_values(shape: tuple[int, ...], torch: ModuleType) -> None:
    o = normal(*shape)
    mean, variance = np.arange(5.0), np.arange(1.0, 6)
    run = Run(BatchNorm(), o, given={"moving_mean": mean, "moving_variance": variance}, predict=True)
    expected = torch.nn.functional.batch_norm(
        torch.tensor(np.moveaxis(o, -1, 1).copy()),
        torch.tensor(mean),
        torch.tensor(variance),
        torch.tensor(run.parameters["gamma"]),
        torch.tensor(run.parameters["beta"]),
        eps=1e-3,
    )
    close(run.x, np.moveaxis(expected.numpy(), 1, -1))


def test_batch_norm_begins_as_identity_up_to_eps() -> None:
    state = BatchNorm().build((7, 5)).state
    assert state == {"moving_mean": ((5,), 0.0), "moving_variance": ((5,), 1.0)}
    o = normal(3, 7, 5)
    x = Run(BatchNorm(), o, given={"gamma": np.ones(5), "beta": np.zeros(5)}, predict=True).x
    close(x, o / np.sqrt(1.001))


@pytest.mark.torch
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm_as_in_torch(shape: tuple[int, ...], torch: ModuleType) -> None:
    o = normal(*shape)
    run = Run(LayerNorm(epsilon=1e-5), o)
    gamma, beta = (torch.tensor(run.parameters[name]) for name in ("gamma", "beta"))
    close(run.x, torch.nn.functional.layer_norm(torch.tensor(o), (5,), gamma, beta, eps=1e-5).numpy())


@pytest.mark.torch
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm_as_in_torch(groups: int, torch: ModuleType) -> None:
    o = normal(2, 5, 7, 6)
    run = Run(GroupNorm(groups), o)
    gamma, beta = (torch.tensor(run.parameters[name].ravel()) for name in ("gamma", "beta"))
    image = torch.tensor(np.moveaxis(o, -1, 1).copy())
    expected = torch.nn.functional.group_norm(image, groups, gamma, beta, eps=1e-3)
    close(run.x, np.moveaxis(expected.numpy(), 1, -1))


@pytest.mark.torch
@pytest.mark.parametrize("axes", [2, 3])
def test_layer_norm_over_the_last_axes_as_in_torch(axes: int, torch: ModuleType) -> None:
    o = normal(2, 3, 7, 5)
    run = Run(LayerNorm(axis=tuple(range(-axes, 0))), o)
    gamma, beta = (torch.tensor(run.parameters[name].reshape(o.shape[-axes:])) for name in ("gamma", "beta"))
    close(run.x, torch.nn.functional.layer_norm(torch.tensor(o), o.shape[-axes:], gamma, beta, eps=1e-3).numpy())


@pytest.mark.parametrize("axes", [(-2,), (-3, -1), (-1, -4), (-4, -3, -1)])
def test_layer_norm_over_any_axes(axes: tuple[int, ...]) -> None:
    o = normal(2, 3, 2, 7, 5)
    run = Run(LayerNorm(axis=axes), o)
    mean, variance = o.mean(axes, keepdims=True), o.var(axes, keepdims=True)
    gamma, beta = (
        run.parameters[name].reshape([size if n - 5 in axes else 1 for n, size in enumerate(o.shape)])
        for name in ("gamma", "beta")
    )
    close(run.x, gamma * (o - mean) / np.sqrt(variance + 1e-3) + beta)


@pytest.mark.torch
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_instance_norm_as_in_torch(shape: tuple[int, ...], torch: ModuleType) -> None:
    o = normal(*shape)
    run = Run(InstanceNorm(), o)
    gamma, beta = (torch.tensor(run.parameters[name]) for name in ("gamma", "beta"))
    image = torch.tensor(np.moveaxis(o, -1, 1).copy())
    expected = torch.nn.functional.instance_norm(image, weight=gamma, bias=beta, eps=1e-3)
    close(run.x, np.moveaxis(expected.numpy(), 1, -1))


@pytest.mark.torch
@pytest.mark.parametrize("shape", SHAPES)
def test_rms_norm_as_in_torch(shape: tuple[int, ...], torch: ModuleType) -> None:
    o = normal(*shape)
    run = Run(RMSNorm(), o)
    gamma = torch.tensor(run.parameters["gamma"])
    close(run.x, torch.nn.functional.rms_norm(torch.tensor(o), (5,), gamma, eps=1e-6).numpy())


@pytest.mark.torch
@pytest.mark.parametrize("size", [1, 2, 3, 4, 11])
@pytest.mark.parametrize("numbers", [{}, {"alpha": 0.7, "beta": 1.25, "k": 2.0}])
def test_local_response_norm_as_in_torch(size: int, numbers: dict[str, Any], torch: ModuleType) -> None:
    o = 3 * normal(2, 3, 5, 7)
    image = torch.tensor(np.moveaxis(o, -1, 1).copy())
    expected = torch.nn.functional.local_response_norm(image, size, **numbers)
    close(Run(LocalResponseNorm(size, **numbers), o).x, np.moveaxis(expected.numpy(), 1, -1))


def test_scale_begins_at_one_and_shift_at_zero() -> None:
    rng = np.random.default_rng(0)
    for layer in (BatchNorm(), LayerNorm(), GroupNorm(2), InstanceNorm()):
        parameters = layer.build((7, 6)).parameters
        assert (parameters["gamma"].initial(rng) == 1).all()
        assert (parameters["beta"].initial(rng) == 0).all()


def test_refuses_arguments() -> None:
    with pytest.raises(ModelError, match=r"momentum must be a number of at least 0 and below 1, not 1.5"):
        BatchNorm(momentum=1.5)
    with pytest.raises(ModelError, match=r"epsilon must be a number above 0, not 0"):
        LayerNorm(epsilon=0)
    for axis in (0, (), (-1, -1), -10, "channels"):
        with pytest.raises(ModelError, match=r"axis must be -1 for the last axis, or a tuple of different axes"):
            LayerNorm(axis=axis)  # type: ignore[arg-type]
    with pytest.raises(
        ShapeError, match=r"there is no axis -3, its input has shape \(5, 7\).\nThe batch is not .* the first one is -2"
    ):
        LayerNorm(axis=(-3, -1)).build((5, 7))
    for layer in (InstanceNorm, RMSNorm):
        with pytest.raises(ModelError, match=r"epsilon must be a number above 0, not -1"):
            layer(epsilon=-1)
    refused: dict[str, dict[str, Any]] = {
        r"size must be a whole number of at least 1, not 0": {"size": 0},
        r"alpha must be a number of at least 0, not -1": {"size": 2, "alpha": -1},
        r"beta must be a number above 0, not 0": {"size": 2, "beta": 0},
        r"k must be a number above 0, not 0": {"size": 2, "k": 0},
    }
    for message, given in refused.items():
        with pytest.raises(ModelError, match=message):
            LocalResponseNorm(**given)
    with pytest.raises(ModelError, match=r"groups must be a whole number of at least 1, not 0"):
        GroupNorm(0)
    with pytest.raises(
        ShapeError,
        match=r"GroupNorm\(groups=4\): 4 groups don't divide the 6 channels .*\nChoose "
        r"groups among 1, 2, 3, 6\.",
    ):
        GroupNorm(4).build((5, 7, 6))
