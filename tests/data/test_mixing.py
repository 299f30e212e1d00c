"""MixUp, RandAugment and Albumentations: images with their targets, seeded for each example."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convgrad.data import Albumentations, Changes, Data, Flip, MixUp, RandAugment
from convgrad.data.randaugment import KINDS, MOVING
from convgrad.errors import DataError
from convgrad.layers import Dense, Flatten, LogSoftmax
from convgrad.models.network import Network
from convgrad.training import Checkpoint
from killed import Killed, Killer
from optional import large_module

RNG = np.random.default_rng(5)
IMAGES = RNG.random((7, 6, 9, 3)).astype(np.float32)
ROWS = np.eye(4, dtype=np.float32)[np.arange(7) % 4]
DRAWS = np.arange(11, 18).astype(np.uint64)


def rng(key: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


# MixUp


def test_images_and_targets_are_mixed_by_one_share() -> None:
    images, targets = Changes((MixUp(0.4),)).changed(IMAGES, ROWS, DRAWS)
    for n, draw in enumerate(DRAWS):
        own = MixUp(0.4).draw(rng(int(draw)))
        np.testing.assert_allclose(images[n], own * IMAGES[n] + (1 - own) * IMAGES[n - 1], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(targets[n], own * ROWS[n] + (1 - own) * ROWS[n - 1], rtol=1e-6, atol=1e-7)
    assert images.dtype == targets.dtype == np.float32
    assert (images[0] != IMAGES[0]).any()


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 2.0])
def test_shares_are_those_of_the_beta_distribution(alpha: float) -> None:
    generator = rng(3)
    shares = np.array([MixUp(alpha).draw(generator) for _ in range(20_000)])
    assert ((shares >= 0) & (shares <= 1)).all()
    variance = 1 / (4 * (2 * alpha + 1))
    assert shares.mean() == pytest.approx(0.5, abs=5 * np.sqrt(variance / 20_000))
    assert shares.var() == pytest.approx(variance, rel=0.05)


def test_mixing_comes_after_all_other_changes() -> None:
    first = Changes((MixUp(1.0), Flip())).changed(IMAGES, ROWS, DRAWS)
    second = Changes((Flip(), MixUp(1.0))).changed(IMAGES, ROWS, DRAWS)
    for one, other in zip(first, second, strict=True):
        assert (one == other).all()


def test_labels_can_not_be_mixed() -> None:
    network = Network(Flatten(), Dense(4), input_shape=(6, 9, 3))
    with pytest.raises(DataError, match=r"MixUp mixes targets, and labels can't be mixed. Give rows of 0 and 1"):
        network.fit(IMAGES, np.arange(7) % 4, augment=MixUp(), epochs=1, verbose=False, engine="oracle")
    with pytest.raises(DataError, match="labels can't be mixed"):
        Changes((MixUp(),)).changed(IMAGES, np.zeros((7, 6, 9), np.int64), DRAWS)


@pytest.mark.parametrize("alpha", [0, -1, 2.5, True, "much"])
def test_alphas_that_can_not_be(alpha: Any) -> None:
    with pytest.raises(DataError, match=r"MixUp: alpha must be a number from 0\.05 to 2"):
        MixUp(alpha)


def classifier() -> Network:
    return Network(Flatten(), Dense(4), LogSoftmax(), input_shape=(6, 9, 3))


def test_a_training_with_mixed_targets_resumes_to_the_same_bits(tmp_path: Any) -> None:
    images, rows = RNG.random((32, 6, 9, 3)).astype(np.float32), np.eye(4, dtype=np.float32)[np.arange(32) % 4]
    options: dict[str, Any] = {"batch_size": 5, "epochs": 3, "verbose": False, "engine": "oracle"}
    options |= {"loss": "kl_divergence", "augment": [RandAugment(), MixUp(1.0)], "metrics": ["accuracy"]}
    whole = classifier()
    history = whole.fit(images, rows, **options)
    assert 0 <= history["accuracy"][-1] <= 1
    resumed = classifier()
    kept = Checkpoint(tmp_path, seconds=0)
    with pytest.raises(Killed):
        resumed.fit(images, rows, **options, checkpoint=kept, callbacks=[Killer(9)])
    again = classifier()
    again.fit(Data(images, rows), **options, checkpoint=kept, resume=True)
    for name, array in whole.get_weights().items():
        assert (array == again.get_weights()[name]).all()


# RandAugment


def one(kind: str, magnitude: float = 12.0, less: bool = False) -> tuple[tuple[str, float], ...]:
    return (RandAugment(1, magnitude)._one(kind, IMAGES.shape[1:], less),)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("less", [False, True])
def test_changes_keep_the_shape_and_stay_pixels(kind: str, less: bool) -> None:
    for magnitude in (0, 9, 30):
        changed = RandAugment().image(IMAGES[0], one(kind, magnitude, less))
        assert changed.shape == IMAGES[0].shape
        assert changed.dtype == np.float32
        assert changed.min() >= 0
        assert changed.max() <= 1


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("autocontrast", "equalize", "posterize")])
def test_no_strength_is_no_change(kind: str) -> None:
    np.testing.assert_allclose(RandAugment().image(IMAGES[0], one(kind, 0)), IMAGES[0], rtol=0, atol=2e-7)


def test_a_shift_by_whole_pixels_moves_image_and_target() -> None:
    drawn = (("shift rows", 2.0), ("shift columns", -1.0))
    changed = RandAugment().image(IMAGES[0], drawn)
    expected = np.zeros_like(IMAGES[0])
    expected[:-2, 1:] = IMAGES[0][2:, :-1]
    np.testing.assert_allclose(changed, expected, rtol=0, atol=1e-7)
    labels = RNG.integers(0, 5, (6, 9))
    assert (RandAugment().target(labels, drawn)[:-2, 1:] == labels[2:, :-1]).all()


def test_a_quarter_turn_is_numpys() -> None:
    square = RNG.random((5, 5, 2))
    turned = RandAugment().image(square, (("rotate", np.pi / 2),))
    np.testing.assert_allclose(turned, np.rot90(square, -1), rtol=0, atol=1e-12)
    labels = RNG.integers(0, 9, (5, 5))
    assert (RandAugment().target(labels, (("rotate", np.pi / 2),)) == np.rot90(labels, -1)).all()


def test_targets_that_are_images_move_as_their_images() -> None:
    images, targets = Changes((RandAugment(3, 20),)).changed(IMAGES, IMAGES[..., :1].copy(), DRAWS, move=True)
    for n, draw in enumerate(DRAWS):
        drawn = RandAugment(3, 20).draw(IMAGES.shape[1:], rng(int(draw)))
        moving = tuple(part for part in drawn if part[0] in MOVING)
        assert (targets[n] == RandAugment().image(IMAGES[n, ..., :1], moving)).all()
        assert (images[n] == RandAugment().image(IMAGES[n], drawn)).all()


def test_every_kind_is_drawn() -> None:
    generator = rng(1)
    drawn = {kind for _ in range(300) for kind, _ in RandAugment(2, 9).draw((6, 9, 3), generator)}
    assert drawn == set(KINDS)


def test_pixels_are_those_of_pillow() -> None:
    from PIL import Image, ImageEnhance, ImageOps

    pixels = RNG.integers(0, 256, (11, 8, 3), np.uint8)
    image, picture = (pixels / np.float32(255)).astype(np.float32), Image.fromarray(pixels)
    cases = {
        ("posterize", 5): ImageOps.posterize(picture, 5),
        ("solarize", 127.5 / 255): ImageOps.solarize(picture, 128),
        ("autocontrast", 1.0): ImageOps.autocontrast(picture),
        ("brightness", 1.4): ImageEnhance.Brightness(picture).enhance(1.4),
        ("sharpness", 0.3): ImageEnhance.Sharpness(picture).enhance(0.3),
    }
    for drawn, expected in cases.items():
        changed = RandAugment().image(image, (drawn,)) * 255
        most = 1.7 if drawn[0] == "sharpness" else 1.01  # it rounds what is smooth, too
        np.testing.assert_allclose(changed, np.asarray(expected, np.float32), rtol=0, atol=most, err_msg=str(drawn))


def test_equalized_values_are_spread_evenly() -> None:
    dark = (np.arange(240).reshape(20, 12, 1) / 240 / 8).astype(np.float32)
    changed = RandAugment().image(dark, (("equalize", 1.0),))
    assert changed.min() == 0
    assert changed.max() == 1
    assert np.histogram(changed, 4, (0, 1))[0] == pytest.approx(60, abs=12)
    flat = np.full((3, 4, 1), 0.3, np.float32)
    assert (RandAugment().image(flat, (("equalize", 1.0),)) == flat).all()
    assert (RandAugment().image(flat, (("autocontrast", 1.0),)) == flat).all()


def test_strengths_that_can_not_be() -> None:
    with pytest.raises(DataError, match="RandAugment: magnitude must be a number from 0 to 30, not 31"):
        RandAugment(2, 31)
    with pytest.raises(DataError, match="RandAugment: count must be a whole number of at least 1, not 0"):
        RandAugment(0)


# Albumentations


class Shifter:
    """What a `Compose` does, by the protocol alone."""

    def set_random_seed(self, seed: int) -> None:
        self.by = seed % 5

    def __call__(self, image: Any, mask: Any = None) -> dict[str, Any]:
        found = {"image": np.roll(image, self.by, 0)}
        return found if mask is None else {**found, "mask": np.roll(mask, self.by, 0)}


def test_a_compose_is_seeded_for_each_example() -> None:
    changing = Changes((Albumentations(Shifter()),))
    images, targets = changing.changed(IMAGES, IMAGES[..., 0].copy(), DRAWS)
    assert (images[..., 0] == targets).all()
    assert (images != IMAGES).any()
    backwards, labels = changing.changed(IMAGES[::-1], np.arange(7), DRAWS[::-1])
    assert (backwards[::-1] == images).all()
    assert (labels == np.arange(7)).all()


def test_what_is_no_compose() -> None:
    with pytest.raises(DataError, match=r"compose must be an albumentations\.Compose with set_random_seed"):
        Albumentations(lambda image: {"image": image})


def test_albumentations_itself() -> None:
    library = large_module("albumentations")
    compose = library.Compose([library.HorizontalFlip(p=0.5), library.RandomBrightnessContrast(p=0.5)])
    changing = Changes((Albumentations(compose),))
    masks = RNG.integers(0, 3, (7, 6, 9)).astype(np.int64)
    first, second = (changing.changed(IMAGES, masks, DRAWS) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert (one == other).all()
    flipped = [bool((first[1][n] == masks[n][:, ::-1]).all()) for n in range(7)]
    kept = [bool((first[1][n] == masks[n]).all()) for n in range(7)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert any(flipped)
    assert any(kept)
