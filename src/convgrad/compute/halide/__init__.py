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

    Halide takes long to import: where the cache says that these very files could be, that is not tried.

    A signal that comes while halide is imported ends the import with an ImportError: it is no reason to compute with
    another engine from then on, to other bits.
    """
    from convgrad.compute.halide.runtime import cache
    from convgrad.compute.halide.runtime.surroundings import quick_surroundings

    told = quick_surroundings()
    key = f"halide-{cache.digest(told)}" if told else ""
    if key and cache.current().read(key) is not None:
        return True, ""
    before = was_interrupted()
    try:
        import halide  # noqa: F401
    except ImportError as error:
        if was_interrupted() and not before:
            raise KeyboardInterrupt from error
        here = f"Python {sys.version_info.major}.{sys.version_info.minor} on {platform.system()} {platform.machine()}"
        return False, f"halide can't be imported under {here} ({error})."
    if key:
        cache.current().write(key, b"can be imported")
    return True, ""
