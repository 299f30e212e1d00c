"""What the numbers mean that a network is given: the same for training, evaluation and prediction.

Bytes (uint8) are samples of 0..255 and become 0..1, as those of image files do; floats are taken unchanged, True and
False as 1 and 0. The range of other whole numbers is unknown, so only gradients and traces take them, as numbers to
calculate with by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import real_array
from convgrad.errors import DataError

Array = npt.NDArray[Any]
BYTES = np.dtype(np.uint8)


def shares_of_bytes(array: Any, dtype: npt.DTypeLike = "float32") -> Any:
    """An array of bytes of 0..255 as shares of 0..1; everything else as it is.

    >>> shares_of_bytes(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    if not isinstance(array, np.ndarray) or array.dtype != BYTES:
        return array
    shares = array.astype(dtype)
    shares /= np.asarray(255, dtype)
    return shares


def floats_from(x: Any, where: str, dtype: npt.DTypeLike = "float32") -> Array:
    """Inputs as floats, of whatever precision they have: bytes become 0..1, True and False 1 and 0.

    Args:
        where: what a message calls them, such as `training data: x`. dtype: of what is made from bytes.

    Raises:
        DataError: other whole numbers, or no numbers at all.
    """
    label, _, argument = where.rpartition(": ")
    array = real_array(label or "predict", argument, x, DataError)
    if array.dtype == np.bool_:
        return array.astype(dtype)
    if array.dtype.kind not in "f" and array.dtype != np.uint8:
        remedy = ""
        if array.dtype.kind in "iu":
            remedy = (
                ", and their range is unknown. Samples of 0..255 are `x.astype(np.uint8)`; numbers that are "
                "meant as they are, `x.astype(np.float32)`"
            )
        raise DataError(f"{where} has dtype {array.dtype}, but must hold floats or bytes (uint8){remedy}.")
    return np.asarray(shares_of_bytes(array, dtype))
