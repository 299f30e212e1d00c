"""Arrays of programs, and numbers that are printed, against what the equations of the document give for them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from convgrad.check.documents.numerics import alike
from convgrad.check.documents.programs import Ran
from convgrad.check.documents.quantities import Quantity
from convgrad.check.problems.problem import Array
from convgrad.notation.terms import gradient_name

UPSTREAM = {"d", "delta", "deltas", "dout", "g", "grad_output", "grad_out", "upstream", "error", "err", "dy", "dz"}
GRADIENTS = {"gradient", "grad", "gradients", "g", "grads"}
RESULTS = {"out", "output", "result", "forward", "res", "y", "z", "conv"}
MOST_TRIED = 400
SAME = 4
"""The likeness of a name to itself."""
CERTAIN = 2
"""The least likeness of names at which a variable is called wrong."""


@dataclass(frozen=True)
class Agreement:
    """An array of a program and what it should be. inputs: tensors -> arrays of the program.

    expected: None where the arrays that it is computed from don't fit; shape: that of the right one then.
    """

    array: str
    quantity: Quantity
    inputs: Mapping[str, str]
    expected: Array | None
    agrees: bool
    likeness: int
    shape: tuple[int, ...] | None = None

    @property
    def words(self) -> str:
        """What was compared with what."""
        others = [f"{name} = {array}" for name, array in self.inputs.items() if name != array]
        return f"{self.array} is {self.quantity.name}" + (f" ({', '.join(others)})" if others else "")


def likeness(variable: str, name: str, quantity: Quantity) -> int:
    """How likely a variable of a program is what the document calls `name`: 0 to 4."""
    if variable == name:
        return SAME
    if (variable, name) in quantity.aliases:
        return 3
    one, two = (re.sub(r"_before|_after|_", "", text).lower() for text in (variable, name))
    if one == two:
        return 3
    target = two[1:] if two.startswith("d") else ""
    upstream = name == gradient_name(quantity.forward.result.name)
    if target and re.fullmatch(rf"(?:grad(?:ient)?|delta|nabla|de?d|d[elcj]d){target}|{target}grad(?:ient)?", one):
        return 3
    if upstream and variable.lower().rstrip("_l0123456789") in UPSTREAM:
        return 2
    if name == quantity.name and quantity.target and one in GRADIENTS:
        return 2
    return 2 if not quantity.target and name == quantity.name and one in RESULTS else 0


def agreements(ran: Ran, known: Sequence[Quantity]) -> list[Agreement]:
    """For each array that a program computes: what it agrees with, or should."""
    found = []
    for name in ran.computed:
        best: Agreement | None = None
        for one in itertools.islice(_candidates(name, ran, known), MOST_TRIED):
            if one.agrees:
                best = one
                break
            if best is None or one.likeness > best.likeness:
                best = one
        if best is not None and (best.agrees or best.likeness >= CERTAIN):
            found.append(best)
    return found


def _candidates(name: str, ran: Ran, known: Sequence[Quantity]) -> Iterator[Agreement]:
    array = ran.arrays[name]
    ways = []
    for number, quantity in enumerate(known):
        own = likeness(name, quantity.name, quantity)
        choices = [_choices(need, quantity, ran, name) for need in quantity.needs]
        if not all(choices):
            continue
        for chosen in itertools.islice(itertools.product(*choices), MOST_TRIED):
            used = [variable for _, variable in chosen]
            if len(set(used)) == len(used):
                sure = own if all(score for score, _ in chosen) or len(chosen) == 1 else min(own, 1)
                ways.append((-own, -sum(score for score, _ in chosen), number, quantity, used, sure))
    ways.sort(key=lambda way: way[:3])
    for _, _, _, quantity, used, sure in ways:
        inputs = dict(zip(quantity.needs, used, strict=True))
        given = {need: ran.arrays[variable] for need, variable in inputs.items()}
        expected = quantity.value(given, array.shape)
        agrees = expected is not None and alike(array, expected)
        if agrees or (sure >= CERTAIN and not quantity.is_guess):
            shapes = {n: a.shape for n, a in given.items()}
            if expected is not None and not quantity.is_whole(shapes, array.shape):
                expected, agrees = None, False
            shape = quantity.own_shape(shapes) if expected is None else None
            if expected is not None or shape is not None:
                yield Agreement(name, quantity, inputs, expected, agrees, sure, shape)


def _choices(need: str, quantity: Quantity, ran: Ran, name: str) -> list[tuple[int, str]]:
    """Variables that a tensor may be, likeliest first; those that are written out where no name is like."""
    scored = [(likeness(variable, need, quantity), variable) for variable in ran.arrays if variable != name]
    like = sorted((pair for pair in scored if pair[0]), key=lambda pair: -pair[0])
    if like and like[0][0] == SAME:  # what is called by its name is not another that only may be it
        like = [pair for pair in like if pair[0] > CERTAIN]
    return like or [(0, variable) for _, variable in scored if variable in ran.written]


def explained(agreement: Agreement, ran: Ran) -> str:
    """What makes the person's numbers of the right ones; empty where nothing simple does."""
    found, expected = ran.arrays[agreement.array], agreement.expected
    given = {need: ran.arrays[variable] for need, variable in agreement.inputs.items()}
    if expected is None:
        right = None if agreement.shape is None else agreement.quantity.value(given, agreement.shape)
        return "" if right is None else _part(found, right)
    for words, change in CHANGES.items():
        if found.ndim >= 1 and (changed := change(expected)).shape == found.shape and alike(found, changed):
            return f"It is {agreement.quantity.name} {words}."
    for need, variable in agreement.inputs.items():
        for words, change in CHANGES.items():
            if given[need].ndim < 1:
                continue
            other = agreement.quantity.value({**given, need: change(given[need])}, found.shape)
            if other is not None and alike(found, other):
                more = ": a turn is missing, or one too many" if "turned" in words else ""
                return f"It is what comes out with {variable} {words}{more}."
    ratio = found / np.where(expected == 0, np.nan, expected)
    factor = float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else 0.0
    return f"It is {factor:.6g} times the right one." if factor and alike(found, factor * expected) else ""


CHANGES: dict[str, Callable[[Array], Array]] = {
    "turned by 180 degrees": lambda a: np.asarray(np.flip(a)),
    "transposed": lambda a: np.asarray(np.transpose(a)),
    "with the other sign": lambda a: np.asarray(-a),
    "with its rows in the other order": lambda a: np.asarray(np.flip(a, 0)),
    "with its columns in the other order": lambda a: np.asarray(np.flip(a, -1)),
}


def _part(found: Array, right: Array) -> str:
    """Whether the right numbers stand somewhere in a larger array, or this is a part of them."""
    if found.ndim == right.ndim and all(f <= r for f, r in zip(found.shape, right.shape, strict=True)):
        part = tuple(slice(size) for size in found.shape)
        return "It is the beginning of the right one; the rest is missing." if alike(found, right[part]) else ""
    if found.ndim != right.ndim or any(f < r for f, r in zip(found.shape, right.shape, strict=True)):
        return ""
    for words, content in (("", right), (", turned by 180 degrees", np.flip(right))):
        for place in np.ndindex(*(f - r + 1 for f, r in zip(found.shape, right.shape, strict=True))):
            part = tuple(slice(p, p + r) for p, r in zip(place, right.shape, strict=True))
            if alike(found[part], content):
                where = ", ".join(f"{s.start}:{s.stop}" for s in part)
                return f"The right numbers are its part [{where}]{words}: another mode, such as 'full' for 'valid'."
    return ""
