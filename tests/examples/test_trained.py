"""The trained LeNet that comes with convgrad."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from convgrad.data.bundled import load_digits
from convgrad.examples import Example, load_example
from convgrad.examples.page import MISREAD, example_model
from convgrad.examples.trained import in_hundredths, read_weights, write_weights
from page_numbers import numbers


@pytest.fixture(scope="module")
def lenet() -> Example:
    return load_example("lenet-trained")


def test_its_file_is_small() -> None:
    file = resources.files("convgrad.examples") / "lenet-trained.npz"
    with resources.as_file(file) as path:
        assert path.stat().st_size < 50_000


def test_weights_are_whole_hundredths_of_float64(lenet: Example) -> None:
    weights = lenet.network.get_weights()
    assert sum(array.size for array in weights.values()) == 61_706
    for array in weights.values():
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, np.rint(array * 100) / 100)


def test_a_page_begins_with_the_same_bits(lenet: Example) -> None:
    trace = lenet.trace()
    model = example_model(lenet, trace)
    found = {tensor["name"]: numbers(tensor) for tensor in model["tensors"] if tensor["role"] == "parameter"}
    assert found.keys() == trace.network.parameters.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(values, trace[name].values.ravel())


def test_it_reads_the_bundled_digits_but_for_those_that_are_listed(lenet: Example) -> None:
    digits = load_digits()
    assert digits.test_images is not None
    predicted = lenet.network.predict(digits.test_images).argmax(axis=1)
    assert tuple(np.flatnonzero(predicted != digits.test_labels).tolist()) == MISREAD["lenet-trained"]


def test_pixels_of_a_page_are_the_digits_numbers(lenet: Example) -> None:
    digits = load_digits()
    assert digits.test_images is not None
    shown = example_model(lenet, lenet.trace())["digits"]
    assert [digit["misread"] for digit in shown] == [False] * 20 + [True] * 5
    images = {image.tobytes() for image in digits.test_images}
    for digit in shown:
        assert all(isinstance(pixel, int) for pixel in digit["pixels"])
        assert (np.array(digit["pixels"], np.float32) / np.float32(255)).tobytes() in images


def test_weights_are_written_and_read(tmp_path: Path, rng: np.random.Generator) -> None:
    given = {
        "small.w": rng.uniform(-1.2, 1.2, (2, 3, 5)),
        "large.b": np.array([1.28, -300.004]),
        "none": np.zeros((0, 7)),
    }
    packed = in_hundredths(given)
    assert {name: array.dtype.name for name, array in packed.items()} == {
        "small.w": "int8",
        "large.b": "int16",
        "none": "int8",
    }
    write_weights(tmp_path / "weights.npz", given)
    found = read_weights(tmp_path / "weights.npz")
    for name, values in given.items():
        assert found[name].shape == values.shape
        np.testing.assert_allclose(found[name], values, rtol=0, atol=0.005 + 1e-12)
