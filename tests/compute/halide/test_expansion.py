"""Nested functions: what is compiled at once stays small, however often their expressions read their arguments."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("halide")

import halide as hl

from convgrad.compute.contract import Request
from convgrad.compute.halide.codegen.lowering import Lowering, from_function
from convgrad.compute.halide.passes import in_atoms
from convgrad.compute.halide.passes.expansion import MOST_EXPANDED, expanded
from convgrad.compute.halide.passes.fusion import Group, Style, partition
from convgrad.compute.halide.passes.plan import Plan
from engine_support import bound, compare

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def nested(function: str, depth: int) -> str:
    text = "o[i,j]"
    for _ in range(depth):
        text = function.format(text)
    return text


# Each took from seconds to hours when its expression was compiled as a whole.
COSTLY = [
    f"x[i,j] = {nested('erf({})', 5)}",
    f"x[i,j] = {nested('softplus({} - 1)', 5)}",
    f"x[i,j] = {nested('tanh({})^63', 9)}",
    f"x[i,j] = {nested('abs({})^0.3', 9)}",
    f"x[i,j] = {nested('max(0.5, 2*{})', 30)}",
    f"x[i,j] = {nested('where({} <= 1, 1.5, 0.5)', 30)}",
    "x[i,j] = erf(o[i,j] + min[k](erf(o[i,k])))",
    "x[i] = max[j](erf(o[i,j] - max[k](o[k,j])))",
    "x[i,j] = uniform(argmin[k](erf(o[i,k])), argmax[m](erf(o[m,j])) + 2*i*j)",
    "a[i,j] = erf(o[i,j]); b[i,j] = erf(a[i,j]); c[i,j] = erf(b[i,j] + a[i,j]); x[i,j] = tanh(c[i,j])*softplus(c[i,j])",
]


@DTYPES
@pytest.mark.parametrize("text", COSTLY)
def test_values(text: str, dtype: str) -> None:
    compare(bound(text, shapes={"o": (11, 13)}), dtype)


@pytest.mark.parametrize("text", COSTLY)
@pytest.mark.parametrize("shape", [(11, 13), (1024, 16)])
def test_no_kernel_is_large(text: str, shape: tuple[int, int]) -> None:
    for group in groups(text, shape):
        inlined: dict[str, float] = {}
        for atom in group.atoms:
            size = expanded(atom.term, atom.sizes, inlined)
            assert size <= MOST_EXPANDED or len(atom.term.children) == 1, str(atom)
            if group.style is Style.MAP:
                inlined[atom.name] = size


def groups(text: str, shape: tuple[int, int]) -> list[Group]:
    return partition(in_atoms(Plan.of(Request(bound(text, shapes={"o": shape}), ("x",)))))


@pytest.mark.parametrize(
    "text",
    [
        "x[i] = tanh(tanh(o[i]))",
        "x[i] = erf(softplus(o[i]) - 1) * o[i]",
        "x[i] = max(max(max(max(o[i], 1), 2), 3), 4)",
        "x[i] = (abs(o[i])^0.3)^2.5",
        "x[i] = max[m,n](o[i+m]*n)",
        "x[i] = mean[m,n](exp(o[i+m]*n))",
        "x[i] = where(exp(o[i]) <= 1, log(o[i]), sigmoid(o[i]))",
    ],
)
def test_words_of_what_is_compiled_are_counted(text: str) -> None:
    sizes = {"M": 3, "N": 2, "I": 5} if "[m,n]" in text else {}
    definition = bound(text, shapes={"o": (7,)}, sizes=sizes).definitions[0]
    o = hl.ImageParam(hl.Float(32), 1, "o")
    lowering = Lowering(hl.Float(32), {"o": from_function(o, (7,))}, definition.sizes)
    written = len(re.findall(r"[\w.]+", str(lowering.value(definition.term, {"i": hl.Var("i")}))))
    assert written / 4 <= expanded(definition.term, definition.sizes) <= 4 * written


def test_layers_of_one_function_each_stay_in_one_pass() -> None:
    text = "a[i,j] = tanh(o[i,j]); b[i,j] = max(a[i,j], 0.1*a[i,j]); x[i,j] = sigmoid(b[i,j]) * b[i,j]"
    assert [group.style for group in groups(text, (1024, 64))] == [Style.MAP]


def test_whole_numbers_keep_their_digits() -> None:
    """A seed above 2^24 would be rounded if it were stored as a floating number of 32 bits."""
    text = "x[i,j] = uniform(16777217 + i, 3*argmin[k](erf(erf(o[i,k]))) + j)"
    compare(
        bound(text, shapes={"o": (5, 16)}, sizes={"J": 7}), "float32", {"o": np.random.default_rng(0).random((5, 16))}
    )
