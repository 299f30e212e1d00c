"""Where an output differs: a map of its rows and columns, and what the pattern speaks for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
WIDEST = 40


def plane(differs: Mask, axes: tuple[int, ...]) -> Mask | None:
    """The places along two axes where any entry differs; None where there are no two axes."""
    if len(axes) != 2 or max(axes) >= differs.ndim:
        return None
    others = tuple(a for a in range(differs.ndim) if a not in axes)
    seen: Mask = np.asarray(differs.any(axis=others))
    return seen


def drawn(mask: Mask) -> list[str]:
    """One line a row: `#` where it differs, `.` where it does not."""
    return ["".join("#" if d else "." for d in row[:WIDEST]) for row in mask[:WIDEST]]


def pattern(mask: Mask) -> str:
    """What the map looks like, in words; nothing where it says nothing.

    >>> mask = np.ones((5, 6), bool)
    >>> mask[1:-1, 1:-1] = False
    >>> pattern(mask)
    'only along the border, which points to the padding'
    """
    if not mask.any() or mask.all():
        return ""
    inner = mask[1:-1, 1:-1]
    if inner.size and not inner.any():
        return "only along the border, which points to the padding"
    rows, columns = np.asarray(mask.any(axis=1)), np.asarray(mask.any(axis=0))
    for what, line in (("row", rows), ("column", columns)):
        if line.size > 3 and (not line[0::2].any() or not line[1::2].any()):
            return f"in every second {what} only, which points to the stride"
    edges = [
        name
        for name, line in (("last rows", rows), ("last columns", columns))
        if not line[: (line.size + 1) // 2].any()
    ]
    if edges:
        return f"only in the {' and '.join(edges)}, which points to the far edge"
    return ""


def summary(differs: Any) -> str:
    """How many entries differ."""
    return f"{int(np.count_nonzero(differs))} of {np.size(differs)} entries"
