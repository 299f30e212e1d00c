"""The sample of handwritten digits that comes with the package, so that everything can be tried without a download."""

from __future__ import annotations

from importlib import resources

from convgrad.arguments import takes
from convgrad.data.dataset import Dataset, Images, Labels
from convgrad.data.idx_folder import FILE_NAMES, load_idx_folder, read_pair
from convgrad.errors import DataError

DIGIT_NAMES = tuple("0123456789")


@takes(DataError)
def load_digits() -> Dataset:
    """6,000 + 1,000 real handwritten digits from MNIST, 28x28 gray, 600 + 100 of each.

    Licence of the images: CC BY-SA 3.0, see `digits/README.md` beside this module.

    Reference: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.

    Example:
        >>> load_digits()
        Dataset digits: 6,000 training images of 28x28x1, 1,000 test images, 10 classes
    """
    with resources.as_file(resources.files("convgrad.data") / "digits") as folder:
        return load_idx_folder(folder, "digits", DIGIT_NAMES, test_needed=True)


def bundled_test_digits() -> tuple[Images, Labels]:
    """The 1,000 digits of `load_digits` to test on, and their labels, without reading the others."""
    with resources.as_file(resources.files("convgrad.data") / "digits") as folder:
        images, labels = (folder / f"{name}.gz" for name in FILE_NAMES[2:])
        return read_pair(images, labels)
