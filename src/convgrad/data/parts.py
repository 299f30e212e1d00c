"""The parts of a data set that a whole training needs: to train on, to validate with, to test on.

What fits in memory is held there. A folder of more images is read while the network computes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from convgrad.data.ahead import read_ahead
from convgrad.data.budget import check_images
from convgrad.data.data import Data
from convgrad.data.dataset import Dataset
from convgrad.data.folders import Progress, walk
from convgrad.data.idx_folder import holds_idx
from convgrad.data.layout import find_layout
from convgrad.data.load import load
from convgrad.data.named import NAMES
from convgrad.data.pixels import head_of, unit_range
from convgrad.data.split import stratified_split
from convgrad.errors import DataError
from convgrad.network.preparation import Preparation

MOST_HELD = 1 << 30
"""Bytes of floats that a folder's images, taken for RGB, may make in memory; others are read as they are needed."""
ROWS = 256
"""Examples that are looked at together."""
TEST_SHARE = 0.2
"""Share of the images held out to test on where a data set has nothing to test on or to validate with."""


@dataclass(frozen=True, eq=False, repr=False)
class Parts:
    """Images with labels to train on, and where there are any, to validate with and to test on.

    files: what a folder that is read as it is needed is known by; empty where all is in memory.
    """

    name: str
    class_names: tuple[str, ...]
    train: Data
    val: Data | None = None
    test: Data | None = None
    files: str = ""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Rows, columns and channels of every image."""
        rows, columns, channels = self.train.example_shape
        return rows, columns, channels

    @property
    def class_count(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    def digest(self) -> str:
        """Equal where the data are: of all images and labels, or of the files' names and sizes."""
        found = hashlib.sha256(self.files.encode())
        for part in (self.train, self.test, self.val):
            if part is not None and part.held:
                for array in (part.all_inputs(), part.targets()):
                    assert array is not None
                    found.update(f"{array.dtype.str} {array.shape}".encode())
                    found.update(np.ascontiguousarray(array).view(np.uint8).data)
        return found.hexdigest()

    def with_test_part(self) -> Parts:
        """Itself, or where there is nothing to test on or to validate with, a share of each class held out for that,
        whatever the seed.
        """
        if self.test is not None or self.val is not None:
            return self
        labels = self.train.targets()
        assert labels is not None
        kept, held_out = stratified_split(labels, TEST_SHARE, seed=0)
        return replace(self, train=self.train.at(kept), test=self.train.at(held_out))

    def standardized(self) -> tuple[Parts, Preparation]:
        """Each channel brought to mean 0 and deviation 1 of the training images, and how."""
        preparation = self._standardizing()
        train, val, test = (
            None if part is None else part.changed(lambda pixels: preparation.apply(unit_range(pixels)))
            for part in (self.train, self.val, self.test)
        )
        assert train is not None
        known = f"{self.files}{preparation.mean}{preparation.deviation}" if self.files else ""
        return replace(self, train=train, val=val, test=test, files=known), preparation

    def _standardizing(self) -> Preparation:
        if self.train.held:
            return Preparation.standardizing(self.train.all_inputs(), self.class_names)
        sums = squares = np.zeros(self.image_shape[-1])
        for images in _blocks(self.train):
            channels = images.reshape(-1, images.shape[-1]).astype(np.float64)
            sums, squares = sums + channels.sum(axis=0), squares + (channels**2).sum(axis=0)
        count = len(self.train) * prod(self.image_shape[:2])
        mean = sums / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
        deviation[deviation < 1e-6] = 1  # one colour everywhere; 0 but for rounding
        return Preparation(tuple(mean.tolist()), tuple(deviation.tolist()), self.class_names)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.image_shape))
        validation = "" if self.val is None else f"{len(self.val):,} to validate with, "
        test = "no" if self.test is None else f"{len(self.test):,}"
        return (
            f"{self.name}: {len(self.train):,} training images of {size}, {validation}{test} test images, "
            f"{self.class_count} classes{'' if self.train.held else ', read as they are needed'}"
        )


def parts_of(dataset: Dataset) -> Parts:
    """A data set in memory as parts."""
    test = None
    if dataset.test_images is not None:
        test = Data(dataset.test_images, dataset.test_labels, class_names=dataset.class_names)
    train = Data(dataset.train_images, dataset.train_labels, class_names=dataset.class_names)
    return Parts(dataset.name, dataset.class_names, train, None, test)


def read_parts(
    source: str,
    *,
    data_dir: Path | None = None,
    image_size: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Parts:
    """As `load`, with a part of its own to validate with where a folder of images has one.

    Raises:
        DataError: nothing of this name, or it can't be used.
    """
    path = Path(source)
    if source.lower().replace("_", "-") not in NAMES and path.is_dir() and not (holds_idx(path) or _archives(path)):
        found = _folder(path, image_size, progress)
        if found is not None:
            return found
    return parts_of(load(source, data_dir=data_dir, image_size=image_size, progress=progress))


def _archives(path: Path) -> bool:
    return any(path.glob("*.npz"))


def _folder(path: Path, size: tuple[int, int] | None, progress: Progress | None) -> Parts | None:
    """A folder of images that has a part to validate with, or more images than are held in memory; else None."""
    try:
        files, folders = walk(path)
        layout = find_layout(files, folders, str(path), three=True)
        images = [name for part in (layout.train, layout.val, layout.test) for name, _ in part]
        rows, columns = size or head_of(path / images[0])[:2]
        held = 4 * len(images) * rows * columns * 3 <= MOST_HELD
        if len(layout.class_names) < 2 or (held and not layout.val):
            return None  # `load` reads it, or says what is wrong
        known = "" if held else "".join(f"{name} {(path / name).stat().st_size}\n" for name in images)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from error
    check_images(1, (rows, columns, 3), 1, str(path))
    parts: dict[str, Data] = {}
    for name in (part for part in ("train", "val", "test") if getattr(layout, part)):
        channels = parts["train"].example_shape[-1] if parts else None
        which = name if layout.has_parts else None
        parts[name] = Data.folder(path, which, image_size=size, channels=channels, class_names=layout.class_names)
    if held:
        parts = dict(zip(parts, _held(parts.values(), len(images), progress), strict=True))
    return Parts(path.resolve().stem, layout.class_names, files=known, **parts)


def _held(parts: Iterable[Data], count: int, progress: Progress | None) -> Iterator[Data]:
    """The same images as floats in memory."""
    done = 0
    for part in parts:
        images = np.empty((len(part), *part.example_shape), np.float32)
        start = 0
        for block in _blocks(part):
            images[start : start + len(block)] = block
            start += len(block)
            done += len(block)
            if progress is not None:
                progress(done, count)
        yield Data(images, part.targets(), class_names=part.class_names)


def _blocks(data: Data) -> Iterator[npt.NDArray[np.float32]]:
    """All images in order, 0..1, read ahead."""
    starts = range(0, len(data), ROWS)

    def block(start: int) -> npt.NDArray[np.float32]:
        return unit_range(data.take(np.arange(start, min(start + ROWS, len(data))))[0])

    with closing(read_ahead(starts, block, data.threads)) as blocks:  # type: ignore[type-var]
        yield from blocks
