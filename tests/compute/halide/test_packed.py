"""Libraries of kernels behind each other in one memory map."""

from __future__ import annotations

import ctypes
import random
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.runtime import native, packed
from convgrad.compute.halide.runtime.packed import NotPacked, Region
from engine_support import bound

PACKS = True
try:
    Region(1 << 16)
except NotPacked:
    PACKS = False
pytestmark = pytest.mark.skipif(
    native.compiler() is None or not PACKS, reason="libraries are packed on Linux on x86-64, with a C compiler"
)
SOURCE = """
extern double cos(double);
extern void *halide_malloc(void *, unsigned long);
static const double table[] = {0.5, 2.0, FACTOR};
static const double *const rows[] = {table, table + 1, table + 2};
double value(int n) { return *rows[n]; }
double scaled_argv(double x) { return value(2) * cos(x); }
void *memory_argv(void) { return (void *)&halide_malloc; }
"""
STRANGE = {
    "variables": "int count = 3; int f_argv(void) { return count++; }",
    "room": "int count; int f_argv(void) { return count++; }",
    "of a thread": "__thread int count; int f_argv(void) { return count++; }",
    "code to run": "int f_argv(void) { return 1; } __attribute__((constructor)) void begin(void) { f_argv(); }",
    "chosen later": "int a(void) { return 1; } static void *pick(void) { return a; }"
    'int f_argv(void) __attribute__((ifunc("pick")));',
    "a part of another": "extern char environ_of[64]; char *f_argv(void) { return environ_of + 5; }"
    "char *p = environ_of + 8;",
    "of nobody": "extern int convgrad_nobody(void); int f_argv(void) { return convgrad_nobody(); }",
}


def library(folder: Path, text: str, *more: str) -> bytes:
    source, shared = folder / "source.c", folder / "library.so"
    source.write_text(text)
    native.link([source], shared, "-fPIC", "-O1", *native.NO_VARIABLES, *more)
    return shared.read_bytes()


def test_functions_find_their_constants_and_what_they_call(tmp_path: Path) -> None:
    """Several libraries with functions of the same names, each with its own constants."""
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
    scaled = []
    for factor in (3.0, 5.0, 7.0):
        content = library(tmp_path, SOURCE, f"-DFACTOR={factor}", "-lm")
        found, _ = packed.load(content, ["scaled_argv", "memory_argv"], native.library())
        scaled.append(kind(found["scaled_argv"])(0.0))
        memory = ctypes.CFUNCTYPE(ctypes.c_void_p)(found["memory_argv"])()
        assert memory == ctypes.cast(native.library().halide_malloc, ctypes.c_void_p).value
    assert scaled == [3.0, 5.0, 7.0]


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_no_kernel_is_left_to_the_system_s_loader(what: str, tmp_path: Path) -> None:
    content = library(tmp_path, STRANGE[what])
    with pytest.raises(NotPacked, match=r"not a library of kernels: it has|nothing has convgrad_nobody"):
        packed.load(content, ["f_argv"], native.library())


@pytest.mark.parametrize("content", [b"", b"no library", b"\x7fELF\x02\x01" + bytes(200)])
def test_what_is_no_library(content: bytes) -> None:
    with pytest.raises(NotPacked, match="not a library of kernels: "):
        packed.load(content, ["f_argv"], native.library())


def test_a_library_that_was_cut_off(tmp_path: Path) -> None:
    content = library(tmp_path, SOURCE, "-DFACTOR=3.0", "-lm")
    for size in range(0, len(content) - 1, len(content) // 50):
        with pytest.raises(NotPacked, match="not a library of kernels: "):
            packed.Image.of(content[:size])


def test_a_function_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="the library has no other_argv"):
        packed.load(library(tmp_path, SOURCE, "-DFACTOR=3.0", "-lm"), ["other_argv"], native.library())


def test_parts_of_a_region_never_overlap() -> None:
    chance, region = random.Random(5), Region(1 << 16)
    held: list[tuple[int, int]] = []
    taken = 0
    for _ in range(2000):
        size = chance.randrange(1, 12) * 1024
        begin = region.take(size)
        if begin is None or chance.random() < 0.3:
            held += [] if begin is None else [(begin, size)]
            region.give_back(*held.pop(chance.randrange(len(held))))
        else:
            held.append((begin, size))
            taken += 1
        places = sorted(held)
        assert all(a + n <= b for (a, n), (b, _) in pairwise(places))
        assert not places or places[-1][0] + places[-1][1] <= 1 << 16
    assert taken > 500
    for part in held:
        region.give_back(*part)
    assert region.take(1 << 16) == 0


def test_memory_is_used_again(tmp_path: Path) -> None:
    content = library(tmp_path, SOURCE, "-DFACTOR=3.0", "-lm")
    first, unload = packed.load(content, ["scaled_argv"], native.library())
    unload()
    second, _ = packed.load(content, ["scaled_argv"], native.library())
    assert first == second


def test_a_forked_child_does_not_write_over_its_parent_s_code(monkeypatch: pytest.MonkeyPatch) -> None:
    region, _ = packed._room(4096)
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert packed._room(4096)[0] is not region


def test_a_library_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SIZE", 1 << 12)
    with pytest.raises(NotPacked, match="it is too large"):
        packed._room(100 << 20)


def test_where_there_is_no_memory_for_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(*_: object) -> int:
        raise OSError("no file in memory here")

    with monkeypatch.context() as patched:
        patched.setattr("os.memfd_create", refused)
        with pytest.raises(NotPacked, match="no file in memory here"):
            Region()
    with monkeypatch.context() as patched:
        patched.setattr("os.ftruncate", refused)
        with pytest.raises(NotPacked, match="no file in memory here"):
            Region()
    with monkeypatch.context() as patched:
        patched.setattr("platform.machine", lambda: "riscv64")
        with pytest.raises(NotPacked, match="another system or processor"):
            Region()
    region = Region(1 << 16)
    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", refused)
        with pytest.raises(NotPacked, match="no file in memory here"):
            region.write(0, b"code")
        patched.setattr("os.pwrite", lambda *_: 2)
        with pytest.raises(NotPacked, match="there is no memory left"):
            region.write(0, b"code")


def test_programs_run_where_nothing_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    from convgrad.compute.halide.runtime.cache import Cache, using
    from engine_support import compare

    def refused(*_: object) -> None:
        raise NotPacked("as on another system")

    monkeypatch.setattr(packed, "load", refused)
    with using(Cache(None)):
        compare(bound("x[i] = sum[m](w[m] * o[i+m])", shapes={"w": (3,), "o": (311,)}), "float32")
