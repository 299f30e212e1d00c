"""Changes of training images, each with its target, one after the other: the usual ones, and functions of your own.

The random numbers of an example depend on the seed, the epoch and its position in the data alone, never on the batch or
the thread, so that a training that is resumed makes the same changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from convgrad.arguments import COUNT, FLAG, NOT_NEGATIVE, made_from, shown
from convgrad.data.augment import Augment, TargetKind, targets_move
from convgrad.data.mixup import MixUp
from convgrad.data.seeded import AUGMENT, place, raw_bits, share
from convgrad.errors import DataError

Array = npt.NDArray[Any]
Drawn = tuple[Any, ...]
Draws = npt.NDArray[np.uint64]
Function = Callable[[Array, Any, np.random.Generator], tuple[Array, Any]]


LABELS = (
    "augment: MixUp mixes targets, and labels can't be mixed. Give rows of 0 and 1, one number for each class, and the "
    "loss 'kl_divergence' behind a LogSoftmax."
)


class Change:
    """One kind of change; `draw` says which, `image` makes it.

    moves: whether it moves pixels, so that targets that are images have to move as well.
    """

    moves = False

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises: DataError where images (H, W, C) of this shape can't be changed so."""

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Drawn:
        """What is random in it, for an image (H, W, C)."""
        raise NotImplementedError

    def image(self, image: Array, drawn: Drawn) -> Array:
        """A new image (H, W, C)."""
        raise NotImplementedError

    def target(self, target: Array, drawn: Drawn) -> Array:
        """A target that is an image (H, W, ...), moved as its image was."""
        return self.image(target, drawn) if self.moves else target


@made_from(DataError, columns=FLAG, rows=FLAG)
@dataclass(frozen=True)
class Flip(Change):
    """Mirror every second image on average: x[i,j,c] = o[i, W-1-j, c], and with `rows` o[H-1-i, j, c], independently.

    Example:
        >>> import numpy as np
        >>> Flip().image(np.arange(6).reshape(1, 3, 2), (False, True)).tolist()
        [[[4, 5], [2, 3], [0, 1]]]
    """

    columns: bool = True
    rows: bool = False
    moves = True

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Drawn:
        return self.rows and share(rng) < 0.5, self.columns and share(rng) < 0.5

    def image(self, image: Array, drawn: Drawn) -> Array:
        rows, columns = drawn
        mirrored: Array = image[:: -1 if rows else 1, :: -1 if columns else 1]
        return mirrored


@made_from(DataError, margin=COUNT)
@dataclass(frozen=True)
class Crop(Change):
    """Put `margin` rows and columns of 0 around the image, and cut its size out: x[i,j,c] = o[i+u, j+v, c else 0].

    u and v are drawn from -margin..margin with equal chances.
    """

    margin: int
    moves = True

    def check(self, shape: tuple[int, ...]) -> None:
        if self.margin >= min(shape[:2]):
            raise DataError(
                f"Crop: margin is {self.margin}, but images are {shape[0]}x{shape[1]}: nothing might be left of them. "
                f"Use at most {min(shape[:2]) - 1}, better a tenth."
            )

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Drawn:
        self.check(shape)
        return place(rng, 2 * self.margin + 1), place(rng, 2 * self.margin + 1)

    def image(self, image: Array, drawn: Drawn) -> Array:
        around = [(self.margin, self.margin)] * 2 + [(0, 0)] * (image.ndim - 2)
        down, right = drawn
        cut: Array = np.pad(image, around)[down : down + len(image), right : right + image.shape[1]]
        return cut


@made_from(DataError, size=COUNT)
@dataclass(frozen=True)
class Cutout(Change):
    """Make a square of `size` x `size` pixels 0; its centre is any pixel, so that it may lie across the border.

    Reference: DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """

    size: int

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Drawn:
        return place(rng, shape[0]), place(rng, shape[1])

    def image(self, image: Array, drawn: Drawn) -> Array:
        changed: Array = image.copy()
        top, left = (max(0, centre - self.size // 2) for centre in drawn)
        bottom, right = (centre - self.size // 2 + self.size for centre in drawn)
        changed[top:bottom, left:right] = 0
        return changed


@made_from(DataError, brightness=NOT_NEGATIVE, contrast=NOT_NEGATIVE, saturation=NOT_NEGATIVE)
@dataclass(frozen=True)
class Colour(Change):
    """Change pixels of 0..1 by as much as `brightness`, `contrast` and `saturation` say, up or down:

        g[i,j] = mean of o[i,j,c] over c;  m = mean of all o
        s[i,j,c] = g[i,j] + (1 + C) * (o[i,j,c] - g[i,j])
        x[i,j,c] = min(max(m + (1 + B) * (s[i,j,c] - m) + A, 0), 1)

    with A, B and C drawn from -brightness..brightness, -contrast..contrast and -saturation..saturation.
    """

    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Drawn:
        return tuple(most * (2 * share(rng) - 1) for most in (self.brightness, self.contrast, self.saturation))

    def image(self, image: Array, drawn: Drawn) -> Array:
        lighter, steeper, richer = drawn
        gray = image.mean(axis=-1, keepdims=True)
        coloured = gray + (1 + richer) * (image - gray)
        mean = image.mean()
        changed = mean + (1 + steeper) * (coloured - mean) + lighter
        return np.asarray(np.clip(changed, 0, 1), image.dtype)


@dataclass(frozen=True)
class SomeOf(Change):
    """`count` of these changes, drawn anew for each image; one may be drawn twice.

    Reference: Cubuk, Zoph, Shlens, Le, "RandAugment: practical automated data augmentation", 2020, with changes of your
    choice in place of its fourteen.
    """

    count: int
    changes: tuple[Change, ...]

    def __post_init__(self) -> None:
        COUNT.keep("SomeOf", "count", self.count, DataError)
        if not self.changes or not all(isinstance(change, Change) for change in self.changes):
            raise DataError(
                f"SomeOf: changes must be one or more of Flip, Crop, Cutout, Colour, not {shown(self.changes)}."
            )

    @property
    def moves(self) -> bool:  # type: ignore[override]
        return any(change.moves for change in self.changes)

    def check(self, shape: tuple[int, ...]) -> None:
        for change in self.changes:
            change.check(shape)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Drawn:
        chosen = [self.changes[place(rng, len(self.changes))] for _ in range(self.count)]
        return tuple((change, change.draw(shape, rng)) for change in chosen)

    def image(self, image: Array, drawn: Drawn) -> Array:
        for change, own in drawn:
            image = change.image(image, own)
        return image

    def target(self, target: Array, drawn: Drawn) -> Array:
        for change, own in drawn:
            target = change.target(target, own)
        return target


@dataclass(frozen=True)
class Changes:
    """Changes of training images, one after the other: `fit(augment=[Flip(), Crop(4), mine])` makes one of a list.

    changes: `Flip`, `Crop`, `Cutout`, `Colour`, `SomeOf`, `RandAugment`, a `MixUp`, or functions
        f(image, target, rng) that return image and target: image (H, W, C) floats, target that of the example, rng a
        generator of the example's own. Both keep their shapes.
    targets: as `Augment` says; functions of your own change targets themselves.

    Raises:
        DataError: something else; images or targets of another shape come from a function.

    Example:
        >>> import numpy as np
        >>> def darker(image, target, rng):
        ...     return image * rng.uniform(0.5, 1), target
        >>> Changes((Crop(1), darker)).changed(np.ones((2, 3, 5, 1)), np.array([0, 1]), np.array([7, 8], np.uint64))[1]
        array([0, 1])
    """

    changes: tuple[Change | MixUp | Function, ...]
    targets: Literal["auto", "move", "keep"] = "auto"

    def __post_init__(self) -> None:
        TargetKind.keep("Changes", "targets", self.targets, DataError)
        for change in self.changes:
            if isinstance(change, type) or not (isinstance(change, (Change, MixUp)) or callable(change)):
                raise DataError(
                    f"augment: a change must be such as Flip() or a function f(image, target, rng), "
                    f"not {shown(change)}."
                )

    def moves(self, input_shape: tuple[int, ...], target_shape: tuple[int, ...], classes: bool, tags: bool) -> bool:
        """Whether targets move with their images; as `Augment.moves`. Raises, too, what `check` does."""
        own = [change for change in self.changes if isinstance(change, Change)]
        if self._mixing and classes and not target_shape:
            raise DataError(LABELS)
        if len(input_shape) != 3 and own:
            raise DataError(f"augment changes images (rows, columns, channels), but examples have shape {input_shape}.")
        for change in own:
            change.check(input_shape)
        if not any(change.moves for change in own):
            return False
        return targets_move(self.targets, input_shape, target_shape, classes, tags)

    def draws(self, count: int, seed: int, epoch: int) -> Draws:
        """The key of each of a data set's `count` examples in an epoch; (count,)."""
        return raw_bits(count, seed, AUGMENT, epoch)

    def changed(self, images: Array, targets: Array, draws: Draws, move: bool = False) -> tuple[Array, Array]:
        """New images (B, H, W, C) and targets (B, ...), each changed by its own draw.

        Args:
            move: whether targets are images that move with theirs.
        """
        if self._mixing and targets.dtype.kind != "f":
            raise DataError(LABELS)
        found, answers = np.empty_like(images), np.empty_like(targets)
        shares = np.empty((len(self._mixing), len(images)))
        for n, draw in enumerate(draws):
            rng = np.random.Generator(np.random.Philox(key=int(draw)))
            image, target = images[n], targets[n]
            for change in self._single:
                if isinstance(change, Change):
                    drawn = change.draw(image.shape, rng)
                    image = change.image(image, drawn)
                    target = change.target(target, drawn) if move else target
                else:
                    image, target = _checked(change, change(image.copy(), target, rng), images[n], targets[n])
            found[n], answers[n] = image, target
            for number, mixing in enumerate(self._mixing):
                shares[number, n] = mixing.draw(rng)
        for mixing, own in zip(self._mixing, shares, strict=True):
            found, answers = mixing.mixed(found, own), mixing.mixed(answers, own)
        return found, answers

    @property
    def keeps_targets(self) -> bool:
        """Whether each image is changed by itself, and targets only move with it."""
        return all(isinstance(change, Change) for change in self.changes)

    @property
    def _mixing(self) -> tuple[MixUp, ...]:
        return tuple(change for change in self.changes if isinstance(change, MixUp))

    @property
    def _single(self) -> tuple[Change | Function, ...]:
        return tuple(change for change in self.changes if not isinstance(change, MixUp))


Augmenting = Augment | Changes | Change | MixUp | Function | Sequence[Change | MixUp | Function]
"""What `fit` takes as `augment`."""


def augment_from(given: Any) -> Augment | Changes | None:
    """What `fit` was given: None, an `Augment`, `Changes`, a list of them, or one. Raises: DataError."""
    if given is None or isinstance(given, (Augment, Changes)):
        return given
    if isinstance(given, Sequence) and not isinstance(given, str):
        return Changes(tuple(given))
    return Changes((given,))


def _checked(change: Any, result: Any, image: Array, target: Any) -> tuple[Array, Any]:
    name = getattr(change, "__name__", type(change).__name__)
    if not isinstance(result, tuple) or len(result) != 2:
        raise DataError(f"augment: {name} must return a pair (image, target), not {shown(result)}.")
    for what, found, expected in zip(("an image", "a target"), map(np.asarray, result), (image, target), strict=True):
        kind, own = found.dtype, np.asarray(expected)
        if found.shape != own.shape or not np.can_cast(kind, own.dtype, "same_kind") or kind.kind != own.dtype.kind:
            raise DataError(
                f"augment: {name} gives {what} of {kind} with shape {found.shape}, but got one of {own.dtype} with "
                f"shape {own.shape}. It must return what is like it."
            )
    return np.asarray(result[0]), result[1]
