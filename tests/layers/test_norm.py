"""Normalizations against PyTorch's and against their formulas."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from convgrad.errors import ModelError, ShapeError
from convgrad.layers import BatchNorm, GroupNorm, LayerNorm
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


def test_scale_begins_at_one_and_shift_at_zero() -> None:
    rng = np.random.default_rng(0)
    for layer in (BatchNorm(), LayerNorm(), GroupNorm(2)):
        parameters = layer.build((7, 6)).parameters
        assert (parameters["gamma"].initial(rng) == 1).all()
        assert (parameters["beta"].initial(rng) == 0).all()


def test_refuses_arguments() -> None:
    with pytest.raises(ModelError, match=r"momentum must be a number of at least 0 and below 1, not 1.5"):
        BatchNorm(momentum=1.5)
    with pytest.raises(ModelError, match=r"epsilon must be a number above 0, not 0"):
        LayerNorm(epsilon=0)
    with pytest.raises(ModelError, match=r"groups must be a whole number of at least 1, not 0"):
        GroupNorm(0)
    with pytest.raises(
        ShapeError,
        match=r"GroupNorm\(groups=4\): 4 groups don't divide the 6 channels .*\nChoose "
        r"groups among 1, 2, 3, 6\.",
    ):
        GroupNorm(4).build((5, 7, 6))
