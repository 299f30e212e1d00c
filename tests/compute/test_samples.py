"""What bytes and other numbers mean, the same for training, evaluation and prediction; and what was done to data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convgrad.errors import DataError
from convgrad.layers import Dense, Flatten
from convgrad.models.network import Network
from convgrad.network.preparation import Preparation

BYTES = np.random.default_rng(0).integers(0, 256, (12, 5, 3, 1), dtype=np.uint8)
LABELS = np.arange(12) % 3


def network(dtype: str = "float32") -> Network:
    net = Network(Flatten(), Dense(3), input_shape=(5, 3, 1), dtype=dtype)
    net.initialize(0)
    return net


def bits(result: Any) -> Any:
    return result.tobytes() if isinstance(result, np.ndarray) else dict(result)


@pytest.mark.parametrize("what", ["predict", "evaluate", "fit"])
def test_bytes_are_shares_everywhere(what: str) -> None:
    def result(x: np.ndarray) -> Any:
        net = network()
        if what == "predict":
            return bits(net.predict(x, engine="oracle"))
        if what == "evaluate":
            return bits(net.evaluate(x, LABELS, engine="oracle"))
        return bits(net.fit(x, LABELS, epochs=2, validation_split=0.3, verbose=False, engine="oracle"))

    assert result(BYTES) == result(BYTES.astype(np.float32) / np.float32(255))
    assert result(BYTES > 99) == result((BYTES > 99).astype(np.float32))
    for dtype in (np.int64, np.uint16, np.int8):
        with pytest.raises(
            DataError, match=rf"x has dtype {np.dtype(dtype)}, but must hold floats or bytes .* `x.astype"
        ):
            result(BYTES.astype(dtype))
    with pytest.raises(DataError, match=r"x must be an array of real numbers, .* not an array of complex128"):
        result(BYTES.astype(complex))


def test_bytes_are_shares_where_one_looks_inside() -> None:
    shares = BYTES.astype(np.float32) / np.float32(255)

    def stepped(x: np.ndarray) -> bytes:
        net = network()
        net.training_step("softmax_cross_entropy", "sgd", 12, engine="oracle").run(x, LABELS)
        return net.get_weights()["dense1.w"].tobytes()

    assert stepped(BYTES) == stepped(shares)
    found, expected = (
        network().gradients(x, LABELS, "softmax_cross_entropy", engine="oracle") for x in (BYTES, shares)
    )
    assert found["dense1.dw"].tobytes() == expected["dense1.dw"].tobytes()
    traced = network().trace(BYTES[0], 1, loss="softmax_cross_entropy")
    np.testing.assert_allclose(traced["input"].values, BYTES[0] / 255, rtol=1e-15)


def test_bytes_keep_the_precision_of_the_network() -> None:
    exact = network("float64").predict(BYTES / 255, engine="oracle")
    assert (network("float64").predict(BYTES, engine="oracle") == exact).all()


def test_standardizing() -> None:
    rng = np.random.default_rng(0)
    images = (rng.random((7, 5, 3, 2)) * [0.5, 0] + [0.25, 0.5]).astype(np.float32)
    made = Preparation.standardizing(images, ("a", "b"))
    prepared = made.apply(images)
    assert prepared.dtype == np.float32
    np.testing.assert_allclose(prepared.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(prepared.std(axis=(0, 1, 2)), [1, 0], atol=1e-6)
    assert Preparation.from_config(made.to_config()) == made
    made.check_pixels(-3, 3, "run")
    with pytest.raises(DataError, match="means of 2 channels, but the images have 1"):
        made.apply(images[..., :1])
    assert Preparation().apply(images) is images
    Preparation().check_pixels(-0.001, 1.001, "run")
    with pytest.raises(
        DataError, match="run: the network was trained on numbers from 0 to 255, but pixels of files are 0"
    ):
        Preparation().check_pixels(0, 255, "run")


@pytest.mark.parametrize(
    ("mean", "deviation"), [((1.0,), ()), ((1.0,), (0.0,)), ((float("nan"),), (1.0,)), (("a",), (1,))]
)
def test_preparations_that_can_not_be(mean: Any, deviation: Any) -> None:
    with pytest.raises(DataError, match="both hold one number for each channel"):
        Preparation(mean, deviation)


def test_records_of_a_preparation_that_are_none() -> None:
    with pytest.raises(DataError, match="not a record of how data were prepared"):
        Preparation.from_config({"mean": 3})
    with pytest.raises(DataError, match=r"not a record of how data were prepared: classes are called \(1,\)"):
        Preparation.from_config({"class_names": [1]})
