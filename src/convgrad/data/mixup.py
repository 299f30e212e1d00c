"""Mixup: images and targets between two examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import Rule, made_from
from convgrad.data.seeded import share
from convgrad.errors import DataError

Array = npt.NDArray[Any]

ALPHA = Rule(
    "a number from 0.05 to 2",
    lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and 0.05 <= value <= 2,
)


@made_from(DataError, alpha=ALPHA)
@dataclass(frozen=True)
class MixUp:
    """Each example with the one before it in its batch, by a share l that is drawn for it from Beta(alpha, alpha):

        x[n] = l[n] * o[n] + (1 - l[n]) * o[n-1]            t[n] likewise

    It comes after all other changes. Targets must be numbers: images, values, or rows of shares of classes, as
    "kl_divergence" behind a `LogSoftmax` takes them. A label can't be mixed.

    Reference: Zhang, Cisse, Dauphin and Lopez-Paz, mixup: beyond empirical risk minimization, 2018, with a partner from
    the batch as in their code.
    """

    alpha: float = 0.2

    def draw(self, rng: np.random.Generator) -> float:
        """l, by Johnk's way: of two powers of random numbers whose sum is at most 1, the first one's share of it."""
        while True:
            first, second = (float(share(rng) ** (1 / self.alpha)) for _ in range(2))
            if 0 < first + second <= 1:
                return first / (first + second)

    def mixed(self, array: Array, shares: npt.NDArray[np.float64]) -> Array:
        """Rows (B, ...) with the ones before them; shares: (B,)."""
        own = shares.reshape(-1, *(1,) * (array.ndim - 1)).astype(array.dtype)
        return np.asarray(own * array + (1 - own) * np.roll(array, 1, axis=0), array.dtype)
