"""Dataset: what it accepts, what it converts and what it refuses; arrays from files."""

from typing import Any

import numpy as np
import pytest

from convgrad.data.arrays import images_from, labels_from, numbered_classes
from convgrad.data.dataset import Dataset
from convgrad.errors import DataError


def make(**changes: Any) -> Dataset:
    fields: dict[str, Any] = {
        "name": "toy",
        "train_images": np.zeros((5, 2, 3, 7), np.float32),
        "train_labels": np.array([0, 1, 2, 1, 0]),
        "test_images": np.zeros((3, 2, 3, 7), np.float32),
        "test_labels": np.array([2, 1, 0]),
        "class_names": ("a", "b", "c"),
    }
    return Dataset(**(fields | changes))


def test_facts_and_text() -> None:
    dataset = make()
    assert dataset.image_shape == (2, 3, 7)
    assert dataset.class_count == 3
    assert repr(dataset) == "Dataset toy: 5 training images of 2x3x7, 3 test images, 3 classes"


def test_types_are_converted() -> None:
    dataset = make(
        train_images=np.full((5, 2, 3, 7), 0.5).transpose(0, 2, 1, 3).transpose(0, 2, 1, 3)[:, ::-1],
        train_labels=np.array([0, 1, 2, 1, 0], np.uint8),
        class_names=["a", "b", "c"],
    )
    assert dataset.train_images.dtype == np.float32
    assert dataset.train_images.flags.c_contiguous
    assert dataset.train_labels.dtype == np.int64
    assert dataset.class_names == ("a", "b", "c")


def with_value(value: float) -> np.ndarray:
    images = np.zeros((5, 2, 3, 7))
    images[3, 1, 2, 5] = value
    return images


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ("a",)}, r"toy: 1 class\(es\) \(a\), but there must be at least 2"),
        ({"class_names": ("a", "b", "a")}, "two classes have the name 'a'"),
        ({"test_labels": None}, "test_labels is missing. Give both parts"),
        ({"test_images": None}, "test_images is missing"),
        ({"test_images": np.zeros((3, 3, 2, 7))}, "training images are 2x3x7, but test images 3x2x7"),
        ({"train_labels": np.array([0, 1, 2])}, "train_images has 5 images, but train_labels 3 labels"),
        ({"train_images": np.zeros((5, 2, 3))}, r"train_images has shape \(5, 2, 3\), but must be .* \(N, H, W, C\)"),
        ({"train_images": [1.0]}, "train_images has type list"),
        ({"train_images": np.zeros((5, 2, 3, 7), np.uint8)}, r"has dtype uint8, but must be float32.* / 255"),
        ({"train_images": np.zeros((0, 2, 3, 7)), "train_labels": np.zeros(0, int)}, "at least 1 image"),
        ({"train_images": np.zeros((5, 2, 0, 7))}, "at least 1 image, row, column and channel"),
        ({"train_images": with_value(np.nan)}, "toy: train_images: image 3 has the value nan"),
        ({"train_images": with_value(1e300)}, "image 3 has the value inf"),
        ({"test_images": with_value(-np.inf)[1:4]}, "toy: test_images: image 2 has the value -inf"),
        (
            {"train_labels": np.array([0, 1, 3, -1, 0])},
            r"index 2 has label 3, .* 3 classes, so legal labels are 0..2 \(2",
        ),
        ({"test_labels": np.array([0, -1, 0])}, "toy: test_labels: labels out of range: index 1 has label -1"),
        ({"train_labels": np.zeros(5)}, r"train_labels is float64 with shape \(5,\), but must be .* integers"),
        ({"train_labels": np.eye(5, 3, dtype=int)}, r"shape \(5, 3\).*argmax"),
        ({"train_labels": [0, 1]}, "train_labels is list"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make(**changes)


def test_a_wrong_value_far_into_a_large_set_is_found_with_its_index() -> None:
    images = np.zeros((5000, 31, 37, 1), np.float32)
    images[4321, 30, 36, 0] = np.nan
    with pytest.raises(DataError, match=r"image 4321 has the value nan"):
        make(
            train_images=images,
            train_labels=np.zeros(5000, int),
            test_images=None,
            test_labels=None,
        )


def test_images_from_scales_bytes_exactly_and_keeps_floats() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(2, 16, 8)
    images = images_from(every, "here")
    assert images.shape == (2, 16, 8, 1)
    # One division, rounded once: the float32 nearest to k/255.
    np.testing.assert_array_equal(images[..., 0], (every.astype(np.float64) / 255).astype(np.float32))
    floats = np.linspace(-3, 5, 2 * 3 * 5 * 7, dtype=np.float32).reshape(2, 3, 5, 7)
    np.testing.assert_array_equal(images_from(floats, "here"), floats)
    assert images_from(np.ones((2, 3, 5), bool), "here").max() == 1


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 784), np.uint8), r"shape \(2, 784\), but images need the axes .*reshape"),
        (np.zeros((2, 3, 32, 32), np.uint8), r"looks like \(N, C, H, W\).*transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 1, 28, 28), np.uint8), r"looks like \(N, C, H, W\)"),
        (np.zeros((2, 5, 7), np.int64), "dtype int64, whose range is unknown"),
    ],
)
def test_images_from_refuses(array: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        images_from(array, "here")


def test_labels_from_refuses() -> None:
    with pytest.raises(DataError, match=r"here is float64 with shape \(3,\), but labels are integers"):
        labels_from(np.zeros(3), "here")
    with pytest.raises(DataError, match=r"shape \(3, 10\).*argmax"):
        labels_from(np.zeros((3, 10), int), "here")
    with pytest.raises(DataError, match=r"holds the label 18446744073709551615"):
        labels_from(np.array([1, 2**64 - 1], np.uint64), "here")


def test_numbered_classes_refuses_numbers_that_can_not_be_classes() -> None:
    with pytest.raises(DataError, match=r"here: index 1 has label 1000000000, .* only 3 images"):
        numbered_classes(np.array([0, 10**9, 1]), "here")
