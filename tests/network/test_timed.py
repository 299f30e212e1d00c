"""A step is timed in its parts, and what it adds up is what a training adds up."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad import Network
from convgrad.layers import BatchNorm, Dense, Flatten
from convgrad.network.timed import computing, sizes_of, timed_step, undisturbed


def network() -> Network:
    return Network(Flatten(), Dense(7), BatchNorm(), Dense(3), input_shape=(5, 4, 2))


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mse"])
def test_the_parts_of_a_step(loss: str) -> None:
    one = network()
    one.initialize(seed=1)
    before = one.get_weights()["dense1.w"].copy()
    timed = timed_step(one, loss, "momentum", 6, seconds=0.05, engine="oracle")
    assert timed.shard > 0
    assert timed.update > 0
    assert np.array_equal(one.get_weights()["dense1.w"], before)
    assert timed.sizes == sizes_of(network(), loss, "momentum")
    weights = 40 * 7 + 7 + 7 + 7 + 7 * 3 + 3
    assert timed.sizes.numbers >= weights + 2 * 7  # each array begins at a place of its own
    assert timed.sizes.itemsize == 4


def test_what_shards_take_by_their_examples() -> None:
    found, sizes = computing(network(), "softmax_cross_entropy", "sgd", 8)
    assert sizes == sizes_of(network(), "softmax_cross_entropy", "sgd")
    assert found.cores >= 1
    assert found.fixed >= 0
    assert 0 < found.work(8).shard <= found.work(16).shard


def test_what_else_runs_is_left_out() -> None:
    assert undisturbed([1.0, 1.0, 9.0, 9.0]) == 1.0
