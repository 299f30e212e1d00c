"""Datasets known by name: where their files may lie in a folder of the user's, and where they are published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from convgrad.arguments import FUNCTION, PATH, TEXT, optional, takes
from convgrad.data.bundled import DIGIT_NAMES, load_digits
from convgrad.data.cifar import load_cifar10
from convgrad.data.dataset import Dataset
from convgrad.data.folders import Progress, load_images
from convgrad.data.idx_folder import FILE_NAMES, holds_idx, load_idx_folder
from convgrad.data.published import Published
from convgrad.errors import DataError

FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class _Known:
    """folders: where in a user's folder the files may lie, the first one preferred; "." is the folder itself.

    load: takes a folder and gives the dataset, or None if it does not hold it.
    """

    published: Published
    folders: tuple[str, ...]
    load: Callable[[Path, Progress | None], Dataset | None]
    expected: str


def _idx_loader(name: str, class_names: tuple[str, ...]) -> Callable[[Path, Progress | None], Dataset | None]:
    def load(folder: Path, progress: Progress | None) -> Dataset | None:
        return load_idx_folder(folder, name, class_names, test_needed=True) if holds_idx(folder) else None

    return load


def _load_cifar10(folder: Path, progress: Progress | None) -> Dataset | None:
    """Forms without loss come first."""
    for name in ("cifar-10-binary.tar.gz", "cifar-10-batches-bin", "cifar-10-python.tar.gz", "cifar-10-batches-py"):
        if (folder / name).exists():
            return load_cifar10(folder / name)
    if (folder / "data_batch_1.bin").exists() or (folder / "data_batch_1").exists():
        return load_cifar10(folder)
    if (folder / "cifar10-images.zip").exists():
        return replace(load_images(folder / "cifar10-images.zip", progress=progress), name="cifar10")
    return None


def _packed(*md5s: str) -> dict[str, str]:
    return {f"{name}.gz": md5 for name, md5 in zip(FILE_NAMES, md5s, strict=True)}


_KNOWN = {
    "mnist": _Known(
        Published(
            "mnist",
            _packed(
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "d53e105ee54ea40749a09fcbcd1e9432",
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
        ),
        ("mnist", "MNIST/raw", "MNIST", "."),
        _idx_loader("mnist", DIGIT_NAMES),
        f"the four files {', '.join(FILE_NAMES)} (with or without .gz)",
    ),
    "fashion-mnist": _Known(
        Published(
            "fashion-mnist",
            _packed(
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "25c81989df183df01b3e8a0aad5dffbe",
                "bef4ecab320f06d8554ea6380940ec79",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
            (
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
        ),
        ("fashion-mnist", "FashionMNIST/raw", "FashionMNIST", "."),
        _idx_loader("fashion-mnist", FASHION_NAMES),
        f"the four files {', '.join(FILE_NAMES)} (with or without .gz)",
    ),
    "cifar10": _Known(
        Published(
            "cifar10",
            {"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
            ("https://www.cs.toronto.edu/~kriz/",),
        ),
        ("cifar10", "cifar-10", "."),
        _load_cifar10,
        "cifar-10-binary.tar.gz (or cifar-10-python.tar.gz, what one of them unpacks to, or cifar10-images.zip)",
    ),
}

NAMES = ("digits", *_KNOWN)


@takes(DataError, name=TEXT, cache=optional(PATH), data_dir=optional(PATH), progress=optional(FUNCTION))
def load_named(
    name: str,
    *,
    data_dir: str | Path | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Load a known dataset: `digits` (comes with the package), `mnist`, `fashion-mnist` or `cifar10`.

    Args:
        data_dir: a folder that holds the files, or a folder named like the dataset with them. Nothing is downloaded
            then. Hashes are not compared, since files may have been packed anew; contents are checked.
        cache: where downloads are kept; the user's cache folder without it.
        progress: called with the number of bytes downloaded, or of images decoded, and how many there are.

    Raises:
        DataError: no such name, a folder that does not hold the dataset, damaged files, or a failed download.
    """
    if name == "digits":
        return load_digits()
    if name not in _KNOWN:
        raise DataError(f"there is no dataset {name!r}. Known datasets are {', '.join(NAMES)}.")
    known = _KNOWN[name]
    if data_dir is None:
        from convgrad.data.download import fetch  # requests takes long to load, and few datasets are downloaded

        folder = fetch(known.published, None if cache is None else Path(cache), progress)
        dataset = known.load(folder, progress)
    else:
        folder = Path(data_dir)
        if not folder.is_dir():
            raise DataError(f"data_dir {folder} is not a folder. Pass the folder that holds {known.expected}.")
        found = (known.load(place, progress) for place in _places(folder, known.folders))
        dataset = next((dataset for dataset in found if dataset), None)
    if dataset is None:
        raise DataError(
            f"{folder} does not hold {name}: looked in it and in its folders "
            f"{', '.join(place for place in known.folders if place != '.')} for {known.expected}. Put them there, or "
            "omit --data-dir to download them."
        )
    return dataset


def _places(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    return (place for name in names if (place := folder / name).is_dir())
