"""Random networks, compiled: all gradients equal the oracle's, and the oracle's a difference of losses.

CONVGRAD_FUZZ says how many networks (120 by default); `make fuzz N=...` sets it.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from convgrad.compute.halide import available
from convgrad.models.network import Network
from convgrad.network.step import gradients, loss_value
from convgrad.notation.terms import gradient_name
from networks import random_network

COUNT = int(os.environ.get("CONVGRAD_FUZZ", "120"))
# Sums of at most some thousand products, through at most six layers: a few hundred roundings of 2^-53 or 2^-24, of
# quantities that may be ten times the result. A normalization of values that hardly differ makes their rounding larger
# by up to 1/sqrt(eps), 32 with Keras' 0.001: two of 1,000 float32 networks came to 1.4e-5 that way.
TOLERANCE = {"float64": 1e-9, "float32": 5e-5}
# A gradient that cancels out to nothing (that of a bias in front of a normalization) is as exact as the numbers that
# it is the sum of, which are at most about as large as the network's largest gradient.
FLOOR = {"float64": 1e-3, "float32": 0.1}


@pytest.mark.parametrize("seed", range(COUNT))
def test_random_network(seed: int) -> None:
    dtype = "float32" if seed % 2 else "float64"
    network, loss, x, t = random_network(seed, dtype)
    expected = gradients(network, x, t, loss, engine="oracle")
    assert_slope(network, loss, x, t, expected, seed)
    if not available()[0]:
        pytest.skip("the compiled engine is not here: only the oracle was checked")
    compiled = gradients(network, x, t, loss, engine="halide")
    largest = max(float(np.abs(g).max()) for g in expected.values())
    for name, gradient in expected.items():
        scale = max(float(np.abs(gradient).max()), FLOOR[dtype] * largest)
        np.testing.assert_allclose(compiled[name], gradient, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=name)


def assert_slope(
    network: Network, loss: str, x: np.ndarray, t: np.ndarray, expected: dict[str, np.ndarray], seed: int
) -> None:
    """In one random direction of all parameters, the loss rises as the gradients say.

    Error of the central difference: h^2 of the third derivative and 2^-53/h of the loss; kinks (relu, max) that lie
    within the step add up to h times their jump, so a step that disagrees is tried again ten times smaller.
    """
    if network.dtype == "float32" or not network.parameters:
        return
    rng = np.random.default_rng(seed + 1)
    directions = {name: rng.standard_normal(array.shape) for name, array in network.parameters.items()}
    slope = sum(float((expected[gradient_name(name)] * d).sum()) for name, d in directions.items())
    before = network.get_weights()
    for step in (1e-5, 1e-6, 1e-7):
        values = []
        for sign in (1, -1):
            for name, direction in directions.items():
                network.parameters[name][...] = before[name] + sign * step * direction
            values.append(loss_value(network, x, t, loss, engine="oracle"))
        network.set_weights(before)
        measured = (values[0] - values[1]) / (2 * step)
        tolerance = 1e-4 * max(abs(slope), 1e-2) + 2**-50 * max(1.0, abs(values[0])) / step
        if abs(measured - slope) <= tolerance:
            return
    raise AssertionError(f"slope by differences {measured}, by gradients {slope}")
