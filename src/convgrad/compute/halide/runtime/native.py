"""What compiled kernels call, and what calls them: a shared library, by ctypes, which frees Python's lock meanwhile."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import shutil
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convgrad.compute.halide.runtime import cache, threads
from convgrad.compute.halide.runtime.surroundings import edited, quick_surroundings, surroundings
from convgrad.dtypes import DTYPES
from convgrad.errors import EngineError
from convgrad.system.files import reason, temporary_folder
from convgrad.system.sharing import Lock

if TYPE_CHECKING:
    import subprocess

LINK_SECONDS = 120
FEW_MAPS = ("-Wl,-z,noseparate-code", "-Wl,-z,norelro") if sys.platform.startswith("linux") else ()
"""For the linker: constants beside the code, and the table of addresses beside the data, so that a library takes two of
the 65,530 memory maps that Linux gives a process, and not five. Not every linker knows them."""
NO_VARIABLES = ("-nostartfiles",) if sys.platform.startswith("linux") else ()
"""For the linker: nothing but kernels in a library, so that it can be packed (`packed.py`)."""
SOURCES = ("structs.h", "floats.c", "filling.c", "runner.c", "memory.c", "pool.c")


@lru_cache
def compiler() -> str | None:
    """The C compiler that links, where there is one."""
    return None if sys.platform == "win32" else shutil.which("cc")


@contextmanager
def compile_folder() -> Iterator[Path]:
    """A folder for what is compiled, which goes afterwards, even if this process dies. Raises EngineError."""
    try:
        with temporary_folder() as folder:
            yield folder
    except OSError as error:
        where = "" if error.filename is None else f" ({os.fsdecode(error.filename)})"
        raise EngineError(
            f"Kernels can't be compiled: {reason(error)}{where}. Set TMPDIR to a folder with room for about 100 MB."
        ) from error


def link(objects: Sequence[Path], library: Path, *more: str) -> None:
    """A shared library of object files. Raises EngineError."""
    done = _linked(objects, library, *FEW_MAPS, *more)
    if done.returncode and FEW_MAPS:
        done = _linked(objects, library, *more)
    if done.returncode:
        raise EngineError(f"The compiled kernels can't be linked:\n{done.stderr.strip()}")


def _linked(objects: Sequence[Path], library: Path, *more: str) -> subprocess.CompletedProcess[str]:
    import subprocess  # which takes long to import, and is not needed for what is kept

    command = [compiler() or "cc", "-shared", "-o", str(library), *more, *map(str, objects)]
    if sys.platform == "darwin":
        command += ["-undefined", "dynamic_lookup"]
    environment = {**os.environ, "TMPDIR": str(library.parent)}  # what the linker leaves when it is killed goes, too
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=LINK_SECONDS, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"The compiled kernels can't be linked: {error}") from error


_loading = Lock()


def library() -> Any:
    """The runtime, loaded once in a process, with the number of threads set."""
    with _loading:
        return _library()


@lru_cache
def _library() -> Any:
    count = threads.choose_threads()
    threads.watch_forks()
    loaded = _kept() or _prepared(_built())
    loaded.convgrad_set_threads(ctypes.c_int(count))
    return loaded


def _prepared(loaded: Any) -> Any:
    """The runtime with the types of its functions. Raises AttributeError where one is missing."""
    loaded.convgrad_set_threads.argtypes = [ctypes.c_int]
    loaded.convgrad_kept_bytes.restype = ctypes.c_longlong
    loaded.convgrad_run.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    loaded.convgrad_run.restype = ctypes.c_int
    loaded.convgrad_meets_subnormals.argtypes = [ctypes.c_int, ctypes.c_void_p]
    loaded.convgrad_meets_subnormals.restype = ctypes.c_int
    loaded.convgrad_fill.argtypes = [ctypes.c_int, ctypes.c_uint32]
    loaded.convgrad_fill.restype = None
    return loaded


def _key() -> str:
    return f"runtime-{cache.digest(quick_surroundings() or surroundings())}"


def _kept() -> Any:
    """The runtime from the cache, or None."""
    content = cache.current().read(_key())
    if content is None:
        return None
    with compile_folder() as folder:
        shared = folder / "libruntime.so"
        shared.write_bytes(content)
        try:
            return _prepared(ctypes.CDLL(str(shared), mode=ctypes.RTLD_GLOBAL))
        except (OSError, AttributeError):  # made on a system with other libraries
            cache.current().discard(_key())
            return None


def _built() -> Any:
    """The runtime, compiled now. Raises EngineError."""
    with compile_folder() as folder:
        shared = folder / "libruntime.so"
        source = folder / "runtime.c"  # one file compiles in half the time of three
        texts = [Path(__file__).with_name(name).read_text() for name in SOURCES]
        source.write_text("\n".join(texts))
        link([source], shared, "-O2", "-fPIC", "-lpthread")
        loaded = load(shared, mode=ctypes.RTLD_GLOBAL)
        if not edited():
            cache.current().write(_key(), shared.read_bytes())
    return loaded


def load(shared: Path, mode: int = ctypes.DEFAULT_MODE) -> Any:
    """A shared library that was just linked. Raises EngineError."""
    try:
        return ctypes.CDLL(str(shared), mode=mode)
    except OSError as error:
        raise EngineError(
            f"Compiled code can't be loaded ({error}). Set TMPDIR to a folder from which programs may run."
        ) from error


class Functions:
    """Kernels of a library by name, as addresses. It is unloaded when nobody holds this any more.

    Raises: AttributeError where the library has not all of them; EngineError where it can't be loaded.
    """

    def __init__(self, shared: Path, names: Iterable[str]):
        from convgrad.compute.halide.runtime import packed  # with NumPy, which processes that compile do without

        names = [*names]
        symbols = [f"{name}_argv" for name in names]
        unload: Callable[[], None] | None
        try:
            found, unload = packed.load(shared.read_bytes(), symbols, library())
        except packed.NotPacked:
            found, unload = _loaded(shared, symbols)
        self.addresses = {name: found[symbol] for name, symbol in zip(names, symbols, strict=True)}
        if unload is not None:
            # Not at the end of the process, where threads may still run.
            weakref.finalize(self, unload).atexit = False


def _loaded(shared: Path, symbols: Iterable[str]) -> tuple[dict[str, int], Callable[[], None] | None]:
    """A library's functions by the system's loader, and what unloads it."""
    loaded = load(shared)
    found = {name: ctypes.cast(getattr(loaded, name), ctypes.c_void_p).value or 0 for name in symbols}
    unload = getattr(_ctypes, "dlclose", None)  # Windows has none, and libraries stay
    return found, None if unload is None else partial(unload, loaded._handle)


def kept_bytes() -> int:
    """Bytes that kernels have freed and that are kept for the next ones (`memory.c`)."""
    return int(library().convgrad_kept_bytes())


def fill_unwritten(when: int, pattern: int) -> None:
    """Fill memory that kernels get with 32-bit words, see `poison.py` and `filling.c`."""
    library().convgrad_fill(when, pattern)


def set_threads(count: int) -> None:
    """Use `count` threads from now on, for all programs of this process; results do not depend on it.

    Raises: EngineError for a count below 1, or where the compiled library is not in use.
    """
    if count < 1:
        raise EngineError(f"Compiled code needs at least 1 thread, not {count}.")
    os.environ[threads.VARIABLE] = str(count)
    if compiler() is None:
        raise EngineError(
            f"Without a C compiler the number of threads is fixed: set {threads.VARIABLE} before starting."
        )
    library().convgrad_set_threads(ctypes.c_int(count))


class Dimension(ctypes.Structure):
    """halide_dimension_t."""

    _fields_ = [
        ("min", ctypes.c_int32),
        ("extent", ctypes.c_int32),
        ("stride", ctypes.c_int32),
        ("flags", ctypes.c_uint32),
    ]


class BufferStruct(ctypes.Structure):
    """halide_buffer_t."""

    _fields_ = [
        ("device", ctypes.c_uint64),
        ("device_interface", ctypes.c_void_p),
        ("host", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("type_code", ctypes.c_uint8),
        ("type_bits", ctypes.c_uint8),
        ("type_lanes", ctypes.c_uint16),
        ("dimensions", ctypes.c_int32),
        ("dim", ctypes.POINTER(Dimension)),
        ("padding", ctypes.c_void_p),
    ]


def buffer_struct(
    address: int, element: str, shape: Sequence[int], strides: Sequence[int], lows: Sequence[int]
) -> BufferStruct:
    """A buffer as compiled code takes it; axes in the equation's order."""
    dimensions = (Dimension * max(1, len(shape)))()
    for place, axis in enumerate(reversed(range(len(shape)))):
        dimensions[place] = Dimension(-lows[axis], shape[axis], strides[axis], 0)
    dtype = DTYPES[element]
    struct = BufferStruct(0, None, address, 0, dtype.code, dtype.bits, 1, len(shape), dimensions, None)
    struct.keep = dimensions  # the array lives as long as the struct
    return struct


class Movement(ctypes.Structure):
    """`movement` of structs.h: bytes by which a buffer moves from slice to slice, and from slot to slot."""

    _fields_ = [("by_slice", ctypes.c_int64), ("by_slot", ctypes.c_int64)]


class CallStruct(ctypes.Structure):
    """`call` of structs.h."""

    _fields_ = [
        ("function", ctypes.c_void_p),
        ("arguments", ctypes.c_void_p),
        ("movements", ctypes.c_void_p),
        ("count", ctypes.c_int32),
        ("slices", ctypes.c_int32),
        ("together", ctypes.c_int32),
    ]


@dataclass(frozen=True)
class Call:
    """A compiled kernel with its buffers, and how these move where it is the first of `together` kernels of a chain, or
    another one of it."""

    function: int
    arguments: Sequence[BufferStruct]
    movements: Sequence[Movement]
    slices: int = 1
    together: int = 1


class CallList:
    """A fixed list of compiled kernels with their buffers, run by one call."""

    def __init__(self, calls: Sequence[Call]):
        self._calls = (CallStruct * len(calls))()
        self._keep: list[Any] = [calls]
        for struct, call in zip(self._calls, calls, strict=True):
            count = len(call.arguments)
            row = (ctypes.c_void_p * count)(*(ctypes.addressof(buffer) for buffer in call.arguments))
            movements = (Movement * count)(*call.movements)
            self._keep += [row, movements]
            struct.function, struct.count = call.function, count
            struct.arguments, struct.movements = ctypes.addressof(row), ctypes.addressof(movements)
            struct.slices, struct.together = call.slices, call.together
        self._library = library()
        start, size = ctypes.addressof(self._calls), ctypes.sizeof(CallStruct)
        values = ctypes.c_int(len(calls)), ctypes.c_void_p(start)
        self._run = partial(self._library.convgrad_run, *values)
        self._untimed = partial(self._run, ctypes.c_void_p(None))  # to convert numbers takes as long as small kernels
        self._addresses = [start + number * size for number in range(len(calls))]

    def __call__(self) -> None:
        failed = self._untimed()
        if failed:
            self._check(failed)

    def part(self, first: int, count: int) -> None:
        """Run some of them: a kernel, or a chain, from its first one to its last."""
        failed = self._library.convgrad_run(count, self._addresses[first], None)
        self._check(first + failed if failed else 0)

    def timed(self) -> list[int]:
        """Run once; the nanoseconds that each kernel took, in a chain its share of them."""
        times = (ctypes.c_longlong * len(self._calls))()
        self._check(self._run(ctypes.addressof(times)))
        return list(times)

    def meets_subnormals(self, steps: Sequence[int]) -> list[bool]:
        """Run once, on this thread alone; whether each step computes with a subnormal number. For tests.

        steps: of how many kernels each is made. Raises EngineError where this processor does not tell.
        """
        found: list[bool] = []
        size = ctypes.sizeof(CallStruct)
        first = ctypes.addressof(self._calls)
        for count in steps:
            answer = self._library.convgrad_meets_subnormals(count, first)
            if answer == -2:
                raise EngineError("This processor does not report whether code computes with subnormal numbers.")
            self._check(len(found) + 1 if answer == -1 else 0)
            found.append(bool(answer))
            first += count * size
        return found

    def _check(self, failed: int) -> None:
        if failed:
            raise OutOfMemory(failed - 1)


class OutOfMemory(Exception):
    """A kernel of a list was given up, for there was no memory left for it: its place in the list."""

    def __init__(self, place: int):
        super().__init__(place)
        self.place = place
