"""Arguments whose names say little, and what is said least by a result: nothing but zeros, no epsilon."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convgrad.check import check

Array = np.ndarray[Any, Any]


def relu_backward(dA: Array, Z: Array) -> Array:
    """With the mask turned round; of what came out of a ReLU nothing but zeros would be left."""
    dZ = np.array(dA, copy=True)
    dZ[Z >= 0] = 0
    return dZ


def right_relu_backward(dA: Array, Z: Array) -> Array:
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


def never_filled(dA: Array, Z: Array) -> Array:
    return np.zeros_like(dA)


def batchnorm_forward(x: Array, gamma: Array, beta: Array) -> Array:
    return np.asarray(gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0)) + beta)


def batchnorm_outside(x: Array, gamma: Array, beta: Array) -> Array:
    return np.asarray(gamma * (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-5) + beta)


def test_a_mask_that_is_turned_round_is_told_and_not_the_zeros_of_another_reading() -> None:
    report = check(relu_backward, "relu")
    assert "the mask is turned round" in str(report)
    assert "Z = o" in report.reading
    assert check(right_relu_backward, "relu").ok


def test_what_is_never_filled_is_still_told() -> None:
    assert check(never_filled, "relu").causes == ("zeros",)


@pytest.mark.parametrize("role", ["o", "x"])
def test_a_role_that_is_told_is_kept(role: str) -> None:
    assert f"Z = {role}" in check(relu_backward, "relu", roles={"Z": role}).reading


def test_no_epsilon_is_a_choice_that_is_told() -> None:
    report = check(batchnorm_forward, "batch_norm")
    assert report.ok, str(report)
    assert "you have no epsilon, or one of 1e-12 at most" in " ".join(str(report).split())
    outside = check(batchnorm_outside, "batch_norm")
    assert outside.causes[0] == "epsilon-outside-root", str(outside)
