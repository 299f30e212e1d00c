"""A folder with the four IDX files that MNIST and its many relatives consist of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convgrad.arguments import FLAG, PATH, TEXT, takes
from convgrad.data.arrays import images_from, labels_from, numbered_classes
from convgrad.data.budget import check_image_array
from convgrad.data.dataset import Dataset, Images, Labels
from convgrad.data.idx import read_idx
from convgrad.errors import DataError

# The published names, in the order: images and labels to train on, images and labels to test on.
FILE_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_TRAIN, _TEST = FILE_NAMES[:2], FILE_NAMES[2:]


def holds_idx(folder: Path) -> bool:
    """Whether `folder` has at least one of the four files."""
    return any(_find(folder, name) for name in FILE_NAMES)


@takes(DataError, folder=PATH, name=TEXT, test_needed=FLAG)
def load_idx_folder(
    folder: str | Path, name: str = "", class_names: Sequence[str] | None = None, test_needed: bool = False
) -> Dataset:
    """Load `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the `t10k-` pair, each packed as `.gz` or not.

    Args:
        folder: where the files are. `train-images.idx3-ubyte`, with a dot, is found too.
        name: the dataset's name; the folder's without it.
        class_names: what the labels mean; "0", "1", ... without it.
        test_needed: whether it is an error if the `t10k-` pair is missing.

    Raises:
        DataError: a file is missing or can't be read, or their contents do not fit together.
    """
    folder = Path(folder)
    with_test = test_needed or any(_find(folder, file) for file in _TEST)
    needed = FILE_NAMES if with_test else _TRAIN
    paths = {file: path for file in needed if (path := _find(folder, file))}
    missing = [file for file in needed if file not in paths]
    if missing:
        raise DataError(
            f"{folder} does not hold {' or '.join(missing)} (with or without .gz). Put the {len(needed)} files "
            f"{', '.join(needed)} into it."
        )
    train_images, train_labels = read_pair(*(paths[file] for file in _TRAIN))
    test_images, test_labels = read_pair(*(paths[file] for file in _TEST)) if with_test else (None, None)
    names = numbered_classes(train_labels, str(paths[_TRAIN[1]])) if class_names is None else class_names
    return Dataset(name or folder.resolve().name, train_images, train_labels, test_images, test_labels, tuple(names))


def read_pair(images: Path, labels: Path) -> tuple[Images, Labels]:
    """Images and their labels, from a file each. Raises: DataError."""
    return images_from(read_idx(images, check_image_array), str(images)), labels_from(read_idx(labels), str(labels))


def _find(folder: Path, name: str) -> Path | None:
    """The file of this name in `folder`, unpacked before packed, with the published name before the dotted one."""
    dotted = name.replace("-idx", ".idx")
    candidates = (folder / (file + ending) for file in (name, dotted) for ending in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)
