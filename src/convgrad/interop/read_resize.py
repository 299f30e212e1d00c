"""Resize: whole factors as UpSampling, everything else as sums over an axis by how near its places are."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np

import convgrad.layers as L
from convgrad.interop.reading import Result, Step, image, turned

WHERE = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
ROUNDED = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
SIMPLE = 1000
"""The largest denominator of a scale that is not the quotient of two sizes."""


def resize(step: Step) -> Result:
    """A place q of the result lies at r of the input, r = (a*q + b) / c; nearest takes one element, linear adds up two:

    x[q] = sum[h](max(0, 1 - abs(min(max(r, 0), H-1) - h)) * o[h])
    """
    value = step.result()
    mode = step.said.get("mode", b"nearest").decode()
    where = step.said.get("coordinate_transformation_mode", b"half_pixel").decode()
    rounded = step.said.get("nearest_mode", b"round_prefer_floor").decode()
    if mode not in ("nearest", "linear") or where not in WHERE or rounded not in ROUNDED or step.said.get("antialias"):
        raise step.refuse(
            f"mode `{mode}`, coordinates `{where}` and nearest_mode `{rounded}`"
            f"{' with antialias' if step.said.get('antialias') else ''} are not supported; nearest and linear with "
            f"{', '.join(WHERE)} are"
        )
    if step.said.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
        raise step.refuse("keep_aspect_ratio_policy is supported for stretch alone")
    scales = _scales(step, value)
    tables = {}
    for at, (size, (scale, many)) in enumerate(zip(value.shape, scales, strict=True)):
        if many < 1:
            raise step.refuse(f"nothing is left of an input of shape {value.shape}")
        if many != size or scale != 1:
            tables[at] = _places(where, size, scale, many)
    around = len(value.shape) - 1
    factors = [many // size for size, (_, many) in zip(value.shape, scales, strict=True)]
    if mode == "nearest" and 0 not in tables and 1 <= around <= 3:
        taken = {at: _nearest(*abc, value.shape[at], scales[at][1], rounded) for at, abc in tables.items()}
        if all(np.array_equal(rows, np.arange(value.shape[at]).repeat(factors[at])) for at, rows in taken.items()):
            return image(*step.add(getattr(L, f"UpSampling{around}D")(tuple(factors[1:])), step.last(value)))
    for at, (a, b, c) in tables.items():
        value = _along(step, step.in_order(value), at, (a, b, c), scales[at][1], rounded if mode == "nearest" else "")
    return value


def _scales(step: Step, value: Result) -> list[tuple[Fraction, int]]:
    """For each axis of an example, how much longer it becomes, and how long."""
    rank = len(value.shape) + 1
    axes = [step.axis(int(a), rank) + 1 if int(a) % rank else 0 for a in step.said.get("axes", range(rank))]
    given = step.constant(2)
    found = [(Fraction(1), size) for size in value.shape]
    if given is not None and given.size:
        if given.size != len(axes):
            raise step.refuse(f"it has {given.size} scales for {len(axes)} axes")
        for axis, scale in zip(axes, given.reshape(-1).tolist(), strict=True):
            if (axis == 0 and scale != 1) or not 0 < scale < 2**20:
                raise step.refuse(f"a scale of {scale:g} along axis {axis} is not supported")
            if axis:
                many = int(np.floor(value.shape[axis - 1] * scale))
                exact = Fraction(many, value.shape[axis - 1])
                near = abs(float(exact) - scale) <= 1e-6 * scale
                found[axis - 1] = (exact if near else Fraction(scale).limit_denominator(SIMPLE), many)
        return found
    sizes = step.sizes(3)
    if len(sizes) != len(axes):
        raise step.refuse("it has neither scales nor sizes for each axis")
    for axis, length in zip(axes, sizes, strict=True):
        if axis:
            if length is None or length < 1:
                raise step.refuse("its sizes must be at least 1, and must not depend on the number of examples")
            found[axis - 1] = (Fraction(length, value.shape[axis - 1]), length)
    return found


def _places(where: str, size: int, scale: Fraction, many: int) -> tuple[int, int, int]:
    """a, b and c of r = (a*q + b) / c."""
    slope, first = 1 / scale, Fraction(0)
    if where == "align_corners":
        slope = Fraction(size - 1, many - 1) if many > 1 else Fraction(0)
    elif where == "half_pixel" or (where == "pytorch_half_pixel" and many > 1):
        first = slope / 2 - Fraction(1, 2)
    elif where == "pytorch_half_pixel":
        slope = Fraction(0)
    c = lcm(slope.denominator, first.denominator)
    return int(slope * c), int(first * c), c


def _shifted(a: int, b: int, c: int, rounded: str) -> tuple[int, int, int]:
    """r as a quotient whose floor is the place that is taken."""
    if rounded == "round_prefer_floor":  # ceil(r - 1/2)
        return 2 * a, 2 * b - c + 2 * c - 1, 2 * c
    if rounded == "round_prefer_ceil":
        return 2 * a, 2 * b + c, 2 * c
    return (a, b, c) if rounded == "floor" else (a, b + c - 1, c)


def _nearest(a: int, b: int, c: int, size: int, many: int, rounded: str) -> np.ndarray:
    a, b, c = _shifted(a, b, c, rounded)
    return np.clip((a * np.arange(many) + b) // c, 0, size - 1)


def _along(step: Step, value: Result, at: int, abc: tuple[int, int, int], many: int, rounded: str) -> Result:
    """Along one axis; rounded: "" for linear."""
    own = value.axes[at]
    size, indices = value.size[own], step.indices(len(value.size))
    read = ",".join("h" if axis == own else index for axis, index in enumerate(indices))
    q = indices[own]
    a, b, c = abc
    if rounded:
        a, b, c = _shifted(a, b, c, rounded)
        place = f"min(max(floor(({a}*{q} + {b}) / {c}), 0), {size - 1})"
        near = f"where(h == {place}, 1, 0)"
    else:
        near = f"max(0, 1 - abs(min(max(({a}*{q} + {b}) / {c}, 0), {size - 1}) - h))"
    sizes = {q.upper(): many, "H": size}
    text = f"t[{q},h] = {near}\nx[{','.join(indices)}] = sum[h](t[{q},h] * o[{read}])"
    made = step.equation(text, value, sizes=sizes)
    return turned(made.node, made.size, value.axes)
