"""RandAugment: a few of fourteen changes of an image, drawn anew for each, all as strong as one number says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import COUNT, Rule, made_from
from convgrad.data.changes import Change, Drawn
from convgrad.data.seeded import place, share
from convgrad.errors import DataError

Array = npt.NDArray[Any]

STRENGTH = Rule(
    "a number from 0 to 30",
    lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 30,
)
STRONGEST = 30
MOVING = ("rotate", "shear rows", "shear columns", "shift rows", "shift columns")
KINDS = (
    *MOVING,
    *("identity", "contrast", "brightness", "saturation", "sharpness"),
    *("posterize", "solarize", "autocontrast", "equalize"),
)
TURN, SHEAR, SHIFT, FACTOR = math.radians(30), 0.3, 150 / 331, 0.9
"""What the strongest change turns, shears, shifts by (a share of the image), and multiplies with above or below 1."""
LEVELS = 256


@made_from(DataError, count=COUNT, magnitude=STRENGTH)
@dataclass(frozen=True)
class RandAugment(Change):
    """`count` of fourteen changes of pixels of 0..1, one after the other, each of strength s = magnitude / 30.

    Moves, with p = (i, j) from the image's middle, and 0 where the image ends: x[p] = o[A p + t], bilinear, for a
    rotation by up to 30 s degrees, a shear by up to 0.3 s, or a shift by up to 0.45 s of the image, either way.
    Targets that are images move likewise, whole numbers to the nearest pixel.

    Pixels, with f = 1 - 0.9 s or 1 + 0.9 s: contrast, brightness, saturation and sharpness are
    x = min(max(b + f * (o - b), 0), 1) with b the mean gray of the image, 0, the pixel's gray, and the image smoothed;
    posterize keeps 8 - round(4 s) bits, solarize turns what is above 1 - s to 1 - o, autocontrast stretches each
    channel to 0..1, equalize spreads its values evenly; and one of the fourteen changes nothing.

    Reference: Cubuk, Zoph, Shlens and Le, RandAugment, 2020, with the ranges of torchvision.

    Example:
        >>> import numpy as np
        >>> RandAugment().image(np.full((2, 3, 1), 0.75), (("solarize", 0.5), ("posterize", 6))).round(4).tolist()
        [[[0.2353], [0.2353], [0.2353]], [[0.2353], [0.2353], [0.2353]]]
    """

    count: int = 2
    magnitude: float = 9
    moves = True

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Drawn:
        return tuple(self._one(KINDS[place(rng, len(KINDS))], shape, share(rng) < 0.5) for _ in range(self.count))

    def _one(self, kind: str, shape: tuple[int, ...], less: bool) -> tuple[str, float]:
        strength = self.magnitude / STRONGEST
        sign = -1 if less else 1
        amounts = {
            "rotate": sign * TURN * strength,
            "shear rows": sign * SHEAR * strength,
            "shear columns": sign * SHEAR * strength,
            "shift rows": sign * SHIFT * strength * shape[0],
            "shift columns": sign * SHIFT * strength * shape[1],
            "posterize": 8 - round(4 * strength),
            "solarize": 1 - strength,
        }
        return kind, amounts.get(kind, 1 + sign * FACTOR * strength)

    def image(self, image: Array, drawn: Drawn) -> Array:
        for kind, amount in drawn:
            image = _moved(image, kind, amount) if kind in MOVING else _coloured(image, kind, amount)
        return image

    def target(self, target: Array, drawn: Drawn) -> Array:
        for kind, amount in drawn:
            target = _moved(target, kind, amount) if kind in MOVING else target
        return target


def _moved(image: Array, kind: str, amount: float) -> Array:
    """x[p] = o[A p + t]."""
    cosine, sine = math.cos(amount), math.sin(amount)
    matrix, shift = {
        "rotate": (((cosine, -sine), (sine, cosine)), (0.0, 0.0)),
        "shear rows": (((1.0, amount), (0.0, 1.0)), (0.0, 0.0)),
        "shear columns": (((1.0, 0.0), (amount, 1.0)), (0.0, 0.0)),
        "shift rows": (((1.0, 0.0), (0.0, 1.0)), (amount, 0.0)),
        "shift columns": (((1.0, 0.0), (0.0, 1.0)), (0.0, amount)),
    }[kind]
    rows, columns = image.shape[:2]
    down, right = np.ogrid[:rows, :columns]
    i, j = down - (rows - 1) / 2, right - (columns - 1) / 2
    u = matrix[0][0] * i + matrix[0][1] * j + shift[0] + (rows - 1) / 2
    v = matrix[1][0] * i + matrix[1][1] * j + shift[1] + (columns - 1) / 2
    if image.dtype.kind != "f":
        return _at(image, np.floor(u + 0.5), np.floor(v + 0.5))
    top, left = np.floor(u), np.floor(v)
    below, beside = (part.reshape(*part.shape, *(1,) * (image.ndim - 2)) for part in (u - top, v - left))
    upper = (1 - beside) * _at(image, top, left) + beside * _at(image, top, left + 1)
    lower = (1 - beside) * _at(image, top + 1, left) + beside * _at(image, top + 1, left + 1)
    return np.asarray((1 - below) * upper + below * lower, image.dtype)


def _at(image: Array, rows: Array, columns: Array) -> Array:
    """The pixels at these places, 0 outside of the image."""
    there = (rows >= 0) & (rows < len(image)) & (columns >= 0) & (columns < image.shape[1])
    found = image[np.where(there, rows, 0).astype(np.intp), np.where(there, columns, 0).astype(np.intp)]
    return np.where(there.reshape(*there.shape, *(1,) * (image.ndim - 2)), found, 0).astype(image.dtype)


def _coloured(image: Array, kind: str, amount: float) -> Array:
    if kind == "identity":
        return image
    if kind == "posterize":
        step = 2 ** (8 - int(amount))
        changed = np.floor(image * 255 / step + 1e-3) * step / 255  # a byte that became a float is a little less
    elif kind == "solarize":
        changed = np.where(image > amount, 1 - image, image)
    elif kind == "autocontrast":
        low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
        spread = np.where(high > low, high - low, 1)
        changed = np.where(high > low, (image - low) / spread, image)
    elif kind == "equalize":
        changed = np.stack([_equalized(image[..., c]) for c in range(image.shape[-1])], axis=-1)
    else:
        base: Any = 0.0
        if kind == "contrast":
            base = image.mean()
        elif kind == "saturation":
            base = image.mean(axis=-1, keepdims=True)
        elif kind == "sharpness":
            base = _smoothed(image)
        changed = base + amount * (image - base)
    return np.asarray(np.clip(changed, 0, 1), image.dtype)


def _smoothed(image: Array) -> Array:
    """Each pixel with its eight neighbours, 5 of 13 parts its own; those at the border as they are."""
    smooth: Array = image.copy()
    if min(image.shape[:2]) >= 3:
        inner = sum(
            (5 if (i, j) == (1, 1) else 1) * image[i : len(image) - 2 + i, j : image.shape[1] - 2 + j]
            for i in range(3)
            for j in range(3)
        )
        smooth[1:-1, 1:-1] = inner / 13
    return smooth


def _equalized(channel: Array) -> Array:
    """The share of pixels that are not lighter, in place of each of 256 levels; 0 for the darkest that there is."""
    levels = np.clip(np.rint(channel * (LEVELS - 1)), 0, LEVELS - 1).astype(np.intp)
    counts = np.bincount(levels.reshape(-1), minlength=LEVELS)
    below = np.cumsum(counts) - counts[np.flatnonzero(counts)[0]]
    return np.asarray(below[levels] / below[-1] if below[-1] else channel)
