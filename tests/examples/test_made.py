"""Data made by a formula: what they are, and that networks by name learn them."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad.compute.halide import available
from convgrad.errors import DataError
from convgrad.examples import made_shapes, made_waves
from convgrad.examples.made import SHAPES, WAVES
from convgrad.models import load_model

HALIDE = pytest.mark.skipif(not available()[0], reason=available()[1])


def test_the_same_seed_gives_the_same_bits() -> None:
    for make in (made_shapes, made_waves):
        (x, t), (again, labels), (other, _) = make(7, 20, seed=3), make(7, 20, seed=3), make(7, 20, seed=4)
        assert x.dtype == np.float32
        assert x.tobytes() == again.tobytes() != other.tobytes()
        np.testing.assert_array_equal(t, labels)


def test_shapes_without_noise_are_where_the_labels_say() -> None:
    images, labels = made_shapes(40, 24, noise=0, seed=1)
    np.testing.assert_array_equal(images[..., 0] >= 0.5, labels > 0)
    assert set(np.unique(labels)) == set(range(len(SHAPES)))


def test_waves_without_noise_have_their_form() -> None:
    signals, labels = made_waves(60, 200, noise=0, seed=1)
    assert set(labels) == set(range(len(WAVES)))
    for signal, label in zip(signals[..., 0], labels, strict=True):
        steps = np.sort(abs(np.diff(signal)))
        if WAVES[label] == "square":
            assert len(np.unique(abs(signal))) == 1
        elif WAVES[label] == "sawtooth":  # one slope, but for a few jumps down
            assert np.ptp(steps[:-5]) < 1e-5
            assert np.diff(signal).min() < -1
        elif WAVES[label] == "triangle":  # one slope up and down, but where it turns
            assert np.ptp(steps[10:]) < 1e-5
        else:
            assert np.ptp(steps[10:]) > 1e-2
        assert 0.69 < abs(signal).max() < 1.31


@pytest.mark.parametrize("make", [made_shapes, made_waves])
def test_what_is_too_small_is_refused(make: object) -> None:
    with pytest.raises(DataError, match="must be a whole number of at least 16"):
        make(3, 15)  # type: ignore[operator]
    with pytest.raises(DataError, match="count must be a whole number of at least 1"):
        make(0)  # type: ignore[operator]


@HALIDE
def test_a_unet_learns_shapes_and_predicts_what_it_learned() -> None:
    """In 60 updates; moving statistics that follow slowly would predict from the first weights' ones."""
    (x, t), test = made_shapes(160, 16, seed=1), made_shapes(40, 16, seed=2)
    network = load_model("unet", (16, 16, 1), 4).network
    history = network.fit(
        x, t, loss="pixel_cross_entropy", optimizer="adam", learning_rate=0.005, epochs=3, batch_size=8,
        schedule="one-cycle", verbose=False,
    )  # fmt: skip
    losses = history["loss"]
    assert losses[-1] < losses[0] / 2
    found = network.evaluate(*test, loss="pixel_cross_entropy", metrics=["iou"])
    assert found["loss"] < losses[0]
