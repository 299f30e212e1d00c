"""Setting a part of the training images aside for validation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from convgrad.arguments import NUMBER, SEED, shown, takes
from convgrad.data.dataset import Labels
from convgrad.data.seeded import SPLIT, random_order
from convgrad.errors import DataError


@takes(DataError, fraction=NUMBER, seed=SEED)
def stratified_split(labels: Labels, fraction: float, seed: int) -> tuple[Labels, Labels]:
    """Draw the fraction `fraction` of each class for validation.

    Args:
        labels: (N,) integers, the class of each image.
        fraction: of each class, between 0 and 1; rounded to whole images, at least one and not all.
        seed: a whole number of at least 0; the same seed gives the same parts, whatever the order of other classes.

    Returns:
        Positions to train on and positions to validate with, int64, each in rising order.

    Raises:
        DataError: a fraction outside of 0..1, a class with a single image, no labels.

    Example:
        >>> import numpy as np
        >>> train, validation = stratified_split(np.array([0, 0, 0, 0, 1, 1]), 0.25, seed=0)
        >>> len(train), len(validation)
        (4, 2)
    """
    if not 0 < fraction < 1:
        raise DataError(f"the fraction for validation is {fraction}, but must lie between 0 and 1, such as 0.1.")
    if not isinstance(labels, np.ndarray):
        raise DataError(f"labels must be a NumPy array of integers with one axis, not {shown(labels)}.")
    if labels.ndim != 1 or len(labels) == 0 or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise DataError(
            f"labels to split are {labels.dtype} with shape {labels.shape}, but must be whole numbers "
            "of at least 0 with shape (N,), N at least 1."
        )
    validation: list[npt.NDArray[np.int64]] = []
    for number in np.unique(labels):
        members = np.flatnonzero(labels == number)
        if len(members) < 2:
            raise DataError(
                f"class {number} has 1 image (index {members[0]}), but needs at least 2: one to train on and one to "
                "validate with. Add images or leave the class out."
            )
        count = min(max(1, math.floor(len(members) * fraction + 0.5)), len(members) - 1)
        validation.append(members[random_order(len(members), seed, SPLIT, int(number))[:count]])
    held_out = np.zeros(len(labels), bool)
    held_out[np.concatenate(validation)] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
