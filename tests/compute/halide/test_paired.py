"""Contractions of bfloat16 numbers in pairs, on sizes that differ on every axis, against the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.runtime.compile import compile_in_memory
from convgrad.compute.halide.schedules.paired import PairedReduction
from convgrad.compute.halide.schedules.winograd import choice
from convgrad.compute.halide.target import machine
from convgrad.notation import Equation
from engine_support import bound, compare, same_in_any_batch

pytestmark = pytest.mark.skipif(not machine().pairs, reason="this processor has no AVX512-BF16")

HALVES = "v[{w}] = bfloat16(w[{w}]); a[{o}] = bfloat16(o[{o}]); "
DENSE = HALVES.format(w="c,k", o="e,c") + "x[e,k] = sum[c](v[c,k] * a[e,c]) + b[k]"
BACK = HALVES.format(w="c,k", o="e,k") + "x[e,c] = sum[k](v[c,k] * a[e,k])"
CONVOLUTION = (
    HALVES.format(w="f,g,c,k", o="e,p,q,c")
    + "x[e,i,j,k] = max(sum[m,n,c](v[m,n,c,k] * a[e,{s}*i+m-{z},{s}*j+n-{z},c else 0]) + b[k], 0)"
)
INPUT = HALVES.format(w="f,g,c,k", o="e,i,j,k") + "x[e,p,q,c] = sum[m,n,k](v[m,n,c,k] * a[e,p-m+1,q-n,k else 0])"
GROUPED = HALVES.format(w="f,g,h,c,k", o="e,p,q,h,c") + "x[e,i,j,h,k] = sum[m,n,c](v[m,n,h,c,k] * a[e,i+m,j+n,h,c])"


def dense(batch: int, channels: int, units: int) -> Equation:
    return bound(DENSE, shapes={"w": (channels, units), "o": (batch, channels), "b": (units,)})


def back(batch: int, channels: int, units: int) -> Equation:
    return bound(BACK, shapes={"w": (channels, units), "o": (batch, units)})


def convolution(size: tuple[int, int], channels: int, kernels: int, stride: int, padding: int) -> Equation:
    rows, columns = ((n + 2 * padding - m) // stride + 1 for n, m in zip((13, 15), size, strict=True))
    shapes = {"w": (*size, channels, kernels), "o": (5, 13, 15, channels), "b": (kernels,)}
    sizes = {"I": rows, "J": columns, "M": size[0], "N": size[1]}
    return bound(CONVOLUTION.format(s=stride, z=padding), shapes=shapes, sizes=sizes)


def of_input(channels: int, kernels: int) -> Equation:
    shapes = {"w": (3, 2, channels, kernels), "o": (5, 11, 13, kernels)}
    return bound(INPUT, shapes=shapes, sizes={"P": 11, "Q": 14, "M": 3, "N": 2})


def grouped() -> Equation:
    return bound(
        GROUPED, shapes={"w": (2, 3, 3, 12, 17), "o": (5, 8, 9, 3, 12)}, sizes={"I": 7, "J": 7, "M": 2, "N": 3}
    )


CASES: dict[str, Equation] = {
    "dense": dense(37, 70, 53),
    "dense, wide": dense(11, 130, 700),
    "dense, whole vectors": dense(64, 128, 96),
    "dense, backwards": back(29, 61, 134),
    "1x1": convolution((1, 1), 36, 21, 1, 0),
    "3x2": convolution((3, 2), 20, 37, 1, 0),
    "padded": convolution((3, 5), 18, 65, 1, 2),
    "strided": convolution((5, 3), 26, 33, 3, 1),
    "input": of_input(19, 38),
    "grouped": grouped(),
}


@pytest.fixture
def paired(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The atoms that are computed in pairs, in this process: so all of it is compiled here and now."""
    found: list[str] = []
    made = PairedReduction.__init__

    def noting(self: PairedReduction, atom: Any, *others: Any) -> None:
        found.append(atom.name)
        made(self, atom, *others)

    monkeypatch.setattr(PairedReduction, "__init__", noting)
    return found


@pytest.mark.parametrize("name", CASES)
def test_sums_in_pairs(name: str, paired: list[str]) -> None:
    with scheduling(winograd=False):
        program = compare(CASES[name], "float32", outputs=["x"])
        for kernel in program.kernels:
            compile_in_memory(kernel)
    assert {atom.partition("#")[0] for atom in paired} == {"x"}


@pytest.mark.parametrize(
    "text",
    [
        DENSE.replace("bfloat16(w[c,k])", "2 * w[c,k]"),  # float32
        DENSE.replace("bfloat16(o[e,c])", "2 * o[e,c]"),
        DENSE.replace("v[c,k] *", "v[c,k] * v[c,k] *"),  # three factors
    ],
)
def test_what_has_another_form(text: str, paired: list[str]) -> None:
    equation = bound(text, shapes={"w": (70, 53), "o": (37, 70), "b": (53,)})
    for kernel in compare(equation, "float32", outputs=["x"]).kernels:
        compile_in_memory(kernel)
    assert not paired


@pytest.mark.parametrize("equation", [dense(37, 71, 53), dense(37, 70, 5), convolution((3, 2), 15, 37, 1, 0)])
def test_sizes_without_pairs(equation: Equation, paired: list[str]) -> None:
    """An odd number of channels, or vectors shorter than a register."""
    with scheduling(winograd=False):
        for kernel in compare(equation, "float32", outputs=["x"]).kernels:
            compile_in_memory(kernel)
    assert not paired


def test_winograd_stays_where_it_is_quicker_than_pairs(paired: list[str]) -> None:
    for channels, quicker in ((64, True), (16, False)):
        shapes = {"w": (3, 3, channels, channels), "o": (8, 16, 18, channels), "b": (channels,)}
        sizes = {"I": 16, "J": 18, "M": 3, "N": 3}
        program = compile_program(bound(CONVOLUTION.format(s=1, z=1), shapes=shapes, sizes=sizes), ["x"])
        paired.clear()
        for kernel in program.kernels:
            compile_in_memory(kernel)
        assert bool(paired) is not quicker
    assert choice.LEAST_GAIN < 2, "else pairs would win nothing"


def test_an_example_has_the_same_bits_alone_and_with_others() -> None:
    """Programs for 37, 3 and 1 of them."""
    rng = np.random.default_rng(1)
    given = {"w": rng.standard_normal((70, 53)), "o": rng.standard_normal((37, 70)), "b": rng.standard_normal(53)}
    same_in_any_batch(lambda count: dense(count, 70, 53), given, (37, 3, 1))
