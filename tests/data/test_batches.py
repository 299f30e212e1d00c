"""Splits, batches and augmentation: what they promise about seeds, counts and pixels."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgrad.data.augment import Augment
from convgrad.data.batches import Batch, Batches
from convgrad.data.seeded import ORDER, random_order, raw_bits
from convgrad.data.split import stratified_split
from convgrad.errors import DataError

seeds = st.integers(0, 2**64)


@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=5),
    fraction=st.floats(0, 1, exclude_min=True, exclude_max=True),
    seed=seeds,
)
def test_a_split_takes_the_fraction_of_each_class(counts: list[int], fraction: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    train, validation = stratified_split(labels, fraction, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(labels)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()
    for number, count in enumerate(counts):
        taken = int((labels[validation] == number).sum())
        assert taken == min(max(1, np.floor(count * fraction + 0.5)), count - 1)
    again = stratified_split(labels, fraction, seed)
    np.testing.assert_array_equal(again[1], validation)


def test_a_split_is_no_block_of_rows_and_depends_on_the_seed() -> None:
    labels = np.repeat([0, 1], 500)
    _, validation = stratified_split(labels, 0.1, 0)
    assert set(validation) != set(stratified_split(labels, 0.1, 1)[1])
    for block in np.split(validation, 2):  # 50 of 500 by chance span nearly all of them
        assert np.ptp(block) > 400


@pytest.mark.parametrize(
    ("labels", "fraction", "seed", "message"),
    [
        (np.array([0, 0]), 0, 0, r"the fraction for validation is 0, but must lie between 0 and 1"),
        (np.array([0, 0]), 1.0, 0, r"the fraction for validation is 1.0"),
        (np.array([0, 0]), float("nan"), 0, r"the fraction for validation is nan"),
        (np.array([0, 1, 0]), 0.5, 0, r"class 1 has 1 image \(index 1\), but needs at least 2"),
        (np.array([], int), 0.5, 0, r"labels to split are int64 with shape \(0,\)"),
        (np.array([-1, -1]), 0.5, 0, r"must be whole numbers of at least 0"),
        (np.array([0.0, 0.0]), 0.5, 0, r"labels to split are float64"),
        (np.array([0, 0]), 0.5, -1, r"seed must be a whole number of at least 0, not -1"),
        (np.array([0, 0]), 0.5, 0.5, r"seed must be a whole number of at least 0, not 0.5"),
    ],
)
def test_splits_that_can_not_be(labels: np.ndarray, fraction: float, seed: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        stratified_split(labels, fraction, seed)


def test_the_bits_of_a_seed_stay_for_good() -> None:
    """Written down from a run: another NumPy or a change here must not alter what a seed means."""
    assert raw_bits(2, 7, ORDER, 3).tolist() == [12145551771772166506, 13165712212965241932]
    assert random_order(7, 7, ORDER, 3).tolist() == [5, 2, 3, 6, 4, 0, 1]
    with pytest.raises(DataError, match=r"epoch is -1, but must be a whole number of at least 0"):
        raw_bits(2, 7, ORDER, -1)


def numbered(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that tell their own position."""
    images = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None, None], (count, 2, 3, 5))
    return np.ascontiguousarray(images), np.arange(count) % 3


@given(count=st.integers(1, 40), size=st.integers(1, 50), seed=seeds, epoch=st.integers(0, 1000))
def test_an_epoch_takes_each_image_once(count: int, size: int, seed: int, epoch: int) -> None:
    images, labels = numbered(count)
    batches = Batches(images, labels, size, seed)
    seen = list(batches.epoch(epoch))
    assert len(seen) == len(batches) == -(-count // size)
    order = batches.order(epoch)
    real = []
    for batch in seen:
        assert batch.images.shape == (size, 2, 3, 5)
        assert batch.images.dtype == batch.weights.dtype == np.float32
        positions = batch.images[:, 1, 2, 4].astype(int)
        np.testing.assert_array_equal(batch.labels, positions % 3)
        np.testing.assert_array_equal(batch.weights, [1] * batch.real_count + [0] * (size - batch.real_count))
        real += positions[: batch.real_count].tolist()
        np.testing.assert_array_equal(positions[batch.real_count :], np.resize(order, size)[: size - batch.real_count])
    assert real == order.tolist()
    assert sorted(real) == list(range(count))


def test_batches_are_pure_in_seed_and_epoch() -> None:
    images, labels = numbered(31)

    def bits(seed: int, epoch: int, batches: Batches | None = None) -> bytes:
        batches = batches or Batches(images, labels, 7, seed, augment=Augment(shift=1))
        return b"".join(batch.images.tobytes() for batch in batches.epoch(epoch))

    used = Batches(images, labels, 7, 5, augment=Augment(shift=1))
    next(used.epoch(3))
    assert bits(5, 2) == bits(5, 2, used)
    assert len({bits(5, 2), bits(5, 3), bits(6, 2)}) == 3


def test_without_shuffling_rows_come_as_they_are() -> None:
    images, labels = numbered(5)
    batches = Batches(images, labels, 3, shuffle=False)
    assert [batch.images[:, 0, 0, 0].tolist() for batch in batches.epoch(9)] == [[0, 1, 2], [3, 4, 0]]


def test_rows_choose_images_without_changing_them() -> None:
    images, labels = np.random.default_rng(0).normal(size=(23, 5, 7, 3)).astype(np.float32), np.arange(23)
    rows = np.array([20, 3, 5, 7, 11])
    augment = Augment(shift=2)
    batches = Batches(images, labels, 2, seed=3, augment=augment, rows=rows)
    seen = list(batches.epoch(4))
    assert len(seen) == len(batches) == 3
    assert sorted(np.concatenate([batch.labels for batch in seen])[:5]) == sorted(rows)
    whole = augment(images, seed=3, epoch=4)  # an image is changed alike, whichever others are taken
    for batch in seen:
        np.testing.assert_array_equal(batch.images, whole[batch.labels])
    in_order = Batches(images, labels, 5, shuffle=False, rows=rows)
    assert next(in_order.epoch(0)).labels.tolist() == rows.tolist()


@pytest.mark.parametrize("rows", [np.array([0, 5]), np.array([-1]), np.array([], int), np.zeros(2), np.array([[1]])])
def test_rows_that_are_no_positions(rows: np.ndarray) -> None:
    images, labels = numbered(5)
    with pytest.raises(DataError, match=r"rows are .* but must be at least 1 position of an image, 0\.\.4"):
        Batches(images, labels, 2, rows=rows)


def test_orders_are_uniform() -> None:
    """Each of the 6 orders of 3 things: 6000 epochs give 1000 each, with a deviation of 29; 5 of them are allowed."""
    found, counts = np.unique([random_order(3, 0, ORDER, epoch) for epoch in range(6000)], axis=0, return_counts=True)
    assert len(found) == 6
    assert abs(counts - 1000).max() < 145


def test_batches_that_can_not_be() -> None:
    images, labels = numbered(5)
    with pytest.raises(DataError, match=r"batches of 5 images and 4 labels: there must be as many of both"):
        Batches(images, labels[:4], 3)
    with pytest.raises(DataError, match=r"batches of 0 images and 0 labels"):
        Batches(images[:0], labels[:0], 3)
    for size in (0, 2.5):
        with pytest.raises(DataError, match=rf"batch_size must be a whole number of at least 1, not {size}"):
            Batches(images, labels, size)  # type: ignore[arg-type]


def changed_slowly(image: np.ndarray, flipped: bool, down: int, right: int) -> np.ndarray:
    """The definition of Augment, an element at a time."""
    rows, columns, _ = image.shape
    result = np.zeros_like(image)
    for i in range(rows):
        for j in range(columns):
            q = j + right
            q = columns - 1 - q if flipped else q
            if 0 <= i + down < rows and 0 <= q < columns:
                result[i, j] = image[i + down, q]
    return result


@pytest.mark.parametrize(("flip", "shift"), [(True, 2), (False, 2), (True, 0), (False, 0)])
def test_each_image_is_flipped_and_shifted_as_defined(flip: bool, shift: int) -> None:
    images = np.random.default_rng(0).normal(size=(300, 5, 7, 3)).astype(np.float32)
    augment = Augment(flip=flip, shift=shift)
    changed = augment(images, seed=3, epoch=2)
    assert changed.dtype == np.float32
    choices = [
        (flipped, down, right)
        for flipped in ((False, True) if flip else (False,))
        for down in range(-shift, shift + 1)
        for right in range(-shift, shift + 1)
    ]
    seen = []
    for before, after in zip(images, changed, strict=True):
        fitting = [choice for choice in choices if np.array_equal(changed_slowly(before, *choice), after)]
        assert len(fitting) == 1
        seen += fitting
    assert set(seen) == set(choices)  # 300 images meet all of at most 50 choices; the chance to miss one is 0.1
    assert not np.shares_memory(images, changed)


def test_images_are_mirrored_in_turns() -> None:
    images = np.random.default_rng(0).normal(size=(300, 5, 7, 3)).astype(np.float32)
    augment = Augment(flip="alternate", shift=0)
    mirrored = []
    for epoch in range(4):
        changed = augment(images, seed=3, epoch=epoch)
        own = np.array([np.array_equal(after, before[:, ::-1]) for before, after in zip(images, changed, strict=True)])
        assert all(
            np.array_equal(after, before) or turned for before, after, turned in zip(images, changed, own, strict=True)
        )
        mirrored.append(own)
    assert (mirrored[0] == mirrored[2]).all()
    assert (mirrored[1] == mirrored[3]).all()
    assert (mirrored[0] != mirrored[1]).all()
    assert 100 < mirrored[0].sum() < 200  # 150 and 5.8 deviations
    assert (augment(images, seed=4, epoch=0) != augment(images, seed=3, epoch=0)).any()
    # Shifts are drawn anew in each epoch, and as without mirroring.
    both, turns = Augment(flip=True, shift=2), Augment(flip="alternate", shift=2)
    assert (both.draws(300, 3, 2) >> np.uint64(1) == turns.draws(300, 3, 2) >> np.uint64(1)).all()


def test_a_border_that_reflects() -> None:
    image = np.arange(4 * 5, dtype=np.float32).reshape(1, 4, 5, 1)
    draws = np.arange(25, dtype=np.uint64)
    draws = (draws // np.uint64(5) << np.uint64(1)) | (draws % np.uint64(5) << np.uint64(32))
    changed = Augment(flip=False, shift=2, border="reflect").apply(np.repeat(image, 25, axis=0), draws)
    for number, after in enumerate(changed):
        down, right = number // 5 - 2, number % 5 - 2
        rows = [3 - abs(3 - abs(i + down)) for i in range(4)]
        columns = [4 - abs(4 - abs(j + right)) for j in range(5)]
        np.testing.assert_array_equal(after[..., 0], image[0, rows][:, columns, 0])


def test_a_change_depends_on_the_image_not_on_its_batch() -> None:
    images, labels = np.random.default_rng(0).normal(size=(23, 5, 7, 3)).astype(np.float32), np.arange(23)
    augment = Augment(shift=2)
    whole = augment(images, seed=3, epoch=2)
    for size in (4, 9):
        for batch in Batches(images, labels, size, seed=3, augment=augment).epoch(2):
            assert isinstance(batch, Batch)
            np.testing.assert_array_equal(batch.images, whole[batch.labels])


def test_augmentations_that_can_not_be() -> None:
    with pytest.raises(DataError, match=r"shift is -1, but must be a number of pixels, at least 0"):
        Augment(shift=-1)
    with pytest.raises(DataError, match=r"shift is 5, but images are 5x7: nothing might be left .* at most 4"):
        Augment(shift=5)(np.zeros((2, 5, 7, 3), np.float32), 0, 0)
    with pytest.raises(DataError, match=r"targets is 'both', but must be 'auto', 'move' or 'keep'"):
        Augment(targets="both")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"flip must be True, False, 'random' or 'alternate', not 'often'"):
        Augment(flip="often")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"border must be 'zeros' or 'reflect', not 'wrap'"):
        Augment(border="wrap")  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [(), (1,), (4,)])
def test_targets_that_are_images_move_with_them(channels: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(23, 5, 7, 3)).astype(np.float32)
    targets = np.repeat(images[..., :1], channels[0], axis=3) if channels else images[..., 0]
    for batch in Batches(images, targets, 9, seed=3, augment=Augment(shift=2), move_labels=True).epoch(2):  # type: ignore[arg-type]
        expected = batch.images[..., :1] if channels else batch.images[..., 0]
        np.testing.assert_array_equal(batch.labels, np.broadcast_to(expected, batch.labels.shape))
        assert batch.labels.shape == (9, 5, 7, *channels)


@pytest.mark.parametrize(
    ("target_shape", "classes", "tags", "moves"),
    [
        ((), True, False, False),
        ((3,), True, False, False),  # one-hot
        ((3,), False, True, False),  # several answers about the whole
        ((5, 7), False, False, True),
        ((5, 7, 1), False, True, True),  # a mask
        ((5, 7, 4), False, False, True),
    ],
)
def test_it_is_known_whether_targets_move(target_shape: Any, classes: bool, tags: bool, moves: bool) -> None:
    assert Augment().moves((5, 7, 3), target_shape, classes, tags) is moves
    assert not Augment(targets="keep").moves((5, 7, 3), target_shape, classes, tags)


@pytest.mark.parametrize(
    ("target_shape", "tags"), [((2,), False), ((35,), True), ((10, 14, 1), True), ((4, 5, 7), False)]
)
def test_targets_of_which_it_can_not_be_known_are_refused(target_shape: tuple[int, ...], tags: bool) -> None:
    with pytest.raises(DataError, match=r"whether targets of shape .* is not known: .* targets='keep'"):
        Augment().moves((5, 7, 3), target_shape, False, tags)
    with pytest.raises(
        DataError, match=r"targets='move': targets of shape .* don't have the rows and columns of the images"
    ):
        Augment(targets="move").moves((5, 7, 3), target_shape, False, tags)
    with pytest.raises(DataError, match=r"augment changes images .*, but examples have shape \(9,\)"):
        Augment().moves((9,), (), True, False)
