"""Processes that will compile, started while it is still planned what: they load Halide meanwhile. Needs no Halide.

Each waits for the name of a folder, where it finds its work (`worker.py`), and ends where its input ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from convgrad.compute.halide.runtime import threads

if TYPE_CHECKING:
    import subprocess

PAYS_FROM = 8
"""Kernels: each takes 0.02 to 0.1 s to compile, a process 0.2 s to start, so two processes gain from five or so on."""
FEW_THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Environment of a process that compiles: libraries that it happens to import start no threads, which spin at first."""

_waiting: list[subprocess.Popen[bytes]] = []


def worker_count(kernels: int) -> int:
    """How many processes compile so many kernels soonest, besides this one."""
    if kernels < PAYS_FROM or not _is_python():
        return 0
    return min(threads.processors_allowed(), kernels // 2)


def _is_python() -> bool:
    """Whether `sys.executable` is Python, and not a program that has Python inside and would be started once more."""
    return not getattr(sys, "frozen", False) and "py" in Path(sys.executable or "").name.lower()


@contextmanager
def started(kernels: int) -> Iterator[None]:
    """Have processes ready for about so many kernels; those that nobody takes end with the `with`.

    One processor is left for the planning, which takes as long as they take to load.
    """
    count = min(worker_count(kernels), threads.processors_allowed() - 1)
    own = [process for process in (start() for _ in range(count)) if process is not None]
    _waiting.extend(own)
    try:
        yield
    finally:
        for process in own:
            with suppress(ValueError):  # it was taken
                _waiting.remove(process)
                end(process)


def taken() -> subprocess.Popen[bytes] | None:
    """A process that waits, or a new one; None where none can be started."""
    with suppress(IndexError):
        return _waiting.pop()
    return start()


def start() -> subprocess.Popen[bytes] | None:
    """A process that waits for a folder; None where none can be started."""
    import subprocess  # which takes long to import, and is not needed for what is kept

    command = [sys.executable, "-m", "convgrad.compute.halide.runtime.worker", str(os.getpid())]
    search = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    try:
        return subprocess.Popen(
            command,
            cwd=os.path.abspath(os.sep),  # where nothing lies that could be imported
            env={**os.environ, "PYTHONPATH": search, **FEW_THREADS},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def send(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Tell a process where its work lies. One that has ended already is seen by whoever waits for it."""
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.write(os.fsencode(folder) + b"\n")
        process.stdin.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and wait until it has ended."""
    process.kill()
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
