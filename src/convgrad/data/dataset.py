"""A dataset in memory: images, labels and the names of the classes, checked once so that nobody has to check again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import TEXT, Rule, made_from
from convgrad.errors import DataError

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
CLASSES = Rule("a list of names", lambda value: isinstance(value, (list, tuple)))


@made_from(DataError, name=TEXT, class_names=CLASSES)
@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images with labels, in a part to train on and, where there is one, a part to test on.

    Arrays:
        train_images[n,i,j,c]: (N, H, W, C) float32. Files with 8 bits a sample come as 0..1.
        train_labels[n]: (N,) int64 in 0..len(class_names)-1.
        test_images, test_labels: likewise with their own N, or both None.
        class_names: the name of class 0, 1, ...

    float16 and float64 images become float32, labels of any integer type int64.

    Raises:
        DataError: shapes that do not agree, labels out of range, an image with NaN or infinity, no image, or fewer
            than two classes.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((3, 5, 7, 1), np.float32)
        >>> Dataset("blank", images, np.array([0, 1, 1]), None, None, ("empty", "full"))
        Dataset blank: 3 training images of 5x7x1, no test images, 2 classes
    """

    name: str
    train_images: Images
    train_labels: Labels
    test_images: Images | None
    test_labels: Labels | None
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        names = tuple(str(name) for name in self.class_names)
        if len(names) < 2:
            raise DataError(
                f"dataset {self.name}: {len(names)} class(es) ({', '.join(names) or 'none'}), but there must be at "
                "least 2 to tell apart."
            )
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"dataset {self.name}: two classes have the name {twice!r}. Give each its own.")
        if (self.test_images is None) != (self.test_labels is None):
            missing = "test_images" if self.test_images is None else "test_labels"
            raise DataError(f"dataset {self.name}: {missing} is missing. Give both parts of the test set or neither.")
        object.__setattr__(self, "class_names", names)
        self._check_part("train", self.train_images, self.train_labels)
        if self.test_images is not None and self.test_labels is not None:
            self._check_part("test", self.test_images, self.test_labels)
            if self.test_images.shape[1:] != self.train_images.shape[1:]:
                raise DataError(
                    f"dataset {self.name}: training images are {size_text(self.train_images)}, but test images "
                    f"{size_text(self.test_images)}. All images must have the same size."
                )

    def _check_part(self, part: str, images: npt.NDArray[np.generic], labels: npt.NDArray[np.generic]) -> None:
        """Check one part and replace its arrays by ones of the promised types."""
        where = f"dataset {self.name}: {part}_"
        checked_images = _checked_images(images, f"{where}images")
        checked_labels = _checked_labels(labels, len(self.class_names), f"{where}labels")
        if len(checked_images) != len(checked_labels):
            raise DataError(
                f"{where}images has {len(checked_images)} images, but {part}_labels {len(checked_labels)} labels. "
                "There must be one label for each image, in the same order."
            )
        object.__setattr__(self, f"{part}_images", checked_images)
        object.__setattr__(self, f"{part}_labels", checked_labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels (H, W, C) of every image."""
        _, rows, columns, channels = self.train_images.shape
        return rows, columns, channels

    @property
    def class_count(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    def __repr__(self) -> str:
        test = "no" if self.test_images is None else f"{len(self.test_images):,}"
        return (
            f"Dataset {self.name}: {len(self.train_images):,} training images of {size_text(self.train_images)}, "
            f"{test} test images, {self.class_count} classes"
        )


def size_text(images: npt.NDArray[np.generic]) -> str:
    """`28x28x1`: rows, columns and channels of images (N, H, W, C)."""
    return "x".join(str(size) for size in images.shape[1:])


def _checked_images(images: npt.NDArray[np.generic], where: str) -> Images:
    """`images` as float32 in C order; refused where the axes, the type or a value can't be meant."""
    if not isinstance(images, np.ndarray) or images.ndim != 4:
        found = f"shape {images.shape}" if isinstance(images, np.ndarray) else f"type {type(images).__name__}"
        raise DataError(f"{where} has {found}, but must be a NumPy array with axes (N, H, W, C): images, rows, ...")
    if images.dtype.kind != "f":
        raise DataError(
            f"{where} has dtype {images.dtype}, but must be float32. Samples of 0..255 become 0..1 with "
            "`images.astype(np.float32) / 255`."
        )
    if 0 in images.shape:
        raise DataError(f"{where} has shape {images.shape}: there must be at least 1 image, row, column and channel.")
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite and is found below
        single = np.ascontiguousarray(images, dtype=np.float32)
    step = max(1, (1 << 22) // single[0].size)  # blocks, so that the mask of a large set needs no memory to speak of
    for start in range(0, len(single), step):
        finite = np.isfinite(single[start : start + step])
        if not finite.all():
            index = start + int(np.argwhere(~finite)[0][0])
            value = single[index][~np.isfinite(single[index])][0]
            raise DataError(f"{where}: image {index} has the value {value}. Remove the image or fix its source.")
    return single


def _checked_labels(labels: npt.NDArray[Any], classes: int, where: str) -> Labels:
    """`labels` as int64; refused where one names no class."""
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iu":
        found = f"{labels.dtype} with shape {labels.shape}" if isinstance(labels, np.ndarray) else type(labels).__name__
        raise DataError(
            f"{where} is {found}, but must be a NumPy array of integers with one axis (N,): the class of each image. "
            "One-hot rows become labels with `rows.argmax(axis=1)`."
        )
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        index = int(np.argmax(wrong))
        raise DataError(
            f"{where}: labels out of range: index {index} has label {labels[index]}, but there are {classes} classes, "
            f"so legal labels are 0..{classes - 1} ({int(wrong.sum())} of {len(labels)} labels are wrong)."
        )
    return np.ascontiguousarray(labels, dtype=np.int64)
