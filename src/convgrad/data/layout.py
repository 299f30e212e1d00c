"""Which image belongs to which class and part, told from the paths alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from convgrad.errors import DataError

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_TRAIN_NAMES = ("train", "training")
_VALIDATION_NAMES = ("val", "valid", "validation")
_TEST_NAMES = ("test", "testing")
ACCEPTED = "train/CLASS/image and test/CLASS/image, or CLASS/image alone"

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Class names in natural order; for each part the images' paths and class numbers, class after class.

    has_parts: whether there is a folder called train, even if no other one.
    """

    class_names: tuple[str, ...]
    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    val: tuple[tuple[str, int], ...] = ()
    has_parts: bool = False


def natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sorting key by which "image 10" comes after "image 9".

    Example:
        >>> sorted(["b", "a10", "a9"], key=natural)
        ['a9', 'a10', 'b']
    """
    pieces = [(piece, piece.lstrip("0")) for piece in re.findall(r"[0-9]+|[^0-9]+", text)]
    # Of two numbers the one with fewer digits is less; as text, which may be longer than Python reads as a number.
    return [(0, len(digits), digits) if p[0] in "0123456789" else (1, 0, p.lower()) for p, digits in pieces], text


def find_layout(files: Iterable[str], folders: Iterable[str], where: str, *, three: bool = False) -> Layout:
    """Sort the images of a folder or an archive into classes and parts.

    Args:
        files: paths with `/`, relative to the top; whatever is not an image by its ending is left out.
        folders: paths of folders, so that an empty one can be told.
        where: what an error calls the top.
        three: whether train, val and test are parts of their own; else what is called val is to test on.

    Returns:
        The layout. One folder around everything (`dataset/train/...`) is looked through; hidden files and folders
        and `__MACOSX` are left out.

    Raises:
        DataError: no image, an image in a place that names no class, or a class without images.

    Example:
        >>> find_layout(["cat/1.png", "dog/7.png", "dog/10.png"], [], "pets").train
        (('cat/1.png', 0), ('dog/7.png', 1), ('dog/10.png', 1))
    """
    images = {path: tuple(path.split("/")) for path in sorted(files) if path.lower().endswith(IMAGE_ENDINGS)}
    images = {path: parts for path, parts in images.items() if not hidden(parts)}
    if not images:
        raise DataError(
            f"{where} holds no images. Expected: {ACCEPTED}, with names that end in {', '.join(IMAGE_ENDINGS)}."
        )
    directories = {parts for folder in folders if not hidden(parts := tuple(folder.split("/")))}
    directories |= {parts[:depth] for parts in images.values() for depth in range(1, len(parts))}

    prefix = _common_prefix(images.values())
    top = sorted({parts[len(prefix)] for parts in directories if _below(parts, prefix)})
    train, test, validation = _parts_among(top, images.values(), prefix, where, three)
    train_root = (*prefix, train) if train else prefix
    train_classes = _classes(images, directories, train_root, where)
    class_names = tuple(sorted(train_classes, key=natural))
    others = []
    for part in (test, validation):
        classes = _classes(images, directories, (*prefix, part), where) if part else {}
        unknown = sorted(set(classes) - set(class_names), key=natural)
        if unknown:
            raise DataError(
                f"{where}: {part} has the class {unknown[0]!r}, but {train} does not. Classes to train on are "
                f"{', '.join(class_names)}."
            )
        others.append(_numbered(classes, class_names))
    return Layout(class_names, _numbered(train_classes, class_names), others[0], others[1], bool(train))


def hidden(parts: Parts) -> bool:
    """Whether a path leads through what is not shown, or was left by a program that packed it."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _below(parts: Parts, root: Parts) -> bool:
    return len(parts) > len(root) and parts[: len(root)] == root


def _common_prefix(images: Iterable[Parts]) -> Parts:
    """The folders around everything: as many as all images share, keeping CLASS/image below them."""
    images = list(images)
    prefix: Parts = ()
    while True:
        shared = {parts[: len(prefix) + 1] for parts in images}
        if len(shared) > 1 or min(len(parts) for parts in images) < len(prefix) + 3:
            return prefix
        prefix = shared.pop()


def _parts_among(
    top: list[str], images: Iterable[Parts], prefix: Parts, where: str, three: bool
) -> tuple[str, str, str]:
    """The folders to train on, to test on and to validate with; empty where there is none, or the top holds classes."""
    holding = {path[len(prefix)] for path in images if len(path) > len(prefix) + 1}
    train = [name for name in top if name.lower() in _TRAIN_NAMES]
    validation = [name for name in top if name.lower() in _VALIDATION_NAMES] if three else []
    test = [name for name in top if name.lower() in (_TEST_NAMES if three else _TEST_NAMES + _VALIDATION_NAMES)]
    known = train + test + validation
    others = [name for name in top if name in holding and name not in known]
    deep = any(len(path) >= len(prefix) + 3 for path in images)
    if not known or (others and not deep):  # a class may be called "train": one that runs on rails
        return "", "", ""
    if not train:
        raise DataError(f"{where} has a folder {(test + validation)[0]}, but none called train. Expected: {ACCEPTED}.")
    for names in (train, test, validation):
        if len(names) > 1:
            raise DataError(
                f"{where} has the folders {' and '.join(names)} for one part. Merge them, or move one of them away."
            )
    if others:
        raise DataError(
            f"{where} has a folder {others[0]} beside {train[0]}. Expected: {ACCEPTED}; move it away, or into one "
            "of the parts if it is a class."
        )
    return train[0], "".join(test), "".join(validation)


def _classes(images: dict[str, Parts], directories: set[Parts], root: Parts, where: str) -> dict[str, list[str]]:
    """The images' paths of each class folder below `root`."""
    classes: dict[str, list[str]] = {
        parts[-1]: [] for parts in directories if len(parts) == len(root) + 1 and parts[: len(root)] == root
    }
    for path, parts in images.items():
        if parts[: len(root)] != root:
            continue
        if len(parts) != len(root) + 2:
            found = "names no class" if len(parts) < len(root) + 2 else "lies too deep"
            raise DataError(f"{where}: the place of {path} {found}. Expected: {ACCEPTED}.")
        classes[parts[-2]].append(path)
    empty = sorted(name for name, paths in classes.items() if not paths)
    if empty:
        raise DataError(
            f"{where}: the class folder {'/'.join((*root, empty[0]))} holds no images. Add some, or remove the folder."
        )
    return classes


def _numbered(classes: dict[str, list[str]], class_names: Parts) -> tuple[tuple[str, int], ...]:
    return tuple(
        (path, number) for number, name in enumerate(class_names) for path in sorted(classes.get(name, ()), key=natural)
    )
