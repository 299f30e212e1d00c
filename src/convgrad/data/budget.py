"""What a dataset takes in memory, told from its sizes alone, and refused before anything is read or decoded."""

from __future__ import annotations

from math import prod

from convgrad.errors import DataError
from convgrad.system.memory import memory_limit

MOST_PIXELS_TO_TRAIN_ON = 1 << 24
"""4096 x 4096: one such image in float32, with what a layer of 16 channels makes of it, takes more than a gigabyte."""


def check_images(count: int, shape: tuple[int, ...], sample_bytes: int, where: str) -> None:
    """Refuse images that are too large to train on, or too many for the memory.

    Args:
        count: of images. shape: (H, W) or (H, W, C) of each.
        sample_bytes: of a number as it is read; float32 is made from it, and both are there for a moment.
        where: what an error calls the images.

    Raises:
        DataError: there is no room for them.
    """
    rows, columns = shape[:2]
    if rows * columns > MOST_PIXELS_TO_TRAIN_ON:
        raise DataError(
            f"{where}: images of {rows} rows and {columns} columns have {rows * columns:,} pixels; the limit to "
            f"train on is {MOST_PIXELS_TO_TRAIN_ON:,}. Make them smaller first (image_size, or --image-size for files)."
        )
    check_bytes(count * prod(shape) * (sample_bytes + 4), where)


def check_image_array(shape: tuple[int, ...], itemsize: int, where: str) -> None:
    """`check_images` for an array (N, H, W) or (N, H, W, C); another shape is for others to refuse."""
    if len(shape) in (3, 4):
        check_images(shape[0], shape[1:], itemsize, where)
    else:
        check_bytes(prod(shape) * itemsize, where)


def check_bytes(needed: int, where: str) -> None:
    """Refuse what needs more bytes than this process can have.

    Raises:
        DataError: it does.
    """
    limit = memory_limit()
    if limit is not None and needed > limit:
        raise DataError(
            f"{where} needs {needed / 1e6:,.0f} MB of memory, but this process can have at most {limit / 1e6:,.0f}. "
            "Use fewer or smaller images, or convgrad.data.Data, which reads them as they are needed."
        )
