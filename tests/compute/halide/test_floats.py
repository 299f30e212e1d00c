"""Kernels take subnormal numbers for 0, whichever thread computes; the thread that calls them keeps its own setting."""

from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.runtime import native, threads
from convgrad.compute.halide.runtime.linked import LinkedCalls
from convgrad.errors import EngineError
from engine_runs import numpy_has_subnormals, run_python, squares
from engine_support import TELLS

SMALL = {"float32": 2.0**-70, "float64": 2.0**-530}  # its square is below the least normal number, and not 0
linked = pytest.mark.skipif(native.compiler() is None, reason="without a C compiler kernels are compiled in memory")
flushes = pytest.mark.skipif(not TELLS, reason="looks at x86-64")


@linked
@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_and_operands_are_flushed_in_every_thread(dtype: str, count: int) -> None:
    program = squares(dtype)
    least = np.finfo(dtype).tiny
    assert 0 < np.square(np.array(SMALL[dtype], dtype)) < least
    program.set("w", np.full((301, 35), SMALL[dtype]))
    program.set("t", 2.0**20)
    try:
        native.set_threads(count)
        for number, results in ((SMALL[dtype], "yz"), (least / 4, "yzv")):
            program.set("o", np.full((300, 301), number))
            for _ in range(5):
                for name in "yzv":
                    program.arrays[name][...] = 1
                program.run()
                for name in results:
                    assert not program.arrays[name].any(), name
                assert numpy_has_subnormals()
        program.set("o", np.full((300, 301), least))
        program.run()
        assert (program.arrays["v"] == least * 2.0**20).all()  # the least number that is not subnormal counts
    finally:
        native.set_threads(threads.processors_allowed())


@linked
def test_the_callers_setting_comes_back_when_a_kernel_fails() -> None:
    code = """
import resource
from pathlib import Path
import numpy as np
from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.options import scheduling
from convgrad.errors import EngineError
from convgrad.notation import bind, parse
text = "x[e,k] = max(sum[c](o[e,c] * w[c,k]), 0)"
with scheduling(winograd=False, reduction="plain"):
    program = compile_program(bind(parse(text), shapes={"o": (5003, 17), "w": (17, 7001)}), ["x"])
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + 100_000, resource.getrlimit(resource.RLIMIT_AS)[1]))
small = np.full(100, 2.0**-80, np.float32)
product = np.zeros(100, np.float32)
for run in (program.run, program.timed):
    try:
        run()
    except EngineError as error:
        print(error)
    np.multiply(small, np.float32(2.0**-60), out=product)
    print(bool((product > 0).all()))
"""
    if sys.platform != "linux":
        pytest.skip("limits memory as Linux does")
    message = "The kernel of x failed: there is no memory left for it. A smaller batch needs less."
    assert run_python(code, MALLOC_ARENA_MAX="1").splitlines() == [message, "True"] * 2


@linked
@flushes
def test_who_calls_with_flushing_keeps_that_too() -> None:
    """The setting that comes back is the caller's, not the usual one."""
    code = """
import numpy as np
from convgrad.compute.halide.runtime.floats import flushing
from convgrad.compute.halide.program import compile_program
from convgrad.notation import bind, parse
program = compile_program(bind(parse("x[i] = 2*o[i]"), shapes={"o": (5,)}), ["x"])
small = np.full(100, 2.0**-80, np.float32)
with flushing():
    program.run()
    inside = (small * np.float32(2.0**-60)).any()
print(bool(inside), bool((small * np.float32(2.0**-60)).all()))
"""
    assert run_python(code) == "False True\n"


@flushes
@pytest.mark.parametrize("count", ["1", "2", "4"])
def test_kernels_in_memory_flush_as_linked_ones_do(count: str) -> None:
    """In a process of its own: Halide's threads take over the setting of the thread that starts them."""
    code = """
import hashlib, sys
sys.path.insert(0, "tests/support")
import numpy as np
from convgrad.compute.halide.runtime import native
from engine_runs import numpy_has_subnormals, squares
if sys.argv[1:] == ["memory"]:
    native.compiler = lambda: None
from engine_runs import numpy_has_subnormals, squares
program = squares("float32")
rng = np.random.default_rng(0)
program.set("o", rng.standard_normal((300, 301)) * 2.0**rng.integers(-149, 0, (300, 301)))
program.set("w", rng.standard_normal((301, 35)) * 2.0**rng.integers(-149, 0, (301, 35)))
program.set("t", 2.0**-40)
for _ in range(3):
    program.run()
    assert numpy_has_subnormals()
values = [program.arrays[name] for name in "yzv"]
tiny = sum(int(((array != 0) & (abs(array) < 2.0**-126)).sum()) for array in values)
print(tiny, hashlib.sha256(b"".join(array.tobytes() for array in values)).hexdigest())
"""
    lines = {
        run_python(code.replace("sys.argv[1:]", repr([how])), HL_NUM_THREADS=count) for how in ("memory", "linked")
    }
    assert len(lines) == 1
    assert lines.pop().startswith("0 ")


def test_where_the_processor_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    from convgrad.compute.halide import poison

    program = squares("float32", 5)
    if native.compiler() is not None:
        call = program._call
        assert isinstance(call, LinkedCalls)
        with monkeypatch.context() as patched:
            patched.setattr(call._calls._library, "convgrad_meets_subnormals", lambda *_: -2)
            with pytest.raises(
                EngineError, match="This processor does not report whether code computes with subnormal"
            ):
                poison.computing_with_poison(program)
    monkeypatch.setattr(native, "compiler", lambda: None)
    with pytest.raises(
        EngineError, match="Kernels that are compiled in memory get their memory from Halide; a C compiler is"
    ):
        poison.computing_with_poison(squares("float32", 5))
