"""Every access of an equation as a strided view: one axis per loop index, no element fetched by its number.

`o[2*i+m, j]` over i, m, j is the memory of `o` walked with the strides (2*row, row, column). What lies outside the
tensor (`else 0`) and what a divided position skips (`dx[(p-m)/2 else 0]`) is written into a copy first, padded and
spread, of just the part that is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convgrad.compute.oracle.inputs import Array
from convgrad.errors import ShapeError
from convgrad.notation.polynomial import Polynomial, Position
from convgrad.notation.terms import Access

Spans = Mapping[str, tuple[int, int]]
"""Index -> first value and the one after the last: the part of the index grid that is being computed."""


def lengths(axes: Sequence[str], spans: Spans) -> tuple[int, ...]:
    """How many values each index takes."""
    return tuple(spans[a][1] - spans[a][0] for a in axes)


def blocks(indices: Sequence[str], spans: Spans, most: int) -> Iterator[dict[str, tuple[int, int]]]:
    """Split the grid of `indices` into blocks of at most `most` elements (1 at least), in row-major order."""
    if not indices:
        yield {}
        return
    index, *rest = indices
    start, stop = spans[index]
    step = max(1, most // max(1, prod(lengths(rest, spans))))
    for first in range(start, stop, step):
        here = (first, min(first + step, stop))
        for block in blocks(rest, spans, most):
            yield {index: here, **block}


def view(array: Array, access: Access, axes: Sequence[str], spans: Spans) -> Array:
    """The elements that `access` reads, one axis per index in `axes`; an index that it does not use has length 1.

    Raises ShapeError where the access leaves the tensor and does not say what is read there.
    """
    whole = _at_indices(array, access, axes, spans)
    if whole is not None:
        return whole
    numerators = [_normalized(p)[0] for p in access.positions]
    reads = [_bounds(n, spans) for n in numerators]
    inside = [
        p.is_whole and low >= 0 and high < size
        for p, (low, high), size in zip(access.positions, reads, array.shape, strict=True)
    ]
    origin = [0] * array.ndim
    if not all(inside):
        if access.outside is None:
            axis = inside.index(False)
            raise _left(access, axis, reads[axis], array.shape[axis])
        array = _spread(array, access, reads)
        origin = [low for low, _ in reads]
    corner = []
    strides: dict[str, int] = {}
    for numerator, stride, low in zip(numerators, array.strides, origin, strict=True):
        start = numerator.constant_value - low
        for name, coefficient in numerator.slopes.items():
            start += coefficient * spans[name][0]
            strides[name] = strides.get(name, 0) + coefficient * stride
        corner.append(slice(start, None))
    shape = tuple([spans[a][1] - spans[a][0] if a in strides else 1 for a in axes])
    return as_strided(array[tuple(corner)], shape, [strides.get(a, 0) for a in axes], writeable=False)


def _at_indices(array: Array, access: Access, axes: Sequence[str], spans: Spans) -> Array | None:
    """The view of an access at bare indices, as most are, where it stays inside: the same axes in another order."""
    names = [position.as_name for position in access.positions]
    if not all(name in axes for name in names) or len(set(names)) < len(names):
        return None
    corner: list[Any] = [slice(*spans[name]) for name in names if name]
    if any(part.stop > size for part, size in zip(corner, array.shape, strict=True)):
        return None
    axes_now: list[Any] = [slice(None) if axis in names else None for axis in axes]
    for places in (corner, axes_now):
        places.append(...)  # so that the result is an array even where it has no axis
    ordered = array[tuple(corner)].transpose([names.index(axis) for axis in axes if axis in names])
    found: Array = ordered[tuple(axes_now)]
    found.flags.writeable = False
    return found


def _normalized(position: Position) -> tuple[Polynomial, int]:
    """Numerator and divisor, the divisor positive."""
    divisor = position.divisor.constant_value
    return (position.numerator, divisor) if divisor > 0 else (-position.numerator, -divisor)


def _bounds(numerator: Polynomial, spans: Spans) -> tuple[int, int]:
    """Least and greatest value of a position's numerator."""
    low = high = numerator.constant_value
    for name, coefficient in numerator.slopes.items():
        first, after = spans[name]
        ends = coefficient * first, coefficient * (after - 1)
        low, high = (low + ends[0], high + ends[1]) if coefficient > 0 else (low + ends[1], high + ends[0])
    return low, high


def _spread(array: Array, access: Access, reads: Sequence[tuple[int, int]]) -> Array:
    """A copy in which element q of an axis stands at `divisor*q - low`, and all else is what is read outside."""
    copy = np.full([high - low + 1 for low, high in reads], access.outside, np.float64)
    source, target = [], []
    for position, (low, high), size in zip(access.positions, reads, array.shape, strict=True):
        _, divisor = _normalized(position)
        first = max(0, -(-low // divisor))
        after = max(first, min(size, high // divisor + 1))
        source.append(slice(first, after))
        begin = divisor * first - low
        target.append(slice(begin, begin + divisor * (after - first), divisor))
    copy[tuple(target)] = array[tuple(source)]
    return copy


def _left(access: Access, axis: int, reads: tuple[int, int], size: int) -> ShapeError:
    position = access.positions[axis]
    if not position.is_whole:
        return ShapeError(
            f"{access.tensor} is read at the divided position {position} of axis {axis}, "
            "without saying what is read where the division leaves a remainder.",
            span=access.span,
            remedy="Write `else` and a number after the positions.",
        )
    return ShapeError(
        f"{access.tensor} is read outside its axis {axis}: {position} runs {reads[0]}..{reads[1]}, "
        f"the axis may be read at 0..{size - 1}.",
        span=access.span,
        remedy="Write `else` and a number after the positions, or make the output smaller.",
    )
