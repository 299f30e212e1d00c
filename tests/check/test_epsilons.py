"""An epsilon of one's own is a convention, whatever its value: it is told from the numbers, and said in a note."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from convgrad import check
from convgrad.check.functions.epsilons import fitted_epsilon

A = npt.NDArray[np.float64]


def _rows(dout: A, x: A, gamma: A, epsilon: float, axis: int) -> tuple[A, A, A]:
    normalized = (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + epsilon)
    scaled = dout * gamma
    inner = scaled - scaled.mean(axis, keepdims=True) - normalized * (scaled * normalized).mean(axis, keepdims=True)
    dx = inner / np.sqrt(x.var(axis, keepdims=True) + epsilon)
    return dx, (dout * normalized).sum(0), dout.sum(0)


@pytest.mark.parametrize("epsilon", [3e-12, 1e-10, 2e-5, 0.01])
@pytest.mark.parametrize(("layer", "axis"), [("layer_norm", 1), ("batch_norm", 0)])
def test_any_epsilon_is_a_convention(epsilon: float, layer: str, axis: int) -> None:
    def backward(dout: A, x: A, gamma: A, beta: A) -> tuple[A, A, A]:
        return _rows(dout, x, gamma, epsilon, axis)

    report = check(backward, layer)
    assert report.ok, str(report)
    assert not report.causes
    assert f"your epsilon is {epsilon:g}, and not the layer's" in str(report)


def test_it_is_found_in_images_and_groups() -> None:
    def batch(x: A, gamma: A, beta: A) -> A:
        mean, variance = (f(x, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.var))
        return np.asarray(gamma[:, None, None] * (x - mean) / np.sqrt(variance + 4e-4) + beta[:, None, None])

    def grouped(x: A, gamma: A, beta: A, groups: int = 2) -> A:
        rows = x.reshape(len(x), groups, -1)
        rows = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + 1.5e-6)
        return np.asarray(gamma[:, None, None] * rows.reshape(x.shape) + beta[:, None, None])

    assert "your epsilon is 0.0004," in str(check(batch, "batch_norm2d"))
    assert "your epsilon is 1.5e-06," in str(check(grouped, "group_norm"))


def test_with_a_mistake_beside_it_both_are_told() -> None:
    def backward(dout: A, x: A, gamma: A, beta: A) -> tuple[A, A, A]:
        inverse = 1 / np.sqrt(x.var(1, keepdims=True) + 2e-5)
        normalized, scaled = (x - x.mean(1, keepdims=True)) * inverse, dout * gamma
        return (scaled - scaled.mean(1, keepdims=True)) * inverse, (dout * normalized).sum(0), dout.sum(0)

    report = check(backward, "layer_norm")
    assert report.causes == ("path-missing",)
    assert "your epsilon is 2e-05, and not the layer's" in str(report)


def test_outside_of_the_root_it_is_told_with_its_value() -> None:
    def backward(dout: A, x: A, gamma: A, beta: A) -> tuple[A, A, A]:
        inverse = 1 / (np.sqrt(x.var(1, keepdims=True)) + 2e-5)
        normalized, scaled = (x - x.mean(1, keepdims=True)) * inverse, dout * gamma
        inner = scaled - scaled.mean(1, keepdims=True) - normalized * (scaled * normalized).mean(1, keepdims=True)
        return inner * inverse, (dout * normalized).sum(0), dout.sum(0)

    report = check(backward, "layer_norm")
    assert report.causes == ("epsilon-outside-root",)
    assert "sqrt(v) + eps; it is 2e-05" in " ".join(str(report).split())


def test_a_factor_is_no_epsilon() -> None:
    def backward(dout: A, x: A, gamma: A, beta: A) -> tuple[A, A, A]:
        dx, dgamma, dbeta = _rows(dout, x, gamma, 1e-3, 1)
        return dx, 1.0025 * dgamma, dbeta

    report = check(backward, "layer_norm")
    assert not report.ok
    assert "your epsilon" not in str(report)


def test_the_fit_takes_one_unknown_and_has_to_explain_all_numbers() -> None:
    variances = np.array([0.3, 0.7, 1.9])

    def at(value: float) -> A:
        return np.asarray(1 / np.sqrt(variances + value))

    assert fitted_epsilon(at(2.5e-7), at, 1e-3, 1e-14) == 2.5e-7
    assert fitted_epsilon(at(0.4), at, 1e-3, 1e-14) is None  # it changes what is computed
    assert fitted_epsilon(1.01 * at(0.0), at, 1e-3, 1e-14) is None
    assert fitted_epsilon(at(1e-4), lambda value: None, 1e-3, 1e-14) is None
