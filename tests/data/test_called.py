"""Changes of images by name."""

from __future__ import annotations

import pytest

from convgrad.data import Changes, Colour, Crop, Cutout, Flip, MixUp, RandAugment
from convgrad.data.called import NUMBERED, PLAIN, changes_called
from convgrad.errors import DataError


def test_each_name_without_a_number() -> None:
    changes = (Flip(), Crop(3), Cutout(12), Colour(), RandAugment(), MixUp())
    assert changes_called(list(PLAIN), (28, 24, 3)) == Changes(changes)
    assert changes_called(["crop", "cutout"], (5, 1, 3)) == Changes((Crop(1), Cutout(1)))


def test_each_name_with_a_number() -> None:
    names = ["crop=2", "cutout = 6", "colour=0.1", "randaugment=4", "mixup=1"]
    assert [name.split("=")[0].strip() for name in names] == list(NUMBERED)
    changes = (Crop(2), Cutout(6), Colour(0.1, 0.1, 0.1), RandAugment(magnitude=4), MixUp(1))
    assert changes_called(names, (28, 24, 3)) == Changes(changes)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blur", r"augment: there is no change 'blur'\. Available: colour, crop, cutout, flip, mixup, randaugment\."),
        ("cutot", r"augment: there is no change 'cutot'\. Did you mean 'cutout'\?"),
        ("flip=1", r"augment: flip takes no number\. Write flip alone, not 'flip=1'\."),
        ("crop=", r"augment: 'crop=' has no number behind the =\. Write such as crop=4\."),
        ("cutout=2.5", r"augment: cutout takes a whole number of pixels, not 2\.5\."),
        ("crop=nan", r"augment: crop takes a whole number of pixels, not nan\."),
        ("crop=inf", r"augment: crop takes a whole number of pixels, not inf\."),
        ("randaugment=31", r"RandAugment: magnitude must be a number from 0 to 30, not 31\.0"),
        ("colour=-1", "Colour: brightness must be"),
    ],
)
def test_refuses(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        changes_called([name], (28, 24, 3))
