"""Images of a folder, decoded when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import PATH, shown
from convgrad.compute.samples import shares_of_bytes
from convgrad.data.folders import walk
from convgrad.data.labels import class_names_of, names_in, numbered
from convgrad.data.layout import IMAGE_ENDINGS, find_layout, hidden, natural
from convgrad.data.pixels import head_of, quiet_decoders, quiet_decoders_for_good, read_file, read_pixels
from convgrad.data.sources import Rows
from convgrad.errors import DataError

Array = npt.NDArray[Any]
Targets = str | Path | Mapping[str, Any] | Callable[[str], Any] | None

MOST_THREADS = 4
"""More wait for Python's lock, which Pillow lets go only inside its decoders."""


@dataclass(frozen=True)
class Files:
    """Paths of images below `top`, with what they show: `targets` for each, or the file of a picture.

    Exactly one of targets and pictures is not None. beside: files of other parts, which have as many channels.
    """

    top: Path
    names: tuple[str, ...]
    targets: Array | None
    pictures: tuple[Path, ...] | None
    class_names: tuple[str, ...]
    beside: tuple[str, ...] = ()


def folder_files(path: Path, part: str | None, targets: Targets, class_names: tuple[str, ...]) -> Files:
    """The images of a folder, or of a part of it. Raises: DataError, as `Data.folder`."""
    if not path.is_dir():
        raise DataError(f"{path} is not a folder. Name one with images; load_data reads archives.")
    try:
        files, folders = walk(path)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from error
    if targets is None:
        return _by_class(path, part, files, folders, class_names)
    top = path if part is None else _part_folder(path, part, folders)
    below = "" if part is None else f"{top.relative_to(path).as_posix()}/"
    names = sorted(
        (
            name.removeprefix(below)
            for name in files
            if name.startswith(below) and name.lower().endswith(IMAGE_ENDINGS) and not hidden(tuple(name.split("/")))
        ),
        key=natural,
    )
    if not names:
        raise DataError(f"{top} holds no images: no names that end in {', '.join(IMAGE_ENDINGS)}.")
    if PATH.accepts(targets):
        return Files(top, tuple(names), None, _pictures(top, names, Path(targets)), ())  # type: ignore[arg-type]
    found = [_target_of(name, targets) for name in names]
    known = class_names or class_names_of(names_in(found) or ())
    return Files(top, tuple(names), numbered(found, known, str(top)), None, known)


def _by_class(
    path: Path, part: str | None, files: list[str], folders: list[str], class_names: tuple[str, ...]
) -> Files:
    layout = find_layout(files, folders, str(path), three=True)
    parts = {"train": layout.train, "val": layout.val, "test": layout.test}
    if part is None:
        if layout.val or layout.test:
            there = " and ".join(f"part={name!r}" for name, images in parts.items() if images)
            raise DataError(f"{path} has parts. Say which one is meant: {there}.")
        chosen = layout.train
    else:
        chosen = parts[part]
        if not chosen or not layout.has_parts:
            others = " and ".join(name for name, images in parts.items() if images)
            instead = f"It has {others}." if layout.has_parts else "Its folders are classes: leave part out."
            raise DataError(f"{path} has no part {part!r}. {instead}")
    known = class_names or layout.class_names
    named = [layout.class_names[number] for _, number in chosen]
    beside = tuple(name for images in parts.values() if images is not chosen for name, _ in images)
    return Files(path, tuple(name for name, _ in chosen), numbered(named, known, str(path)), None, known, beside)


def _part_folder(path: Path, part: str, folders: list[str]) -> Path:
    if part not in folders:
        raise DataError(f"{path} has no folder {part!r}.")
    return path / part


def _pictures(top: Path, names: list[str], folder: Path) -> tuple[Path, ...]:
    """The picture for each image: the same path in `folder`, whatever it ends in."""
    if not folder.is_dir():
        raise DataError(f"targets: {folder} is not a folder. Name one with an image for each of {top}.")
    there = {name.rpartition(".")[0]: name for name in walk(folder)[0] if name.lower().endswith(IMAGE_ENDINGS)}
    missing = next((name for name in names if name.rpartition(".")[0] not in there), None)
    if missing is not None:
        raise DataError(
            f"{folder} has no image for {missing} of {top}: the same path is looked for, whatever its ending."
        )
    return tuple(folder / there[name.rpartition(".")[0]] for name in names)


def _target_of(name: str, targets: Any) -> Any:
    if callable(targets):
        return targets(name)
    if not isinstance(targets, Mapping):
        raise DataError(
            f"targets must be a folder of images, a table from paths to targets, or a function, not {shown(targets)}."
        )
    if name not in targets:
        raise DataError(f"targets has no entry for {shown(name)}. Every image needs one, by its path in the folder.")
    return targets[name]


class ImageFiles:
    """Image n of `Files`, as bytes of 0..255, or floats of 0..1 where a file has more than 8 bits a sample."""

    held, ordered, group = False, True, 1

    def __init__(self, files: Files, size: tuple[int, int] | None, channels: int | None, threads: int | None):
        self._files = files
        self.count = len(files.names)
        self.threads = threads or min(MOST_THREADS, os.cpu_count() or 1)
        self._resize = size
        quiet_decoders_for_good()
        self._size, self._channels = _looked_at(files, size, channels)
        self._target_channels = 1
        if files.pictures is not None:
            with quiet_decoders():
                self._target_channels = 1 if all(head_of(path)[2] for path in files.pictures) else 3

    def take(self, positions: Rows) -> tuple[Array, Any]:
        inputs = [self._image(self._files.top / self._files.names[n], self._resize, self._channels) for n in positions]
        if self._files.targets is not None:
            return _stacked(inputs), self._files.targets[positions]
        assert self._files.pictures is not None
        pictures = [self._image(self._files.pictures[n], self._resize, self._target_channels) for n in positions]
        return _stacked(inputs), np.asarray(shares_of_bytes(_stacked(pictures)))

    def targets(self) -> Any:
        return self._files.targets

    def _image(self, path: Path, size: tuple[int, int] | None, channels: int) -> Array:
        pixels = read_pixels(read_file(path), str(path), size, channels)
        if pixels.shape[:2] != self._size:
            raise _other_size(path, pixels.shape[:2], self._size)
        return pixels.reshape(*self._size, channels)


def _looked_at(files: Files, size: tuple[int, int] | None, channels: int | None) -> tuple[tuple[int, int], int]:
    """The size and the channels of all images, told from the beginnings of their files.

    Raises:
        DataError: sizes differ, or a file is no image.
    """
    if size is not None and channels is not None:
        return (size[0], size[1]), channels
    found: tuple[int, int] | None = None
    gray = True
    with quiet_decoders():
        for name in files.names:
            path = files.top / name
            rows, columns, is_gray = head_of(path)
            gray = gray and is_gray
            found = found or (rows, columns)
            if size is None and (rows, columns) != found:
                raise _other_size(path, (rows, columns), found)
        gray = gray and (channels is not None or all(head_of(files.top / name)[2] for name in files.beside))
    assert found is not None
    return size or found, channels or (1 if gray else 3)


def _other_size(path: Path, shape: tuple[int, ...], expected: tuple[int, int]) -> DataError:
    return DataError(
        f"{path} has {shape[0]} rows and {shape[1]} columns, but the first image has {expected[0]} and {expected[1]}. "
        f"All must have the same size: resize them with image_size=({expected[0]}, {expected[1]})."
    )


def _stacked(images: list[Array]) -> Array:
    """Images as one array; all of them floats where one has more than 8 bits a sample."""
    if any(image.dtype != np.uint8 for image in images):
        images = [np.asarray(shares_of_bytes(image)) for image in images]
    return np.stack(images)
