"""What a layer's equation means, in sentences made from it: sizes, what a sum runs over, why a kernel turns."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.calculus.derive import derivation
from convgrad.calculus.steps import Derivation, StepKind
from convgrad.errors import EquationError
from convgrad.explain.trace.trace import Trace
from convgrad.network.placed import PlacedLayer
from convgrad.notation.polynomial import Position
from convgrad.notation.terms import Access, Definition, accesses, bound_indices, gradient_name

TELLING = frozenset(
    {
        StepKind.SURVIVAL_EVERYWHERE,
        StepKind.EXPANSION_OF_EXTREME,
        StepKind.CHANGE_OF_INDEX,
        StepKind.BOUNDS,
        StepKind.TURN,
        StepKind.ADDITION,
    }
)
"""Steps of a derivation whose sentences say something about the layer."""
OTHER = ("positions", "N", "k")
AXES = {0: ("rows", "H", "k1"), 1: ("columns", "W", "k2")}
"""Axis of an image -> what it counts, its letter, and the letter of the kernel's."""


@dataclass(frozen=True)
class Slide:
    """How an axis of an image is read: at s*i + d*m + ... - p for an index i of the result.

    size: of the axis; outputs: how many values i has; outside: what is read beyond the ends, None where nothing is.
    """

    position: Position
    index: str
    axis: int
    size: int
    outputs: int
    stride: int
    extent: int
    before: int
    outside: float | None

    @property
    def last(self) -> int:
        """The last position that is read."""
        return (self.outputs - 1) * self.stride - self.before + self.extent - 1

    @property
    def is_full(self) -> bool:
        """Whether the index runs as far as it can."""
        return self.outputs == (self.size + self.border - self.extent) // self.stride + 1

    @property
    def border(self) -> int:
        """How many positions are added before and after."""
        return 0 if self.outside is None else self.before + max(0, self.last - self.size + 1)

    @property
    def what(self) -> str:
        """What the axis counts."""
        return AXES.get(self.axis, OTHER)[0]

    @property
    def count(self) -> tuple[str, str]:
        """How many positions there are, as a formula and in numbers: H-k1+1, 5-2+1."""
        _, room, kernel = AXES.get(self.axis, OTHER)
        size = str(self.size)
        if self.border:
            room, size = f"{room}+{self.border}", f"{size}+{self.border}"
        if self.stride == 1:
            return f"{room}-{kernel}+1", f"{size}-{self.extent}+1"
        divided = f")/{self.stride})+1"
        return f"floor(({room}-{kernel}{divided}", f"floor(({size}-{self.extent}{divided}"

    @property
    def sentence(self) -> str:
        """How far the index runs, and why."""
        there = f"the {self.size} {self.what} 0..{self.size - 1}"
        last = f"{self.index} = {self.outputs - 1} reads up to {self.last}"
        if self.outside is None:
            return f"{self.position} must stay within {there}: {last}."
        value = {float("-inf"): "minus infinity"}.get(self.outside, f"{self.outside:g}")
        return f"{self.position} may run outside {there}, where {value} is read: {last}."


def slides(trace: Trace, definition: Definition) -> tuple[Slide, ...]:
    """The axes along which something slides over what a definition reads."""
    found: dict[tuple[str, int], Slide] = {}
    for access in accesses(definition.term):
        for axis in range(len(access.positions)):
            slide = slide_along(trace, definition, access, axis)
            if slide is not None:
                found.setdefault((access.tensor, axis), slide)
    return tuple(found.values())


def slide_along(trace: Trace, definition: Definition, access: Access, axis: int) -> Slide | None:
    """How a reading slides along one axis of its tensor; None where it does not."""
    position, sizes = access.positions[axis], definition.sizes
    outer = [n for n in position.names if n in definition.indices]
    inner = position.names - {*outer}
    steps = {n: position.numerator.coefficient(n).constant_value for n in position.names}
    if len(outer) != 1 or not inner or not position.is_whole or min(steps.values()) < 1:
        return None
    return Slide(
        position=position,
        index=outer[0],
        axis=axis - (trace.start.batch is not None),
        size=trace.shapes[access.tensor][axis],
        outputs=sizes[outer[0]],
        stride=steps[outer[0]],
        extent=1 + sum(steps[n] * (sizes[n] - 1) for n in inner),
        before=-position.numerator.constant_value,
        outside=access.outside,
    )


def size_sentences(trace: Trace, placed: PlacedLayer) -> list[str]:
    """Where the size of a layer's result comes from."""
    found = slides(trace, trace.definitions[placed.output])
    if not found:
        return []
    sentences = [slide.sentence for slide in found]
    if all(slide.is_full for slide in found):
        around = "({})" if len(found) > 1 else "{}"
        formula, sizes = (" x ".join(around.format(slide.count[n]) for slide in found) for n in (0, 1))
        numbers = " x ".join(str(slide.outputs) for slide in found)
        sentences.append(f"So the result has {formula} = {sizes} = {numbers} places.")
    return sentences


def gradient_sentences(derived: Derivation) -> list[str]:
    """What a derivation says about its layer."""
    told = [step.sentence for step in derived.steps if step.kind in TELLING]
    return list(dict.fromkeys(told))


def sum_sentence(definition: Definition) -> str | None:
    """How many terms the sum of a gradient has: as many as the output has places, for a kernel."""
    indices = [(name, size) for name, size in definition.ranges if name in bound_indices(definition.term)]
    if len(indices) < 2:
        return None
    ranges = ", ".join(f"{name} = 0..{size - 1}" for name, size in indices)
    sizes = " x ".join(str(size) for _, size in indices)
    return f"The sum runs over {ranges}: {sizes} = {prod(size for _, size in indices)} terms."


def derivations(placed: PlacedLayer) -> dict[str, Derivation]:
    """Gradient's name within the layer -> how it follows from the layer's equation, in letters."""
    found = {}
    for name in (*placed.built.parameters, *placed.built.inputs):
        try:
            found[gradient_name(name)] = derivation(placed.built.equation, name, placed.built.output)
        except EquationError:
            continue
    return found
