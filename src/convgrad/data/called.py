"""Changes of training images by name, as a command line or a file says them: `flip`, `crop=4`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convgrad.arguments import shown
from convgrad.data.changes import Change, Changes, Colour, Crop, Cutout, Flip
from convgrad.data.mixup import MixUp
from convgrad.data.randaugment import RandAugment
from convgrad.errors import DataError, suggestion

NUMBERED: dict[str, Callable[[float], Change | MixUp]] = {
    "crop": lambda number: Crop(_pixels("crop", number)),
    "cutout": lambda number: Cutout(_pixels("cutout", number)),
    "colour": lambda number: Colour(number, number, number),
    "randaugment": lambda number: RandAugment(magnitude=number),
    "mixup": lambda number: MixUp(number),
}
"""Name -> the change, from the number behind the name."""
PLAIN: dict[str, Callable[[int], Change | MixUp]] = {
    "flip": lambda side: Flip(),
    "crop": lambda side: Crop(max(1, side // 8)),
    "cutout": lambda side: Cutout(max(1, side // 2)),
    "colour": lambda side: Colour(),
    "randaugment": lambda side: RandAugment(),
    "mixup": lambda side: MixUp(),
}
"""The same without a number, from the smaller side of the images: a border of an eighth, a square of a half."""


def changes_called(names: Sequence[str], image_shape: tuple[int, ...]) -> Changes:
    """The changes of these names, in their order, for images (rows, columns, channels).

    Raises:
        DataError: a name that there is not, or a number that means nothing to its change.

    >>> changes_called(["flip", "crop=2", "mixup"], (28, 24, 1)).changes
    (Flip(columns=True, rows=False), Crop(margin=2), MixUp(alpha=0.2))
    """
    return Changes(tuple(_called(name, min(image_shape[:2])) for name in names))


def _called(text: str, side: int) -> Change | MixUp:
    name, equals, number = (part.strip() for part in text.partition("="))
    if name not in PLAIN:
        raise DataError(f"augment: there is no change {shown(name)}.{suggestion(name, PLAIN)}")
    if not equals:
        return PLAIN[name](side)
    if name not in NUMBERED:
        raise DataError(f"augment: {name} takes no number. Write {name} alone, not {shown(text)}.")
    try:
        found = float(number)
    except ValueError:
        raise DataError(f"augment: {shown(text)} has no number behind the =. Write such as crop=4.") from None
    return NUMBERED[name](found)


def _pixels(name: str, number: float) -> int:
    if not number.is_integer():
        raise DataError(f"augment: {name} takes a whole number of pixels, not {number:g}.")
    return int(number)
