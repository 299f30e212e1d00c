"""Slips of the pen in one step of a calculation by hand, named by what undoes them.

Each slip is the step's own equation on other numbers, or with a factor or a term taken out; nothing is computed by a
second formula.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from convgrad.check.terms import written_factors
from convgrad.notation.terms import Definition, Multiply, Reduce, Term, accesses, rebuild
from convgrad.oracle.grid import evaluate_definition
from convgrad.oracle.loops import value

Array = npt.NDArray[np.float64]
MOST_TERMS = 200


@dataclass(frozen=True)
class Slip:
    """What happened, in words."""

    name: str
    words: str


def find_slip(definition: Definition, values: Mapping[str, Array], written: Array, room: Array) -> Slip | None:
    """The first slip that explains every number of a step; of the whole tensor first, then of single numbers."""
    right = evaluate_definition(definition, values)
    for slip, array in _whole(definition, values, right):
        if array.shape == written.shape and bool((np.abs(array - written) <= room + 1e-12).all()):
            return slip
    wrong = np.argwhere(np.abs(right - written) > room)
    slips = [_single(definition, values, tuple(int(p) for p in at), right, written, room) for at in wrong]
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
    for factor, without in _withoutwritten_factors(definition):
        yield Slip("factor-missing", f"In {name} the factor {factor} is missing."), evaluate_definition(without, values)
    for factor, doubled in _with_factors_twice(definition):
        slip = Slip("factor-twice", f"In {name} the factor {factor} is applied twice.")
        yield slip, evaluate_definition(doubled, values)
    if right.ndim == 2:
        yield Slip("rotated", f"{name} comes out turned by 180 degrees."), right[::-1, ::-1]
        yield Slip("transposed", f"{name} comes out with rows and columns swapped."), right.T


def _moved(tensor: str, array: Array) -> Iterator[tuple[Slip, Array]]:
    if array.ndim >= 2:
        words = f"{tensor} is used turned by 180 degrees, or is not turned where it should be."
        yield Slip("rotated", words), np.flip(array, (0, 1))
        if array.shape[0] == array.shape[1]:
            yield Slip("transposed", f"{tensor} is used with rows and columns swapped."), np.swapaxes(array, 0, 1)
    elif array.ndim == 1 and array.size > 1:
        yield Slip("reversed", f"{tensor} is used in reversed order."), array[::-1]


def _factor_lists(definition: Definition) -> Iterator[tuple[Multiply, Term]]:
    term = definition.term
    while isinstance(term, Reduce):
        term = term.body
    if isinstance(term, Multiply):
        yield from ((term, factor) for factor in term.factors)


def _withoutwritten_factors(definition: Definition) -> Iterator[tuple[Term, Definition]]:
    for whole, factor in _factor_lists(definition):
        rest = tuple(f for f in whole.factors if f is not factor)
        inside = rest[0] if len(rest) == 1 else Multiply(rest)
        yield factor, _exchanged(definition, whole, inside)


def _with_factors_twice(definition: Definition) -> Iterator[tuple[Term, Definition]]:
    for whole, factor in _factor_lists(definition):
        yield factor, _exchanged(definition, whole, Multiply((*whole.factors, factor)))


def _exchanged(definition: Definition, old: Term, new: Term) -> Definition:
    return replace(definition, term=rebuild(definition.term, lambda t: new if t == old else t))


def _single(
    definition: Definition, values: Mapping[str, Array], at: tuple[int, ...], right: Array, written: Array, room: Array
) -> Slip | None:
    """What happened to one number: a term left out or counted twice, a wrong sign, digits exchanged, a point moved."""
    got, expected, near = float(written[at]), float(right[at]), float(room[at]) + 1e-12
    name = f"{definition.name}[{','.join(map(str, at))}]" if at else definition.name
    if abs(got + expected) <= near:
        return Slip("sign", f"The sign of {name} is wrong.")
    term = _term_slip(definition, values, at, got - expected, near, name)
    if term is not None:
        return term
    for slip, array in _whole(definition, values, right):
        if array.shape == right.shape and abs(float(array[at]) - got) <= near and abs(got - expected) > near:
            return replace(slip, words=slip.words.replace(f"In {definition.name} ", f"In {name} "))
    for power in (-2, -1, 1, 2):
        if abs(got - expected * 10.0**power) <= near:
            return Slip("decimal-point", f"In {name} the decimal point is moved.")
    digits = f"{abs(got):.10f}".rstrip("0")
    for n in range(len(digits) - 1):
        swapped = digits[:n] + digits[n + 1] + digits[n] + digits[n + 2 :]
        if swapped.count(".") == 1 and abs(float(swapped) - abs(expected)) <= near and digits[n] != digits[n + 1]:
            return Slip("digits-swapped", f"In {name} two digits are exchanged: {got:.10g} for {expected:.6g}.")
    return None


def _term_slip(
    definition: Definition, values: Mapping[str, Array], at: tuple[int, ...], change: float, near: float, name: str
) -> Slip | None:
    term = definition.term
    if not isinstance(term, Reduce) or term.kind != "sum":
        return None
    sizes = definition.sizes
    places = list(product(*(range(sizes[i]) for i in term.indices)))
    if len(places) > MOST_TERMS:
        return None
    here = dict(zip(definition.indices, at, strict=True))
    for words, factor in (("left out", -1), ("counted twice", 1), ("taken with the wrong sign", -2)):
        for place in places:
            indices = {**here, **dict(zip(term.indices, place, strict=True))}
            part = value(term.body, definition, values, indices)
            if part != 0 and abs(change - factor * part) <= near:
                shown = written_factors(term.body, definition, values, indices)
                kind = {-1: "term-missing", 1: "term-twice", -2: "term-sign"}[factor]
                return Slip(kind, f"In {name} the term {shown} is {words}.")
    return None
