"""What `floats.c` does, for kernels that are compiled in memory: there is no C compiler for it then.

Halide's own threads take over the setting of the thread that starts them, where the system is Linux. Elsewhere they
don't, and nothing is set: all threads compute with subnormal numbers there, so that the bits do not depend on which one
took a task.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

FLUSHING = 0x1F80 | 0x8000 | 0x0040
"""MXCSR: to nearest, no traps; subnormal results become 0, and operands are taken for 0."""
ENVIRONMENT_WORDS = 8
MXCSR = 7
"""Where the C library's fenv_t, 32 bytes on x86-64, has it."""


@contextmanager
def flushing() -> Iterator[None]:
    """Take subnormal numbers for 0 inside of the `with`, in this thread; its own setting comes back."""
    library = _library()
    if library is None:
        yield
        return
    before, flushed = (_environment(library) for _ in range(2))
    flushed[MXCSR] = FLUSHING
    library.fesetenv(flushed)
    try:
        yield
    finally:
        library.fesetenv(before)


def _environment(library: Any) -> Any:
    words = (ctypes.c_uint32 * ENVIRONMENT_WORDS)()
    library.fegetenv(words)
    return words


@lru_cache
def _library() -> Any:
    """The C library that has the functions of fenv.h, or None where they are not used."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    for name in ("libm.so.6", None):  # musl has them in the program itself
        try:
            library = ctypes.CDLL(name)
            library.fesetenv.argtypes = library.fegetenv.argtypes = [ctypes.c_void_p]
        except (OSError, AttributeError):
            continue
        return library
    return None
