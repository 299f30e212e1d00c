"""The compiled engine: equations as Halide code. The only folder that imports halide, and only when it is used."""

from __future__ import annotations

import platform
import sys
from functools import lru_cache

from convgrad.system.interruption import was_interrupted

__all__ = ["available"]


@lru_cache
def available() -> tuple[bool, str]:
    """Whether equations can be compiled here, and if not, why, in a sentence.

    A signal that comes while halide is imported ends the import with an ImportError: it is no reason to compute with
    another engine from then on, to other bits.
    """
    before = was_interrupted()
    try:
        import halide  # noqa: F401
    except ImportError as error:
        if was_interrupted() and not before:
            raise KeyboardInterrupt from error
        here = f"Python {sys.version_info.major}.{sys.version_info.minor} on {platform.system()} {platform.machine()}"
        return False, f"halide can't be imported under {here} ({error})."
    return True, ""
