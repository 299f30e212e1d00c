"""One door for every kind of dataset: a name, a folder, an archive."""

from __future__ import annotations

from pathlib import Path

from convgrad.arguments import FUNCTION, PATH, SIZE, optional, takes
from convgrad.data.dataset import Dataset
from convgrad.data.folders import Progress, load_images
from convgrad.data.idx_folder import holds_idx, load_idx_folder
from convgrad.data.named import NAMES, load_named
from convgrad.data.npz import load_npz
from convgrad.errors import DataError, near

_ACCEPTED = (
    f"a known dataset ({', '.join(NAMES)}), a folder or .zip of images by class (train/CLASS/image and "
    "test/CLASS/image, or CLASS/image alone), a folder with MNIST's four IDX files, or an .npz file with x_train, "
    "y_train, x_test, y_test"
)


@takes(DataError, source=PATH, image_size=optional(SIZE), data_dir=optional(PATH), progress=optional(FUNCTION))
def load(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Load a dataset.

    Args:
        source: a known name (`digits`, `mnist`, `fashion-mnist`, `cifar10`), or the path of a folder with images by
            class, of a folder with IDX files or one .npz file, of a .zip with images by class, or of an .npz file. A
            name goes before a path; write `./mnist` for a folder that is called so.
        data_dir: for a known name, the folder that holds its files; without it they are downloaded once.
        image_size: (H, W) in pixels, to resize images from files to.
        progress: called with the number of images decoded, or of bytes downloaded, and how many there are.

    Raises:
        DataError: nothing of this name, or it can't be used.

    Example:
        >>> load("digits")
        Dataset digits: 6,000 training images of 28x28x1, 1,000 test images, 10 classes
    """
    name = source.lower().replace("_", "-") if isinstance(source, str) else ""
    if name in NAMES:
        return _sized(load_named(name, data_dir=data_dir, progress=progress), image_size)
    path = Path(source)
    if path.is_dir():
        if holds_idx(path):
            return _sized(load_idx_folder(path), image_size)
        archives = sorted(path.glob("*.npz"))
        if len(archives) == 1:
            return _sized(load_npz(archives[0]), image_size)
        if len(archives) > 1:
            raise DataError(f"{path} holds {len(archives)} .npz files. Name the one to load, such as {archives[0]}.")
        return load_images(path, image_size=image_size, progress=progress)
    if not path.exists():
        sure, _ = near(name, NAMES)
        hint = f" Did you mean {' or '.join(sure)}?" if sure else ""
        raise DataError(f"there is no dataset, file or folder {str(source)!r}.{hint} Accepted: {_ACCEPTED}.")
    if path.suffix.lower() == ".npz":
        return _sized(load_npz(path), image_size)
    if path.suffix.lower() == ".zip":
        return load_images(path, image_size=image_size, progress=progress)
    raise DataError(f"{path} is a file of an unknown kind. Accepted: {_ACCEPTED}.")


def _sized(dataset: Dataset, image_size: tuple[int, int] | None) -> Dataset:
    """The dataset itself, if its images have the size that was asked for; arrays are not resized."""
    if image_size is not None and tuple(image_size) != dataset.image_shape[:2]:
        raise DataError(
            f"dataset {dataset.name} has images of {dataset.image_shape[0]} rows and {dataset.image_shape[1]} columns; "
            f"image_size={tuple(image_size)} resizes only folders and .zip archives of images. Leave it out."
        )
    return dataset
