"""A normalization of rows backwards in plain NumPy, step by step, with mistakes to plant by name."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

Array = np.ndarray
EPSILON = 1e-3


def batch_norm_backward(planted: Collection[str]) -> Callable[..., tuple[Array, ...]]:
    """Arrays (N, C). Through the root, the variance and the mean, one after the other."""

    def backward(dout: Array, x: Array, gamma: Array) -> tuple[Array, ...]:
        count = len(x)
        less = "count-less-one" in planted or "count-less-one, derived" in planted
        centred, variance = x - x.mean(0), x.var(0, ddof=1 if less else 0)
        outside = "epsilon-outside-root" in planted or "epsilon-outside-root, derived" in planted
        root = np.sqrt(variance) + EPSILON if outside else np.sqrt(variance + EPSILON)
        dnormed = dout if "scale-missing" in planted else dout * gamma
        slope = -1 / (2 * root**3)
        if "epsilon-outside-root, derived" in planted:
            slope = -1 / (2 * root**2 * np.sqrt(variance))
        dvariance = (dnormed * centred).sum(0) * slope
        dmean = -(dnormed / root).sum(0)
        if "path-missing through the variance" in planted:
            dvariance = 0 * dvariance
        if "path-missing through the mean" in planted:
            dmean = 0 * dmean
        both = "mean-without-1/n" in planted
        for_variance = 1 if both or "mean-without-1/n in the variance" in planted else count
        for_mean = 1 if both or "mean-without-1/n in the mean" in planted else count
        if "count-less-one, derived" in planted:
            for_variance = count - 1
        dx = dnormed / root + 2 * dvariance * centred / for_variance + dmean / for_mean
        if "root-missing" in planted:
            dx = dx * root
        if "root-missing, twice" in planted:
            dx = dx / root
        normed = centred / root
        if "not-normalized" in planted:
            normed = x
        if "not-normalized, but centred" in planted:
            normed = centred
        if "not-normalized, not centred" in planted:
            normed = x / root
        return dx, (dout * normed).sum(0), dout.sum(0)

    return backward
