"""Threads, forks, compiling and linking: the same bits for any number of threads, and errors instead of crashes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("halide")

import halide as hl

from convgrad.compute.halide.passes.memory import Layout, Lifetime, packed
from convgrad.compute.halide.program import Program, compile_program
from convgrad.compute.halide.runtime import native, threads
from convgrad.compute.halide.runtime.cache import Cache, using
from convgrad.compute.halide.runtime.calls import InMemoryCalls
from convgrad.compute.halide.runtime.compile import Compiler, compile_in_memory, compile_object, plain
from convgrad.compute.halide.schedules.generic import pointwise
from convgrad.errors import EngineError
from engine_runs import run_python
from engine_support import bound, compare

STEP = """
import hashlib, sys
import numpy as np
from convgrad.compute.halide.program import compile_program
from convgrad.notation import bind, parse
text = '''
x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m-1,j+n,c else 0]) + b[k]
y[e,a,h,k] = max[r,s](x[e,2*a+r,2*h+s,k])
E = sum[e,a,h,k](y[e,a,h,k]^2)
mu[k] = mean[e,i,j](x[e,i,j,k])
do[e,p,q,c] = sum[m,n,k](x[e,p-m+1,q-n,k else 0] * w[m,n,c,k])
dw[m,n,c,k] = sum[e,i,j](x[e,i,j,k] * o[e,i+m-1,j+n,c else 0])
'''
shapes = {"o": (19, 20, 22, 7), "w": (3, 3, 7, 20), "b": (20,)}
sizes = {"I": 20, "J": 20, "P": 20, "Q": 22, "M": 3, "N": 3}
outputs = ["y", "E", "mu", "do", "dw"]
program = compile_program(bind(parse(text), shapes=shapes, sizes={**sizes, "R": 2, "S": 2}), outputs)
rng = np.random.default_rng(0)
for name in shapes:
    program.set(name, rng.standard_normal(shapes[name]))
for run in range(3):
    program.run()
    print(hashlib.sha256(b"".join(program.arrays[n].tobytes() for n in outputs)).hexdigest())
"""


def small_program() -> Program:
    return compile_program(bound("x[i] = 2*o[i]", shapes={"o": (5,)}), ["x"])


def test_the_same_bits_for_any_number_of_threads() -> None:
    digests = {line for count in "124" for line in run_python(STEP, HL_NUM_THREADS=count).split()}
    assert len(digests) == 1


def test_the_number_of_threads_can_be_changed() -> None:
    equation = bound("x[i,k] = sum[c](o[i,c] * w[c,k])", shapes={"o": (300, 70), "w": (70, 90)})
    program = compile_program(equation, ["x"])
    for name in ("o", "w"):
        program.set(name, np.random.default_rng(0).standard_normal(program.arrays[name].shape))
    program.run()
    before = program.arrays["x"].copy()
    try:
        for count in (1, 3):
            native.set_threads(count)
            program.arrays["x"][...] = 0
            program.run()
            np.testing.assert_array_equal(program.arrays["x"], before)
    finally:
        native.set_threads(threads.processors_allowed())


def test_numbers_of_threads_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="at least 1 thread, not 0"):
        native.set_threads(0)
    monkeypatch.setenv("HL_NUM_THREADS", "many")
    with pytest.raises(EngineError, match="HL_NUM_THREADS must be a number of threads, at least 1; it is 'many'"):
        threads.choose_threads()
    monkeypatch.setenv("HL_NUM_THREADS", "2")
    assert threads.choose_threads() == 2
    monkeypatch.setattr(native, "compiler", lambda: None)
    with pytest.raises(EngineError, match="Without a C compiler the number of threads is fixed"):
        native.set_threads(2)


def test_processors_that_control_groups_allow(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    own = tmp_path / "user" / "me"
    own.mkdir(parents=True)
    membership.write_text("0::/user/me\n")
    assert threads._quota(tmp_path, membership) is None
    (tmp_path / "user" / "cpu.max").write_text("300000 100000\n")
    (own / "cpu.max").write_text("max 100000\n")
    assert threads._quota(tmp_path, membership) == 3
    (own / "cpu.max").write_text("150000 100000\n")
    assert threads._quota(tmp_path, membership) == 1.5
    old = tmp_path / "cpu" / "job"
    old.mkdir(parents=True)
    membership.write_text("4:cpu,cpuacct:/job\n")
    (old / "cpu.cfs_quota_us").write_text("50000\n")
    (old / "cpu.cfs_period_us").write_text("100000\n")
    assert threads._quota(tmp_path, membership) == 0.5
    assert threads._quota(tmp_path / "none", tmp_path / "none") is None
    assert threads.processors_allowed() >= 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_forked_child_is_refused() -> None:
    code = """
import os
from convgrad.compute.halide.program import compile_program
from convgrad.errors import EngineError
from convgrad.notation import bind, parse
equation = bind(parse("x[i] = 2*o[i]"), shapes={"o": (5,)})
program = compile_program(equation, ["x"])
program.run()
if os.fork() == 0:
    for call in (program.run, lambda: compile_program(equation, ["x"])):
        try:
            call()
        except EngineError as error:
            print(error, flush=True)
    os._exit(0)
os.wait()
"""
    message = "This process was forked from one that uses the compiled engine; its threads do not exist here."
    assert run_python(code).count(message) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.skipif(native.compiler() is None, reason="without a C compiler Halide allocates itself")
@pytest.mark.parametrize(
    ("options", "text", "shapes"),
    [
        ("reduction='plain'", "x[e,k] = max(sum[c](o[e,c] * w[c,k]), 0)", {"o": (5003, 17), "w": (17, 7001)}),
        (
            "reduction='tiled'",
            "x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m-1,j+n-1,c else 0])",
            {"o": (17, 301, 311, 90), "w": (3, 3, 90, 3)},
        ),
        (
            "reduction='tiled', chains=True",
            "y[e,c,k] = 2 * o[e,c,k]\nx[e,k,i] = sum[c](w[i,c] * y[e,c,k])",
            {"o": (16, 30011, 12), "w": (520, 30011)},
        ),
    ],
    ids=["before the tasks", "in a task", "in a chain"],
)
def test_there_is_no_memory_for_a_kernel(options: str, text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    """An error, and the program works when there is memory again: also where threads in a parallel loop ran out."""
    code = f"""
import resource
from pathlib import Path
import numpy as np
from convgrad.compute.halide.program import compile_program
from convgrad.compute.halide.options import scheduling
from convgrad.errors import EngineError
from convgrad.notation import bind, parse
with scheduling(winograd=False, {options}):
    sizes = dict(I=301, J=311) if "i+m" in {text!r} else {{}}
    program = compile_program(bind(parse({text!r}), shapes={shapes}, sizes=sizes), ["x"])
for name in {list(shapes)}:
    program.arrays[name][...] = 0.5
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
free = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (in_use + 100_000, free[1]))
for run in (program.run, lambda: [*program.in_parts()]):
    try:
        run()
    except EngineError as error:
        print(error)
resource.setrlimit(resource.RLIMIT_AS, free)
program.run()
first = program.arrays["x"].copy()
program.arrays["x"][...] = 0
program.run()
print(bool(np.array_equal(first, program.arrays["x"]) and first.any()))
"""
    message = "The kernel of x failed: there is no memory left for it. A smaller batch needs less."
    assert run_python(code, MALLOC_ARENA_MAX="1").splitlines() == [message, message, "True"]


LOOPS = """
import threading
from convgrad.compute.halide.runtime import native
from convgrad.compute.halide.program import compile_program
from convgrad.notation import bind, parse
import numpy as np
native.set_threads(4)
equation = bind(parse("x[i,k] = sum[c](o[i,c] * w[c,k])"), shapes={"o": (200, 70), "w": (70, 90)})
programs = [compile_program(equation, ["x"]) for _ in range(3)]
for program in programs:
    for name in ("o", "w"):
        program.arrays[name][...] = np.random.default_rng(0).standard_normal(program.arrays[name].shape)
programs[0].run()
expected = programs[0].arrays["x"].copy()
wrong = []
def work(program):
    for number in range(2000):
        if number % 100 == 0:
            native.set_threads(1 + number // 100 % 5)
        program.arrays["x"][number % 200] = 0
        program.run()
        if not np.array_equal(program.arrays["x"], expected):
            wrong.append(number)
several = [threading.Thread(target=work, args=(program,)) for program in programs]
for thread in several:
    thread.start()
for thread in several:
    thread.join()
print(len(wrong))
"""


def test_many_short_loops_of_several_threads_at_once() -> None:
    assert run_python(LOOPS) == "0\n"


def test_kernels_are_compiled_in_memory_without_a_c_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "compiler", lambda: None)
    text = "x[e,i,k] = sum[m](w[m,k] * o[e,i+m-1 else 0]); y[e,i,k] = max(x[e,i,k], 0); b_next[k] = b[k] + w[0,k]"
    equation = bound(text, shapes={"o": (16, 70), "w": (5, 40), "b": (40,)}, sizes={"I": 66})
    program = compare(equation, "float32", in_place={"b_next": "b"})
    assert isinstance(program._call, InMemoryCalls)
    program._call.buffers[0][0][0] = hl.Buffer(np.zeros((16, 3), np.float32))
    with pytest.raises(EngineError, match=r"The kernel of .* failed: "):
        program.run()


def test_a_kernel_that_can_not_be_compiled(tmp_path: Path) -> None:
    kernel = small_program().kernels[0]
    with pytest.raises(EngineError, match="The kernel of x can't be compiled:"):
        compile_object(kernel, "name", tmp_path / "no" / "folder.o")
    kernel.layouts = {**kernel.layouts, "o": Layout((5, 5), "float32")}
    with pytest.raises(EngineError, match="The kernel of x can't be compiled:"):
        compile_in_memory(kernel)


def test_objects_that_can_not_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="The compiled kernels can't be linked:"):
        native.link([tmp_path / "none.o"], tmp_path / "library.so")
    monkeypatch.setattr(native, "compiler", lambda: str(tmp_path / "cc"))
    with pytest.raises(EngineError, match=r"The compiled kernels can't be linked: .*No such file"):
        native.link([tmp_path / "none.o"], tmp_path / "library.so")


def test_a_linker_that_does_not_know_our_options_links_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if native.compiler() is None:
        pytest.skip("there is no C compiler to link with")
    source = tmp_path / "source.c"
    source.write_text("int answer(void) { return 42; }")
    monkeypatch.setattr(native, "FEW_MAPS", ("-Wl,--no-such-option",))
    native.link([source], tmp_path / "library.so", "-fPIC")
    assert native.load(tmp_path / "library.so").answer() == 42


def test_memory_of_blocks_used_together_does_not_overlap() -> None:
    rng = np.random.default_rng(0)
    blocks = []
    for number in range(40):
        start = int(rng.integers(0, 20))
        blocks.append(Lifetime(str(number), int(rng.integers(1, 1000)), start, start + int(rng.integers(0, 5))))
    offsets, total = packed(blocks)
    for block in blocks:
        assert offsets[block.name] % 64 == 0
        assert offsets[block.name] + block.size <= total
        for other in blocks:
            if other is not block and block.start <= other.stop and other.start <= block.stop:
                first, second = sorted((block, other), key=lambda b: offsets[b.name])
                assert offsets[first.name] + first.size <= offsets[second.name]
    assert total < sum(block.size for block in blocks)


def test_a_border_of_zeros() -> None:
    layout = Layout((3, 5), "float32", (1, 2), (1, 0))
    assert layout.whole_shape == (5, 7)
    assert layout.strides == (7, 1)
    assert layout.first == 9
    assert layout.bytes == 140


def test_a_condition_is_no_value() -> None:
    from convgrad.compute.halide.codegen.lowering import Lowering
    from convgrad.notation.terms import Compare, Definition, Number

    definition = Definition("x", (), Compare("<", Number(1), Number(2)))
    with pytest.raises(TypeError, match="has no value"):
        pointwise(definition, Lowering(hl.Float(32), {}, {}), {})


@pytest.mark.parametrize("style", ["map", "reduction"])
def test_plain_loops_compute_the_same(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "x[e,i,k] = sum[m](w[m,k] * o[e,i+m-1 else 0]); y[e,i,k] = max(x[e,i,k], 0); b_next[k] = b[k] + w[0,k]"
    equation = bound(text, shapes={"o": (16, 70), "w": (5, 40), "b": (40,)}, sizes={"I": 66})
    found = {kernel.group.style.value for kernel in compile_program(equation, ["y", "b_next"]).kernels}
    assert "reduction" in found
    monkeypatch.setattr(Compiler, "plain_if_slow", lambda self, kernels: [*map(plain, kernels)])
    with using(Cache(None)):  # so that the plain program is not kept
        program = compare(equation, "float32", in_place={"b_next": "b"})
    assert {kernel.group.style.value for kernel in program.kernels} == {"small"}
