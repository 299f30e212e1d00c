"""From arrays as files hold them to arrays as a `Dataset` holds them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from convgrad.compute.samples import shares_of_bytes
from convgrad.data.dataset import Images, Labels
from convgrad.errors import DataError


def images_from(array: npt.NDArray[np.generic], where: str) -> Images:
    """Images (N, H, W) or (N, H, W, C) of 8 bits or floats as float32 (N, H, W, C).

    Args:
        array: uint8 (0..255 becomes 0..1), bool (0 or 1) or floats (used as they are).
        where: what an error calls the array, for example `"mnist.npz: x_train"`.

    Raises:
        DataError: another type or number of axes; axes that are plainly (N, C, H, W).

    Example:
        >>> import numpy as np
        >>> images_from(np.full((2, 3, 5), 51, np.uint8), "here")[1, 2, 4]
        array([0.2], dtype=float32)
    """
    if array.ndim not in (3, 4):
        raise DataError(
            f"{where} has shape {array.shape}, but images need the axes (N, H, W) or (N, H, W, C). Flat rows become "
            "images with `x.reshape(len(x), H, W, C)`."
        )
    if array.ndim == 4 and array.shape[1] in (1, 3) and array.shape[2] == array.shape[3] > 4:
        raise DataError(
            f"{where} has shape {array.shape}, which looks like (N, C, H, W), but channels come last here: "
            "(N, H, W, C). Save `x.transpose(0, 2, 3, 1)` instead."
        )
    with_channels = array if array.ndim == 4 else array[..., np.newaxis]
    if array.dtype.kind == "f" or array.dtype == np.bool_:
        with np.errstate(over="ignore"):  # an infinite value is reported by the dataset, with its image
            return np.ascontiguousarray(with_channels, dtype=np.float32)
    if array.dtype != np.uint8:
        raise DataError(
            f"{where} has dtype {array.dtype}, whose range is unknown. Save 8-bit samples as uint8 (0..255), or "
            "floats scaled to 0..1."
        )
    return np.ascontiguousarray(shares_of_bytes(with_channels))


def labels_from(array: npt.NDArray[np.generic], where: str) -> Labels:
    """Labels (N,) or (N, 1) of any integer type as int64 (N,).

    Raises:
        DataError: another type or shape, or a number beyond int64.

    Example:
        >>> import numpy as np
        >>> labels_from(np.array([[2], [0]], np.uint8), "here")
        array([2, 0])
    """
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != 1):
        raise DataError(
            f"{where} is {array.dtype} with shape {array.shape}, but labels are integers with shape (N,): the class "
            "of each image. One-hot rows become labels with `y.argmax(axis=1)`, floats with `y.astype(np.int64)`."
        )
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise DataError(
            f"{where} holds the label {array.max()}, which is not a class number. Number classes 0, 1, 2, ..."
        )
    return array.reshape(-1).astype(np.int64)


def numbered_classes(train_labels: Labels, where: str) -> tuple[str, ...]:
    """The names "0", "1", ... up to the largest training label, for files that name no classes.

    Raises:
        DataError: more classes than images, so that some number can't be a class (and a list of names up to it
            could exhaust memory).

    Example:
        >>> import numpy as np
        >>> numbered_classes(np.array([0, 2, 1]), "here")
        ('0', '1', '2')
    """
    largest = int(train_labels.max(initial=0))
    if largest >= max(2, len(train_labels)):
        index = int(train_labels.argmax())
        raise DataError(
            f"{where}: index {index} has label {largest}, but labels number the classes 0, 1, 2, ... and there are "
            f"only {len(train_labels)} images. Renumber them with `np.unique(y, return_inverse=True)[1]`."
        )
    return tuple(str(number) for number in range(largest + 1))
