"""Libraries of kernels: how many memory maps they take, and when they are unloaded."""

from __future__ import annotations

import gc
import platform
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.program import Program, compile_program
from convgrad.compute.halide.runtime import compile, native, packed
from convgrad.compute.halide.runtime.cache import Cache, using
from convgrad.compute.halide.runtime.libraries import Libraries
from engine_support import bound

MAPS = Path("/proc/self/maps")
pytestmark = pytest.mark.skipif(
    native.compiler() is None or not sys.platform.startswith("linux") or not MAPS.exists(),
    reason="libraries are linked, and maps told, on Linux with a C compiler",
)
MANY = 12


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> compile.Compiler:
    """As in a process that has compiled nothing yet; on disk nothing is kept, either."""
    compiler = compile.Compiler(libraries := Libraries())
    monkeypatch.setattr("convgrad.compute.halide.recorded.LIBRARIES", libraries)
    monkeypatch.setattr("convgrad.compute.halide.runtime.calls.COMPILER", compiler)
    return compiler


def scaled(number: int) -> Program:
    """x = number * o, in a kernel of its own for each number."""
    program = compile_program(bound(f"x[i] = {number}*o[i]", shapes={"o": (5 + number,)}), ["x"])
    program.set("o", np.arange(5 + number))
    return program


def check(program: Program, number: int) -> None:
    program.arrays["x"][:] = -1
    program.run()
    np.testing.assert_array_equal(program.arrays["x"], number * np.arange(5 + number))


def libraries_mapped() -> list[str]:
    """The memory maps of kernels' libraries."""
    names = ("kernels.so", "kept.so", "anew.so")
    return [line for line in MAPS.read_text().splitlines() if any(f"/{name}" in line for name in names)]


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each library is loaded by the system, as where they can't be packed."""

    def refused(*_: object) -> None:
        raise packed.NotPacked("for a test")

    monkeypatch.setattr(packed, "load", refused)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="libraries are packed on x86-64")
def test_all_libraries_lie_in_one_memory_map() -> None:
    """The system allows 65,530 to a process."""
    kept = [scaled(2)]
    before, apart = len(MAPS.read_text().splitlines()), libraries_mapped()
    kept += [scaled(number) for number in range(3, 3 + MANY)]
    assert len(MAPS.read_text().splitlines()) - before <= MANY // 4  # some are Python's own
    assert libraries_mapped() == apart
    assert sum("convgrad-kernels" in line for line in MAPS.read_text().splitlines()) <= len(packed._regions)
    for number, program in enumerate(kept, 2):
        check(program, number)


def test_a_library_by_itself_takes_two_memory_maps(apart: None) -> None:
    """With the linker's defaults it takes five."""
    before = len(libraries_mapped())
    programs = [scaled(number) for number in range(2, 2 + MANY)]
    assert 0 < len(libraries_mapped()) - before <= 2 * MANY
    for number, program in enumerate(programs, 2):
        check(program, number)


def test_libraries_are_unloaded_when_no_program_needs_them(apart: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convgrad.compute.halide.runtime.libraries.RECENT", 2)
    before = len(libraries_mapped())
    programs = {number: scaled(number) for number in range(2, 2 + MANY)}
    for number in range(2, 2 + MANY, 2):
        del programs[number]
    gc.collect()
    assert len(libraries_mapped()) - before <= 2 * (MANY // 2 + 2)
    for number, program in programs.items():
        check(program, number)
    again = scaled(2)  # was unloaded
    check(again, 2)
    programs.clear()
    del program, again
    gc.collect()
    assert len(libraries_mapped()) - before <= 2 * 2


def test_what_was_used_last_stays_loaded(apart: None, fresh: compile.Compiler) -> None:
    with using(Cache(None)):  # so that it would be compiled again
        kernels = list(scaled(2).kernels)
        gc.collect()
        before = libraries_mapped()
        (function,) = fresh.compiled(kernels)[1]
        assert libraries_mapped() == before
        assert fresh.compiled(kernels)[1] == [function]
