"""bfloat16: every number of it, ties between neighbours, and what is made of such numbers; by all that computes it."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

from convgrad.compute.rounding import is_rounded
from convgrad.functions import FUNCTIONS
from convgrad.notation import bind, parse
from optional import compiled

Numbers = npt.NDArray[np.float32]
ROW = FUNCTIONS["bfloat16"]


def every() -> Numbers:
    """All finite bfloat16 numbers, as float32, in order."""
    halves = np.arange(1 << 16, dtype=np.uint32) << 16
    numbers = halves.view(np.float32)
    return np.unique(numbers[np.isfinite(numbers)])


def between() -> Numbers:
    """float32 numbers around the middles between neighbours: the ties, and those next to them."""
    bits = np.arange(1 << 16, dtype=np.uint32) << 16
    around = np.concatenate([bits + np.uint32(low) for low in (1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)])
    numbers = around.view(np.float32)
    return numbers[np.isfinite(numbers)]


def by_bits(numbers: Numbers) -> Numbers:
    """float32 numbers rounded by arithmetic on their bits."""
    bits = numbers.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def test_all_numbers_stay() -> None:
    assert every().size == 2 * 255 * 128 - 1  # zeros are one number
    np.testing.assert_array_equal(ROW.grid(every().astype(float)), every())


def test_ties_go_to_the_even_one() -> None:
    np.testing.assert_array_equal(ROW.grid(between().astype(float)), by_bits(between()))
    assert ROW.grid(np.array(1 + 2.0**-8)) == 1
    assert ROW.grid(np.array(1 + 3 * 2.0**-8)) == 1 + 2.0**-6
    assert ROW.grid(np.array(3.4e38)) == np.inf


def test_loops_round_alike() -> None:
    some = between()[::97].astype(float)
    np.testing.assert_array_equal([ROW.loop(one) for one in some.tolist()], ROW.grid(some))


def test_a_number_is_rounded_once() -> None:
    """Of a float64 number a little above a tie, which rounding to float32 first would make a tie."""
    above = 1 + 2.0**-8 + 2.0**-40
    assert ROW.grid(np.array(above)) == ROW.loop(above) == 1 + 2.0**-7


def test_it_is_that_of_torch(torch: ModuleType) -> None:
    found = torch.from_numpy(between().copy()).bfloat16().float().numpy()
    np.testing.assert_array_equal(ROW.grid(between().astype(float)), found)


@compiled
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_code_rounds_alike(dtype: str) -> None:
    from convgrad.compute.halide.program import compile_program

    numbers = np.concatenate([between(), every(), np.array([np.inf, -np.inf, np.nan, -np.nan], np.float32)])
    numbers = numbers[(np.abs(numbers) >= 2.0**-126) | (numbers == 0) | np.isnan(numbers)]  # smaller ones are 0 there
    equation = bind(parse("y[i] = bfloat16(a[i]); z[i] = max(y[i], 0) - 1"), {"a": numbers.shape})
    program = compile_program(equation, ["y"], dtype)
    program.set("a", numbers)
    program.run()
    np.testing.assert_array_equal(program.arrays["y"], ROW.grid(numbers.astype(float)))
    program = compile_program(equation, ["z"], dtype)
    program.set("a", numbers)
    program.run()
    np.testing.assert_array_equal(program.arrays["z"], np.maximum(ROW.grid(numbers.astype(float)), 0).astype(dtype) - 1)


@compiled
def test_what_only_kernels_read_is_stored_in_16_bits() -> None:
    from convgrad.compute.halide.program import compile_program

    text = "y[e,c] = {}; z[e,k] = sum[c](y[e,c] * w[c,k]); v[e] = sum[c](y[e,c] * z[e,c])"
    sizes = {"a": (64, 64), "w": (64, 64)}
    halves, whole = (
        compile_program(bind(parse(text.format(f)), sizes), ["z", "v"]) for f in ("bfloat16(a[e,c])", "2 * a[e,c]")
    )
    assert 2 * halves.intermediate_bytes == whole.intermediate_bytes


@pytest.mark.parametrize(
    ("term", "exact"),
    [
        ("bfloat16(c[i])", True),
        ("a[i]", True),
        ("c[i]", False),
        ("v[i]", True),
        ("max(a[i], 0)", True),
        ("max(a[i], 0.1)", False),
        ("where(c[i] > 0, -a[i], a[i])", True),
        ("where(c[i] > 0, c[i], a[i])", False),
        ("abs(stop(min(a[i], b[i])))", True),
        ("max[j](d[i,j])", True),
        ("sum[j](d[i,j])", False),
        ("mean[j](d[i,j])", False),
        ("a[i] + b[i]", False),
        ("2 * a[i]", False),
        ("d[i,i+1 else 0]", True),
        ("d[i,i+1 else 0.3]", False),
    ],
)
def test_what_is_made_of_such_numbers(term: str, exact: bool) -> None:
    parsed = parse(f"x[i] = {term}")
    assert is_rounded(parsed.result.term, {"a", "b", "d"}, {"v": "a"}) is exact
