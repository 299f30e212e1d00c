"""Slips of the pen in one step of a calculation by hand, named by what undoes them.

Each slip is the step's own equation on other numbers, or with a factor or a term taken out; nothing is computed by a
second formula.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import floor, isfinite, log10

import numpy as np

from convgrad.check.sheets.numbers import Array
from convgrad.compute.oracle.grid import evaluate_definition
from convgrad.explain.trace.numbers import written as number_text
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.terms import Factor, Term
from convgrad.explain.trace.writing import element_text
from convgrad.notation.terms import Definition, Multiply, Reduce, accesses, rebuild
from convgrad.notation.terms import Term as Expression

MOST_TERMS = 200
MOST_ELEMENTS = 40
"""Of a tensor, to ask whether another element of it was taken by mistake."""


@dataclass(frozen=True)
class Slip:
    """What happened, in words."""

    name: str
    words: str


def find_slip(tensor: Tensor, written: Array, room: Array) -> Slip | None:
    """The first slip that explains every number of a step; of the whole tensor first, then of single numbers.

    tensor: with what the step should have given. written: the person's numbers. room: what rounding may do to each.
    """
    definition = tensor.definition
    if definition is None or any(a.tensor not in tensor.trace for a in accesses(definition.term)):
        return None
    values = {a.tensor: tensor.trace.values_of(a.tensor) for a in accesses(definition.term)}
    right = evaluate_definition(definition, values)
    for slip, array in _whole(definition, values, right):
        if array.shape == written.shape and bool((np.abs(array - written) <= room + 1e-12).all()):
            return slip
    wrong = [tuple(int(p) for p in at) for at in np.argwhere(np.abs(right - written) > room)]
    step = _Step(tensor, definition, values, right, written, room)
    slips = [step.slip(at) for at in wrong]
    found = [s for s in slips if s is not None]
    if len(found) < len(slips) or not found:
        return None
    return replace(found[0], words=" ".join(s.words for s in found[:3]))


def _whole(definition: Definition, values: Mapping[str, Array], right: Array) -> Iterator[tuple[Slip, Array]]:
    name = definition.name
    yield Slip("sign", f"The sign of {name} is wrong."), -right
    yield Slip("factor-2", f"{name} is twice as large: a factor 2 too many."), 2 * right
    yield Slip("factor-half", f"{name} is half as large: a factor 1/2 too many."), right / 2
    reads = list(dict.fromkeys(a.tensor for a in accesses(definition.term)))
    for tensor in reads:
        array = values[tensor]
        for slip, moved in _moved(tensor, array):
            yield slip, evaluate_definition(definition, {**values, tensor: moved})
    for factor, without in _without_factors(definition):
        yield Slip("factor-missing", f"In {name} the factor {factor} is missing."), evaluate_definition(without, values)
    for factor, doubled in _with_factors_twice(definition):
        slip = Slip("factor-twice", f"In {name} the factor {factor} is applied twice.")
        yield slip, evaluate_definition(doubled, values)
    if right.ndim == 2:
        yield Slip("gradient-rotated", f"{name} comes out turned by 180 degrees."), right[::-1, ::-1]
        yield Slip("height-width-swapped", f"{name} comes out with rows and columns swapped."), right.T


def _moved(tensor: str, array: Array) -> Iterator[tuple[Slip, Array]]:
    if array.ndim >= 2:
        words = f"{tensor} is used turned by 180 degrees, or is not turned where it should be."
        yield Slip("rotated", words), np.flip(array, (0, 1))
        if array.shape[0] == array.shape[1]:
            yield (
                Slip("height-width-swapped", f"{tensor} is used with rows and columns swapped."),
                np.swapaxes(array, 0, 1),
            )
    elif array.ndim == 1 and array.size > 1:
        yield Slip("reversed", f"{tensor} is used in reversed order."), array[::-1]


def _factor_lists(definition: Definition) -> Iterator[tuple[Multiply, Expression]]:
    term = definition.term
    while isinstance(term, Reduce):
        term = term.body
    if isinstance(term, Multiply):
        yield from ((term, factor) for factor in term.factors)


def _without_factors(definition: Definition) -> Iterator[tuple[Expression, Definition]]:
    for whole, factor in _factor_lists(definition):
        rest = tuple(f for f in whole.factors if f is not factor)
        inside = rest[0] if len(rest) == 1 else Multiply(rest)
        yield factor, _exchanged(definition, whole, inside)


def _with_factors_twice(definition: Definition) -> Iterator[tuple[Expression, Definition]]:
    for whole, factor in _factor_lists(definition):
        yield factor, _exchanged(definition, whole, Multiply((*whole.factors, factor)))


def _exchanged(definition: Definition, old: Expression, new: Expression) -> Definition:
    return replace(definition, term=rebuild(definition.term, lambda t: new if t == old else t))


@dataclass(frozen=True)
class _Step:
    """One step, to ask what happened to single numbers of it."""

    tensor: Tensor
    definition: Definition
    values: Mapping[str, Array]
    right: Array
    written: Array
    room: Array

    def slip(self, at: tuple[int, ...]) -> Slip | None:
        """A wrong sign, a term left out or counted twice, another element taken, digits exchanged, a point moved."""
        got, expected, near = float(self.written[at]), float(self.right[at]), float(self.room[at]) + 1e-12
        name = element_text(self.definition.name, at)
        if abs(got + expected) <= near:
            return Slip("sign", f"The sign of {name} is wrong.")
        if abs(got - expected) <= 2 * near and abs(_cut(expected, near) - got) <= 1e-9 * abs(got):
            return Slip("rounded-down", f"{name} is cut off and not rounded: {number_text(expected)} rounds up.")
        terms = self.tensor[at].explain().terms_of_equation
        return (
            self._term(terms, got - expected, near, name)
            or self._whole_at(at, got, expected, near, name)
            or self._other_element(terms, got - expected, near, name)
            or _written_wrongly(got, expected, near, name)
        )

    def _term(self, terms: tuple[Term, ...], change: float, near: float, name: str) -> Slip | None:
        if not 1 < len(terms) <= MOST_TERMS:
            return None
        kinds = (("term-missing", "left out", -1), ("term-twice", "counted twice", 1),
                 ("term-sign", "taken with the wrong sign", -2))  # fmt: skip
        for kind, words, factor in kinds:
            for term in terms:
                if term.value != 0 and abs(change - factor * term.value) <= near:
                    shown = f"{term.text} = {number_text(term.value)}"
                    return Slip(kind, f"In {name} the term {shown} is {words}.")
        return None

    def _whole_at(self, at: tuple[int, ...], got: float, expected: float, near: float, name: str) -> Slip | None:
        """A slip that would be one of the whole tensor, made in one number."""
        for slip, array in _whole(self.definition, self.values, self.right):
            if array.shape == self.right.shape and abs(float(array[at]) - got) <= near and abs(got - expected) > near:
                words = slip.words.replace(f"In {self.definition.name} ", f"In {name} ")
                return replace(slip, words=words if words != slip.words else f"In {name}: {slip.words}")
        return None

    def _other_element(self, terms: tuple[Term, ...], change: float, near: float, name: str) -> Slip | None:
        """Another element of a tensor taken in one factor; only where a single one fits, for many may by chance."""
        found: list[tuple[str, str]] = []
        for term in terms if len(terms) <= MOST_TERMS else ():
            for factor in term.factors:
                for other, value in self._others(factor):
                    if factor.value and abs(term.value * (value / factor.value - 1) - change) <= near:
                        found.append((factor.text, other))
        if len(found) != 1:
            return None
        factor_text, other = found[0]
        return Slip("wrong-element", f"In {name} {other} is taken in place of {factor_text}.")

    def _others(self, factor: Factor) -> Iterator[tuple[str, float]]:
        if factor.tensor is None or not factor.inside or self.values[factor.tensor].size > MOST_ELEMENTS:
            return
        for place, value in np.ndenumerate(self.values[factor.tensor]):
            if place != factor.index and value != factor.value:
                yield element_text(factor.tensor, place), float(value)


def _cut(value: float, half: float) -> float:
    """The number with what is behind its last digit cut off; `half`: half a unit of that digit."""
    if not (half > 1e-9 and isfinite(value)):
        return value
    unit = 10.0 ** round(log10(2 * half))
    return float(np.sign(value)) * floor(abs(value) / unit + 1e-9) * unit


def _written_wrongly(got: float, expected: float, near: float, name: str) -> Slip | None:
    for power in (-2, -1, 1, 2):
        if abs(got - expected * 10.0**power) <= near:
            return Slip("decimal-point", f"In {name} the decimal point is moved.")
    digits = f"{abs(got):.10f}".rstrip("0")
    for n in range(len(digits) - 1):
        swapped = digits[:n] + digits[n + 1] + digits[n] + digits[n + 2 :]
        if swapped.count(".") == 1 and abs(float(swapped) - abs(expected)) <= near and digits[n] != digits[n + 1]:
            return Slip(
                "digits-swapped",
                f"In {name} two digits are exchanged: {number_text(got)} for {number_text(expected)}.",
            )
    places = max(0, round(-log10(2 * near))) if near > 1e-9 else 8
    pair = f"{got:.{places}f}", f"{expected:.{places}f}"
    same = len(pair[0]) == len(pair[1]) and sum(a != b for a, b in zip(*pair, strict=True)) == 1
    if same and len(pair[0].strip("-0.")) > 3:
        return Slip("digit-wrong", f"In {name} one digit is another: {pair[0]} for {pair[1]}.")
    return None
