"""Memory that kernels allocate while they run: kept between calls, within a bound, safe between threads."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.program import Program, compile_program
from convgrad.compute.halide.runtime import native
from engine_support import bound, random_inputs

MOST_KEPT = 128 << 20  # as in memory.c
PAGE = 4096
pytestmark = pytest.mark.skipif(native.compiler() is None, reason="without a C compiler Halide allocates itself")


def program_with_sums(rows: int, columns: int) -> tuple[Program, int]:
    """A program that stores its sums before it reads them, and the bytes of these."""
    text = "x[e,k] = max(sum[c](o[e,c] * w[c,k]), 0)"
    equation = bound(text, shapes={"o": (rows, 17), "w": (17, columns)})
    with scheduling(reduction="plain"):
        program = compile_program(equation, ["x"])
    for name, values in random_inputs(equation).items():
        program.set(name, values)
    return program, 4 * rows * columns


def test_memory_is_kept_and_used_again() -> None:
    program, size = program_with_sums(2999, 3001)
    program.run()
    kept = native.kept_bytes()
    assert size <= kept <= MOST_KEPT
    program.run()
    assert native.kept_bytes() == kept


@pytest.mark.skipif(sys.platform != "linux", reason="counts page faults as Linux does")
def test_a_second_run_takes_no_new_pages() -> None:
    import resource

    def faults() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    program, size = program_with_sums(3001, 2999)
    for _ in range(2):
        program.run()
    before = faults()
    program.run()
    assert faults() - before < size / PAGE / 100


def test_what_is_larger_than_the_bound_is_not_kept() -> None:
    program, size = program_with_sums(5003, 7001)
    assert size > MOST_KEPT
    program.run()
    assert native.kept_bytes() <= MOST_KEPT


def test_many_sizes_stay_within_the_bound() -> None:
    for rows in (1501, 3001, 6007, 12007):
        program_with_sums(rows, 2003)[0].run()
        assert native.kept_bytes() <= MOST_KEPT


def test_programs_of_several_threads_do_not_share_memory_in_use() -> None:
    programs = [program_with_sums(rows, 503)[0] for rows in (401, 809, 1601, 3203)]
    expected = []
    for program in programs:
        program.run()
        expected.append(program.arrays["x"].copy())

    def wrong(number: int) -> int:
        program, runs = programs[number], 0
        for _ in range(20):
            program.arrays["x"][...] = np.nan
            program.run()
            runs += not np.array_equal(program.arrays["x"], expected[number])
        return runs

    with ThreadPoolExecutor(len(programs)) as pool:
        assert list(pool.map(wrong, range(len(programs)))) == [0] * len(programs)
