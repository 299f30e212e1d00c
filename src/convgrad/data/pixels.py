"""One way to read the pixels of an image file, for training and for prediction alike.

Only well-known formats are opened, told from the content and not from the name: Pillow knows others that start programs
(PostScript) or whose decoders few people look at. Sizes are looked at before anything is decoded.
"""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convgrad.compute.samples import shares_of_bytes
from convgrad.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Pixels = npt.NDArray[Any]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
"""Pillow's names of the formats that are opened; PPM stands for PGM, PBM and PFM as well."""
MOST_BYTES = 1 << 28
"""Of a file: no image of a size to look at comes near."""
MOST_PIXELS = 100_000_000
"""What the largest cameras take; a file that declares more is a mistake or an attack. In RGB it takes 400 MB."""

_GRAY_MODES = ("L", "1", "LA")
# What the place of the first pixel in EXIF means, and Pillow's name of what puts it into the upper left corner.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
_ON_THE_SIDE = (5, 6, 7, 8)
_ORIENTATION, _BITS, _SAMPLE_FORMAT = 0x0112, 258, 339


def read_pixels(content: bytes, where: str, size: tuple[int, int] | None = None, channels: int | None = None) -> Pixels:
    """The pixels of an image, upright as its EXIF entry says, transparency dropped.

    Args:
        content: of the file. where: what an error calls it.
        size: (H, W) to resize to (bilinear, without keeping proportions); None leaves the size.
        channels: 1 for gray, 3 for RGB; None for what the image has: gray stays (H, W), all else becomes (H, W, 3).

    Returns:
        (H, W) or (H, W, 3): uint8 of 0..255; or float32 of 0..1 where the file has more than 8 bits a sample: 16 bits
        divided by 65535 (12 by 4095), floats as they are. `unit_range` makes 0..1 of both.

    Raises:
        DataError: another format, a damaged file, too many pixels, numbers whose range is unknown.
    """
    from PIL import Image, UnidentifiedImageError  # most of what convgrad does needs no image files

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DataError(
                    f"{where} declares {image.height} rows and {image.width} columns, {image.width * image.height:,} "
                    f"pixels; at most {MOST_PIXELS:,} are read. Make it smaller with another program."
                )
            image.load()
            turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
            plain = _plain(image, channels, where)
            upright = plain if turn is None else plain.transpose(Image.Transpose[turn])
            if size is not None and (upright.height, upright.width) != size:
                upright = upright.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            pixels = np.array(upright)
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{where} can't be read as an image: its pixels don't fit in memory.") from error
    except Exception as error:  # each format's decoder raises its own kinds
        raise _unreadable(where, error, isinstance(error, UnidentifiedImageError)) from error
    return np.repeat(pixels[:, :, np.newaxis], 3, axis=2) if channels == 3 and pixels.ndim == 2 else pixels


def head_of(path: Path) -> tuple[int, int, bool]:
    """Rows and columns of an image file, upright, and whether it is gray, without decoding it where that can be.

    Raises:
        DataError: another format, or a file that can't be read.
    """
    from PIL import Image, UnidentifiedImageError

    check_file(path)
    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            # Not every format has its EXIF data in front; whether a square is turned makes no difference.
            turned = image.height != image.width and image.getexif().get(_ORIENTATION, 1) in _ON_THE_SIDE
            if turned and image.format == "TIFF":  # Pillow turns these itself
                image.load()
                turned = image.getexif().get(_ORIENTATION, 1) in _ON_THE_SIDE
            rows, columns = image.height, image.width
            gray = image.mode in _GRAY_MODES or image.mode[0] in "IF"
    except DataError:
        raise
    except Exception as error:
        raise _unreadable(str(path), error, isinstance(error, UnidentifiedImageError)) from error
    return (columns, rows, gray) if turned else (rows, columns, gray)


def unit_range(pixels: Pixels) -> npt.NDArray[np.float32]:
    """What `read_pixels` gives as float32 of 0..1."""
    return np.asarray(shares_of_bytes(pixels), np.float32)


def read_image(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """An image file as (rows, columns, channels) of 0..1, in the size and with the channels of `shape`.

    Raises:
        DataError: as `read_pixels`; or the file can't be read, or a network with such an input sees no images.
    """
    rows, columns, channels = shape
    if channels not in (1, 3):
        raise DataError(
            f"The network takes images with {channels} channels, but files have 1 (gray) or 3 (RGB). Give it arrays."
        )
    with quiet_decoders():
        pixels = read_pixels(read_file(path), str(path), (rows, columns), channels)
    return unit_range(pixels).reshape(rows, columns, channels)


def _unreadable(where: str, error: Exception, unknown: bool) -> DataError:
    known = ", ".join(FORMATS)
    reason = f"its content is not a known image format ({known})" if unknown else " ".join(str(error).split())
    return DataError(f"{where} can't be read as an image: {reason.rstrip('.')}. Replace or remove it.")


def read_file(path: Path) -> bytes:
    """The content of an image's file.

    Raises:
        DataError: it can't be read, is too large, or is not a regular file (a pipe or a device might never end).
    """
    check_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read as an image: {error.strerror or error}.") from error


def check_file(path: Path) -> None:
    """Refuse what `read_file` does not read. Raises: DataError."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise DataError(f"{path} can't be read as an image: it is {kind}.")
        if found.st_size > MOST_BYTES:
            raise DataError(f"{path} has {found.st_size:,} bytes, more than an image can need.")
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise DataError(f"{path} can't be read as an image: {getattr(error, 'strerror', None) or error}.") from error


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Pillow warns of odd metadata, in lines that name neither the file nor a remedy. Not for use in threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def quiet_decoders_for_good() -> None:
    """The same for threads that go on decoding: as long as nobody puts other filters in place of this one."""
    warnings.filterwarnings("ignore", module=r"PIL\.")


def _plain(image: Picture, channels: int | None, where: str) -> Picture:
    """The image in mode L or RGB, or F (0..1) where it has more than 8 bits a sample."""
    if image.mode == "F":
        return _floats(image, where)
    if image.mode.startswith("I"):
        return _whole_numbers(image, where)
    if image.mode in ("P", "PA"):  # by way of RGBA, for transparent places of a palette may be bytes
        image = image.convert("RGBA")
    gray = channels == 1 or (channels is None and image.mode in _GRAY_MODES)
    return image.convert("L" if gray else "RGB")


def _whole_numbers(image: Picture, where: str) -> Picture:
    """Gray of 16 bits as floats of 0..1."""
    tags = getattr(image, "tag_v2", {})
    bits = (tags.get(_BITS) or (16,))[0]
    signed = (tags.get(_SAMPLE_FORMAT) or (1,))[0] != 1
    if bits > 16 or signed:
        raise DataError(
            f"{where} has {'signed ' if signed else ''}whole numbers of {bits} bits, whose range is unknown. Save "
            "it with 8 or 16 bits, or put floats of 0..1 into an .npz file."
        )
    from PIL import Image

    return Image.fromarray(np.asarray(image).astype(np.float32) / np.float32(2**bits - 1))


def _floats(image: Picture, where: str) -> Picture:
    """Floats as they are, which have to be of 0..1 as those of all other images."""
    values = np.asarray(image)
    if not (values.min() >= 0 and values.max() <= 1):  # also where one is NaN
        raise DataError(
            f"{where} holds floats from {values.min():g} to {values.max():g}; they are used unchanged, so they must "
            "be in 0..1, as bytes become. Divide them by the largest possible value."
        )
    return image
