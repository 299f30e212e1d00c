"""What memory this process can have."""

from __future__ import annotations

import os


def memory_limit() -> int | None:
    """Bytes that this process can have: the machine's memory, or less where the system limits it. None: not known."""
    found = []
    if hasattr(os, "sysconf"):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    try:
        import resource
    except ImportError:  # Windows
        return min(found, default=None)
    for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            found.append(soft)
    return min((size for size in found if size > 0), default=None)
