"""What compiled code depends on besides the equation: part of its name, in memory and on disk."""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from convgrad.engine.schedules.target import machine

SOURCES = ("engine", "notation", "execution.py")  # of this package: what the code of a kernel is made by


@lru_cache
def surroundings() -> str:
    """All that compiled code depends on besides its kernel: processor, system, versions, and the engine's source."""
    from convgrad import __version__

    digest = hashlib.sha256()
    for name in SOURCES:
        for path, content in _sources(files("convgrad").joinpath(name), name):
            digest.update(f"{path} {len(content)}\n".encode() + content)
    parts = (machine().name, sysconfig.get_platform(), version("halide"), __version__, digest.hexdigest())
    return "\n".join(parts)


def _sources(place: Any, path: str) -> Iterable[tuple[str, bytes]]:
    if place.is_dir():
        for inner in sorted(place.iterdir(), key=lambda inner: str(inner.name)):
            yield from _sources(inner, f"{path}/{inner.name}")
    elif path.endswith((".py", ".c")):
        yield path, place.read_bytes()
