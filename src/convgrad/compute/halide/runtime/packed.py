"""Many small shared libraries in one memory map: what the system's loader does, for libraries of kernels.

The loader gives each library memory maps of its own, of which a process may have 65,530; here they lie behind each
other in one file in memory, mapped once to be read and run, and never to be written. Kernels have no variables, so all
that is to be done is to put in addresses (relocations). Whatever is not as expected is left to the system's loader.

Reference: System V Application Binary Interface, AMD64 Architecture Processor Supplement, 4.4 (relocations).
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

SIZE = 64 << 20
"""Bytes of a file in memory: some 600 networks of 22 kernels. What is not used takes no memory."""
PAGE = 4096
HEADER = "<16sHHIQQQIHHHHHH"
X86_64, DYNAMIC_SYMBOLS, RELOCATIONS, LOADED_SEGMENT = 62, 11, 4, 1
WRITABLE, IN_MEMORY = 1, 2
ADDRESS, GLOBAL_DATA, JUMP_SLOT, RELATIVE = 1, 6, 7, 8
FUNCTION_OR_OBJECT = (0, 1, 2)
WRITTEN_BY_LOADER = (".data.rel.ro", ".data.rel.ro.local", ".dynamic", ".got", ".got.plt")
"""Sections of constants that hold addresses."""
SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
RELOCATION = np.dtype([("offset", "<u8"), ("info", "<u8"), ("addend", "<i8")])
SECTION = np.dtype(
    [
        ("name", "<u4"),
        ("type", "<u4"),
        ("flags", "<u8"),
        ("address", "<u8"),
        ("offset", "<u8"),
        ("size", "<u8"),
        ("link", "<u4"),
        ("more", "<u4"),
        ("alignment", "<u8"),
        ("entry", "<u8"),
    ]
)
SEGMENT = np.dtype(
    [
        ("type", "<u4"),
        ("flags", "<u4"),
        ("offset", "<u8"),
        ("address", "<u8"),
        ("physical", "<u8"),
        ("file", "<u8"),
        ("memory", "<u8"),
        ("alignment", "<u8"),
    ]
)


class NotPacked(Exception):
    """A library that is left to the system's loader, or memory for code that can't be had."""


@dataclass(frozen=True)
class Image:
    """A library as it lies in memory.

    Attributes:
        content: its bytes, without addresses.
        symbols: name -> place, of those that it defines.
        fixed: places of 8 bytes each that hold the library's own address and a number more.
        sought: places that hold the address of a symbol of another library, and that symbol's name.
    """

    content: np.ndarray
    symbols: dict[str, int]
    fixed: np.ndarray
    sought: list[tuple[int, str]]

    @classmethod
    def of(cls, library: bytes) -> Image:
        """Raises NotPacked where it is none, or is not of the kind that kernels are."""
        try:
            return _image(library)
        except (struct.error, ValueError, LookupError, OverflowError) as error:
            raise NotPacked(f"not a library of kernels: {error}") from None

    def at(self, base: int, resolve: Callable[[str], int]) -> bytes:
        """What stands at address `base`, with the addresses of others by `resolve`."""
        placed = self.content.copy()
        words = placed.view("<u8")
        words[self.fixed] += np.uint64(base)
        for place, name in self.sought:
            words[place] = resolve(name)
        content: bytes = placed.tobytes()
        return content


def _image(library: bytes) -> Image:
    header = struct.unpack_from(HEADER, library)
    machine, segments_at, sections_at = header[2], header[5], header[6]
    if header[0][:6] != b"\x7fELF\x02\x01" or machine != X86_64:
        raise ValueError("another format or processor")
    segments = np.frombuffer(library, SEGMENT, header[10], segments_at)
    sections = np.frombuffer(library, SECTION, header[12], sections_at)
    names = sections[header[13]]
    for section in sections:
        name = _text(library, int(names["offset"] + section["name"]))
        written = section["flags"] & WRITABLE and section["flags"] & IN_MEMORY and section["size"]
        if written and name not in WRITTEN_BY_LOADER:
            raise ValueError(f"it has variables, or code to run when it is loaded ({name})")
    loaded = segments[segments["type"] == LOADED_SEGMENT]
    size = -(-int((loaded["address"] + loaded["memory"]).max()) // PAGE) * PAGE
    content = np.zeros(size, np.uint8)
    for segment in loaded:
        begin, count = int(segment["address"]), int(segment["file"])
        content[begin : begin + count] = np.frombuffer(library, np.uint8, count, int(segment["offset"]))
    (table,) = sections[sections["type"] == DYNAMIC_SYMBOLS]
    symbols = np.frombuffer(library, SYMBOL, int(table["size"]) // SYMBOL.itemsize, int(table["offset"]))
    strings = int(sections[table["link"]]["offset"])
    called = [_text(library, strings + int(symbol["name"])) for symbol in symbols]
    if not np.isin(symbols["info"] & 15, FUNCTION_OR_OBJECT).all():
        raise ValueError("it has symbols of a kind that kernels have not")
    defined = {name: int(s["value"]) for name, s in zip(called, symbols, strict=True) if s["section"]}
    words, fixed, sought = content.view("<u8"), [], []
    for part in sections[(sections["type"] == RELOCATIONS) & (sections["flags"] & IN_MEMORY != 0)]:
        found = np.frombuffer(library, RELOCATION, int(part["size"]) // RELOCATION.itemsize, int(part["offset"]))
        if (found["offset"] % 8).any():
            raise ValueError("an address is not aligned")
        kinds, places = found["info"] & 0xFFFFFFFF, (found["offset"] // 8).astype(np.int64)
        if not np.isin(kinds, (ADDRESS, GLOBAL_DATA, JUMP_SLOT, RELATIVE)).all():
            raise ValueError("it has relocations of a kind that kernels have not")
        own = kinds == RELATIVE
        words[places[own]] = found["addend"][own].astype(np.uint64)
        fixed.append(places[own])
        for place, relocation in zip(places[~own], found[~own], strict=True):
            number = int(relocation["info"] >> 32)
            if relocation["addend"]:
                raise ValueError("an address has a number more")
            if symbols[number]["section"]:
                words[place] = symbols[number]["value"]
                fixed.append(np.array([place]))
            else:
                sought.append((int(place), called[number]))
    return Image(content, defined, np.concatenate([np.empty(0, np.int64), *fixed]), sought)


def _text(library: bytes, begin: int) -> str:
    return library[begin : library.index(b"\0", begin)].decode()


class Region:
    """A file in memory that is mapped once; libraries lie in parts of it, which can be given back. Raises NotPacked."""

    def __init__(self, size: int = SIZE):
        if sys.platform != "linux" or platform.machine() != "x86_64":
            raise NotPacked("another system or processor")
        try:
            self._file = os.memfd_create("convgrad-kernels", os.MFD_CLOEXEC)
        except (OSError, AttributeError) as error:
            raise NotPacked(str(error)) from None
        try:
            os.ftruncate(self._file, size)
            self._map = mmap.mmap(self._file, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_EXEC)
        except (OSError, ValueError) as error:
            os.close(self._file)
            raise NotPacked(str(error)) from None
        self.process = os.getpid()
        self.address = int(np.frombuffer(self._map, np.uint8).ctypes.data)
        self._free = [(0, size)]  # begin and end, in order
        self._returned: deque[tuple[int, int]] = deque()

    def take(self, size: int) -> int | None:
        """A part that nothing lies in, as the place where it begins; None where there is none of that size."""
        while self._returned:
            self._join(*self._returned.popleft())
        for number, (begin, end) in enumerate(self._free):
            if end - begin >= size:
                self._free[number : number + 1] = [(begin + size, end)] if end - begin > size else []
                return begin
        return None

    def give_back(self, begin: int, size: int) -> None:
        """Let others lie there. Python may call this at any time, in the middle of `take`, so that it only notes it."""
        self._returned.append((begin, begin + size))

    def _join(self, begin: int, end: int) -> None:
        parts: list[tuple[int, int]] = []
        for first, last in sorted([*self._free, (begin, end)]):
            if parts and parts[-1][1] == first:
                parts[-1] = (parts[-1][0], last)
            else:
                parts.append((first, last))
        self._free = parts

    def write(self, begin: int, content: bytes) -> None:
        """Raises NotPacked where there is no memory."""
        try:
            done = os.pwrite(self._file, content, begin)
        except OSError as error:
            raise NotPacked(str(error)) from None
        if done != len(content):
            raise NotPacked("there is no memory left")


_regions: list[Region] = []


def load(library: bytes, names: Iterable[str], runtime: Any) -> tuple[dict[str, int], Callable[[], None]]:
    """A library's functions by name, as addresses, and what gives their memory back. The caller holds a lock.

    runtime: the library that kernels call; others that they may call are those of C and its mathematics.

    Raises: NotPacked; AttributeError where a function is missing.
    """
    image = Image.of(library)
    missing = [name for name in names if name not in image.symbols]
    if missing:
        raise AttributeError(f"the library has no {missing[0]}")
    size = len(image.content)
    region, begin = _room(size)
    try:
        region.write(begin, image.at(region.address + begin, lambda name: _address(name, runtime)))
    except NotPacked:
        region.give_back(begin, size)
        raise
    base = region.address + begin
    return {name: base + image.symbols[name] for name in names}, lambda: region.give_back(begin, size)


def _room(size: int) -> tuple[Region, int]:
    """Where a library of that size may lie. A forked child shares its parent's regions, so it has its own."""
    for region in _regions:
        if region.process == os.getpid() and (begin := region.take(size)) is not None:
            return region, begin
    if size > SIZE:
        raise NotPacked("it is too large")
    region = Region()
    _regions.append(region)
    begin = region.take(size)
    assert begin is not None, "it fits into an empty region"
    return region, begin


def _address(name: str, runtime: Any) -> int:
    """Of a function of the runtime, of C, or of its mathematics. Raises NotPacked where there is none."""
    for library in (runtime, ctypes.CDLL(None), *_mathematics()):
        try:
            found = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        except AttributeError:
            continue
        if found is not None:
            return found
    raise NotPacked(f"nothing has {name}")


def _mathematics() -> list[Any]:
    try:
        return [ctypes.CDLL("libm.so.6")]
    except OSError:
        return []
