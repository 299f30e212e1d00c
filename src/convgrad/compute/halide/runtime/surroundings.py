"""What compiled code depends on besides the equation: part of its name, in memory and on disk."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any

SOURCES = ("compute/halide", "compute/arrays.py", "compute/contract.py", "dtypes.py", "functions.py", "notation")
"""Of this package: what a program, and the code of its kernels, is made by."""
PACKAGE = Path(__file__).parents[3]
CPU_INFO = Path("/proc/cpuinfo")
SAID_OF_PROCESSORS = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")


@lru_cache
def surroundings() -> str:
    """Processor, system, versions, and the source that this process works by."""
    import sysconfig
    from importlib.metadata import version  # which takes longer to import than all else here

    from convgrad.compute.halide.target import machine

    return "\n".join((machine().name, sysconfig.get_platform(), version("halide"), version("convgrad"), LOADED))


@lru_cache
def quick_surroundings() -> str:
    """The same in other words, for which Halide need not be loaded: empty where they can't be told so.

    Of Halide they have its files' places, sizes and times, of the processor what Linux says of it.
    """
    halide, processor = halide_files(), _processor(CPU_INFO)
    if not halide or not processor:
        return ""
    told = (sys.platform, os.uname().machine, sys.implementation.cache_tag or "", os.environ.get(TARGET, ""))
    return "\n".join((*told, processor, halide, LOADED))


@lru_cache
def halide_files() -> str:
    """Place, size and time of each file of Halide; empty where there are none."""
    try:
        found = find_spec("halide")
    except ValueError:  # something else was put in its place
        return ""
    lines = []
    for place in found.submodule_search_locations or () if found else ():
        for folder in (Path(place), Path(place, "lib64"), Path(place, "lib")):
            with suppress(OSError):
                for file in sorted(os.scandir(folder), key=lambda file: file.name):
                    if file.is_file():
                        status = file.stat()
                        lines.append(f"{file.path} {status.st_size} {status.st_mtime_ns}")
    return "\n".join(lines)


def _processor(told: Path) -> str:
    """What Linux says of the first processor: all that decides which instructions it has."""
    try:
        with told.open() as file:
            first = list(takewhile(str.strip, file))
    except OSError:
        return ""
    lines = [line for line in first if line.partition(":")[0].strip() in SAID_OF_PROCESSORS]
    return "".join(lines) if any(line.startswith("flags") for line in lines) else ""


def source_digest() -> str:
    """A digest of the engine's source as it is on disk now."""
    digest = hashlib.sha256()
    for name in SOURCES:
        for path, content in sources(PACKAGE / name, name):
            digest.update(f"{path} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def sources(place: Any, path: str) -> Iterable[tuple[str, bytes]]:
    """Path and content of each file of source in a folder, or of one file."""
    if place.is_dir():
        for inner in sorted(place.iterdir(), key=lambda inner: str(inner.name)):
            yield from sources(inner, f"{path}/{inner.name}")
    elif path.endswith((".py", ".c", ".h")):
        yield path, place.read_bytes()


def edited() -> bool:
    """Whether a developer has changed the source since this process read it; what it compiles isn't kept then."""
    return source_digest() != LOADED


TARGET = "CONVGRAD_TARGET"
LOADED = source_digest()
