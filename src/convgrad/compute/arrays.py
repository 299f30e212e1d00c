"""The arrays that a compiled equation works on: one for each input and output, laid out once and shared by name.

Memory order is index order, last index innermost, and every array begins on a 64-byte boundary: compiled code uses
aligned vector loads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import DTYPE, SIZES, shown, takes
from convgrad.compute.contract import Request, root
from convgrad.dtypes import ALIGNMENT, FLOATS
from convgrad.errors import DataError, EngineError, suggestion

Array = npt.NDArray[Any]


@takes(DataError, shape=SIZES, dtype=DTYPE)
def aligned_zeros(shape: Sequence[int], dtype: npt.DTypeLike) -> Array:
    """A C-ordered array of zeros that begins on a 64-byte boundary.

    >>> aligned_zeros((2, 3), "float32").ctypes.data % 64
    0

    Raises: DataError where it does not fit in memory.
    """
    kind = np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    try:
        memory = np.zeros(size + ALIGNMENT, np.uint8)
    except (ValueError, MemoryError):  # more bytes than an array may have, or than there are
        raise DataError(f"An array of shape {tuple(shape)} does not fit in memory.") from None
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + size].view(kind).reshape(tuple(shape))


def is_aligned(array: Array) -> bool:
    """Whether the array begins on a 64-byte boundary."""
    return array.ctypes.data % ALIGNMENT == 0


def element_type(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """float32 or float64; raises EngineError for anything else."""
    try:
        kind = np.dtype(dtype) if isinstance(dtype, (str, type, np.dtype)) else None
    except (TypeError, ValueError, AttributeError, OverflowError):
        kind = None
    if kind is None or kind.name not in FLOATS:
        raise EngineError(f"Equations are computed in {' or '.join(FLOATS)}, not in {shown(dtype)}.")
    return kind


def laid_out(request: Request) -> dict[str, Array]:
    """The array of every input and output of a bound equation: one of the buffers where there is one, else zeros.

    A tensor that is defined in place (`in_place={"w_next": "w"}`) and the input that it replaces are one array. A view
    (`views={"flat": "x"}`, the memory of x in another shape) has none of its own: what it shows has, and it is among
    the arrays only where it is an output.

    Raises:
        ShapeError: the equation is not bound.
        EngineError: as `convgrad.compute.contract.check_request`; or a buffer is given for something else than
            an input or output, or can't be used unchanged (type, shape, order, alignment, write protection, memory of
            another buffer).
    """
    request.check()
    kind = element_type(request.dtype)
    replaced, given = request.in_place, request.buffers
    shapes = request.equation.shape_of
    wanted = dict.fromkeys(root(name, request.views) for name in request.outputs)
    names = dict.fromkeys((*request.inputs, *wanted, *replaced))
    _check_buffers(given, {name: shapes[name] for name in names}, kind, replaced)
    targets = {source: name for name, source in replaced.items()}
    arrays: dict[str, Array] = {}
    for name in names:
        if name not in replaced:
            buffer = given.get(name, given.get(targets.get(name, name)))
            arrays[name] = aligned_zeros(shapes[name], kind) if buffer is None else buffer
    result = {name: arrays[replaced.get(name, name)] for name in names}
    for name in request.outputs:
        result.setdefault(name, result[root(name, request.views)].reshape(shapes[name]))
    return result


def _check_buffers(
    buffers: Mapping[str, Array],
    shapes: Mapping[str, tuple[int, ...]],
    dtype: np.dtype[Any],
    in_place: Mapping[str, str],
) -> None:
    for name, array in buffers.items():
        if name not in shapes:
            raise EngineError(
                f"A buffer is given for {name}, which is neither an input nor an output.{suggestion(name, shapes)}"
            )
        if problem := _problem(array, shapes[name], dtype):
            raise EngineError(
                f"The buffer for {name} can't be used: {problem} "
                "Use one from another program's `arrays`, or make it with convgrad.compute.arrays.aligned_zeros."
            )
    items = list(buffers.items())
    for place, (name, array) in enumerate(items):
        for other, memory in items[:place]:
            same = in_place.get(name, name) == in_place.get(other, other)
            if same and array is not memory:
                raise EngineError(f"{name} and {other} are one array in place, but two buffers are given.")
            if not same and np.may_share_memory(array, memory):
                raise EngineError(f"The buffers for {other} and {name} share memory; each needs its own.")


def _problem(array: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """Why compiled code can't work on the array as it is; empty where it can."""
    if not isinstance(array, np.ndarray):
        return f"it is a {type(array).__name__}, not a NumPy array."
    if array.dtype != dtype:
        return f"it holds {array.dtype}, the program works in {dtype}."
    if array.shape != shape:
        return f"it has shape {array.shape}, the equation says {shape}."
    if not array.flags.c_contiguous:
        return "its elements are not one after the other with the last index innermost (C order)."
    if not array.flags.writeable:
        return "it is write-protected."
    if not is_aligned(array):
        return f"it does not begin on a {ALIGNMENT}-byte boundary."
    return ""


def place_of(number: Any, shape: Sequence[int]) -> tuple[Any, ...]:
    """Where an element stands in an array of that shape, from its number in row-major order: its place on each axis.

    number: a whole number, or an array of them; the places are arrays of its shape, then. NumPy's `unravel_index` is
    wrong for arrays of many numbers in some versions (numpy/numpy#31980).

    >>> place_of(5, (2, 3))
    (1, 2)
    """
    places = []
    for size in reversed(shape):
        number, place = divmod(number, size)
        places.append(place)
    return tuple(reversed(places))


def number_of(place: Sequence[Any], shape: Sequence[int]) -> Any:
    """The inverse of `place_of`: the number of an element in row-major order.

    >>> number_of((1, 2), (2, 3))
    5
    """
    number: Any = 0
    for axis, size in zip(place, shape, strict=True):
        number = number * size + axis
    return number


def copy_into(target: Array, source: npt.ArrayLike, name: str) -> None:
    """Copy numbers of the same shape into an array of a program, whatever their order in memory.

    Whole numbers and other precisions are converted; not a number and infinities are let through.

    Raises:
        DataError: the shape differs, these are not real numbers, or a number is too large for the target's type.
    """
    array = source if type(source) is np.ndarray else _given(name, source)
    if array.dtype == target.dtype and array.shape == target.shape:
        target[...] = array  # nothing can go wrong, and calls for single examples take just microseconds
        return
    if not _converts(array.dtype, target.dtype):
        raise DataError(f"{name} can't be set from an array of {array.dtype}: these are not real numbers.")
    if array.shape != target.shape:
        raise DataError(
            f"{name} has shape {target.shape}, the array given for it {array.shape}.{_advice(array, target)}"
        )
    if array.dtype.kind != "f":  # the greatest whole number is within the range of all types of floats here
        target[...] = array
        return
    try:
        with np.errstate(over="raise"):
            np.copyto(target, array, casting="same_kind")
    except FloatingPointError:
        raise DataError(
            f"{name} can't be set: its greatest magnitude, {np.nanmax(np.abs(array[np.isfinite(array)])):.3g}, "
            f"is beyond the range of {target.dtype}."
        ) from None


@lru_cache(64)
def _converts(given: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    return np.can_cast(given, wanted, "same_kind")


def _given(name: str, source: npt.ArrayLike) -> Array:
    """As an array; `copy_into` looks at what it holds. Raises: DataError where it is none, or has masked values."""
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, OverflowError, RuntimeError, AttributeError, KeyError):
        raise DataError(
            f"{name} can't be set from {shown(source)}: this is neither an array nor lists of equal length."
        ) from None
    if np.ma.is_masked(source):
        raise DataError(f"{name} can't be set from an array with masked values. Fill them first.")
    return array


def _advice(array: Array, target: Array) -> str:
    if array.shape == target.shape[1:]:
        return " If this is one example, put an axis for the batch in front: array[None]."
    if sorted(array.shape) == sorted(target.shape) and array.ndim > 1:
        return " The axes seem to be in another order; the last one is innermost."
    return ""


def set_input(arrays: Mapping[str, Array], inputs: Collection[str], name: str, source: npt.ArrayLike) -> None:
    """`copy_into` for the input `name` of a program with these arrays; raises EngineError if it is none."""
    if not isinstance(name, str) or name not in inputs:
        what = (
            "is computed, so it can't be set"
            if isinstance(name, str) and name in arrays
            else "is not a tensor of this program"
        )
        raise EngineError(f"{shown(name) if not isinstance(name, str) else name} {what}. Inputs: {', '.join(inputs)}.")
    copy_into(arrays[name], source, name)
