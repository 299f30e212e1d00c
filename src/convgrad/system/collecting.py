"""Python's search for objects that only refer to one another, put off."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def later() -> Iterator[None]:
    """Look for such objects afterwards: while thousands of terms are made, Python would look through all objects that
    there are, which takes a quarter of a warm start. Also a decorator: `@later()`.

    Where it was turned off before, it stays so.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
