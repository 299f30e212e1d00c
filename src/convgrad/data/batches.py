"""Batches of one fixed size, in an order that the seed and the epoch fix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from convgrad.data.augment import Augment
from convgrad.data.dataset import Images, Labels
from convgrad.data.seeded import ORDER, random_order
from convgrad.errors import DataError


class Batch(NamedTuple):
    """B images with labels, of which the first `real_count` are new; the rest only fills the batch up.

    images: (B, H, W, C) float32. labels: (B,) int64. weights: (B,) float32, 1 for new rows and 0 for the rest.
    """

    images: Images
    labels: Labels
    weights: npt.NDArray[np.float32]
    real_count: int


@dataclass(frozen=True, eq=False)
class Batches:
    """Cut images and labels into batches, epoch by epoch.

    Every batch has the same size, since compiled code has fixed sizes: the last one of an epoch is filled up with rows
    from the start of the epoch's order, whose weight is 0. Summed with their weights, an epoch's rows count once each.

    images: (N, H, W, C). labels: (N,).
    batch_size: B, at least 1; may exceed N.
    seed: an integer from 0 on. The same seed and epoch give the same bits.
    shuffle: a new order each epoch; without it, the order of the arrays (for measuring).
    augment: how to change images, or None.

    Raises:
        DataError: lengths that differ, no images, a batch size below 1.

    Example:
        >>> import numpy as np
        >>> batches = Batches(np.zeros((5, 2, 3, 1), np.float32), np.array([0, 1, 1, 0, 1]), 3, shuffle=False)
        >>> [(batch.labels.tolist(), batch.weights.tolist(), batch.real_count) for batch in batches.epoch(0)]
        [([0, 1, 1], [1.0, 1.0, 1.0], 3), ([0, 1, 0], [1.0, 1.0, 0.0], 2)]
    """

    images: Images
    labels: Labels
    batch_size: int
    seed: int = 0
    shuffle: bool = True
    augment: Augment | None = None

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels) or len(self.images) == 0:
            raise DataError(
                f"batches of {len(self.images)} images and {len(self.labels)} labels: there must be as many of both, "
                "and at least 1."
            )
        if not isinstance(self.batch_size, (int, np.integer)) or self.batch_size < 1:
            raise DataError(f"batch_size is {self.batch_size!r}, but must be an integer from 1 on.")

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return -(-len(self.images) // self.batch_size)

    def order(self, epoch: int) -> Labels:
        """The positions of the images, (N,), in the order in which an epoch takes them."""
        if self.shuffle:
            return random_order(len(self.images), self.seed, ORDER, epoch)
        return np.arange(len(self.images))

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """All batches of epoch 0, 1, ...; depends on nothing that was asked for before."""
        order = self.order(epoch)
        filled = np.resize(order, len(self) * self.batch_size)
        draws = self.augment.draws(len(order), self.seed, epoch) if self.augment else None
        for start in range(0, len(filled), self.batch_size):
            rows = filled[start : start + self.batch_size]
            count = min(self.batch_size, len(order) - start)
            images = self.images[rows]
            if self.augment is not None and draws is not None:
                images = self.augment.apply(images, draws[rows])
            weights = (np.arange(self.batch_size) < count).astype(np.float32)
            yield Batch(images, self.labels[rows], weights, int(count))
