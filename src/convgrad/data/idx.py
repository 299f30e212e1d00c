"""IDX files: the format of MNIST, one array of any rank a file, big-endian, packed by gzip or not.

Layout: two zero bytes, a type code, the number of axes, the size of each axis as a 32-bit unsigned integer, the
elements in row-major order. Reference: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", 1998,
section "File formats".
"""

from __future__ import annotations

import gzip
import io
import math
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from convgrad.arguments import PATH, an, takes
from convgrad.data.budget import check_bytes
from convgrad.errors import DataError
from convgrad.system.files import check_regular, write_file

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_GZIP_MAGIC = b"\x1f\x8b"
# A format bound of deflate: 258 bytes from two bits at best.
_LARGEST_GZIP_RATIO = 1032
# NumPy 1 has 32 axes at most.
_MOST_AXES = 32
_BLOCK = 1 << 20


# Told an array's shape, the bytes of an element and what a message calls it; raises where it may not be read.
Check = Callable[[tuple[int, ...], int, str], None]


@takes(DataError, path=PATH)
def read_idx(path: str | Path, check: Check | None = None) -> npt.NDArray[np.generic]:
    """Read an IDX file; whether it is packed by gzip is told from its first bytes, not from its name.

    Args:
        check: further conditions for what the header announces, before anything is read.

    Returns:
        A new array with the machine's own byte order: uint8, int8, int16, int32, float32 or float64.

    Raises:
        DataError: no such file, not an IDX file, cut short, followed by more bytes than its header says, or damaged.
            No more memory is taken than the file can fill, whatever its header claims, and than there is.

    Example:
        >>> import tempfile, numpy as np
        >>> path = Path(tempfile.mkdtemp()) / "numbers-idx2-int.gz"
        >>> write_idx(path, np.array([[1, 2, 3], [4, 5, 6]], np.int32))
        >>> read_idx(path)
        array([[1, 2, 3],
               [4, 5, 6]], dtype=int32)
    """
    path = Path(path)
    check_regular(path)
    try:
        with path.open("rb") as file:
            packed_size = os.fstat(file.fileno()).st_size
            packed = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if not packed:
                return _read_array(file, path, packed_size, exact=True, check=check)
            with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                return _read_array(unpacked, path, packed_size * _LARGEST_GZIP_RATIO, exact=False, check=check)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip packing is damaged ({error}). Get a new copy of it.") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}.") from error


def _check_array(shape: tuple[int, ...], itemsize: int, where: str) -> None:
    check_bytes(math.prod(shape) * itemsize, where)


def _read_array(
    file: BinaryIO | gzip.GzipFile, path: Path, available: int, exact: bool, check: Check | None
) -> npt.NDArray[np.generic]:
    """The array in `file`, which holds `available` bytes in all (`exact`) or at most."""
    dtype, shape = _read_header(file, path)
    header = 4 + 4 * len(shape)
    expected = math.prod(shape) * dtype.itemsize
    # NumPy refuses sizes beyond its address arithmetic even for an array that another axis makes empty.
    addressable = math.prod(size for size in shape if size) * dtype.itemsize < 1 << 62
    if not addressable or header + expected > available:
        raise DataError(
            f"{path} is cut short or has a wrong header: it declares {dtype.name} elements of shape {shape}, that is "
            f"{expected:,} bytes after the header, but {'has' if exact else 'can hold at most'} "
            f"{available - header:,}. Get a new copy of it."
        )
    (check or _check_array)(shape, dtype.itemsize, str(path))
    content = bytearray()
    while len(content) <= expected:  # one byte more than announced: so that a longer file is noticed
        block = file.read(min(_BLOCK, expected + 1 - len(content)))
        if not block:
            break
        content += block
    if len(content) < expected:
        raise DataError(
            f"{path} is cut short: its header declares {dtype.name} elements of shape {shape}, that is {expected:,} "
            f"bytes, but {len(content):,} follow. Get a new copy of it."
        )
    if len(content) > expected:
        raise DataError(
            f"{path} is too long: its header declares {dtype.name} elements of shape {shape}, that is {expected:,} "
            "bytes, but more follow. Get a new copy of it, or correct the header if you wrote it."
        )
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read_header(file: BinaryIO | gzip.GzipFile, path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The type and the shape that an IDX file announces."""
    magic = file.read(4)
    if len(magic) < 4:
        raise DataError(
            f"{path} is cut short: {len(magic)} bytes, but an IDX file begins with 4. Get a new copy of it."
        )
    if magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise DataError(
            f"{path} is not an IDX file: it begins with the bytes {magic.hex(' ')}, but IDX begins with 00 00, a type "
            f"code ({', '.join(f'{code:02x}' for code in TYPES)}) and the number of axes. Is this another file?"
        )
    axes = magic[3]
    if axes > _MOST_AXES:
        raise DataError(f"{path} declares {axes} axes, but at most {_MOST_AXES} can be read. Is the file damaged?")
    sizes = file.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise DataError(
            f"{path} is cut short: its header declares {axes} axes, that is {4 * axes} bytes for their sizes, but "
            f"{len(sizes)} follow. Get a new copy of it."
        )
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    return TYPES[magic[2]], shape


@takes(DataError, path=PATH, array=an(np.ndarray, "a NumPy array"))
def write_idx(path: str | Path, array: npt.NDArray[np.generic]) -> None:
    """Write `array` as an IDX file, packed by gzip if the name ends in `.gz`. Equal arrays give equal bytes.

    Raises:
        DataError: a type that IDX does not have, too many axes, an axis too long, or a file that can't be written.
    """
    path = Path(path)
    code = next((code for code, dtype in TYPES.items() if dtype.newbyteorder("=") == array.dtype.newbyteorder("=")), 0)
    if not code:
        names = ", ".join(dtype.name for dtype in TYPES.values())
        raise DataError(f"{path}: IDX has no type {array.dtype}. Convert with `array.astype(...)` to one of {names}.")
    if array.ndim > _MOST_AXES or any(size >= 1 << 32 for size in array.shape):
        raise DataError(
            f"{path}: an array of shape {array.shape} does not fit: IDX has at most {_MOST_AXES} axes here, each "
            "shorter than 2**32."
        )
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.astype(TYPES[code], copy=False).tobytes()
    if path.suffix == ".gz":
        content = _packed(content)
    write_file(path, content)


def _packed(content: bytes) -> bytes:
    """`content` packed by gzip with neither time, name nor system in the header (gzip.compress writes the system)."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(content)
    return packed.getvalue()
