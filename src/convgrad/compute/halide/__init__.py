"""The compiled engine: equations as Halide code. The only folder that imports halide, and only when it is used."""

from __future__ import annotations

import platform
import sys
from functools import lru_cache

__all__ = ["available"]


@lru_cache
def available() -> tuple[bool, str]:
    """Whether equations can be compiled here, and if not, why, in a sentence."""
    try:
        import halide  # noqa: F401
    except ImportError as error:
        here = f"Python {sys.version_info.major}.{sys.version_info.minor} on {platform.system()} {platform.machine()}"
        return False, f"halide can't be imported under {here} ({error})."
    return True, ""
