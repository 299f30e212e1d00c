"""The one slip that explains wrong numbers of a step, or none: it gives every one of them, to the digits written.

Slips of the whole step come first, then those of single numbers, then those of a step before, whose numbers the person
has not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite, log2

import numpy as np

from convgrad.check.sheets.digits import POINTS, cut_off, written_wrongly
from convgrad.check.sheets.edits import Choice, Slip, choices, differences, slips_of_step
from convgrad.check.sheets.numbers import Array
from convgrad.check.sheets.rounding import half_up
from convgrad.compute.arrays import place_of
from convgrad.compute.contract import in_order, root
from convgrad.compute.oracle.grid import evaluate_definition
from convgrad.explain.trace.numbers import written as number_text
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.terms import Factor, Term
from convgrad.explain.trace.trace import Trace
from convgrad.explain.trace.writing import element_text
from convgrad.notation.terms import Definition, Equation, accesses

MOST_TERMS = 200
MOST_ELEMENTS = 40
"""Of a tensor, to ask whether another element of it was taken by mistake."""
MOST_WRONG = 64
"""Wrong numbers of a tensor that are looked at one by one."""
MOST_STEPS = 12
"""Steps before that are asked whether a slip in one of them explains the numbers."""
LARGEST_STEP = 2000
"""Numbers of such a step."""
OF_ALL = ("gradient-rotated",)
"""Slips that are none of a single number."""
MOST_DECIMALS = 5
"""That people round to in between."""
MOST_TIMES = 1000
"""A constant factor that is told."""
EXACT = 1e-9
"""Room of a whole number, which stands for itself."""
FEWEST = 4.0
"""Bits that rounded numbers must hold for any cause but a sign: one digit has 3."""
MARGIN = 2.0
"""Bits that a number must hold beyond those that the count of other elements takes up."""
SURE = 12.0
"""Bits that wrong numbers must hold, so that a slip in a step before, of which some 300 are tried, is not chance."""

Place = tuple[int, ...]


def find_slip(tensor: Tensor, written: Array, room: Array) -> Slip | None:
    """The likeliest slip that explains every wrong number of a step.

    tensor: with what the step should have given. written: the person's numbers. room: what rounding may do to each.
    """
    step = _step(tensor, written, room)
    if step is None or not step.wrong:
        return None
    slip = step.whole() or step.of_numbers() or step.before() or step.rounded_before()
    return step.with_origin(slip) if slip is not None and slip.name == "sign" else slip


def find_choice(tensor: Tensor, written: Array, room: Array) -> Slip | None:
    """Another convention, at a kink or a tie of this step or of one before, that gives every number."""
    step = _step(tensor, written, room)
    if step is None or not step.wrong:
        return None
    found = (choice.slip for choice in step.choices() if choice.is_as_good and step.fits(choice.numbers))
    return next(found, None) or step.choice_before()


def foreseen(tensor: Tensor, at: Place) -> list[float]:
    """The wrong numbers that slips of a step give at one of its places, each once, likelier ones first."""
    nothing = np.zeros(tensor.shape)
    step = _step(tensor, nothing, nothing)
    return [] if step is None else list(dict.fromkeys(n for n in step.foreseen(at) if isfinite(n)))


def _first_of_each(slips: Iterator[tuple[str, Slip]]) -> dict[str, Slip]:
    found: dict[str, Slip] = {}
    for kind, slip in slips:
        found.setdefault(kind, slip)
    return found


def _step(tensor: Tensor, written: Array, room: Array) -> _Step | None:
    trace = tensor.trace
    assert isinstance(trace, Trace)
    name = root(tensor.name, trace.views)
    definition = trace.definitions.get(name)
    if definition is None or any(a.tensor not in trace for a in accesses(definition.term)):
        return None
    values = {a.tensor: trace.values_of(a.tensor) for a in accesses(definition.term)}
    right = evaluate_definition(definition, values)
    return _Step(trace, trace[name], definition, values, right, written.reshape(right.shape), room.reshape(right.shape))


@dataclass(frozen=True)
class _Step:
    """One step: what its equation gives, and what the person has."""

    trace: Trace
    tensor: Tensor
    definition: Definition
    values: Mapping[str, Array]
    right: Array
    written: Array
    room: Array

    def fits(self, numbers: Array) -> bool:
        return numbers.shape == self.written.shape and bool((np.abs(numbers - self.written) <= self.room + 1e-12).all())

    @property
    def wrong(self) -> list[Place]:
        return [tuple(int(p) for p in at) for at in np.argwhere(~(np.abs(self.right - self.written) <= self.room))]

    def choices(self) -> Iterator[Choice]:
        return choices(self.definition, self.values, self.trace.definitions, self.trace.values_of)

    # All numbers of the step

    def whole(self) -> Slip | None:
        faults = ((choice.slip, choice.numbers) for choice in self.choices() if not choice.is_as_good)
        for slip, numbers in (*faults, *slips_of_step(self.definition, self.values, self.right)):
            if self.fits(numbers) and (slip.name == "sign" or not self.is_coarse):
                return slip
        return None if self.is_coarse else self._constant_factor()

    @property
    def is_coarse(self) -> bool:
        """Whether the wrong numbers are rounded so far that many slips give them."""
        is_rounded = any(self.room[at] > EXACT for at in self.wrong)
        return is_rounded and self._bits < FEWEST

    @property
    def _bits(self) -> float:
        """How much the wrong numbers tell: each its digits."""
        units = np.where(self.room > EXACT, 2 * self.room, 1.0)
        scale = np.maximum(np.abs(self.written), np.abs(self.right))
        return sum(log2(max(1.0, float(scale[at] / units[at]))) for at in self.wrong)

    def _constant_factor(self) -> Slip | None:
        """Two numbers at least that are so many times as large as they should be."""
        finite = np.isfinite(self.room) & np.isfinite(self.right)
        if not finite.any() or len(self.wrong) < 2:
            return None
        at = place_of(int(np.argmax(np.abs(np.where(finite, self.right, 0)))), self.right.shape)
        ratio = float(self.written[at] / self.right[at]) if self.right[at] else 0.0
        times = round(abs(ratio)) if abs(ratio) >= 1 else -round(1 / abs(ratio)) if ratio else 0
        factor = float(np.sign(ratio)) * (times if times > 0 else -1 / times if times else 0)
        if not 2 < abs(times) <= MOST_TIMES or not self.fits(factor * self.right):
            return None
        size = f"{abs(times)} times as large" if times > 0 else f"1/{abs(times)} as large"
        sign = " with the wrong sign" if ratio < 0 else ""
        words = f"{self.definition.name} is {size}{sign}: a constant factor."
        return Slip("constant-factor", words)

    # Single numbers

    def of_numbers(self) -> Slip | None:
        """One kind of slip in all wrong numbers; or else, where each has one of its own, that of the first."""
        wrong = self.wrong
        if not 0 < len(wrong) <= MOST_WRONG:
            return None
        exchanged = self._exchanged(wrong)
        if exchanged is not None:
            return exchanged
        steps = [
            (slip, numbers)
            for slip, numbers in slips_of_step(self.definition, self.values, self.right)
            if numbers.shape == self.right.shape and slip.name not in OF_ALL
        ]
        found = [_first_of_each(self._at(at, steps)) for at in wrong]
        if not all(found):
            return None
        shared = next((kind for kind in found[0] if all(kind in slips for slips in found)), None)
        if shared is not None:
            words = dict.fromkeys(slips[shared].words for slips in found)
            return replace(found[0][shared], words=" ".join([*words][:3]))
        first = next(iter(found[0].values()))
        return replace(first, words=f"{first.words} The other wrong numbers have causes of their own.")

    def _exchanged(self, wrong: list[Place]) -> Slip | None:
        """Two numbers, each in the other's place."""
        if len(wrong) != 2 or self.is_coarse:
            return None
        (one, other), name = wrong, self.definition.name
        pairs = ((one, other), (other, one))
        if any(abs(self.right[a] - self.written[b]) > self.room[b] + 1e-12 for a, b in pairs):
            return None
        words = f"{element_text(name, one)} and {element_text(name, other)} are exchanged."
        return Slip("places-exchanged", words)

    def _at(self, at: Place, steps: list[tuple[Slip, Array]]) -> Iterator[tuple[str, Slip]]:
        """What may have happened to one number, by kind: the likeliest first."""
        got, expected, half = float(self.written[at]), float(self.right[at]), float(self.room[at])
        near, name = half + 1e-12, element_text(self.definition.name, at)
        if abs(got + expected) <= near:
            yield "sign", Slip("sign", f"The sign of {name} is wrong.")
        cut = cut_off(got, expected, half, name)
        if cut is not None:
            yield cut.name, cut
        bits = log2(max(1.0, max(abs(got), abs(expected)) / (2 * half if half > EXACT else 1.0)))
        if half > EXACT and bits < FEWEST:
            return
        terms = self.tensor[at].explain().terms_of_equation
        for number, slip in self._terms(terms, expected, near, name):
            if abs(got - number) <= near:
                yield slip.name, slip
        for slip, numbers in steps:
            if abs(float(numbers[at]) - got) <= near:
                words = slip.words.replace(f"In {self.definition.name} ", f"In {name} ")
                yield slip.words, replace(slip, words=words if words != slip.words else f"In {name}: {slip.words}")
        change = got - expected
        other = self._other_element(terms, change, near, name, bits)
        for last in (other, written_wrongly(got, expected, half, name)):
            if last is not None:
                yield last.name, last

    def _terms(self, terms: tuple[Term, ...], expected: float, near: float, name: str) -> Iterator[tuple[float, Slip]]:
        """Slips in a term of a sum, with the number that comes of each."""
        if not 1 < len(terms) <= MOST_TERMS:
            return
        kinds = (("term-missing", "left out", -1), ("term-twice", "counted twice", 1),
                 ("term-sign", "taken with the wrong sign", -2))  # fmt: skip
        for kind, words, factor in kinds:
            for term in terms:
                if term.value != 0:
                    shown = f"{term.text} = {number_text(term.value)}"
                    yield expected + factor * term.value, Slip(kind, f"In {name} the term {shown} is {words}.")
        sums = np.cumsum([term.value for term in terms])
        if abs(float(sums[-1]) - expected) > near:
            return
        for count, total in enumerate(sums[:-2], 1):
            words = f"In {name} the sum stops after {terms[count - 1].text}: {len(terms) - count} terms are left out."
            yield float(total), Slip("sum-incomplete", words)

    def foreseen(self, at: Place) -> Iterator[float]:
        """What comes of each slip that a single number may show, and of a moved point."""
        expected, name = float(self.right[at]), element_text(self.definition.name, at)
        yield -expected
        terms = self.tensor[at].explain().terms_of_equation
        for number, _ in self._terms(terms, expected, EXACT, name):
            yield number
        for _, numbers in slips_of_step(self.definition, self.values, self.right):
            if numbers.shape == self.right.shape:
                yield float(numbers[at])
        for term in terms if len(terms) <= MOST_TERMS else ():
            for factor in term.factors:
                for _, value in self._others(factor) if factor.value else ():
                    yield expected + term.value * (value / factor.value - 1)
        for power in POINTS:
            yield expected * 10.0**power

    def _other_element(
        self, terms: tuple[Term, ...], change: float, near: float, name: str, bits: float
    ) -> Slip | None:
        """Another element of a tensor taken in one factor; only where a single one fits, and none would by chance: the
        number holds so many bits.
        """
        found: list[tuple[str, str]] = []
        tried = 1
        for term in terms if len(terms) <= MOST_TERMS else ():
            for factor in term.factors:
                for other, value in self._others(factor):
                    tried += 1
                    if factor.value and abs(term.value * (value / factor.value - 1) - change) <= near:
                        found.append((factor.text, other))
        if len(found) != 1 or bits < log2(tried) + MARGIN:
            return None
        factor_text, other = found[0]
        return Slip("wrong-element", f"In {name} {other} is taken in place of {factor_text}.")

    def _others(self, factor: Factor) -> Iterator[tuple[str, float]]:
        if factor.tensor is None or not factor.inside or self.values[factor.tensor].size > MOST_ELEMENTS:
            return
        for place, value in np.ndenumerate(self.values[factor.tensor]):
            if place != factor.index and value != factor.value:
                yield element_text(factor.tensor, place), float(value)

    # Steps before, whose numbers are not told

    def before(self) -> Slip | None:
        """A slip in a step before. Single numbers of few digits are given by too many to say which it was."""
        if self._bits < SURE:
            return None
        for definition, values, right in self._steps_before():
            faults = choices(definition, values, self.trace.definitions, self.trace.values_of)
            found = ((choice.slip, choice.numbers) for choice in faults if not choice.is_as_good)
            for slip, numbers in (*found, *slips_of_step(definition, values, right)):
                if self._follows(definition, numbers, right):
                    return replace(slip, words=f"{slip.words} {self.definition.name} follows from that.")
        return None

    def rounded_before(self) -> Slip | None:
        """All steps before rounded to as many decimals, which is how numbers by hand go wrong in their last digits."""
        if self.is_coarse:
            return None
        order = [definition.name for definition, _, _ in self._steps_before()][::-1]
        for decimals in range(1, MOST_DECIMALS + 1):
            trace = self.trace
            for name in order:
                trace = trace.with_pins({name: half_up(trace.values_of(name), decimals)})
            if order and self.fits(trace.values_of(self.definition.name)):
                name = self.definition.name
                digits = f"{decimals} decimal{'' if decimals == 1 else 's'}"
                return Slip("rounded-between", f"{name} follows where the steps before it are rounded to {digits}.")
        return None

    def with_origin(self, slip: Slip) -> Slip:
        """A wrong sign together with the difference in a step before that gives it when it is taken the other way."""
        for definition, values, right in self._steps_before():
            for origin, edited in differences(definition):
                if self._follows(definition, evaluate_definition(edited, values), right):
                    return replace(slip, words=f"{slip.words} {origin.words} That gives it.")
        return slip

    def choice_before(self) -> Slip | None:
        for definition, values, right in self._steps_before():
            for choice in choices(definition, values, self.trace.definitions, self.trace.values_of):
                if choice.is_as_good and self._follows(definition, choice.numbers, right):
                    return choice.slip
        return None

    def _follows(self, definition: Definition, numbers: Array, right: Array) -> bool:
        """Whether the person's numbers follow from other numbers of a step before."""
        if numbers.shape != right.shape or np.array_equal(numbers, right):
            return False
        return self.fits(self.trace.with_pins({definition.name: numbers}).values_of(self.definition.name))

    def _steps_before(self) -> Iterator[tuple[Definition, dict[str, Array], Array]]:
        """The steps that this one was computed from, the nearest first, with the numbers that they read and give."""
        given = self.trace.start.replaced
        equation = Equation(
            tuple(d for d in self.trace.definitions.values() if d.name not in given or d.name == self.definition.name),
            shapes=self.trace.equation.shapes,
        )
        needed = in_order(equation, [self.definition.name], views=self.trace.views)
        earlier = [d for d in reversed(needed) if d.name != self.definition.name and d.name in self.trace]
        for definition in earlier[:MOST_STEPS]:
            values = {a.tensor: self.trace.values_of(a.tensor) for a in accesses(definition.term)}
            if sum(array.size for array in values.values()) <= LARGEST_STEP:
                yield definition, values, self.trace.values_of(definition.name)
