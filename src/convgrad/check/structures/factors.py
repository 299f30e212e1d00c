"""Numbers that are too large or too small: by a factor, by a constant, by a multiple of another array."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import prod, sqrt

import numpy as np

from convgrad.check.structures.base import Array, Seen, Structure

RATES = (0.1, 0.01, 0.001, 1e-4, 1e-5, 0.5, 0.05, 0.005, 0.3, 0.03, 0.003, 0.2, 0.02)
NORMS = (1.0, 5.0, 10.0, 2.0, 0.5, 100.0, 0.1)
"""To which gradients are scaled down when they are clipped by their norm."""
CLOSE = 1e-6
"""How near a factor has to be to one that has a name, relatively: those of float32 are that exact."""


def constant_factor(seen: Seen) -> Iterator[Structure]:
    """All numbers times one factor."""
    if not seen.same_shape or not seen.large.any():
        return
    factor = _fitted(seen.found, seen.expected)
    if factor is not None and 0 < abs(factor) < 1e-12:
        yield from _vanishing(seen, factor)
    if factor is None or abs(factor) < 1e-12 or abs(factor - 1) < CLOSE:
        return
    if not _is_near_by(factor, seen):
        return
    known = _known(factor, seen)
    if known is None and not seen.enough(1):
        return
    value, name, words, change = known or (
        factor,
        "constant-factor",
        "",
        "Look for a factor that is not in the equation.",
    )
    if seen.is_near(value * seen.expected, max(1.0, abs(value))) and seen.gap(value * seen.expected) <= 1e-3 * abs(
        value
    ) * float(np.abs(seen.expected).max()):
        yield Structure(
            name,
            f"{{output}} has the factor {_number(value)}{words}",
            change,
            f"after dividing your {{output}} by {_number(value)}",
            seen.gap(value * seen.expected) / abs(value),
        )


def _is_near_by(factor: float, seen: Seen) -> bool:
    """Whether any factor so close to this one that it may be called by a name can explain the numbers."""
    largest = float(np.abs(seen.expected).max())
    room = seen.tolerance * max(1.0, 2 * abs(factor)) + 2 * CLOSE * abs(factor) * largest
    return seen.gap(factor * seen.expected) <= room


def _vanishing(seen: Seen, factor: float) -> Iterator[Structure]:
    """A factor so small that numbers come near the least that there are, and lose digits there."""
    gap = seen.gap(factor * seen.expected)
    if seen.enough(1) and gap <= max(CLOSE * float(np.abs(seen.found).max()), 4 * float(np.nextafter(0, 1))):
        yield Structure(
            "constant-factor",
            f"{{output}} has the factor {_number(factor)}: its numbers are nearly 0",
            "Look for a factor that is not in the equation, or a product of many small numbers.",
            "beside the right numbers times that factor",
            gap,
        )


def odd_factor(seen: Seen) -> Iterator[Structure]:
    """A factor that is no ratio of small numbers or lengths."""
    yield from (s for s in constant_factor(seen) if s.name != "constant-factor" or "=" not in s.cause)


def _known(factor: float, seen: Seen) -> tuple[float, str, str, str] | None:
    """The factor's exact value, and what it is called."""
    for letters, product in _products(seen):
        sizes = " * ".join(f"{seen.sizes[n]}" for n in letters)
        axes = f"the length{'s' if len(letters) > 1 else ''} of {', '.join(letters)}"
        if _is(factor, 1 / product):
            words = (
                f" = 1/({sizes}): it is divided by {axes}"
                if len(letters) > 1
                else f" = 1/{sizes}: it is divided by {axes}"
            )
            return (
                1 / product,
                "constant-factor",
                words,
                "Leave out the division: the equation has a sum here and no mean.",
            )
        if _is(factor, product):
            return product, "constant-factor", f" = {sizes}: {axes}", f"Divide by {product} once."
        if _is(factor, 1 / sqrt(product)) and len(letters) == 1:
            return 1 / sqrt(product), "constant-factor", f" = 1/sqrt({sizes})", "Leave out the division."
    for rate in RATES:
        for value in (rate, -rate):
            if _is(factor, value):
                words = ", as of a learning rate" if value > 0 else ", as of a step against the gradient"
                change = "Multiply by the learning rate where the parameters are updated, not in the gradient."
                return value, "learning-rate", words, change
    for value, words in ((255.0, ", as of pixels"), (1 / 255, " = 1/255, as of pixels")):
        if _is(factor, value):
            return value, "constant-factor", words, "Scale the input, not the gradient."
    norm = float(np.linalg.norm(seen.expected)) * abs(factor)
    for bound in NORMS:
        if factor > 0 and factor < 1 and _is(norm, bound) and seen.enough(1):
            words = f": it is scaled down until its norm is {bound:g}"
            return (
                bound / float(np.linalg.norm(seen.expected)),
                "clipped",
                words,
                "Clip gradients outside of the backward pass.",
            )
    for below in range(1, 65):
        above = factor * below
        if 0.5 <= abs(above) < 64.5 and _is(above, round(above)):
            fraction = f" = {round(above)}/{below}"
            return round(above) / below, "constant-factor", fraction, "Look for a factor that is not in the equation."
    return None


def _is(value: float, known: float) -> bool:
    return abs(value - known) <= CLOSE * abs(known)


def _products(seen: Seen) -> Iterator[tuple[tuple[str, ...], int]]:
    """Products of the lengths of axes, the simplest first."""
    letters = [n for n, size in seen.sizes.items() if size > 1]
    for count in (1, 2, 3):
        for chosen in combinations(letters, count):
            yield chosen, prod(seen.sizes[n] for n in chosen)


def _fitted(found: Array, expected: Array) -> float | None:
    """The factor that fits best."""
    square = float(np.sum(expected * expected))
    factor = float(np.sum(found * expected)) / square if square else np.nan
    return factor if np.isfinite(factor) else None


def factor_along_an_axis(seen: Seen) -> Iterator[Structure]:
    """Each place along one axis has a factor of its own: an array that is known, or its inverse; or one place has."""
    if not seen.same_shape or seen.expected.ndim < 1:
        return
    for name, array in seen.arrays.items():
        for axis, size in enumerate(seen.expected.shape):
            if array.shape != (size,) or seen.expected.ndim < 2 or not array.all():
                continue
            shaped = array.reshape([size if a == axis else 1 for a in range(seen.expected.ndim)])
            for factor, short, what, change, undone in (
                (1 / shaped, "factor-missing", "is divided by", f"Multiply {{output}} by {name}.", "put in"),
                (shaped, "factor-twice", "is multiplied by", f"Leave out the factor {name}.", "left out"),
            ):
                predicted = seen.expected * factor
                if seen.enough() and seen.is_near(predicted, max(1.0, float(np.abs(factor).max()))):
                    why = f"the factor {name} is missing" if short == "factor-missing" else "once too often"
                    yield Structure(
                        short,
                        f"{{output}} {what} {name}: {why}",
                        change,
                        f"with that factor {undone}",
                        seen.gap(predicted),
                    )
    yield from _one_slice(seen)


def _one_slice(seen: Seen) -> Iterator[Structure]:
    """Right but for one slice, which has a factor."""
    wrong = np.abs(seen.found - seen.expected) > seen.tolerance
    for axis in range(seen.expected.ndim):
        others = tuple(a for a in range(seen.expected.ndim) if a != axis)
        places = np.flatnonzero(wrong.any(axis=others))
        if len(places) != 1 or seen.expected.shape[axis] < 2:
            continue
        at = int(places[0])
        found, expected = np.take(seen.found, at, axis), np.take(seen.expected, at, axis)
        factor = _fitted(found, expected)
        if factor is None or abs(factor) < CLOSE or np.count_nonzero(np.abs(expected) > seen.tolerance) < 4:
            continue
        if float(np.abs(found - factor * expected).max()) <= seen.tolerance * max(1.0, abs(factor)):
            yield Structure(
                "slice-factor",
                f"{{output}} is right but for {seen.place(axis)} {at}, which is {_number(factor)} times as large",
                "Look at how often a loop comes to that place: once too often, or not often enough.",
                "with the same done to the right numbers",
                float(np.abs(found - factor * expected).max()),
            )


def something_added(seen: Seen) -> Iterator[Structure]:
    """A constant, or a multiple of another array: weight decay."""
    if not seen.same_shape or not seen.enough(1):
        return
    rest = seen.found - seen.expected
    constant = float(np.median(rest))
    if np.ptp(seen.found) and seen.is_near(seen.expected + constant):  # one number throughout is no sum with it
        yield Structure(
            "constant-added",
            f"{_number(constant)} is added to every number of {{output}}",
            "Look for a constant that is not in the equation, such as what an array was filled with at the beginning.",
            f"after taking {_number(constant)} from every number of your {{output}}",
            seen.gap(seen.expected + constant),
        )
    for name, array in seen.arrays.items():
        if array.shape != rest.shape or np.count_nonzero(array) < 4:
            continue
        for what, added in ((name, array), (f"sign({name})", np.sign(array))):
            factor = _fitted(rest, added)
            if factor is None or abs(factor) < 1e-9 or not seen.is_near(seen.expected + factor * added):
                continue
            decay = seen.output == f"d{name}"
            words = f"{{output}} holds {_number(factor)} * {what} beside the gradient"
            yield Structure(
                "weight-decay" if decay else "something-added",
                f"{words}: weight decay" if decay else words,
                "Add weight decay where the parameters are updated: the equation has no penalty."
                if decay
                else f"Take {_number(factor)} * {what} out.",
                f"after taking {_number(factor)} * {what} from your {{output}}",
                seen.gap(seen.expected + factor * added),
            )


def decay(seen: Seen) -> Iterator[Structure]:
    """Weight decay, or a constant."""
    yield from (s for s in something_added(seen) if s.name != "something-added")


def another_array(seen: Seen) -> Iterator[Structure]:
    """The numbers are those of another array altogether, times a factor."""
    if not seen.same_shape:
        return
    for name, array in seen.arrays.items():
        if array.shape != seen.found.shape or np.count_nonzero(array) < 4 or name == seen.output:
            continue
        factor = _fitted(seen.found, array)
        if factor is None or abs(factor) < 1e-9:
            continue
        exact = next((v for v in (1.0, -1.0) if _is(factor, v)), None)
        if exact is not None and seen.is_near(exact * array):
            sign = "" if exact > 0 else "-"
            yield Structure(
                "another-tensor",
                f"{{output}} is {sign}{name} itself",
                f"Return the gradient: {{output}}, and not {sign}{name}.",
                f"compared with {sign}{name}",
                seen.gap(exact * array),
            )


def _number(value: float) -> str:
    return f"{value:.6g}"
