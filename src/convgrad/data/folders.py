"""Folders and zip archives of image files, sorted into classes by the folders' names."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np

from convgrad.arguments import FUNCTION, PATH, SIZE, optional, takes
from convgrad.data.budget import MOST_PIXELS_TO_TRAIN_ON, check_images
from convgrad.data.dataset import Dataset, Images
from convgrad.data.layout import Layout, find_layout
from convgrad.data.pixels import MOST_BYTES, Pixels, quiet_decoders, read_file, read_pixels, unit_range
from convgrad.errors import DataError
from convgrad.system.files import check_regular

Progress = Callable[[int, int], None]
Read = Callable[[str], bytes]

# What zipfile raises of archives that are damaged, locked, or compressed in an unknown way.
DAMAGED_ARCHIVE = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    UnicodeDecodeError,
    OverflowError,
    struct.error,
    zlib.error,
)
# Images handed to a thread at once: few enough that progress is seen, enough that handing them over costs nothing.
_CHUNK = 256
# Pillow frees Python's lock only inside the decoder. Measured on 2 cores, JPEG, 1 thread -> 2 threads, us an image:
# 32x32: 59 -> 67, 64x64: 64 -> 64, 128x128: 140 -> 102, 224x224: 344 -> 136.
_THREADS_PAY_ABOVE = 64 * 64


@takes(DataError, path=PATH, image_size=optional(SIZE), progress=optional(FUNCTION))
def load_images(
    path: str | Path, *, image_size: tuple[int, int] | None = None, progress: Progress | None = None
) -> Dataset:
    """Load images by class from a folder or a zip archive (which is read in place, never unpacked to disk).

    Accepted: `train/CLASS/image` and `test/CLASS/image`, or `CLASS/image` alone, each with or without folders
    around everything. Classes are numbered in the natural order of their folders' names ("9" before "10"), images
    stand class after class, in the natural order of their names. If all images are gray there is one channel, else
    three (RGB). What is read of an image file, and which files are read, `convgrad.data.pixels` says: the same as where
    images are predicted.

    Args:
        image_size: (H, W) in pixels; each image is resized to it (bilinear, without keeping proportions). Without it
            all images must have the first one's size.
        progress: called with the number of images decoded and of all images.

    Raises:
        DataError: another layout, a damaged image or archive, images of different size, too few classes.
    """
    path = Path(path)
    if image_size is not None and (len(image_size) != 2 or min(image_size) < 1):
        raise DataError(f"image_size is {image_size}, but must be (H, W): rows and columns, at least 1 each.")
    if image_size is not None and image_size[0] * image_size[1] > MOST_PIXELS_TO_TRAIN_ON:
        raise DataError(
            f"image_size is {image_size}: images to train on may have at most {MOST_PIXELS_TO_TRAIN_ON:,} pixels."
        )
    try:
        if path.is_dir():
            layout = find_layout(*walk(path), str(path))
            return _load(path, layout, lambda name: read_file(path / name), image_size, progress)
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            folders = [name.rstrip("/") for name in members if name.endswith("/")]
            layout = find_layout(members, folders, str(path))
            return _load(path, layout, lambda name: _read_member(archive, members[name], path), image_size, progress)
    except DAMAGED_ARCHIVE as error:
        raise DataError(
            f"{path} is not a zip archive, or it is damaged ({error}). Get a new copy or pack it again."
        ) from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from error


def walk(top: Path) -> tuple[list[str], list[str]]:
    """Paths of all files and all folders below `top`, relative to it, with `/`."""
    files: list[str] = []
    folders: list[str] = []

    def refuse(error: OSError) -> None:  # without it os.walk leaves out what it can't read
        raise error

    for place, names_of_folders, names_of_files in os.walk(top, onerror=refuse, followlinks=True):
        here = Path(place).resolve()
        around = {here, *here.parents}
        names_of_folders[:] = [
            name
            for name in names_of_folders
            if not name.startswith(".") and (Path(place) / name).resolve() not in around  # a link back would never end
        ]
        relative = Path(place).relative_to(top)
        files += [(relative / name).as_posix() for name in names_of_files]
        folders += [(relative / name).as_posix() for name in names_of_folders]
    return files, folders


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The archive's members by name with `/`."""
    members = {}
    for member in archive.infolist():
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ":" in name.split("/")[0] or ".." in PurePosixPath(name).parts:
            raise DataError(
                f"{path} has a member {member.filename!r}, whose path leads out of the archive. Nothing was read; "
                "pack it again, and be wary of where it comes from."
            )
        parts = [part for part in name.split("/") if part not in ("", ".")]
        members["/".join(parts) + "/" * name.endswith("/")] = member
    return members


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    if member.file_size > MOST_BYTES:
        raise DataError(
            f"{path}: {member.filename} unpacks to {member.file_size:,} bytes, more than an image to train on can need."
        )
    try:
        return archive.read(member)
    except Exception as error:  # zipfile and its decompressors raise many kinds: damaged, locked by a password, ...
        raise DataError(
            f"{path}: {member.filename} can't be unpacked ({error}). Get a new copy or pack the archive again."
        ) from error


def _load(
    path: Path, layout: Layout, read: Read, image_size: tuple[int, int] | None, progress: Progress | None
) -> Dataset:
    names = [name for name, _ in (*layout.train, *layout.test)]
    with quiet_decoders():
        first = read_pixels(read(names[0]), _where(path, names[0]), image_size)
        size = first.shape[:2]
        check_images(len(names), first.shape, first.itemsize, str(path))
        pixels = _decode_all(names, read, path, size, resize=image_size is not None, progress=progress)
    channels = 1 if all(image.ndim == 2 for image in pixels) else 3
    train, test = pixels[: len(layout.train)], pixels[len(layout.train) :]
    return Dataset(
        path.resolve().stem,
        _stack(train, size, channels),
        np.array([number for _, number in layout.train], np.int64),
        _stack(test, size, channels) if test else None,
        np.array([number for _, number in layout.test], np.int64) if test else None,
        layout.class_names,
    )


def _where(path: Path, name: str) -> str:
    return f"{path}: {name}"


def _stack(pixels: Sequence[Pixels], size: tuple[int, int], channels: int) -> Images:
    images = np.empty((len(pixels), *size, channels), np.float32)
    for index, image in enumerate(pixels):
        values = unit_range(image)
        images[index] = values if image.ndim == 3 else values[:, :, np.newaxis]  # gray among colours: three equal ones
    return images


def _decode_all(
    names: Sequence[str], read: Read, path: Path, size: tuple[int, int], *, resize: bool, progress: Progress | None
) -> list[Pixels]:
    """All images decoded, in order, by several threads if the images are large enough."""
    threads = min(8, os.cpu_count() or 1) if size[0] * size[1] > _THREADS_PAY_ABOVE else 1

    def decode_chunk(chunk: Iterable[str]) -> list[Pixels]:
        return [_decode(name, read, path, size, resize) for name in chunk]

    chunks = [names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK)]
    pixels: list[Pixels] = []
    with ThreadPoolExecutor(threads) as pool:
        futures: list[Future[list[Pixels]]] = [pool.submit(decode_chunk, chunk) for chunk in chunks]
        try:
            for future in futures:
                pixels += future.result()
                if progress is not None:
                    progress(len(pixels), len(names))
        finally:
            for future in futures:
                future.cancel()
    return pixels


def _decode(name: str, read: Read, path: Path, size: tuple[int, int], resize: bool) -> Pixels:
    """One image as (H, W) if it is gray, else as (H, W, 3)."""
    pixels = read_pixels(read(name), _where(path, name), size if resize else None)
    if pixels.shape[:2] != size:
        raise DataError(
            f"{path}: {name} has {pixels.shape[0]} rows and {pixels.shape[1]} columns, but the first image has "
            f"{size[0]} and {size[1]}. All must have the same size: resize them with "
            f"image_size=({size[0]}, {size[1]})."
        )
    return pixels
