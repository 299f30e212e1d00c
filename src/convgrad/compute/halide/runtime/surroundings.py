"""What compiled code depends on besides the equation: part of its name, in memory and on disk."""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any

from convgrad.compute.halide.target import machine

SOURCES = ("compute/halide", "compute/contract.py", "notation")  # of this package: what the code of a kernel is made by


@lru_cache
def surroundings() -> str:
    """Processor, system, versions, and the source that this process works by."""
    from importlib.metadata import version  # which takes longer to import than all else here

    return "\n".join((machine().name, sysconfig.get_platform(), version("halide"), version("convgrad"), LOADED))


def source_digest() -> str:
    """A digest of the engine's source as it is on disk now."""
    digest = hashlib.sha256()
    for name in SOURCES:
        for path, content in sources(files("convgrad").joinpath(name), name):
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


LOADED = source_digest()
