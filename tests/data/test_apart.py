"""Batches of which a process reads its own rows only: the others are read where they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convgrad.data import Augment, Batches
from convgrad.data.batches import Apart
from convgrad.data.changes import Changes, Flip

IMAGES, LABELS = np.arange(7 * 6, dtype=np.float32).reshape(7, 3, 2, 1), np.arange(7)


class Read:
    """Examples that are read, which remembers what was."""

    held, ordered, group, threads = False, True, 1, 1

    def __init__(self, targets: Any = LABELS):
        self.targets, self.taken = targets, list[int]()

    def __len__(self) -> int:
        return 7

    def take(self, positions: Any) -> tuple[Any, Any]:
        self.taken += positions.tolist()
        return IMAGES[positions], LABELS[positions]


@pytest.mark.parametrize("augment", [None, Augment(flip=True, shift=1)], ids=["as-they-are", "changed"])
def test_own_rows_are_read_and_others_when_asked_for(augment: Augment | None) -> None:
    whole, apart = Read(), Read()
    expected = next(Batches(whole, None, 5, seed=2, augment=augment).epoch(1))
    own = range(1, 4)
    batch = next(Batches(apart, None, 5, seed=2, augment=augment, own=lambda: own).epoch(1))
    order = batch.labels.tolist()
    assert isinstance(batch.images, Apart)
    assert apart.taken == order[1:4]
    np.testing.assert_array_equal(batch.labels, expected.labels)
    np.testing.assert_array_equal(batch.images[np.array([3, 1])], expected.images[[3, 1]])
    assert apart.taken == order[1:4]
    np.testing.assert_array_equal(batch.images[:2], expected.images[:2])
    assert apart.taken == order[1:4] + order[:2]
    assert len(batch.images) == 5
    assert batch.images.nbytes == 3 * IMAGES[0].nbytes


@pytest.mark.parametrize(
    "changes", [Changes((lambda image, target, rng: (image, target),)), Changes((Flip(),))], ids=["function", "flip"]
)
def test_what_may_change_a_target_reads_all(changes: Changes) -> None:
    examples = Read()
    batch = next(Batches(examples, None, 5, augment=changes, own=lambda: range(2)).epoch(0))
    assert len(examples.taken) == (2 if changes.keeps_targets else 5)
    assert isinstance(batch.images, Apart) == changes.keeps_targets


def test_targets_that_are_read_with_their_images_need_all() -> None:
    examples = Read(targets=None)
    next(Batches(examples, None, 5, own=lambda: range(2)).epoch(0))
    assert len(examples.taken) == 5
