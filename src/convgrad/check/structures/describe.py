"""What a difference looks like that nothing explains: where it is, and what it depends on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convgrad.check.structures.base import Array, Mask, Seen

SAME = 1e-9


def described(seen: Seen) -> list[str]:
    """Sentences on the difference; what holds for everything or nothing is left out."""
    if not seen.same_shape or not np.isfinite(seen.found).all() or seen.expected.size < 4:
        return []
    rest = seen.found - seen.expected
    wrong = np.abs(rest) > seen.tolerance
    return [*_where(seen, wrong), *_depends(seen, rest, wrong)]


def _where(seen: Seen, wrong: Mask) -> Iterator[str]:
    """The places along one axis that are wrong, where not all are."""
    for axis, size in enumerate(wrong.shape):
        others = tuple(a for a in range(wrong.ndim) if a != axis)
        places = np.flatnonzero(wrong.any(axis=others))
        if size < 2 or len(places) == size or not len(places):
            continue
        one, many = seen.place(axis), seen.place(axis, many=True)
        right = [p for p in range(size) if p not in places]
        if len(right) == 1:
            yield f"only {one} {right[0]} of {size} is right"
        elif len(places) == 1:
            yield f"only {one} {places[0]} of {size} is wrong"
        else:
            yield f"wrong are the {many} {', '.join(str(p) for p in places)} of {size}"


def _depends(seen: Seen, rest: Array, wrong: Mask) -> Iterator[str]:
    """Whether the difference is the same along an axis, or a product of vectors."""
    scale = float(np.abs(rest).max())
    close = max(seen.tolerance, SAME * scale)
    constant = [
        axis
        for axis, size in enumerate(rest.shape)
        if size > 1 and np.abs(rest - np.take(rest, [0], axis)).max() <= close
    ]
    if constant:
        which = " and ".join(str(a) for a in constant)
        like = "as where a sum or a mean over it is missing or too many"
        yield f"the difference is the same all along axis {which}, {like}"
        return
    factors = [
        axis
        for axis, size in enumerate(rest.shape)
        if _places(wrong, axis) > 2 and rest.size > 2 * size and _rank(rest, axis, close) == 1
    ]
    if factors:
        yield f"the difference is a product of a vector along axis {factors[0]} and an array of the other axes"


def _places(wrong: Mask, axis: int) -> int:
    return int(np.count_nonzero(wrong.any(axis=tuple(a for a in range(wrong.ndim) if a != axis))))


def _rank(rest: Array, axis: int, close: float) -> int:
    rows = np.moveaxis(rest, axis, 0).reshape(rest.shape[axis], -1)
    return int(np.linalg.matrix_rank(rows, tol=close * np.sqrt(rows.size)))
