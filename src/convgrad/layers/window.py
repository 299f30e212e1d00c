"""Windows that slide over an image: kernel size, strides, dilation and padding, and how equations write them.

Along one axis the window at place i covers the positions `s*i + d*m - p` for m = 0..M-1, with stride s, dilation d and
padding p before the first position. Equations say s, d and p only where they are not 1 or 0, and number them by axis
(s1, s2) where the axes differ.

Padding is

- `"valid"`: none.
- `"same"`: as many positions as the stride leaves, ceil(H / s), as TensorFlow and Keras have it: of the
  max((ceil(H/s) - 1)*s + d*(M-1) + 1 - H, 0) positions in all, half (rounded down) come before.
- a whole number: as many before as after, on every axis; or a tuple with, for each axis, a whole number or a pair
  (before, after).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from convgrad.arguments import shown, whole
from convgrad.errors import ModelError, ShapeError
from convgrad.notation.legality import counted

Sizes = int | tuple[int, ...]
Padding = str | int | tuple[int | tuple[int, int], ...]
PLACES = {1: "i", 2: "ij", 3: "ijl"}
OFFSETS = {1: "m", 2: "mn", 3: "mnr"}
"""Number of axes -> the index of each place in the result, and of each place in the window."""
AXIS_NAMES = {1: ("places",), 2: ("rows", "columns"), 3: ("planes", "rows", "columns")}


@dataclass(frozen=True)
class Window:
    """A window over `len(kernel)` axes. `label` is how messages call its layer.

    ceil: whether what a stride leaves over at the end gets a window, too, which then reaches beyond the image.

    >>> window = Window.of("conv", 2, kernel=(3, 5), strides=2, padding="same")
    >>> window.positions("ij", "mn")
    ('s*i+m-p1', 's*j+n-p2')
    >>> window.outputs((11, 7)), window.integers((11, 7))
    ((6, 4), {'s': 2, 'p1': 1, 'p2': 2})
    """

    label: str
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str | tuple[tuple[int, int], ...]
    ceil: bool = False

    @staticmethod
    def of(
        label: str,
        axes: int,
        kernel: Sizes,
        strides: Sizes = 1,
        padding: Padding = "valid",
        dilation: Sizes = 1,
        ceil: bool = False,
    ) -> Window:
        """From a layer's arguments. Raises: ModelError where one of them is not legal."""
        return Window(
            label,
            per_axis(label, "kernel_size", kernel, axes),
            per_axis(label, "strides", strides, axes),
            per_axis(label, "dilation", dilation, axes),
            padding_per_axis(label, padding, axes),
            ceil,
        )

    @property
    def extent(self) -> tuple[int, ...]:
        """How many positions the window spans along each axis: d*(M-1) + 1."""
        return tuple(d * (m - 1) + 1 for m, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def pads(self) -> bool:
        """Whether positions outside may be read."""
        if self.ceil:
            return True
        if isinstance(self.padding, tuple):
            return any(before or after for before, after in self.padding)
        return self.padding == "same" and any(extent > 1 for extent in self.extent)

    def positions(self, places: Sequence[str], offsets: Sequence[str]) -> tuple[str, ...]:
        """How an equation writes the position read at each place (i) and offset in the window (m), axis by axis."""
        strides, dilation = written("s", self.strides), written("d", self.dilation)
        rows = zip(strides, places, dilation, offsets, self._before_names(), strict=True)
        return tuple(f"{_times(s, i)}+{_times(d, m)}" + (f"-{p}" if p else "") for s, i, d, m, p in rows)

    def integers(self, sizes: Sequence[int]) -> dict[str, int]:
        """The values of the parameters in `positions` on an image of these sizes."""
        result: dict[str, int] = {}
        for letter, values in (("s", self.strides), ("d", self.dilation)):
            result |= {n: v for n, v in zip(written(letter, values), values, strict=True) if n.isidentifier()}
        before = tuple(before for before, _ in self.pad(sizes))
        return result | {n: v for n, v in zip(self._before_names(), before, strict=True) if n.isidentifier()}

    def pad(self, sizes: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """Positions (before, after) added to an image of these sizes along each axis."""
        if isinstance(self.padding, tuple):
            return self.padding
        if self.padding == "valid":
            return ((0, 0),) * len(self.kernel)
        return tuple(same_padding(h, e, s) for h, e, s in zip(sizes, self.extent, self.strides, strict=True))

    def outputs(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """How many places the window has along each axis: floor((H + before + after - extent) / s) + 1.

        With `ceil` it is rounded up, without a window that would begin behind the image, as in PyTorch.

        Raises: ShapeError where it has none because the image is smaller than the window.
        """
        result = []
        for axis, (size, (before, after)) in enumerate(zip(sizes, self.pad(sizes), strict=True)):
            room, extent = size + before + after, self.extent[axis]
            if room < extent:
                raise self._too_large(axis, size, room - size)
            stride = self.strides[axis]
            places = (room - extent) // stride + 1
            if self.ceil and (room - extent) % stride and places * stride < size + before:
                places += 1
            result.append(places)
        return tuple(result)

    def check_overlap(self) -> None:
        """Raises: ModelError where a window could lie in the padding alone, so that there is nothing to pool."""
        if not isinstance(self.padding, tuple):
            return
        for axis, pair in enumerate(self.padding):
            if max(pair) >= self.extent[axis]:
                raise ModelError(
                    f"{self.label}: a padding of {max(pair)} on axis {axis} is too much for a window of "
                    f"{self.extent[axis]}: some windows would contain nothing of the image. "
                    f"The limit is {self.extent[axis] - 1}."
                )

    def _before_names(self) -> tuple[str, ...]:
        if self.padding == "valid" or not self.pads:
            return ("",) * len(self.kernel)
        if isinstance(self.padding, tuple):
            before: tuple[int, ...] = tuple(before for before, _ in self.padding)
        elif all(s == 1 for s in self.strides):  # then 'same' does not depend on the image
            before = tuple((extent - 1) // 2 for extent in self.extent)
        else:
            numbered = len(self.kernel) > 1
            return tuple(
                "" if extent == 1 else f"p{axis + 1}" if numbered else "p" for axis, extent in enumerate(self.extent)
            )
        return written("p", before, unsaid=0)

    def _too_large(self, axis: int, size: int, padding: int) -> ShapeError:
        extent, named = self.extent[axis], AXIS_NAMES[len(self.kernel)][axis]
        kernel = f"{extent} {named}"
        if self.dilation[axis] > 1:
            kernel += f" ({self.kernel[axis]}, {self.dilation[axis]} apart)"
        image = counted(size, named.removesuffix("s")) + (f" and a padding of {padding}" if padding else "")
        return ShapeError(
            f"{self.label}: the kernel is larger than the image. It spans {kernel}, but the image has {image}.",
            remedy=f"Make it at most {size + padding}, or write padding='same', or remove a pooling layer before it.",
        )


def same_padding(size: int, extent: int, stride: int) -> tuple[int, int]:
    """Positions (before, after) that TensorFlow's `same` adds.

    >>> same_padding(28, 5, 1), same_padding(28, 3, 2), same_padding(7, 3, 2)
    ((2, 2), (0, 1), (1, 1))
    """
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def written(letter: str, values: Sequence[int], unsaid: int = 1) -> tuple[str, ...]:
    """How each axis writes its parameter: not at all where it is `unsaid`, `s` if all are alike, else `s1`, `s2`.

    >>> written("s", (1, 1)), written("s", (2, 2)), written("s", (2, 1, 3))
    (('', ''), ('s', 's'), ('s1', '', 's3'))
    """
    alike = len(set(values)) == 1
    return tuple(
        "" if value == unsaid else letter if alike else f"{letter}{axis + 1}" for axis, value in enumerate(values)
    )


def per_axis(label: str, argument: str, value: Sizes, axes: int, least: int = 1) -> tuple[int, ...]:
    """A whole number for each axis. Raises: ModelError."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    numbers = [whole(v) for v in values]
    if len(values) != axes or any(number is None or number < least for number in numbers):
        tuple_of = f" or a tuple of {axes} of them, one for each axis" if axes > 1 else ""
        raise ModelError(
            f"{label}: {argument} must be a whole number of at least {least}{tuple_of}, not {shown(value)}."
        )
    return tuple(number for number in numbers if number is not None)


def padding_per_axis(label: str, padding: Padding, axes: int) -> str | tuple[tuple[int, int], ...]:
    """The padding with (before, after) for each axis, or "valid" or "same". Raises: ModelError."""
    if isinstance(padding, str) and padding in ("valid", "same"):
        return str(padding)
    values = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * axes
    pairs = []
    for value in values:
        before, after = _pair(value)
        if before is not None and after is not None and before >= 0 and after >= 0:
            pairs.append((before, after))
    if isinstance(padding, str) or len(values) != axes or len(pairs) != axes:
        raise ModelError(
            f"{label}: padding must be 'valid', 'same', a whole number of at least 0, or a tuple of {axes} such "
            f"numbers or pairs (before, after), not {shown(padding)}."
        )
    return tuple(pairs)


def _pair(value: object) -> tuple[int | None, int | None]:
    if isinstance(value, (tuple, list)):
        return (whole(value[0]), whole(value[1])) if len(value) == 2 else (None, None)
    return whole(value), whole(value)


def _times(factor: str, index: str) -> str:
    return f"{factor}*{index}" if factor else index
