"""Numbers that are right in a part of the array and 0 in the rest, and functions of single numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from convgrad.check.structures.base import Array, Seen, Structure, listed
from convgrad.check.submissions.worker import UNSET

LEFT_OVER = [UNSET * float(np.finfo(dtype).max) for dtype in (np.float64, np.float32)]
"""What np.empty holds in the process of a checked file; so large that nothing which is added shows."""


def not_set(seen: Seen) -> Iterator[Structure]:
    """Numbers that memory held, and right ones."""
    if not seen.same_shape or not seen.found.size:
        return
    left = np.isin(seen.found, LEFT_OVER)
    gap = seen.gap(np.where(left, seen.found, seen.expected))
    if left.any() and gap <= seen.tolerance:
        count = "all its numbers" if left.all() else f"{int(left.sum())} of its {left.size} numbers"
        yield Structure(
            "not-initialized",
            f"{{output}} is never set to zeros before something is added to it: {count} are what memory held before",
            "Write np.zeros or np.zeros_like in place of np.empty or np.empty_like.",
            "without these numbers",
            gap,
        )


def zeros(seen: Seen) -> Iterator[Structure]:
    """0 outside of a box: only the first filter, all rows but the last, only the inner part."""
    if not seen.same_shape or not seen.large.any():
        return
    if not seen.found.any():
        if seen.expected.size > 1:
            yield Structure(
                "zeros",
                "{output} is 0 everywhere: it is never filled, or filled in a copy",
                "Return the array that you add to.",
                "beside zeros",
                0.0,
            )
        return
    filled = seen.large & (np.abs(seen.found - seen.expected) <= seen.tolerance)
    kept = []
    for axis in range(seen.expected.ndim):
        others = tuple(a for a in range(seen.expected.ndim) if a != axis)
        kept.append(np.asarray(filled.any(axis=others)))
    box = np.ones(seen.expected.shape, bool)
    for axis, line in enumerate(kept):
        box &= line.reshape([-1 if a == axis else 1 for a in range(box.ndim)])
    predicted = np.where(box, seen.expected, 0.0)
    if not seen.is_near(predicted) or np.count_nonzero(filled) < 3:
        return
    cut = [axis for axis, line in enumerate(kept) if not line.all()]
    words = [_filled(seen, axis, kept[axis]) for axis in cut]
    yield Structure(
        "part-missing",
        f"{{output}} is right {listed(words)}; all else is 0",
        "Look for a loop that is too short, a return inside a loop, or = where += is meant.",
        "with zeros at the same places of the right numbers",
        seen.gap(predicted),
    )


def _filled(seen: Seen, axis: int, line: Array) -> str:
    """Where along one axis it is filled, in words."""
    places = np.flatnonzero(line)
    one, many, size = seen.place(axis), seen.place(axis, many=True), line.size
    if len(places) == 1:
        which = "first" if places[0] == 0 else "last" if places[0] == size - 1 else None
        return f"for the {which} {one} only" if which else f"for {one} {places[0]} only"
    if len(places) == size - 1:
        gone = int(np.flatnonzero(~np.asarray(line, bool))[0])
        which = "first" if gone == 0 else "last" if gone == size - 1 else None
        return f"for all {many} but the {which}" if which else f"for all {many} but {gone}"
    if places[-1] - places[0] + 1 == len(places):
        return f"for {many} {places[0]} to {places[-1]} only"
    if len(set(np.diff(places))) == 1:
        return f"for every {_nth(int(np.diff(places)[0]))} {one} only"
    return f"for {many} {', '.join(str(p) for p in places)} only"


def _nth(step: int) -> str:
    return {2: "second", 3: "third"}.get(step, f"{step}th")


def masked(seen: Seen) -> Iterator[Structure]:
    """0 where another array is not positive, and right elsewhere."""
    if not seen.same_shape or not seen.enough():
        return
    for name, array in seen.arrays.items():
        if array.shape != seen.expected.shape:
            continue
        masks = {">": array > 0, "<": array < 0, "!=": array != 0, ">=": array >= 0}
        for sign, mask in masks.items():
            predicted = np.where(mask, seen.expected, 0.0)
            if (
                np.count_nonzero(mask & seen.large) > 2
                and np.count_nonzero(~mask & seen.large) > 1
                and seen.is_near(predicted)
            ):
                yield Structure(
                    "masked",
                    f"{{output}} is right where {name} {sign} 0, and 0 elsewhere",
                    f"Take out the mask {name} {sign} 0.",
                    f"with the mask {name} {sign} 0 on the right numbers, too,",
                    seen.gap(predicted),
                )
                return


OF_ONE: tuple[tuple[str, str, str, Callable[[Array], Array]], ...] = (
    ("sign-lost", "the absolute value of the right one: the sign is lost", "Leave out the absolute value.", np.abs),
    ("sign-lost", "minus the absolute value of the right one", "Leave out the absolute value.", lambda a: -np.abs(a)),
    ("sign-only", "only the sign of the right one", "Leave out the sign function.", np.sign),
    ("squared", "the square of the right one", "Leave out the square.", np.square),
    ("root", "the square root of the right one's size", "Leave out the square root.", lambda a: np.sqrt(np.abs(a))),
    (
        "negative-lost",
        "right where it is positive, and 0 where it should be negative",
        "Let {output} be negative, too: no maximum with 0.",
        lambda a: np.maximum(a, 0),
    ),
)
"""What becomes of a number, by itself."""


def of_one_number(seen: Seen) -> Iterator[Structure]:
    """Each number a function of the right one."""
    if not seen.same_shape or not seen.enough(1):
        return
    for name, words, change, function in OF_ONE:
        predicted = np.asarray(function(seen.expected))
        scale = max(1.0, 2 * float(np.abs(seen.expected).max())) if name == "squared" else 1.0
        if seen.is_near(predicted, scale):
            yield Structure(
                name, f"{{output}} is {words}", change, "with the same done to the right numbers", seen.gap(predicted)
            )
            return
