"""Rows of memory maps, read so that they don't count as memory of the process.

A page of a map that was looked at counts until somebody else needs it, and Linux maps up to 2 MB around a single
number. A process with a limit would be ended by a file that it only reads.
"""

from __future__ import annotations

import mmap
import os
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.errors import DataError

Array = npt.NDArray[Any]


def is_mapped(array: Array) -> bool:
    """Whether an array is a memory map, or a part of one."""
    return _map_behind(array) is not None


class MappedRows:
    """An array (N, ...) that shows a part of a memory map: indexed by positions (B,), it gives a copy of rows (B, ...).

    Where each row lies in one piece of the file, and nothing was changed in memory alone (mode "c"), rows are read from
    the file; else through the map.
    """

    def __init__(self, array: Array):
        self._array = array
        self._file: int | None = None
        whole = _map_behind(array)
        row = array[:1]
        if whole is None or whole.mode not in ("r", "r+") or not row.flags.c_contiguous or not hasattr(os, "preadv"):
            return
        assert whole.base is not None
        base = np.frombuffer(whole.base, np.uint8).__array_interface__["data"][0]
        begin = whole.offset - whole.offset % mmap.ALLOCATIONGRANULARITY
        self._begin = begin + array.__array_interface__["data"][0] - base
        self._step = array.strides[0]
        try:
            self._file = os.open(whole.filename, os.O_RDONLY)  # type: ignore[arg-type]
        except (OSError, TypeError):  # it has no name any more
            return
        weakref.finalize(self, os.close, self._file)
        if not np.array_equal(self[np.arange(1)].view(np.uint8), np.array(row).view(np.uint8)):
            self._file = None  # another file has the name now

    def __getitem__(self, positions: npt.NDArray[np.int64]) -> Array:
        if self._file is None:
            return np.array(self._array[positions])
        rows = np.empty((len(positions), *self._array.shape[1:]), self._array.dtype)
        for place, n in enumerate(positions):
            into = rows[place : place + 1].reshape(-1).view(np.uint8)
            if os.preadv(self._file, [into.data], self._begin + int(n) * self._step) != into.size:
                raise DataError(f"A memory map's file is cut off: row {n} is not there any more. Restore the file.")
        return rows


def _map_behind(array: Any) -> np.memmap[Any, Any] | None:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
            return array
        array = array.base
    return None
