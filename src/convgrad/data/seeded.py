"""Random bits that a seed and a purpose fix for good.

NumPy keeps the raw bits of its bit generators the same in all versions, but not what `Generator`'s methods make of
them (NEP 19). Orders and choices are therefore made from raw bits here: same seed, same bits, with any NumPy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from convgrad.arguments import shown
from convgrad.errors import DataError

# One purpose a number, so that uses of one seed do not depend on one another.
SPLIT, ORDER, AUGMENT, WORKSHEET = range(4)


def raw_bits(count: int, seed: int, purpose: int, *place: int) -> npt.NDArray[np.uint64]:
    """`count` random 64-bit numbers for a seed, a purpose and a place (epoch, class, ...).

    Raises:
        DataError: a seed or place that is not a whole number of at least 0.

    Reference: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011 (Philox).
    """
    for name, value in (("seed", seed), *(("epoch", value) for value in place)):
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 0:
            raise DataError(f"{name} is {shown(value)}, but must be a whole number of at least 0.")
    sequence = np.random.SeedSequence(int(seed), spawn_key=(purpose, *(int(value) for value in place)))
    return np.random.Philox(sequence).random_raw(count)


def random_order(count: int, seed: int, purpose: int, *place: int) -> npt.NDArray[np.int64]:
    """The numbers 0..count-1 in random order."""
    order = np.argsort(raw_bits(count, seed, purpose, *place), kind="stable")
    return order.astype(np.int64, copy=False)


def share(rng: np.random.Generator) -> float:
    """A number from 0 up to 1, of raw bits, which no version of NumPy changes."""
    return (int(rng.bit_generator.random_raw()) >> 11) / 2**53


def place(rng: np.random.Generator, count: int) -> int:
    """A whole number of 0..count-1."""
    return int(share(rng) * count)
