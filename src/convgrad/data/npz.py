"""Datasets in NumPy's .npz archives, such as the `mnist.npz` that Keras hands out."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import PATH, takes
from convgrad.data.arrays import images_from, labels_from, numbered_classes
from convgrad.data.budget import check_bytes, check_image_array
from convgrad.data.dataset import Dataset
from convgrad.errors import DataError
from convgrad.system.files import check_regular

# Names of arrays, compared in lower case: images, labels.
_TRAIN_NAMES = (("x_train", "y_train"), ("train_images", "train_labels"), ("images", "labels"), ("x", "y"))
_TEST_NAMES = (("x_test", "y_test"), ("test_images", "test_labels"))
_IMAGES = tuple(images for images, _ in (*_TRAIN_NAMES, *_TEST_NAMES))
_CLASS_NAMES = "class_names"
# What reading a header raises, which is the text of a Python dictionary; deep brackets exhaust its parser.
_HEADER_ERRORS = (
    ValueError,
    TypeError,
    OverflowError,
    SyntaxError,
    RecursionError,
    MemoryError,
    tokenize.TokenError,
)
# A format bound of deflate: 258 bytes from two bits at best.
_LARGEST_ZIP_RATIO = 1032


@takes(DataError, path=PATH)
def load_npz(path: str | Path) -> Dataset:
    """Load a dataset from the arrays of an `.npz` file.

    Arrays in the file (upper and lower case are the same):
        x_train, y_train (or train_images, train_labels; images, labels; x, y): the images and labels to train on.
        x_test, y_test (or test_images, test_labels): those to test on; may be missing.
        class_names: (classes,) strings; may be missing.

    Images are (N, H, W) or (N, H, W, C): uint8 becomes 0..1, floats are used as they are, NaN is refused. Labels are
    integers (N,) or (N, 1). Pickled objects are never loaded.

    Raises:
        DataError: the file or an array in it is not as described.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "blank.npz"
        >>> np.savez(path, x=np.zeros((3, 5, 7), np.uint8), y=np.array([0, 1, 1]))
        >>> load_npz(path)
        Dataset blank: 3 training images of 5x7x1, no test images, 2 classes
    """
    path = Path(path)
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _load(archive, path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is not an .npz archive, or it is damaged ({error}). Write it by np.savez.") from error
    except (EOFError, zlib.error, NotImplementedError, RuntimeError, UnicodeDecodeError, struct.error) as error:
        raise DataError(
            f"{path} is damaged, or compressed in an unknown way ({error}). Write it by np.savez."
        ) from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from error


def _load(archive: zipfile.ZipFile, path: Path) -> Dataset:
    members = {
        member.filename[: -len(".npy")].lower(): member
        for member in archive.infolist()
        if member.filename.endswith(".npy")
    }
    train = next((pair for pair in _TRAIN_NAMES if pair[0] in members and pair[1] in members), None)
    if train is None:
        wanted = "; ".join(" and ".join(pair) for pair in _TRAIN_NAMES)
        raise DataError(
            f"{path} has the arrays {', '.join(sorted(members)) or 'none'}, but images and labels to train on are "
            f"expected under one of these names: {wanted}."
        )
    test = next((pair for pair in _TEST_NAMES if pair[0] in members or pair[1] in members), None)
    for name in test or ():
        if name not in members:
            raise DataError(f"{path} has no array {name}, but {' and '.join(test or ())} go together. Add it.")

    arrays = {name: _read_array(archive, members[name], path, name) for name in (*train, *(test or ()))}
    train_labels = labels_from(arrays[train[1]], f"{path}: {train[1]}")
    if _CLASS_NAMES in members:
        names = _read_array(archive, members[_CLASS_NAMES], path, _CLASS_NAMES)
        if names.ndim != 1 or names.dtype.kind != "U":
            raise DataError(f"{path}: class_names is {names.dtype} with shape {names.shape}, not a list of strings.")
        class_names = tuple(names.tolist())
    else:
        class_names = numbered_classes(train_labels, f"{path}: {train[1]}")
    return Dataset(
        path.stem,
        images_from(arrays[train[0]], f"{path}: {train[0]}"),
        train_labels,
        images_from(arrays[test[0]], f"{path}: {test[0]}") if test else None,
        labels_from(arrays[test[1]], f"{path}: {test[1]}") if test else None,
        class_names,
    )


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, name: str) -> npt.NDArray[np.generic]:
    """One array, after its header was compared with the bytes that are there: a header alone takes no memory."""
    with archive.open(member) as file:
        try:
            shape, dtype = _read_header(file)
        except _HEADER_ERRORS as error:
            raise DataError(f"{path}: {name} has no valid array header ({error}). Write it by np.savez.") from error
        header = file.tell()
    if dtype.hasobject:
        raise DataError(f"{path}: {name} holds Python objects, which are not loaded. Save numbers or strings instead.")
    expected = math.prod(shape) * dtype.itemsize
    found = min(member.file_size, member.compress_size * _LARGEST_ZIP_RATIO) - header
    if expected > found:
        raise DataError(
            f"{path}: {name} is cut short: its header declares {dtype} elements of shape {shape}, that is "
            f"{expected:,} bytes, but {found:,} are there. Get a new copy or write the file again."
        )
    if name in _IMAGES:
        check_image_array(shape, dtype.itemsize, f"{path}: {name}")
    else:
        check_bytes(expected, f"{path}: {name}")
    try:
        with archive.open(member) as file:
            array: npt.NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
    except _HEADER_ERRORS as error:
        raise DataError(f"{path}: {name} can't be read ({error}). Get a new copy or write the file again.") from error
    return array


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the format is not for numbers or strings")
    return shape, dtype
