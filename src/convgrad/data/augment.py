"""Light changes of training images that keep what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from convgrad.arguments import FLAG, LARGEST, SEED, Rule, at_least, made_from, one_of, shown, takes
from convgrad.data.dataset import Images
from convgrad.data.seeded import AUGMENT, raw_bits
from convgrad.errors import DataError

IMAGES = Rule(
    "an array (N, H, W, C) of floats",
    lambda value: isinstance(value, np.ndarray) and value.ndim == 4 and value.dtype.kind == "f",
)
FLIPS = np.uint64(1)
"""The bit of a draw that says whether an image is mirrored."""
DRAWS = Rule("what `draws` returned", lambda value: isinstance(value, np.ndarray) and value.dtype == np.uint64)

FLIP = Rule(
    "True, False, 'random' or 'alternate'", lambda value: FLAG.accepts(value) or value in ("random", "alternate")
)


@made_from(DataError, flip=FLIP, border=one_of("zeros", "reflect"))
@dataclass(frozen=True)
class Augment:
    """Mirror images left to right and shift them, at random.

        x[n,i,j,c] = o[n, i+u[n], j+v[n], c else 0]            where image n is only shifted,
        x[n,i,j,c] = o[n, i+u[n], W-1-j-v[n], c else 0]        where it is mirrored, too.

    targets: what becomes of targets y: "move" moves them as their images, "keep" leaves them as they are, and "auto"
    moves what is an image of the same rows and columns, keeps classes, and refuses what it can't know of.
    flip: mirror every second image on average, True or "random"; or "alternate": a random half in the first epoch, the
        other half in the second, and so on, so that two epochs show each image both ways. Not for digits and letters.
    shift: u rows and v columns are drawn from -shift..shift with equal chances.
    border: what comes in: "zeros", or "reflect", the image mirrored at its first and last row and column.

    An image's change depends on the seed, the epoch and the image's position in the dataset alone, never on the batch
    that it is in.

    Reference: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2016, section 4.2 (shift by at most
    4 and flip, for CIFAR-10); Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024, section 3.6 (alternate).

    Example:
        >>> images = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
        >>> Augment(flip=True, shift=1)(images, seed=5, epoch=0).shape
        (1, 2, 3, 1)
    """

    flip: bool | Literal["random", "alternate"] = True
    shift: int = 4
    targets: Literal["auto", "move", "keep"] = "auto"
    border: Literal["zeros", "reflect"] = "zeros"

    def __post_init__(self) -> None:
        if self.targets not in ("auto", "move", "keep"):
            raise DataError(f"targets is {self.targets!r}, but must be 'auto', 'move' or 'keep'.")
        if not isinstance(self.shift, int) or isinstance(self.shift, bool) or self.shift < 0:
            raise DataError(f"shift is {shown(self.shift)}, but must be a number of pixels, at least 0.")

    def moves(self, input_shape: tuple[int, ...], target_shape: tuple[int, ...], classes: bool, tags: bool) -> bool:
        """Whether targets move with their images.

        Args:
            input_shape, target_shape: of one example. classes: targets name a class each. tags: they are answers of
                yes and no.

        Raises:
            DataError: inputs that are not images; targets that can't move, or of which that is not known.
        """
        if len(input_shape) != 3:
            raise DataError(f"augment changes images (rows, columns, channels), but examples have shape {input_shape}.")
        return targets_move(self.targets, input_shape, target_shape, classes, tags)

    @takes(DataError, count=at_least(0, LARGEST), seed=SEED, epoch=SEED)
    def draws(self, count: int, seed: int, epoch: int) -> npt.NDArray[np.uint64]:
        """The random bits of each of a dataset's `count` images in an epoch; (count,)."""
        drawn = raw_bits(count, seed, AUGMENT, epoch)
        if self.flip != "alternate":
            return drawn
        turned = raw_bits(count, seed, AUGMENT, 0) ^ np.uint64(epoch % 2)
        draws: npt.NDArray[np.uint64] = (drawn & ~FLIPS) | (turned & FLIPS)
        return draws

    @takes(DataError, images=IMAGES, draws=DRAWS)
    def apply(self, images: Images, draws: npt.NDArray[np.uint64]) -> Images:
        """Images (B, H, W, C), changed by their draws (B,). Always a new array.

        Raises:
            DataError: images too small for the shift.
        """
        _, rows, columns, _ = images.shape
        if draws.shape != images.shape[:1]:
            raise DataError(f"Augment: there are {len(images)} images, but draws have shape {draws.shape}.")
        if self.shift >= min(rows, columns):
            raise DataError(
                f"shift is {self.shift}, but images are {rows}x{columns}: nothing might be left of them. Use at most "
                f"{min(rows, columns) - 1}, better a tenth."
            )
        margin = self.shift
        spread = np.uint64(2 * margin + 1)
        # Bit 0 flips, bits 1..31 and 32..63 shift: 2**31 values spread over a few, the bias is below 1e-7.
        flipped = (draws & FLIPS).astype(bool) & bool(self.flip)
        down = (((draws >> np.uint64(1)) & np.uint64(0x7FFFFFFF)) % spread).astype(np.intp)
        right = ((draws >> np.uint64(32)) % spread).astype(np.intp)

        around = ((0, 0), (margin, margin), (margin, margin), (0, 0))
        padded = np.pad(images, around, mode="constant" if self.border == "zeros" else "reflect")
        row = down[:, np.newaxis] + np.arange(rows)
        column = right[:, np.newaxis] + np.arange(columns)
        column = np.where(flipped[:, np.newaxis], columns + 2 * margin - 1 - column, column)
        image = np.arange(len(images))[:, np.newaxis, np.newaxis]
        changed: Images = padded[image, row[:, :, np.newaxis], column[:, np.newaxis, :]]
        return changed

    def apply_to_targets(self, targets: npt.NDArray[Any], draws: npt.NDArray[np.uint64]) -> npt.NDArray[Any]:
        """Targets (B, H, W) or (B, H, W, C), moved as the images with these draws."""
        with_channels = targets if targets.ndim == 4 else targets[..., np.newaxis]
        return self.apply(with_channels, draws).reshape(targets.shape)

    @takes(DataError, images=IMAGES)
    def __call__(self, images: Images, seed: int, epoch: int) -> Images:
        """A whole dataset's images (N, H, W, C) as they are seen in an epoch."""
        return self.apply(images, self.draws(len(images), seed, epoch))

    @property
    def keeps_targets(self) -> bool:
        """Whether each image is changed by itself, and targets only move with it."""
        return True

    def changed(
        self, images: Images, targets: npt.NDArray[Any], draws: npt.NDArray[np.uint64], move: bool = False
    ) -> tuple[Images, npt.NDArray[Any]]:
        """New images, and their targets: moved likewise, or as they are."""
        return self.apply(images, draws), self.apply_to_targets(targets, draws) if move else targets


TargetKind = one_of("auto", "move", "keep")


def targets_move(
    how: str, input_shape: tuple[int, ...], target_shape: tuple[int, ...], classes: bool, tags: bool
) -> bool:
    """Whether targets move with their images; `how` is what was said of it, "auto" where nothing was."""
    if how == "keep" or (classes and how == "auto"):
        return False
    if len(target_shape) in (2, 3) and target_shape[:2] == input_shape[:2]:
        return True
    if how == "move":
        raise DataError(
            f"targets='move': targets of shape {target_shape} don't have the rows and columns of the images, "
            f"{input_shape[:2]}, so they can't be moved with them."
        )
    pixels = input_shape[0] * input_shape[1]
    if tags and len(target_shape) == 1 and target_shape[0] % pixels:
        return False
    raise DataError(
        f"augment moves images, but whether targets of shape {target_shape} must move with them is not "
        "known: positions and pictures must, a weight or a price must not. Write Augment(..., targets='keep') for "
        f"what must not; give pictures as (rows, columns, channels), here {input_shape[:2]} first."
    )
