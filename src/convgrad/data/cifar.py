"""CIFAR-10 in the two forms its author publishes for programs: the binary version and the Python version.

Reference: Krizhevsky, "Learning multiple layers of features from tiny images", 2009; the layouts are described on the
dataset's page.
"""

from __future__ import annotations

import io
import pickle
import tarfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import PATH, takes
from convgrad.data.dataset import Dataset, Images, Labels
from convgrad.errors import DataError

CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BINARY_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
_PYTHON_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
_PIXELS = 3 * 32 * 32
# Each file has 31 MB; the Python version also holds names.
_LARGEST_FILE = 1 << 26

Rows = tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]


@takes(DataError, path=PATH)
def load_cifar10(path: str | Path) -> Dataset:
    """Load `cifar-10-binary.tar.gz`, `cifar-10-python.tar.gz` or the folder that one of them unpacks to.

    Nothing is unpacked to disk. The Python version is made of pickles, which can run any code when they are loaded;
    here they are read without calling anything that they name.

    Raises:
        DataError: a file is missing, damaged or not as published.
    """
    path = Path(path)
    try:
        contents = _from_folder(path) if path.is_dir() else _from_archive(path)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a tar archive, or it is damaged ({error}). Get a new copy.") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from error
    binary = any(name in contents for name in _BINARY_FILES)
    needed, rows_of = (_BINARY_FILES, _binary_rows) if binary else (_PYTHON_FILES, _python_rows)
    missing = [name for name in needed if name not in contents]
    if missing:
        raise DataError(f"{path} does not hold {missing[0]}. Get the binary version, cifar-10-binary.tar.gz, again.")
    train_images, train_labels = _joined(needed[:-1], contents, rows_of, path)
    test_images, test_labels = _joined(needed[-1:], contents, rows_of, path)
    return Dataset("cifar10", train_images, train_labels, test_images, test_labels, CIFAR10_NAMES)


def _from_folder(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in (*_BINARY_FILES, *_PYTHON_FILES) if (path / name).is_file()}


def _from_archive(path: Path) -> dict[str, bytes]:
    contents = {}
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            if not member.isfile() or name not in (*_BINARY_FILES, *_PYTHON_FILES):
                continue
            if member.size > _LARGEST_FILE:
                raise DataError(f"{path}: {member.name} has {member.size:,} bytes, more than any of CIFAR-10's files.")
            file = archive.extractfile(member)
            contents[name] = file.read() if file else b""
    return contents


def _joined(
    names: Sequence[str], contents: dict[str, bytes], rows_of: Callable[[bytes, str], Rows], path: Path
) -> tuple[Images, Labels]:
    """The images of several files as float32 (N, 32, 32, 3) in 0..1, and their labels."""
    batches = [rows_of(contents[name], f"{path}: {name}") for name in names]
    images = np.empty((sum(len(pixels) for pixels, _ in batches), 32, 32, 3), np.float32)
    start = 0
    for pixels, _ in batches:  # each row holds the red, the green and the blue plane
        images[start : start + len(pixels)] = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        start += len(pixels)
    images /= np.float32(255)
    return images, np.concatenate([labels for _, labels in batches]).astype(np.int64)


def _binary_rows(content: bytes, where: str) -> Rows:
    """Records of one byte label and 3072 bytes pixels."""
    record = 1 + _PIXELS
    if not content or len(content) % record:
        raise DataError(
            f"{where} has {len(content):,} bytes, not a multiple of {record:,}: it is cut short. Get a new copy."
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, record)
    return rows[:, 1:], rows[:, 0]


class _Placeholder:
    """Stands for NumPy's array and type while a pickle is read: keeps what it is given and does nothing."""

    state: object = None

    def __init__(self, *arguments: object):
        self.arguments = arguments

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    """Reads a pickle of plain values and arrays; of the names in it none is looked up, let alone called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.split(".")[0], name) in (("numpy", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype")):
            return _Placeholder
        raise pickle.UnpicklingError(f"it names {module}.{name}, which an array does not need")


def _python_rows(content: bytes, where: str) -> Rows:
    """A pickled dictionary with `data`, an array (N, 3072) of bytes, and `labels`, a list of N numbers."""
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        # An array's state is (version, shape, type, whether Fortran's order, content).
        _, shape, _, fortran, pixels = batch[b"data"].state
        if fortran:
            raise ValueError("its pixels are in Fortran's order")
        rows = np.frombuffer(pixels, np.uint8).reshape(shape)
        labels = np.array([int(label) for label in batch[b"labels"]], np.int64)
    except Exception as error:  # a damaged pickle raises whatever its next byte leads to
        raise DataError(
            f"{where} is not as published ({error}). Get the binary version, cifar-10-binary.tar.gz, which needs no "
            "pickle."
        ) from error
    if rows.ndim != 2 or rows.shape[1] != _PIXELS or len(labels) != len(rows):
        raise DataError(f"{where} has pixels of shape {rows.shape} and {len(labels)} labels, not (N, 3072) and N.")
    return rows, labels
