"""Compiled code on disk, and worker processes: quick the second time, and never a reason to fail."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.kernels.kernel import Kernel
from convgrad.compute.halide.program import Program, compile_program
from convgrad.compute.halide.runtime import ahead, compile, native, surroundings, threads, workers
from convgrad.compute.halide.runtime.cache import Cache, using
from convgrad.compute.halide.runtime.compile import Compiler, symbol
from convgrad.errors import EngineError
from engine_support import bound, compare
from fresh_compiler import many, renewed

linked = pytest.mark.skipif(native.compiler() is None, reason="there is no C compiler to link with")


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Cache]:
    with using(Cache(tmp_path / "cache")) as chosen:
        yield chosen


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """As in a process that has compiled nothing yet."""
    return renewed(monkeypatch)


def kernels(count: int) -> list[Kernel]:
    equation = many(count)
    found = list(compile_program(equation, equation.defined).kernels)
    assert len(found) == count
    return found


def run(program: Program) -> None:
    program.set("o", [1, 2, 3, 4, 5])
    program.run()
    np.testing.assert_array_equal(program.arrays["x"], [3, 6, 9, 12, 15])


def small_program() -> Program:
    return compile_program(bound("x[i] = 3*o[i]", shapes={"o": (5,)}), ["x"])


# Entries


def test_an_entry_is_read_as_it_was_written(kept: Cache) -> None:
    assert kept.read("a") is None
    kept.write("a", b"")
    kept.write("b", b"first")
    kept.write("b", b"second")
    assert (kept.read("a"), kept.read("b"), kept.read("c")) == (b"", b"second", None)
    assert kept.count_and_size() == (2, 2 * 32 + 6)
    assert kept.clear() == 2
    assert (kept.read("b"), kept.count_and_size()) == (None, (0, 0))


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 32 + b"content", None])
def test_a_damaged_entry_is_removed(kept: Cache, damage: bytes | None) -> None:
    kept.write("a", b"content")
    assert kept.folder is not None
    (file,) = kept.folder.iterdir()
    file.write_bytes(file.read_bytes()[:-1] if damage is None else damage)
    assert kept.read("a") is None
    assert list(kept.folder.iterdir()) == []


@linked
def test_a_kept_runtime_that_is_another_library_is_made_anew(
    kept: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "other.c"
    source.write_text("int something_else(void) { return 3; }\n")
    native.link([source], tmp_path / "other.so", "-fPIC")
    kept.write(native._key(), (tmp_path / "other.so").read_bytes())
    assert native._kept() is None
    assert kept.read(native._key()) is None


# Compiled code


@linked
def test_what_is_kept_is_not_compiled_again(kept: Cache, fresh: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    run(small_program())
    renewed(monkeypatch)
    monkeypatch.setattr(compile, "compile_object", None)
    monkeypatch.setattr(native, "link", None)
    run(small_program())


@linked
def test_a_new_list_of_kept_kernels_is_only_linked(
    kept: Cache, fresh: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = "x[i] = 3*o[i]", "y[i] = o[i]^2 + sum[m](o[m])"
    for text in (first, second):
        renewed(monkeypatch)
        compile_program(bound(text, shapes={"o": (5,)}), [text[0]])
    monkeypatch.setattr(compile, "compile_object", None)
    a, b = (compile_program(bound(text, shapes={"o": (5,)}), [text[0]]).kernels[0] for text in (first, second))
    assert len(renewed(monkeypatch).compiled([a, b, a])[1]) == 3


@linked
@pytest.mark.parametrize("content", [b"", b"no library"])
def test_a_kept_library_that_does_not_load_is_made_anew(
    kept: Cache, fresh: Compiler, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Its checksum is right: it comes from a system with other libraries."""
    run(small_program())
    assert kept.folder is not None
    (library,) = kept.folder.glob("library-*")
    size = library.stat().st_size
    kept.write(library.stem, content)
    renewed(monkeypatch)
    run(small_program())
    assert library.stat().st_size == size


@linked
@pytest.mark.parametrize("kind", ["exchanged", "empty", "text"])
@pytest.mark.parametrize("which", ["*.o.kept", "*"])
def test_kept_code_that_is_whole_but_something_else_is_made_anew(
    kept: Cache, fresh: Compiler, monkeypatch: pytest.MonkeyPatch, kind: str, which: str
) -> None:
    """Checksums are right: an entry was written by another name, or by something that is not a compiler."""
    texts = ["x[i] = 3*o[i]", "x[i] = o[i]^2"]
    for text in texts:
        compile_program(bound(text, shapes={"o": (5,)}), ["x"])
    assert kept.folder is not None
    names = sorted(file.stem for file in kept.folder.glob(which) if not file.name.startswith("runtime-"))
    contents = {name: kept.read(name) for name in names}
    for name, other in zip(names, reversed(names), strict=True):
        content = contents[other] if kind == "exchanged" else b"" if kind == "empty" else b"no code"
        assert content is not None
        kept.write(name, content)
    for library in kept.folder.glob("library-*") if which == "*.o.kept" else ():
        library.unlink()
    renewed(monkeypatch)
    run(small_program())
    renewed(monkeypatch)
    monkeypatch.setattr(compile, "compile_object", None)  # it was kept again
    run(small_program())


@linked
@pytest.mark.parametrize("name", ["runtime-*", "library-*", "*.o.kept"])
def test_damaged_code_is_repaired(tmp_path: Path, name: str) -> None:
    program = """
        from convgrad.compute.halide.program import compile_program
        from convgrad.notation import bind, parse
        program = compile_program(bind(parse("x[i] = 3*o[i]"), shapes={"o": (5,)}), ["x"])
        program.set("o", [1, 2, 3, 4, 5])
        program.run()
        print(*program.arrays["x"])
    """
    folder = tmp_path / "cache"
    process(program, CONVGRAD_CACHE=folder)
    entries = sorted(file.name for file in folder.iterdir())
    (damaged,) = folder.glob(name)
    damaged.write_bytes(damaged.read_bytes()[:-100] + bytes(100))
    if not name.startswith("library"):
        for library in folder.glob("library-*"):
            library.unlink()
    assert process(program, CONVGRAD_CACHE=folder) == "3.0 6.0 9.0 12.0 15.0\n"
    assert sorted(file.name for file in folder.iterdir()) == entries
    assert Cache(folder).read(damaged.name.removesuffix(".kept")) is not None


@linked
def test_two_processes_fill_an_empty_cache_at_once(tmp_path: Path) -> None:
    program = """
        from convgrad.compute.halide.program import compile_program
        from convgrad.notation import bind, parse
        for n in range(4):
            program = compile_program(bind(parse(f"x[i] = {n}*o[i]"), shapes={"o": (5,)}), ["x"])
            program.set("o", [1, 2, 3, 4, 5])
            program.run()
            print(*program.arrays["x"])
    """
    started = [start(program, CONVGRAD_CACHE=tmp_path / "cache") for _ in range(2)]
    printed = [process.communicate(timeout=100)[0] for process in started]
    assert printed[0] == printed[1]
    assert "3.0 6.0 9.0 12.0 15.0" in printed[0]
    kept = Cache(tmp_path / "cache")
    assert kept.count_and_size()[0] == 4 * len(("program", "library", "object")) + len(("runtime", "halide"))
    assert all(file.suffix == ".kept" for file in (tmp_path / "cache").iterdir())


@linked
def test_compiling_without_a_cache(fresh: Compiler, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with using(Cache(tmp_path / "file")):
        run(small_program())


def test_the_name_of_compiled_code_changes_with_all_that_it_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for dtype in ("float32", "float64"):
        for size in (5, 70000):
            names.add(symbol(compile_program(bound("x[i] = 3*o[i]", shapes={"o": (size,)}), ["x"], dtype).kernels[0]))
    kernel = small_program().kernels[0]
    assert symbol(kernel) in names
    monkeypatch.setattr(compile, "surroundings", lambda: "another processor")
    assert len({*names, symbol(kernel)}) == 5


def test_the_engine_s_source_is_part_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert surroundings.LOADED in surroundings.surroundings()
    package = Path(surroundings.__file__).parents[3]
    names = [name for part in surroundings.SOURCES for name, _ in surroundings.sources(package / part, part)]
    halide = {"compute/halide/runtime/runner.c", "compute/halide/schedules/generic.py"}
    assert {*halide, "notation/terms.py", "compute/contract.py"} <= {*names}
    original = surroundings.sources
    digest = surroundings.source_digest()
    monkeypatch.setattr(surroundings, "sources", lambda *place: ((n, text + b"#") for n, text in original(*place)))
    assert surroundings.source_digest() != digest


@linked
def test_nothing_is_kept_when_the_source_was_edited(
    kept: Cache, fresh: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is compiled may come of the source before or after."""
    monkeypatch.setattr(surroundings, "LOADED", "before")
    assert surroundings.edited()
    run(small_program())
    assert kept.count_and_size() == (0, 0)


def test_code_that_can_not_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "library.so").write_bytes(b"no library")
    with pytest.raises(EngineError, match=r"Compiled code can't be loaded .* Set TMPDIR to a folder from which"):
        native.load(tmp_path / "library.so")


# Worker processes


@linked
def test_workers_compile_what_the_process_itself_compiles(tmp_path: Path) -> None:
    named = {symbol(kernel): kernel for kernel in kernels(8)}
    with workers.compiling(named, tmp_path) as finished:
        assert finished(compile.compile_object) == set()
    for name in named:
        assert (tmp_path / f"{name}.o").stat().st_size > 1000
    assert not list(tmp_path.glob("*.unfinished.o"))


@linked
def test_a_program_of_many_kernels(kept: Cache, fresh: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "processors_allowed", lambda: 2)
    here: list[Kernel] = []
    monkeypatch.setattr(compile, "compile_object", lambda kernel, *_: here.append(kernel))
    compare(many(8), "float32")
    assert here == []


@linked
def test_who_waits_for_workers_compiles_what_is_quick(tmp_path: Path) -> None:
    equation = bound("; ".join(f"x{n}[{i}] = {n}*o[{i}]" for n, i in enumerate("abc", 1)), shapes={"o": (70_000,)})
    quick, slow = compile_program(equation, equation.defined).kernels, kernels(2)
    named = {symbol(kernel): kernel for kernel in (*quick, *slow)}
    here: list[str] = []

    def compile_object(kernel: Kernel, name: str, path: Path) -> None:
        here.append(name)
        compile.compile_object(kernel, name, path)

    pool = workers._Pool(named, tmp_path)
    pool.write_jobs()
    pool.start(1)
    pool.processes[0].send_signal(signal.SIGSTOP)  # so that it takes no kernel
    while pool._help(compile_object):
        pass
    pool.processes[0].send_signal(signal.SIGCONT)
    assert here == [symbol(kernel) for kernel in quick]
    assert pool.finished(compile_object) == set()
    assert len(here) == len(quick)
    assert all((tmp_path / f"{name}.o").stat().st_size > 1000 for name in named)


@linked
@pytest.mark.parametrize("broken", ["missing", "dies"])
def test_workers_that_can_not_work(
    kept: Cache, fresh: Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: str
) -> None:
    """All is compiled in the process itself."""
    python = tmp_path / "python"
    if broken == "dies":
        python.write_text("#!/bin/sh\nkill -KILL $$\n")
        python.chmod(0o700)
    named = kernels(8)
    monkeypatch.setattr(sys, "executable", str(python))
    functions = renewed(monkeypatch).compiled(named)[1]
    assert len(set(functions)) == 8


@linked
def test_kernels_that_can_not_be_sent_to_workers(kept: Cache, fresh: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    named = kernels(8)
    named[3].note = lambda: None  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch, using(Cache(None)):
        patch.setattr(subprocess, "Popen", None)
        patch.setattr(compile, "native", NoLink())
        with pytest.raises(NotLinkedError):
            renewed(patch).compiled(named)


class NotLinkedError(Exception):
    """Instead of a link."""


class NoLink:
    """All objects were there."""

    NO_VARIABLES = ()
    compile_folder = staticmethod(native.compile_folder)

    def library(self) -> None:
        pass

    def link(self, objects: list[Path], *_: object) -> None:
        assert len(objects) == 8
        assert all(path.exists() for path in objects)
        raise NotLinkedError


@pytest.mark.parametrize(("executable", "frozen"), [("", False), ("/opt/bin/editor", False), (sys.executable, True)])
def test_no_other_program_is_started_as_a_worker(
    monkeypatch: pytest.MonkeyPatch, executable: str, frozen: bool
) -> None:
    assert ahead.worker_count(100) == min(50, threads.processors_allowed())
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(sys, "frozen", frozen, raising=False)
    assert ahead.worker_count(100) == 0


@linked
def test_an_error_in_a_worker_is_told_by_the_process_itself(kept: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    named = kernels(8)
    from convgrad.compute.halide.passes.memory import Layout

    named[2].layouts = {**named[2].layouts, "o": Layout((5, 5), "float32")}
    named[2].key = "another"
    with using(Cache(None)), pytest.raises(EngineError, match="The kernel of x3 can't be compiled:"):
        renewed(monkeypatch).compiled(named)


@linked
def test_a_kernel_that_takes_too_long_is_computed_in_plain_loops(
    kept: Cache, fresh: Compiler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The worker's time is over at its third kernel, as if that had been a large one."""
    python = tmp_path / "python"
    python.write_text(
        textwrap.dedent(f"""\
        #!{sys.executable}
        import os, signal, sys
        sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
        from convgrad.compute.halide.runtime import compile
        from convgrad.compute.halide.runtime import worker
        original = compile.compile_object
        def slow(kernel, name, path):
            if kernel.title == "The kernel of x3":
                os.kill(os.getpid(), signal.SIGXCPU)
            original(kernel, name, path)
        compile.compile_object = slow
        worker.main(sys.stdin.buffer)
        """)
    )
    python.chmod(0o700)
    equation = many(8)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.warns(UserWarning, match=r"The kernel of x3 took too long to compile, so it is computed in plain"):
        compare(equation, "float32")
    monkeypatch.setattr(compile, "compile_object", None)
    renewed(monkeypatch)
    compare(equation, "float32")  # another process knows it, and loads what the first one made


@linked
def test_the_time_of_a_kernel_is_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kernel whose unrolled loop compiles for minutes ends the worker, and nothing but that kernel is given up."""
    from convgrad.compute.halide.runtime import worker

    code = """
        import sys
        from convgrad.compute.halide.runtime import compile
        from convgrad.compute.halide.runtime import worker
        def endless(kernel, name, path):
            while True:
                pass
        compile.compile_object = endless
        worker.main(sys.stdin.buffer)
    """
    (kernel,) = kernels(1)
    (tmp_path / workers.JOBS).write_bytes(pickle.dumps((surroundings.LOADED, 0.1, {"first": kernel, "second": kernel})))
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, input=os.fsencode(tmp_path) + b"\n", check=False, timeout=60)
    assert done.returncode == workers.TOO_SLOW
    assert [claim.name for claim in tmp_path.glob("*.claim")] == ["first.claim"]
    assert vars(worker)["JOBS"] == workers.JOBS


@linked
def test_no_process_is_left_when_compiling_is_interrupted(tmp_path: Path) -> None:
    named = {symbol(kernel): kernel for kernel in kernels(8)}
    pool: list[subprocess.Popen[bytes]] = []
    original = subprocess.Popen

    def noted(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        pool.append(original(*arguments, **options))  # type: ignore[call-overload]
        return pool[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", noted)
        with pytest.raises(KeyboardInterrupt), workers.compiling(named, tmp_path):
            raise KeyboardInterrupt
    assert pool
    assert all(process.returncode is not None for process in pool)


@linked
def test_a_script_without_a_main_guard(tmp_path: Path) -> None:
    code = """
        from convgrad.compute.halide.runtime import compile
        from convgrad.compute.halide.program import compile_program
        from convgrad.notation import bind, parse
        text = "; ".join(f"x{n}[{i},k] = sum[m](w[m,k] * o[{i}+{n}*m])" for n, i in enumerate("abcdefgh", 1))
        sizes = {I: 310 + n for n, I in enumerate("ABCDEFGH")}
        equation = bind(parse(text), shapes={"w": (29, 70), "o": (550,)}, sizes=sizes)
        compile.compile_object = None  # workers do it
        compile_program(equation, equation.defined).run()
        print("done")
    """
    script = tmp_path / "scripts" / "script.py"
    script.parent.mkdir()
    script.write_text(textwrap.dedent(code))
    (tmp_path / "halide.py").write_text("raise ImportError('not the one')")  # in the folder the user happens to be in
    environment = {**os.environ, "CONVGRAD_CACHE": "off"}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "done\n", done.stderr


def process(code: str, **variables: object) -> str:
    started = start(code, **variables)
    out, error = started.communicate(timeout=100)
    assert started.returncode == 0, error
    return str(out)


def start(code: str, **variables: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
