"""The folder that kernels are compiled in: it goes, and so do the processes that work there, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("halide")

from convgrad.compute.halide.runtime import native
from convgrad.errors import EngineError


def test_no_folder_to_compile_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    message = r"Kernels can't be compiled: Not a directory .*file.* Set TMPDIR to a folder"
    with pytest.raises(EngineError, match=message), native.compile_folder():
        pytest.fail("there is no such folder")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a worker ends after its kernel")
@pytest.mark.skipif(native.compiler() is None, reason="there is no C compiler to link with")
def test_what_a_killed_process_was_compiling_ends_with_it_and_its_folder_goes(tmp_path: Path) -> None:
    code = """
        import os, signal, subprocess
        from convgrad.compute.halide.runtime import workers
        from convgrad.compute.halide.program import compile_program
        from convgrad.notation import bind, parse
        start = workers._Pool.start
        def started(self, count):
            start(self, count)
            for process in self.processes:
                print(process.pid)
            print(self.folder, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        workers._Pool.start = started
        text = "; ".join(f"x{n}[{i},k] = sum[m](w[m,k] * o[{i}+{n}*m])" for n, i in enumerate("abcdefgh", 1))
        sizes = {I: 310 + n for n, I in enumerate("ABCDEFGH")}
        equation = bind(parse(text), shapes={"w": (29, 70), "o": (550,)}, sizes=sizes)
        compile_program(equation, equation.defined).run()
    """
    environment = {**os.environ, "CONVGRAD_CACHE": "off", "TMPDIR": str(tmp_path)}
    killed = python(code, environment)
    *pids, folder = killed.stdout.split()
    assert killed.returncode == -signal.SIGKILL
    assert Path(folder).is_dir()
    deadline = time.monotonic() + 60  # on a busy machine
    while (living := [pid for pid in pids if running(int(pid))]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert pids
    assert not living
    assert (
        python(
            "from convgrad.compute.halide.runtime import native\nwith native.compile_folder(): pass", environment
        ).returncode
        == 0
    )
    assert list(tmp_path.iterdir()) == []


def running(pid: int) -> bool:
    """Whether a process runs; one that waits for its parent to ask how it ended does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def python(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False, timeout=100)
