"""Structures of a wrong output are told from the numbers alone, and none where numbers have nothing to do with it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from convgrad.check.structures import Seen, described, structures
from convgrad.check.structures.base import Array
from convgrad.check.structures.parts import LEFT_OVER

SHAPE = (3, 4, 6, 5)
AXES = ("batch", "c", "h", "v")
SIZES = {"batch": 3, "c": 4, "h": 6, "v": 5, "k": 7}


def _right(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


RIGHT = _right() * 3
W = _right((3, 4, 6, 5), 1)
GAMMA = _right((4,), 2)
DX = _right((3, 4, 6, 5), 3)


def _part(places: tuple[slice, ...]) -> Array:
    kept = np.zeros(SHAPE)
    kept[places] = RIGHT[places]
    return kept


def _moved(by: int, axis: int) -> Array:
    moved = np.roll(RIGHT, by, axis)
    at = [slice(None)] * 4
    at[axis] = slice(0, by)
    moved[tuple(at)] = 0
    return moved


def _int16(array: Array, bits: int) -> Array:
    return np.asarray(np.round(array * 2**bits).astype(np.int64).astype(np.int16) / 2**bits)


ALL = slice(None)
SEEN: dict[str, tuple[Array, str, str]] = {
    "times 0.01": (0.01 * RIGHT, "learning-rate", "has the factor 0.01, as of a learning rate"),
    "a step down": (-0.1 * RIGHT, "learning-rate", "as of a step against the gradient"),
    "by batch and rows": (RIGHT / 18, "constant-factor", "= 1/(3 * 6): it is divided by the lengths of batch, h"),
    "times the filters": (7 * RIGHT, "constant-factor", "factor 7 = 7: the length of k"),
    "root of channels": (RIGHT / 2 * np.sqrt(4 / 7), "constant-factor", "1/sqrt(7)"),
    "three halves": (RIGHT * 1.5, "constant-factor", "= 3/2"),
    "some factor": (RIGHT * 1.7320508, "constant-factor", "has the factor 1.73205"),
    "of pixels": (RIGHT / 255, "constant-factor", "as of pixels"),
    "by its norm": (RIGHT / np.linalg.norm(RIGHT), "clipped", "until its norm is 1"),
    "a constant": (RIGHT + 0.5, "constant-added", "0.5 is added"),
    "weight decay": (RIGHT + 0.01 * W, "weight-decay", "0.01 * w beside the gradient: weight decay"),
    "of the other kind": (RIGHT + 0.02 * np.sign(W), "weight-decay", "0.02 * sign(w)"),
    "two axes": (RIGHT.swapaxes(2, 3), "axes-exchanged", "axes 2 and 3 exchanged"),
    "three axes": (RIGHT.transpose(0, 2, 3, 1), "axes-exchanged", "axes in the order (0, 2, 3, 1)"),
    "read in another order": (
        RIGHT.transpose(0, 2, 3, 1).reshape(SHAPE),
        "order-mixed",
        "counted along the axes (batch, h, v, c), and read as (batch, c, h, v)",
    ),
    "written in another order": (
        RIGHT.reshape(3, 6, 5, 4).transpose(0, 3, 1, 2),
        "order-mixed",
        "counted along the axes (batch, c, h, v), and read as (batch, h, v, c)",
    ),
    "as one row": (RIGHT.ravel(), "wrong-shape", "right order, but not in the right shape"),
    "reversed": (RIGHT[:, :, ::-1, ::-1], "reversed", "reversed along axes 2 and 3"),
    "by 90 degrees": (np.rot90(RIGHT, 1, (2, 3)), "reversed", "turned by 90 degrees in the plane of axes 2 and 3"),
    "rolled": (np.roll(RIGHT, 1, 3), "shifted", "1 place up axis 3; the end goes on"),
    "shifted": (_moved(2, 2), "shifted", "2 places up axis 2; zeros come in"),
    "empty": (RIGHT[:, :, 0:-0, 0:-0], "empty-slice", "[p:-p] gives it where p is 0"),
    "a part": (RIGHT[:, :, 1:-1, 2:], "cropped", "its [:, :, 1:5, 2:5]"),
    "too large": (np.pad(RIGHT, ((0, 0), (0, 0), (1, 1), (2, 0))), "not-cropped", "its [:, :, 1:7, 2:7]"),
    "not summed": (np.stack([RIGHT / 2, RIGHT / 2], axis=1), "not-summed", "over its axis 1"),
    "zeros": (0 * RIGHT, "zeros", "0 everywhere"),
    "the first channel": (_part((ALL, slice(1))), "part-missing", "for the first channel only"),
    "the last example": (_part((slice(2, None),)), "part-missing", "for the last example only"),
    "a column too few": (_part((ALL, ALL, ALL, slice(4))), "part-missing", "for all columns but the last"),
    "the inner part": (
        _part((ALL, ALL, slice(1, 5), slice(1, 4))),
        "part-missing",
        "for rows 1 to 4 only and for columns 1 to 3 only",
    ),
    "every second row": (_part((ALL, ALL, slice(None, None, 2))), "part-missing", "for every second row only"),
    "masked": (np.where(DX > 0, RIGHT, 0), "masked", "right where dx > 0"),
    "absolute": (np.abs(RIGHT), "sign-lost", "the sign is lost"),
    "signs": (np.sign(RIGHT), "sign-only", "only the sign"),
    "squared": (RIGHT**2, "squared", "the square"),
    "no negative ones": (np.maximum(RIGHT, 0), "negative-lost", "0 where it should be negative"),
    "whole numbers": (np.trunc(RIGHT), "whole-numbers", "cut off to whole numbers"),
    "decimals": (np.round(RIGHT, 2), "decimals", "rounded to 2 decimals"),
    "fixed point": (np.round(RIGHT * 256) / 256, "fixed-point", "8 bits after the point"),
    "rounded down": (np.floor(RIGHT * 16) / 16, "fixed-point", "rounded down to fixed point with 4 bits"),
    "wrap-around": (_int16(RIGHT, 13), "wrap-around", "16 bits: numbers beyond 3.99988 come out modulo 8"),
    "saturation": (
        np.clip(np.round(RIGHT * 32), -128, 127) / 32,
        "saturation",
        "saturated at 8 bits: nothing is greater than 3.96875",
    ),
    "clipped": (np.clip(RIGHT, -2, 2), "clipped", "at most 2 and at least -2"),
    "half precision": (RIGHT.astype(np.float16).astype(np.float64), "half-precision", "float16"),
    "bfloat16": (
        (RIGHT.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32).astype(np.float64),
        "half-precision",
        "bfloat16",
    ),
    "without gamma": (RIGHT / GAMMA[:, None, None], "factor-missing", "the factor gamma is missing"),
    "gamma twice": (RIGHT * GAMMA[:, None, None], "factor-twice", "multiplied by gamma: once too often"),
    "one slice doubled": (
        np.concatenate([RIGHT[:, :, :5], 2 * RIGHT[:, :, 5:]], axis=2),
        "slice-factor",
        "right but for row 5, which is 2 times as large",
    ),
    "never set": (np.where(np.arange(5) < 2, LEFT_OVER[0], RIGHT), "not-initialized", "144 of its 360 numbers"),
    "another tensor": (DX.copy(), "another-tensor", "is dx itself"),
}


def _seen(found: Array, tolerance: float = 1e-12) -> Seen:
    return Seen("dw", found, RIGHT, tolerance, AXES, SIZES, {"w": W, "gamma": GAMMA, "dx": DX})


@pytest.mark.parametrize("case", SEEN)
def test_a_structure_is_told_with_its_proof(case: str) -> None:
    found, name, words = SEEN[case]
    first = next(structures(_seen(found)))
    assert first.name == name
    assert words in first.cause.format(output="dw")
    assert first.difference <= (1e-11 if name != "half-precision" else 0.1)
    assert first.change.format(output="dw").endswith(".")


@pytest.mark.parametrize("seed", range(20))
def test_other_numbers_have_none(seed: int) -> None:
    """Not of the same size either, nor in float32, whose errors are larger."""
    for shape in (SHAPE, (3, 4, 6), (2, 4, 6, 5), (3, 4, 5, 6), (5,)):
        assert list(structures(_seen(_right(shape, seed + 10)))) == []
    near = RIGHT * (1 + 1e-3 * _right(SHAPE, seed + 50))
    assert list(structures(_seen(near))) == []
    assert list(structures(_seen(near.astype(np.float32).astype(np.float64), 1e-5))) == []


def test_three_numbers_prove_no_factor_that_is_not_known() -> None:
    small = Seen("db", np.array([1.1, 2.2]), np.array([1.0, 2.0]), 1e-12)
    assert [s.name for s in structures(small)] == ["constant-factor"]  # 11/10
    odd = Seen("db", np.array([1.2345678, 2.4691356]), np.array([1.0, 2.0]), 1e-12)
    assert list(structures(odd)) == []


def test_a_sum_over_the_wrong_axes() -> None:
    right = Seen("db", DX.sum(axis=(0, 1, 2)), DX.sum(axis=(0, 2, 3)), 1e-12, ("c",), SIZES, {"dx": DX})
    (found,) = structures(right)
    assert found.name == "sum-over-wrong-axes"
    assert found.cause == "{output} is dx summed over axes (0, 1, 2); it has to be summed over (0, 2, 3)"


def test_an_array_of_whole_numbers() -> None:
    """Added up without fractions, so that it is no rounded sum."""
    found = Seen("dw", np.trunc(RIGHT * 0.7) + np.trunc(RIGHT * 0.3), RIGHT, 1e-12, whole="int32", terms=2)
    assert [s.name for s in structures(found)] == ["whole-numbers"]
    assert list(structures(Seen("dw", np.trunc(W * 9), RIGHT, 1e-12, whole="int32", terms=2))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (np.where(np.arange(4)[:, None, None] == 2, W, 0), "only channel 2 of 4 is wrong"),
        (np.where(np.arange(6)[:, None] == 0, 0, W), "only row 0 of 6 is right"),
        (np.where(np.arange(6)[:, None] % 3 == 0, W, 0), "wrong are the rows 0, 3 of 6"),
        (W.sum(axis=1, keepdims=True) + 0 * W, "the difference is the same all along axis 1"),
        (GAMMA[:, None, None] * W[:, :1], "the difference is a product of a vector along axis 1"),
    ],
)
def test_what_nothing_explains_is_described(change: Array, words: str) -> None:
    seen = _seen(RIGHT + change)
    assert list(structures(seen)) == []
    assert any(words in line for line in described(seen)), described(seen)


def test_nothing_is_said_where_there_is_nothing_to_say() -> None:
    assert described(_seen(_right(SHAPE, 9))) == []
    assert described(_seen(RIGHT[:, :2])) == []


def test_the_look_is_cheap() -> None:
    seen = _seen(_right(SHAPE, 4))
    started = time.process_time()
    assert list(structures(seen)) == []
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("number", [1e308, -1e300, 5e-324, 1e16, np.finfo(np.float64).max])
def test_numbers_without_measure_have_no_cause_that_they_don_t_show(number: float) -> None:
    for found in (np.full(RIGHT.shape, number), np.where(np.arange(5) < 2, number, RIGHT), RIGHT * min(number, 1e300)):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            named = {one.name for one in structures(Seen("dw", found, RIGHT, 1e-12, AXES, SIZES))}
        assert not named & {"not-initialized", "constant-added", "empty-slice"}, (number, named)
