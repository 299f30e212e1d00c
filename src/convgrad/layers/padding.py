"""Borders around an image: zeros, another number, the edge again, or the image mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from convgrad.arguments import FINITE, one_of
from convgrad.errors import ModelError, ShapeError
from convgrad.layers.base import Built, Layer, Shape
from convgrad.layers.window import AXIS_NAMES, PLACES, Padding, padding_per_axis, written


@dataclass(frozen=True, eq=False, repr=False)
class Border(Layer, abstract=True):
    """A border around an image of `axes` axes. A subclass says what stands there."""

    padding: Padding = 1
    axes: ClassVar[int]

    def check(self) -> None:
        if isinstance(self.padding, str):
            raise ModelError(f"{self.label}: padding must be given in numbers, not {self.padding!r}.")
        self.pairs  # noqa: B018  (checks the padding)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """How many places are added (before, after) along each axis."""
        pairs = padding_per_axis(self.label, self.padding, self.axes)
        assert isinstance(pairs, tuple)  # text was refused
        return pairs

    @property
    def names(self) -> tuple[str, ...]:
        """How the equation calls the number of places before, by axis; empty where nothing is added."""
        # Said even where nothing comes before but something after: a bare i would say that the sizes are the same.
        return written("p", tuple(pair[0] if any(pair) else -1 for pair in self.pairs), unsaid=-1)

    def build(self, *input_shapes: Shape) -> Built:
        *image, channels = self.one_input(input_shapes, self.axes + 1, ", ".join((*AXIS_NAMES[self.axes], "channels")))
        outputs = tuple(n + sum(pair) for n, pair in zip(image, self.pairs, strict=True))
        sizes = {i.upper(): n for i, n in zip(PLACES[self.axes], outputs, strict=True)}
        integers = {name: before for name, (before, _) in zip(self.names, self.pairs, strict=True) if name}
        shape = (*image, channels)
        return Built(self.equation, ("o",), (shape,), (*outputs, channels), sizes=sizes, integers=integers)


class ZeroPadding(Border, abstract=True):
    """Zeros around the image, see `ZeroPadding2D`."""

    @property
    def text(self) -> str:
        places = PLACES[self.axes]
        read = ",".join(f"{i}-{name}" if name else i for i, name in zip(places, self.names, strict=True))
        return f"x[{','.join(places)},c] = o[{read},c else 0]"


class ZeroPadding1D(ZeroPadding):
    """x[i,c] = o[i-p,c else 0]. See `ZeroPadding2D`."""

    axes = 1


class ZeroPadding2D(ZeroPadding):
    """x[i,j,c] = o[i-p,j-p,c else 0]

    o: (H, W, C). x: (H + before + after, W + before + after, C).

    padding: a whole number, or for each axis a number or a pair (before, after).

    >>> print(ZeroPadding2D(((1, 2), 3)))
    x[i,j,c] = o[i-p1,j-p2,c else 0]
    """

    axes = 2


class ZeroPadding3D(ZeroPadding):
    """x[i,j,l,c] = o[i-p,j-p,l-p,c else 0]. See `ZeroPadding2D`."""

    axes = 3


@dataclass(frozen=True, eq=False, repr=False)
class FilledBorder(Border, abstract=True):
    """A border by one axis after the other, see `Padding2D`."""

    mode: str = "constant"
    value: float = 0.0

    def check(self) -> None:
        super().check()
        self.require(mode=one_of("constant", "edge", "reflect"), value=FINITE)
        if self.value and self.mode != "constant":
            raise ModelError(f"{self.label}: a value is for mode='constant' only.")

    @property
    def text(self) -> str:
        steps = [axis for axis, name in enumerate(self.names) if name]
        source, read = "o", ["hwd"[axis] for axis in range(self.axes)]
        lines = []
        for number, axis in enumerate(steps):
            result = "x" if number == len(steps) - 1 else f"y{number + 1}"
            place = PLACES[self.axes][axis]
            lines.append(self._along(axis, result, source, read, place))
            source, read[axis] = result, place
        return "\n".join(lines) or f"x[{','.join(read)},c] = o[{','.join(read)},c]"

    def _along(self, axis: int, result: str, source: str, read: list[str], place: str) -> str:
        """The definition of `result`, which is `source` with a border along one axis."""
        size, p = AXIS_NAMES[self.axes][axis], self.names[axis]

        def at(position: str) -> str:
            outside = " else 0" if place in position else ""  # it is not taken where it is outside
            return f"{source}[{','.join([*read[:axis], position, *read[axis + 1 :]])},c{outside}]"

        before, behind = {
            "constant": (f"{self.value:.12g}", f"{self.value:.12g}"),
            "edge": (at("0"), at(f"{size}-1")),
            "reflect": (at(f"{p}-{place}"), at(f"2*{size}-2+{p}-{place}")),
        }[self.mode]
        inside = f"where({place} < {size}+{p}, {at(f'{place}-{p}')}, {behind})"
        places = ",".join([*read[:axis], place, *read[axis + 1 :]])
        return f"{result}[{places},c] = where({place} < {p}, {before}, {inside})"

    def build(self, *input_shapes: Shape) -> Built:
        built = super().build(*input_shapes)
        image = built.input_shapes[0]
        for axis, (name, size, pair) in enumerate(zip(AXIS_NAMES[self.axes], image, self.pairs, strict=False)):
            if self.mode == "reflect" and max(pair) >= size:
                raise ShapeError(
                    f"{self.label}: along axis {axis} {max(pair)} {name} are to be mirrored, but the image has {size}, "
                    f"and the one at the edge is not repeated.",
                    remedy=f"Add at most {size - 1}, or take mode='edge'.",
                )
            if any(pair):
                built.integers[name] = size
            else:
                del built.sizes[PLACES[self.axes][axis].upper()]
        return built


class Padding1D(FilledBorder):
    """x[i,c] = where(i < p, before, where(i < places+p, o[i-p,c], behind)). See `Padding2D`."""

    axes = 1


class Padding2D(FilledBorder):
    """x[i,j,c] = where(j < p, before, where(j < columns+p, y1[i,j-p,c], behind)), along one axis after the other

    y1 is the image with a border above and below, made in the same way. `before` and `behind` are

        constant: value
        edge: the first and the last row (column) again
        reflect: the image mirrored at its first and last row (column), which are not repeated

    o: (H, W, C). x: (H + before + after, W + before + after, C).

    padding: a whole number, or for each axis a number or a pair (before, after).
    mode: "constant", "edge" or "reflect", as for `numpy.pad`.
    value: of "constant".

    Raises: ModelError for arguments that can't work, ShapeError at `build` for an image that is too small to mirror.

    >>> Padding2D(((1, 2), 3), mode="reflect").build((5, 7, 2)).output_shape
    (8, 13, 2)
    """

    axes = 2


class Padding3D(FilledBorder):
    """x[i,j,l,c]: as `Padding2D`, along planes, rows and columns."""

    axes = 3
