"""The bundled digits: they are what their README says."""

from importlib import resources

import numpy as np

from convgrad.data.bundled import load_digits


def test_the_sample_is_balanced_and_looks_like_digits() -> None:
    digits = load_digits()
    assert digits.test_images is not None
    assert digits.test_labels is not None
    assert digits.image_shape == (28, 28, 1)
    np.testing.assert_array_equal(np.bincount(digits.train_labels), [600] * 10)
    np.testing.assert_array_equal(np.bincount(digits.test_labels), [100] * 10)
    assert digits.train_images.min() == 0
    assert digits.train_images.max() == 1
    # The mean over all of MNIST is 0.1307.
    assert abs(digits.train_images.mean() - 0.1307) < 0.003
    # If images and labels belong together, the nearest class mean tells most right; by chance it would be a tenth.
    means = np.stack([digits.train_images[digits.train_labels == digit].mean(0).ravel() for digit in range(10)])
    distances = ((digits.test_images.reshape(1000, 1, -1) - means) ** 2).sum(-1)
    assert (distances.argmin(1) == digits.test_labels).mean() > 0.75


def test_no_image_is_in_twice() -> None:
    digits = load_digits()
    assert digits.test_images is not None
    rows = np.concatenate([digits.train_images, digits.test_images]).reshape(7000, -1)
    assert len({row.tobytes() for row in rows}) == 7000


def test_the_files_are_small_and_say_their_licence() -> None:
    folder = resources.files("convgrad.data") / "digits"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".gz")]
    assert len(files) == 4
    assert sum(len(entry.read_bytes()) for entry in files) < 2_000_000
    assert "Creative Commons Attribution-Share Alike 3.0" in (folder / "README.md").read_text(encoding="utf-8")
