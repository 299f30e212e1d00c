"""Batches of one fixed size, in an order that the seed and the epoch fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from convgrad.arguments import COUNT, FLAG, FUNCTION, SEED, Rule, an, made_from, optional
from convgrad.data.ahead import read_ahead, threads_at_once
from convgrad.data.augment import Augment
from convgrad.data.changes import Changes
from convgrad.data.changes_of_several import ChangesOfSeveral
from convgrad.data.dataset import Images, Labels
from convgrad.data.seeded import ORDER, random_order
from convgrad.errors import DataError


class Batch(NamedTuple):
    """B images with labels, of which the first `real_count` are new; the rest only fills the batch up.

    images: (B, H, W, C) float32. labels: (B,) int64. weights: (B,) float32, 1 for new rows (or what
    they are weighed with) and 0 for the rest.
    """

    images: Images
    labels: Labels
    weights: npt.NDArray[np.float32]
    real_count: int


class Apart:
    """Images of a batch of which some are there; the others are read when they are asked for.

    Args:
        count: of all rows. own: those that are there. read: from rows (B,) to their images.
    """

    def __init__(self, count: int, own: range, read: Callable[[Labels], Any]):
        self._count, self._own, self._read = count, own, read
        self._there = read(np.arange(own.start, own.stop))

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        return int(self._there.nbytes)

    def __getitem__(self, rows: Any) -> Any:
        wanted = np.arange(self._count)[rows]
        if len(wanted) and wanted.min() >= self._own.start and wanted.max() < self._own.stop:
            return self._there[wanted - self._own.start]
        return self._read(wanted)


class Examples(Protocol):
    """Examples as a network takes them, by their positions.

    held: they are in memory, so that reading ahead would gain nothing. ordered, group, threads: as `Data` says.
    """

    @property
    def held(self) -> bool: ...

    @property
    def ordered(self) -> bool: ...

    @property
    def group(self) -> int: ...

    @property
    def threads(self) -> int: ...

    def __len__(self) -> int: ...

    @property
    def targets(self) -> Any:
        """All targets, where they are known without reading; else None."""
        ...

    def take(self, positions: Labels) -> tuple[Any, Any]:
        """Inputs and targets of the examples at these positions; of a stream, the next ones."""
        ...


class _Held:
    """Arrays as examples."""

    held, ordered, group, threads = True, True, 1, 1

    def __init__(self, images: Images, labels: Labels):
        self._images, self.targets = images, labels

    def __len__(self) -> int:
        return len(self._images)

    def take(self, positions: Labels) -> tuple[Any, Any]:
        return self._images[positions], self.targets[positions]


ROWS = Rule("a NumPy array with one axis or more", lambda value: isinstance(value, np.ndarray) and value.ndim > 0)
Weigh = Callable[[Labels, npt.NDArray[Any]], npt.NDArray[np.float64]]
AUGMENT = optional(an((Augment, Changes, ChangesOfSeveral), "an Augment, or Changes"))


EXAMPLES = Rule(
    f"{ROWS.must}, or examples with `take`",
    lambda value: ROWS.accepts(value) or (not isinstance(value, np.ndarray) and hasattr(value, "take")),
)


@made_from(
    DataError,
    images=EXAMPLES,
    labels=optional(ROWS),
    batch_size=COUNT,
    seed=SEED,
    shuffle=FLAG,
    augment=AUGMENT,
    rows=optional(ROWS),
    weigh=optional(FUNCTION),
    own=optional(FUNCTION),
)
@dataclass(frozen=True, eq=False)
class Batches:
    """Cut images and labels into batches, epoch by epoch.

    Every batch has the same size, since compiled code has fixed sizes: the last one of an epoch is filled up with rows
    from the start of the epoch's order, whose weight is 0. Summed with their weights, an epoch's rows count once each.

    images: (N, H, W, C). labels: (N,). Or in place of both, `Examples` that are read while other things go on.
    batch_size: B, at least 1; may exceed N.
    seed: a whole number of at least 0. The same seed and epoch give the same bits.
    shuffle: a new order each epoch; without it, the order of the arrays (for measuring).
    augment: how to change images, or None.
    move_labels: whether labels (N, H, W) or (N, H, W, C) are changed as their images are.
    rows: (M,) positions of the images to take, such as one half of a split; all N without it. Nothing is copied.
    weigh: from positions (B,) and labels (B, ...) to the weights (B,) of new rows; 1 without it.
    own: which rows of a batch this process computes with, asked for each batch: where images can be read apart, only
        these are read ahead.

    Raises:
        DataError: lengths that differ, no images, a batch size below 1, rows that are not positions of images.

    Example:
        >>> import numpy as np
        >>> batches = Batches(np.zeros((5, 2, 3, 1), np.float32), np.array([0, 1, 1, 0, 1]), 3, shuffle=False)
        >>> [(batch.labels.tolist(), batch.weights.tolist(), batch.real_count) for batch in batches.epoch(0)]
        [([0, 1, 1], [1.0, 1.0, 1.0], 3), ([0, 1, 0], [1.0, 1.0, 0.0], 2)]
    """

    images: Images | Examples
    labels: Labels | None
    batch_size: int
    seed: int = 0
    shuffle: bool = True
    augment: Augment | Changes | ChangesOfSeveral | None = None
    rows: Labels | None = None
    move_labels: bool = False
    weigh: Weigh | None = None
    own: Callable[[], range] | None = None

    def __post_init__(self) -> None:
        labels = 0 if self.labels is None else len(self.labels)
        if isinstance(self.images, np.ndarray) and (len(self.images) != labels or labels == 0):
            raise DataError(
                f"batches of {len(self.images)} images and {labels} labels: there must be as many of both, "
                "and at least 1."
            )
        if self.rows is not None:
            fits = self.rows.ndim == 1 and self.rows.dtype.kind in "iu" and len(self.rows) > 0
            if not fits or self.rows.min() < 0 or self.rows.max() >= len(self.images):
                raise DataError(
                    f"rows are {self.rows.dtype} with shape {self.rows.shape}, but must be at least 1 position of an "
                    f"image, 0..{len(self.images) - 1}, with shape (M,)."
                )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return -(-self._taken() // self.batch_size)

    def _taken(self) -> int:
        return len(self.images) if self.rows is None else len(self.rows)

    @property
    def _examples(self) -> Examples:
        if isinstance(self.images, np.ndarray):
            assert self.labels is not None
            return _Held(self.images, self.labels)
        return self.images

    @property
    def _can_be_read_apart(self) -> bool:
        """Whether an image that is read is nobody else's, and its label is known before."""
        examples = self._examples
        alone = self.augment is None or (self.augment.keeps_targets and not self.move_labels)
        return not examples.held and examples.ordered and examples.targets is not None and alone

    def order(self, epoch: int) -> Labels:
        """The positions of the images to take, (M,), in the order in which an epoch takes them."""
        count = self._taken()
        if not self.shuffle or not self._examples.ordered:
            order = np.arange(count)
        else:
            order = random_order(count, self.seed, ORDER, epoch)
        order = order if self.rows is None else self.rows[order].astype(np.int64)
        return in_groups(order, self._examples.group)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of epoch 0, 1, ..., from `first` on; they depend on nothing that was asked for before.

        What is not in memory is read ahead by threads; closing the iterator ends them.
        """
        examples, order = self._examples, self.order(epoch)
        filled = np.resize(order, len(self) * self.batch_size)
        draws = self.augment.draws(len(self.images), self.seed, epoch) if self.augment else None

        def augmented(images: Any, labels: Any, positions: Labels) -> tuple[Any, Any]:
            if self.augment is None or draws is None:
                return images, labels
            return self.augment.changed(images, labels, draws[positions], self.move_labels)

        def batch(start: int) -> Batch:
            positions = filled[start : start + self.batch_size]
            count = min(self.batch_size, len(order) - start)
            if self.own is not None and self._can_be_read_apart:
                labels = examples.targets[positions]

                def read(rows: Labels) -> Any:
                    return augmented(examples.take(positions[rows])[0], labels[rows], positions[rows])[0]

                images: Any = Apart(self.batch_size, self.own(), read)
            elif examples.ordered:
                images, labels = augmented(*examples.take(positions), positions)
            else:  # a stream has no rows from before to fill up with
                images, labels = (_filled(part, self.batch_size) for part in examples.take(positions[:count]))
                images, labels = augmented(images, labels, positions)
            weights = (np.arange(self.batch_size) < count).astype(np.float32)
            if self.weigh is not None:
                weights[:count] = self.weigh(positions[:count], labels[:count])
            return Batch(images, labels, weights, int(count))

        starts = range(first * self.batch_size, len(filled), self.batch_size)
        if examples.held:
            yield from map(batch, starts)
            return
        if not starts:
            return
        begin = batch(starts[0])
        size = begin.images.nbytes + begin.labels.nbytes
        threads = threads_at_once(examples.threads, size)
        yield begin
        with closing(read_ahead(starts[1:], batch, threads)) as batches:  # type: ignore[type-var]
            yield from batches


def in_groups(order: Labels, group: int) -> Labels:
    """The same positions, those of one group one after the other, groups by their first ones.

    >>> in_groups(np.array([5, 0, 2, 4, 1]), 3)
    array([5, 4, 0, 2, 1])
    """
    if group == 1:
        return order
    _, firsts, which = np.unique(order // group, return_index=True, return_inverse=True)
    return order[np.argsort(firsts[which.reshape(-1)], kind="stable")]


def _filled(part: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """(size, ...) rows, the first ones once more where there are fewer."""
    return part if len(part) == size else part[np.arange(size) % len(part)]
