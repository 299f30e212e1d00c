"""What the arithmetic has done to numbers: rounding, fixed point, wrap-around, saturation, clipping, half precision."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from convgrad.check.structures.base import Array, Mask, Seen, Structure

BITS = 20
"""Binary places after the point that are looked for."""
DECIMALS = 7
WIDTHS = (8, 16, 32)
"""Bits of the whole numbers that may wrap around or saturate."""
KINDS = ("rounded", "cut off", "rounded down")


def on_a_grid(seen: Seen) -> Iterator[Structure]:
    """Multiples of a power of 2 or of 10, where the right numbers are none: alone, wrapped around, or saturated."""
    if not seen.same_shape or not seen.found.size or not np.isfinite(seen.found).all():
        return
    for step, words, name in _grids(seen):
        if _on(seen.expected, step):
            return
        for kind, rounded in zip(KINDS, _rounded(seen.expected / step), strict=True):
            near = np.abs(seen.found / step - rounded)
            gap = float(np.where(_tied(seen, step, kind) & (near <= 1), 0.0, near).max()) * step
            if gap <= max(seen.tolerance, 1e-9 * step) and seen.enough():
                yield _on_grid(name, words, kind, gap)
                return
            yield from _limited(seen, step, words, rounded, kind)
        return


def _grids(seen: Seen) -> Iterator[tuple[float, str, str]]:
    """The coarsest grids that hold all the numbers found."""
    binary = next((k for k in range(BITS + 1) if _on(seen.found, 2.0**-k)), None)
    decimal = next((k for k in range(1, DECIMALS + 1) if _on(seen.found, 10.0**-k)), None)
    if binary == 0:
        yield 1.0, "whole numbers", "whole-numbers"
    elif decimal is not None and (binary is None or 10**decimal < 2**binary):
        yield 10.0**-decimal, f"{decimal} decimal{'s' if decimal > 1 else ''}", "decimals"
    elif binary is not None:
        yield 2.0**-binary, f"fixed point with {binary} bits after the point, multiples of 1/{2**binary}", "fixed-point"


def _on(array: Array, step: float) -> bool:
    """Whether all are multiples of the step; what is nearly 0 and not 0 is none."""
    counts = array / step
    return bool((np.abs(counts - np.round(counts)) <= 1e-9 * np.abs(counts)).all())


def _rounded(counts: Array) -> tuple[Array, Array, Array]:
    return np.round(counts), np.trunc(counts), np.floor(counts)


def _tied(seen: Seen, step: float, kind: str) -> Mask:
    """Where rounding errors may tip the right number to the other side."""
    counts = seen.expected / step
    away = np.abs(counts - np.floor(counts) - 0.5) if kind == "rounded" else np.abs(counts - np.round(counts))
    return np.asarray(away * step <= seen.tolerance)


def _on_grid(name: str, words: str, kind: str, gap: float) -> Structure:
    change = {
        "whole-numbers": "Make the array of floats: np.zeros(shape), and no dtype=int or astype(int).",
        "decimals": "Round when you print, not in the gradient.",
    }.get(name, "Compute in floats, or check it against bounds that a coarse grid allows.")
    return Structure(name, f"{{output}} is {kind} to {words}", change, f"with the right numbers {kind} to {words}", gap)


def _limited(seen: Seen, step: float, words: str, rounded: Array, kind: str) -> Iterator[Structure]:
    """Whole numbers of so many bits that have no room for the greatest."""
    counts = seen.found / step
    for bits in WIDTHS:
        low, high = -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1
        if not ((rounded < low) | (rounded > high)).any():
            return
        wrapped = (rounded - low) % 2.0**bits + low
        for predicted, name, what, change in (
            (
                wrapped,
                "wrap-around",
                f"wraps around at {bits} bits: numbers beyond {high * step:.6g} come out modulo {2.0**bits * step:.6g}",
                "Use a wider type for the sum.",
            ),
            (
                np.clip(rounded, low, high),
                "saturation",
                f"is saturated at {bits} bits: nothing is greater than {high * step:.6g}",
                "Use a wider type, or fewer bits after the point.",
            ),
        ):
            near = np.abs(counts - predicted)
            gap = float(np.where(_tied(seen, step, kind) & (near <= 1), 0.0, near).max()) * step
            if gap <= max(seen.tolerance, 1e-9 * step):
                yield Structure(
                    name,
                    f"{{output}} is {kind} to {words}, and {what}",
                    change,
                    "with the same arithmetic on the right numbers",
                    gap,
                )
                return


def gathered_in_whole_numbers(seen: Seen) -> Iterator[Structure]:
    """An array of whole numbers that was added up bit by bit, each time without the fraction."""
    if not seen.whole or not seen.same_shape or _on(seen.expected, 1.0):
        return
    if not seen.gap(seen.expected) < seen.terms:  # each addition loses less than 1
        return
    yield Structure(
        "whole-numbers",
        f"{{output}} is an array of whole numbers ({seen.whole}): what is added to it loses its fraction",
        "Make the array of floats: np.zeros(shape), and no dtype=int or astype(int).",
        f"each of {seen.terms} additions loses less than 1, and from the right numbers",
        seen.gap(seen.expected),
    )


def clipped(seen: Seen) -> Iterator[Structure]:
    """Right up to a bound, and the bound beyond it."""
    if not seen.same_shape or not seen.enough(2):
        return
    low, high = float(seen.found.min()), float(seen.found.max())
    above, below = seen.expected > high + seen.tolerance, seen.expected < low - seen.tolerance
    if np.count_nonzero(above) + np.count_nonzero(below) < 2:
        return
    predicted = np.clip(seen.expected, low, high)
    inside = seen.large & ~above & ~below
    if seen.is_near(predicted) and (np.count_nonzero(inside) > 1 or low == -high):
        sides = [f"at most {high:.6g}"] if above.any() else []
        sides += [f"at least {low:.6g}"] if below.any() else []
        yield Structure(
            "clipped",
            f"{{output}} is clipped: it is {' and '.join(sides)}, and right between",
            "Clip gradients outside of the backward pass.",
            "with the right numbers clipped, too,",
            seen.gap(predicted),
        )


def half_precision(seen: Seen) -> Iterator[Structure]:
    """Numbers of 11 or 8 bits, near the right ones."""
    if not seen.same_shape or not seen.enough() or not np.isfinite(seen.found).all():
        return
    single = seen.found.astype(np.float32)
    with np.errstate(all="ignore"):
        halves = bool((seen.found.astype(np.float16) == seen.found).all())
    brain = bool((single == seen.found).all() and not (single.view(np.uint32) & 0xFFFF).any())
    for is_so, bits, name in ((brain, 8, "bfloat16"), (halves, 11, "half precision (float16)")):
        if not is_so:
            continue
        unit = 2.0**-bits
        gap = np.abs(seen.found - seen.expected)
        scale = float(np.abs(seen.expected).max())
        if (gap > 16 * unit * scale).any() or _few_bits(seen.expected, bits):
            continue
        yield Structure(
            "half-precision",
            f"{{output}} is computed in {name}: its numbers have {bits} bits",
            "Add up in float32 or float64, and round once at the end if you have to.",
            f"every entry of your {{output}} has {bits} bits, which is no chance; from the right ones",
            float(gap.max()),
        )
        return


def _few_bits(array: Array, bits: int) -> bool:
    """Whether the numbers have no more bits than that."""
    mantissas, _ = np.frexp(array)
    return _on(mantissas, 2.0**-bits)
