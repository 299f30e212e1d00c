"""Changes of images and their targets: what each does, and that it depends on the example alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convgrad.data import Augment, Batches, Changes, Colour, Crop, Cutout, Flip, SomeOf
from convgrad.data.changes import augment_from
from convgrad.data.seeded import place, share
from convgrad.errors import DataError, TrainingError
from convgrad.layers import Dense, Flatten, Reshape
from convgrad.models.network import Network
from convgrad.training import Checkpoint
from killed import Killed, Killer

COUNT, SHAPE = 23, (7, 5, 3)
IMAGES = np.random.default_rng(0).random((COUNT, *SHAPE), np.float32)
LABELS = np.arange(COUNT) % 3
DRAWS = Changes(()).draws(COUNT, seed=3, epoch=1)
ALL = (Flip(rows=True), Crop(2), Cutout(3), Colour(), SomeOf(2, (Flip(), Crop(1), Cutout(2), Colour())))


def darker(image: np.ndarray, target: Any, rng: np.random.Generator) -> tuple[np.ndarray, Any]:
    """A function of one's own."""
    return image * np.float32(rng.uniform(0.5, 1)), target


def changed(*changes: Any, images: np.ndarray = IMAGES) -> np.ndarray:
    return Changes(changes).changed(images, LABELS[: len(images)], DRAWS[: len(images)])[0]


def test_a_flip_mirrors_half_of_all_images_along_each_axis() -> None:
    many = np.broadcast_to(IMAGES[:1], (400, *SHAPE))
    draws = Changes(()).draws(400, seed=0, epoch=0)
    found, _ = Changes((Flip(rows=True),)).changed(many, np.zeros(400), draws)
    kinds = [IMAGES[0][::rows, ::columns] for rows in (1, -1) for columns in (1, -1)]
    counts = [sum(np.array_equal(image, kind) for image in found) for kind in kinds]
    assert sum(counts) == 400
    assert min(counts) > 60  # 100 each on average, with a deviation of 9
    columns_only, _ = Changes((Flip(),)).changed(many, np.zeros(400), draws)
    assert sum(np.array_equal(image, kind) for image in columns_only for kind in kinds[:2]) == 400


def test_a_crop_reads_zeros_outside() -> None:
    found = changed(Crop(2))
    around = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)))
    places = []
    for own, whole in zip(found, around, strict=True):
        fits = [(u, v) for u in range(5) for v in range(5) if np.array_equal(own, whole[u : u + 7, v : v + 5])]
        assert len(fits) == 1
        places += fits
    assert len(set(places)) > 10


def test_a_cutout_is_a_square_of_zeros_that_may_lie_across_the_border() -> None:
    cut = changed(Cutout(3), images=IMAGES + 1) == 0
    assert (cut.all(axis=-1) == cut.any(axis=-1)).all()
    sizes = set()
    for mask in cut[..., 0]:
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        assert mask.sum() == rows.sum() * columns.sum()
        sizes.add((int(rows.sum()), int(columns.sum())))
    assert (3, 3) in sizes
    assert sizes <= {(r, c) for r in (2, 3) for c in (2, 3)}


def test_colours_follow_their_equation() -> None:
    """As written in the docstring, number by number."""
    image, (lighter, steeper, richer) = IMAGES[0].astype(np.float64), (0.1, -0.15, 0.2)
    found = Colour().image(image, (lighter, steeper, richer))
    mean = image.sum() / image.size
    for (i, j, c), value in np.ndenumerate(found):
        gray = sum(image[i, j]) / 3
        rich = gray + (1 + richer) * (image[i, j, c] - gray)
        assert value == pytest.approx(min(max(mean + (1 + steeper) * (rich - mean) + lighter, 0), 1), abs=1e-12)
    assert changed(Colour()).dtype == np.float32
    np.testing.assert_allclose(changed(Colour(0, 0, 0)), IMAGES, atol=1e-6)


def test_some_of_all_are_drawn_for_each_image() -> None:
    rng = np.random.Generator(np.random.Philox(key=5))
    chosen = [
        tuple(type(change) for change, _ in SomeOf(2, (Flip(), Cutout(2), Colour())).draw(SHAPE, rng))
        for _ in range(99)
    ]
    assert len(set(chosen)) == 9
    assert changed(SomeOf(1, (Flip(),))).tobytes() == changed(SomeOf(1, (Flip(),))).tobytes()


def test_a_change_depends_on_the_example_alone() -> None:
    """Not on the batch that it is in, on what is asked for before, or on changes of others."""
    whole = changed(*ALL, darker)
    for rows in ([4], [9, 2, 22, 2]):
        part, _ = Changes((*ALL, darker)).changed(IMAGES[rows], LABELS[rows], DRAWS[rows])
        np.testing.assert_array_equal(part, whole[rows])
    other = Changes((*ALL, darker)).changed(IMAGES, LABELS, Changes(()).draws(COUNT, seed=3, epoch=2))[0]
    assert all((a != b).any() for a, b in zip(whole, other, strict=True))
    before = IMAGES.copy()
    changed(*ALL, darker)
    np.testing.assert_array_equal(IMAGES, before)


def test_the_bits_of_a_draw_stay_for_good() -> None:
    """Written down from a run: another NumPy or a change here must not alter what a seed means."""
    rng = np.random.Generator(np.random.Philox(key=7))
    assert [place(rng, 1000) for _ in range(4)] == [872, 295, 420, 405]
    assert 0 <= share(rng) < 1


def test_targets_that_are_images_move_with_theirs() -> None:
    numbers = np.broadcast_to(np.arange(1, 36).reshape(1, 7, 5, 1), (COUNT, 7, 5, 1)).astype(np.float32)
    images = np.repeat(numbers, 3, axis=3)
    moving = Changes((Flip(rows=True), SomeOf(2, (Crop(2), Flip())), Colour(0, 0, 0)))
    assert moving.moves(SHAPE, (7, 5, 1), classes=False, tags=False)
    for targets in (numbers, numbers[..., 0]):
        plain = Changes(moving.changes[:2])
        found, answers = plain.changed(images, targets, DRAWS, move=True)
        np.testing.assert_array_equal(found[..., 0], answers.reshape(COUNT, 7, 5))
    kept = Changes((Cutout(3),)).changed(images, numbers, DRAWS, move=True)[1]
    np.testing.assert_array_equal(kept, numbers)


@pytest.mark.parametrize("target_shape", [(4,), (5, 7)])
def test_whether_targets_move_is_asked_where_it_is_not_known(target_shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"whether targets of shape .* must move with them is not known"):
        Changes((Flip(),)).moves(SHAPE, target_shape, classes=False, tags=False)
    assert not Changes((Flip(),), targets="keep").moves(SHAPE, target_shape, classes=False, tags=False)
    assert not Changes((Colour(), darker)).moves(SHAPE, target_shape, classes=False, tags=False)


def test_a_training_with_changes_is_resumed_to_the_same_bits(tmp_path: Any) -> None:
    def train(**more: Any) -> bytes:
        net = Network(Flatten(), Dense(105), Reshape(SHAPE), input_shape=SHAPE)
        options: dict[str, Any] = {"loss": "mse", "epochs": 3, "batch_size": 8, "engine": "oracle", "verbose": False}
        net.fit(IMAGES, IMAGES, augment=[*ALL, darker], **options, **more)
        return b"".join(array.tobytes() for array in net.get_weights().values())

    place = Checkpoint(tmp_path, seconds=0)
    with pytest.raises(Killed):
        train(checkpoint=place, callbacks=[Killer(4)])
    assert train(checkpoint=place, resume=True) == train()


def test_one_change_a_list_and_an_augment_are_taken() -> None:
    assert augment_from(None) is None
    assert augment_from(Augment(shift=1)) == Augment(shift=1)
    assert augment_from([Flip(), darker]) == Changes((Flip(), darker))
    assert augment_from(Flip()) == Changes((Flip(),))
    batch = next(Batches(IMAGES, LABELS, 4, shuffle=False, augment=Changes((Crop(2),))).epoch(1))
    np.testing.assert_array_equal(
        batch.images, Changes((Crop(2),)).changed(IMAGES, LABELS, Changes(()).draws(COUNT, 0, 1))[0][:4]
    )


def net() -> Network:
    return Network(Flatten(), Dense(3), input_shape=SHAPE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: changed(Crop(5)), r"Crop: margin is 5, but images are 7x5: nothing might be left.* at most 4"),
        (lambda: Crop(0), r"Crop: margin must be a whole number of at least 1, not 0"),
        (lambda: Cutout(-1), r"Cutout: size must be a whole number of at least 1, not -1"),
        (lambda: Colour(contrast=-1), r"Colour: contrast must be a number of at least 0, not -1"),
        (lambda: Flip(rows=2), r"Flip: rows must be True or False, not 2"),  # type: ignore[arg-type]
        (lambda: SomeOf(0, (Flip(),)), r"SomeOf: count must be a whole number of at least 1, not 0"),
        (lambda: SomeOf(1, (darker,)), r"SomeOf: changes must be one or more of Flip, Crop, Cutout, Colour"),  # type: ignore[arg-type]
        (lambda: Changes((Flip,)), r"augment: a change must be such as Flip\(\) or a function .* not the class Flip"),  # type: ignore[arg-type]
        (lambda: Changes((), targets="turn"), r"Changes: targets must be 'auto' or 'move' or 'keep', not 'turn'"),  # type: ignore[arg-type]
        (
            lambda: Changes((Flip(),)).moves((4,), (), True, False),
            r"augment changes images \(rows, columns, channels\), but examples have shape \(4,\)",
        ),
        (lambda: changed(lambda image, target, rng: image), r"augment: <lambda> must return a pair \(image, target\)"),
        (
            lambda: changed(lambda image, target, rng: (image[1:], target)),
            r"<lambda> gives an image of float32 with shape \(6, 5, 3\), but got one of float32 with shape \(7, 5, 3\)",
        ),
        (
            lambda: changed(lambda image, target, rng: (image, 0.5)),
            r"<lambda> gives a target of float64 with shape \(\), but got one of int64",
        ),
        (
            lambda: changed(lambda image, target, rng: (np.uint8(image), target)),
            r"<lambda> gives an image of uint8 .*It must return what is like it",
        ),
        (
            lambda: net().fit(IMAGES, LABELS, augment=3, verbose=False),  # type: ignore[arg-type]
            r"augment: a change must be such as Flip\(\) or a function f\(image, target, rng\), not 3",
        ),
    ],
)
def test_changes_that_can_not_be(make: Any, message: str) -> None:
    with pytest.raises((DataError, TrainingError), match=message):
        make()
