"""Vectors along an index that is summed over, folded at the end, against the oracle."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.passes.atoms import split
from convgrad.compute.halide.schedules.folded import folding_for
from convgrad.compute.halide.schedules.reduction import chosen_folding
from convgrad.compute.halide.target import machine
from convgrad.notation import Equation
from convgrad.notation.terms import Reduce
from engine_runs import PLAIN, gradient, run_python
from engine_support import bound, compare, same_in_any_batch

LANES = machine().lanes(4)
BITS = """
import hashlib, sys
sys.path.insert(0, "tests/support")
import numpy as np
from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.options import scheduling
from engine_runs import PLAIN, gradient
with scheduling(winograd=False, reduction="folded"):
    program = compile_program(gradient(PLAIN, 17, 19, 23, 3, 64), ["do"])
for name in ("dx", "w"):
    program.set(name, np.random.default_rng(0).standard_normal(program.arrays[name].shape))
program.run()
print(hashlib.sha256(program.arrays["do"].tobytes()).hexdigest())
"""
DENSE = "x[e,k] = sum[c](w[c,k] * o[e,c])"
CONVOLUTION = "x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m,j+n-1,c else 0]); y[e,i,j,k] = max(x[e,i,j,k] + b[k], 0)"
CASES: dict[str, Equation] = {
    "one channel": gradient(PLAIN, 5, 7, 9, 1, 33),
    "three channels, rows left out": gradient(PLAIN, 3, 2, 17, 3, 64),
    "more channels than places": gradient(PLAIN, 2, 6, 7, 29, 40),
    "dense": bound(DENSE, shapes={"w": (53, 11), "o": (23, 53)}),
    "a row": bound("x[k] = sum[c](w[k,c] * o[c])", shapes={"w": (301, 117), "o": (117,)}),
    "one number": bound("x[k] = sum[c](w[k,c] * o[c])", shapes={"w": (1, 70_001), "o": (70_001,)}),
    "with what follows": bound(
        CONVOLUTION, shapes={"w": (2, 3, 37, 3), "o": (4, 9, 11, 37), "b": (3,)}, sizes={"I": 8, "J": 11}
    ),
}


@pytest.mark.parametrize("equation", CASES.values(), ids=CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_folded_sums(equation: Equation, dtype: str) -> None:
    (atom, *_) = split(equation.definitions[0])
    assert folding_for(atom, 4) is not None
    assert isinstance(atom.term, Reduce)
    chain = prod(atom.sizes[index] for index in atom.term.indices) / LANES
    # N products, added one to the other, err by eps * N / sqrt(2), where their sum is about sqrt(N).
    with scheduling(winograd=False, reduction="folded"):
        compare(equation, dtype, tolerance=max(1.0, (chain / 1000) ** 0.5))


@pytest.mark.parametrize("channels", [64 * LANES, 64 * LANES + 5])
def test_an_example_has_the_same_bits_in_any_batch(channels: int) -> None:
    """Also where the last vector begins earlier: products are added in one step everywhere, or in two everywhere."""
    rng = np.random.default_rng(3)
    o, w = rng.standard_normal((64, channels), np.float32), rng.standard_normal((channels, 1), np.float32)

    def dense(batch: int) -> Equation:
        return bound(DENSE, shapes={"w": w.shape, "o": (batch, channels)})

    with scheduling(reduction="folded"):
        same_in_any_batch(dense, {"o": o, "w": w}, (64, 11, 4, 1))


@pytest.mark.parametrize(
    ("text", "shapes", "along"),
    [
        (DENSE, {"w": (64, 10), "o": (32, 64)}, "c"),
        ("x[i] = sum[m](w[m] * o[i+m])", {"w": (64,), "o": (100,)}, None),  # m is not alone in o
        ("x[i] = sum[m](w[m] * o[2*m,i])", {"w": (64,), "o": (130, 9)}, None),
        (DENSE, {"w": (LANES - 1, 10), "o": (32, LANES - 1)}, None),  # less than a vector
        ("x[e] = sum[c](w[c] * o[e,c] * o[e,c])", {"w": (64,), "o": (32, 64)}, None),
        ("x[e] = sum[c](o[e,c])", {"o": (32, 64)}, None),
    ],
)
def test_what_can_be_folded(text: str, shapes: dict[str, tuple[int, ...]], along: str | None) -> None:
    (atom, *_) = split(bound(text, shapes=shapes).definitions[0])
    folding = folding_for(atom, 4)
    assert (folding and folding.along) == along


@pytest.mark.parametrize(
    ("channels", "kernels", "folded"), [(1, 32, True), (1, 20, True), (3, 64, True), (16, 16, False), (64, 64, False)]
)
def test_few_channels_from_many_are_folded(channels: int, kernels: int, folded: bool) -> None:
    (atom,) = split(gradient(PLAIN, 64, 28, 28, channels, kernels).definitions[0])
    assert (chosen_folding(atom, 4) is not None) == folded


def test_the_same_bits_for_any_number_of_threads() -> None:
    digests = {line for count in "124" for line in run_python(BITS, HL_NUM_THREADS=count).split()}
    assert len(digests) == 1
