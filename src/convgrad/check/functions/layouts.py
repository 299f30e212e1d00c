"""How a person's arrays order their axes, against how the equation does.

The axes of an equation's tensor are labels, such as ("batch", "h", "w", "c"); a layout is a pattern of the same labels,
"batch c h w", where brackets merge several into one axis, "1" is an axis of length one, and a label that is left out
must have length one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.compute.arrays import place_of

Array = npt.NDArray[Any]
Labels = tuple[str, ...]


@lru_cache(maxsize=1024)
def groups(pattern: str, labels: Labels) -> tuple[Labels, ...]:
    """The labels of each axis of a layout; those that the tensor does not have are dropped.

    >>> groups("batch (g c) h w", ("batch", "h", "w", "c"))
    (('batch',), ('c',), ('h',), ('w',))
    """
    found = []
    for part in re.findall(r"\([^)]*\)|\S+", pattern):
        names = tuple(n for n in part.strip("()").split() if n in labels)
        if names or part == "1":
            found.append(names)
    return tuple(found)


def present(array: Array, labels: Labels, pattern: str) -> Array:
    """The array in a layout.

    >>> present(np.zeros((2, 9, 8, 3)), ("batch", "h", "w", "c"), "batch c h w").shape
    (2, 3, 9, 8)
    """
    wanted = groups(pattern, labels)
    kept = [name for group in wanted for name in group]
    dropped = [name for name in labels if name not in kept]
    sizes = dict(zip(labels, array.shape, strict=True))
    turned = array.transpose([labels.index(n) for n in (*dropped, *kept)])
    laid: Array = turned.reshape([int(np.prod([sizes[n] for n in group])) for group in wanted])
    return laid


def taken_back(laid: Array, labels: Labels, shape: Sequence[int], pattern: str) -> Array:
    """The array of the equation, of this shape, that is so laid out: the reverse of `present`.

    >>> taken_back(np.zeros((2, 3, 9, 8)), ("batch", "h", "w", "c"), (2, 9, 8, 3), "batch c h w").shape
    (2, 9, 8, 3)
    """
    kept = [name for group in groups(pattern, labels) for name in group]
    order = [*(name for name in labels if name not in kept), *kept]
    sizes = dict(zip(labels, shape, strict=True))
    turned = laid.reshape([sizes[name] for name in order])
    back: Array = turned.transpose([order.index(name) for name in labels])
    return back


def fits(labels: Labels, shape: Sequence[int], pattern: str) -> bool:
    """Whether the labels that the layout leaves out have length one."""
    kept = {name for group in groups(pattern, labels) for name in group}
    return all(size == 1 for name, size in zip(labels, shape, strict=True) if name not in kept)


def place_in_equation(place: Sequence[int], labels: Labels, shape: Sequence[int], pattern: str) -> tuple[int, ...]:
    """Where an element of the laid-out array stands in the equation's tensor."""
    sizes = dict(zip(labels, shape, strict=True))
    at = dict.fromkeys(labels, 0)
    for index, group in zip(place, groups(pattern, labels), strict=True):
        inside = place_of(int(index), [sizes[n] for n in group])
        at.update(zip(group, inside, strict=True))
    return tuple(at[name] for name in labels)
