"""Processes that compile kernels side by side: Halide's Python binding holds Python's lock while it compiles.

They are plain `python -m convgrad.compute.halide.runtime.worker` processes, so the user's script needs no `__main__`
guard. While it waits, the caller takes kernels that are quick to compile; what no process manages, for whatever reason,
it compiles at last itself.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from convgrad.compute.halide.kernels.kernel import Kernel
from convgrad.compute.halide.passes.fusion import Style
from convgrad.compute.halide.runtime import ahead
from convgrad.compute.halide.runtime.surroundings import LOADED

if TYPE_CHECKING:
    import subprocess

JOBS = "kernels.pickle"
"""What the workers read: the digest of the source to work by, the limit of a kernel's time, the kernels by name."""

KERNEL_SECONDS = 30.0
"""Of a processor's time for one kernel; 0.3 s are usual, but large unrolls have been seen to take many minutes."""
STUCK_SECONDS = 300.0  # without any kernel begun or finished, by the clock: a process that waits or is stopped
POLL_SECONDS = 0.01
FAILED_IN_COMPILER = {
    -number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, getattr(signal, "SIGBUS", 0))
}
TOO_SLOW = -getattr(signal, "SIGXCPU", 0)


Compile = Callable[[Kernel, str, Path], None]


@contextmanager
def compiling(kernels: Mapping[str, Kernel], folder: Path) -> Iterator[Callable[[Compile], set[str]]]:
    """Start compiling the kernels to `<name>.o` in `folder`, where it pays.

    Yields: a function that helps, by what it is given to compile a kernel, waits until nothing more is to come, and
    returns the names of kernels whose compiling took too long or broke the compiler. All processes have ended when the
    `with` is left.
    """
    pool = _Pool(kernels, folder)
    try:
        if (count := ahead.worker_count(len(kernels))) and pool.write_jobs():
            pool.start(count)
        yield pool.finished
    finally:
        pool.stop()


class _Pool:
    def __init__(self, kernels: Mapping[str, Kernel], folder: Path):
        self.kernels, self.folder = kernels, folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.given_up: set[str] = set()
        self.quick = iter([name for name, kernel in self._ordered() if kernel.group.style is not Style.REDUCTION])

    def start(self, count: int) -> None:
        for _ in range(count):
            process = ahead.taken()
            if process is None:
                return
            ahead.send(process, self.folder)
            self.processes.append(process)

    def finished(self, compile_object: Compile) -> set[str]:
        """Help and wait; processes that gave up a kernel are replaced as long as there is something left to do."""
        seen, deadline = -1, 0.0
        while self.processes:
            for process in [p for p in self.processes if p.poll() is not None]:
                self.processes.remove(process)
                if self._give_up(process) and self._unclaimed():
                    self.start(1)
            progress = self._progress()
            if progress != seen:
                seen, deadline = progress, time.monotonic() + STUCK_SECONDS
            elif time.monotonic() > deadline:
                self.stop()
            if self.processes and not self._help(compile_object):
                time.sleep(POLL_SECONDS)
        return self.given_up

    def _help(self, compile_object: Compile) -> bool:
        """Compile a kernel without unrolled loops, whose time needs no limit; whether there was one left."""
        return any(compile_claimed(self.kernels[name], name, self.folder, compile_object) for name in self.quick)

    def stop(self) -> None:
        """End all processes."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            ahead.end(process)
        self.processes.clear()

    def write_jobs(self) -> bool:
        """The kernels, for the workers to read; whether that was possible."""
        try:
            (self.folder / JOBS).write_bytes(pickle.dumps((LOADED, KERNEL_SECONDS, dict(self._ordered()))))
        except (OSError, pickle.PicklingError, AttributeError, TypeError):
            return False
        return True

    def _ordered(self) -> list[tuple[str, Kernel]]:
        """The kernels, those that take longest first."""
        return sorted(self.kernels.items(), key=_effort, reverse=True)

    def _give_up(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether the process ended over a kernel that nobody should try again as it is."""
        if process.returncode != TOO_SLOW and process.returncode not in FAILED_IN_COMPILER:
            return False
        broken = {name for name in self._claimed_by(process.pid) if not (self.folder / f"{name}.o").exists()}
        self.given_up |= broken
        return bool(broken)

    def _claimed_by(self, pid: int) -> Iterator[str]:
        for name in self.kernels:
            claim = self.folder / f"{name}.claim"
            if claim.exists() and claim.read_text() == str(pid):
                yield name

    def _unclaimed(self) -> bool:
        return any(not (self.folder / f"{name}.claim").exists() for name in self.kernels)

    def _progress(self) -> int:
        """Files in the folder: any claim and any object is one more."""
        return len(os.listdir(self.folder))


def compile_claimed(kernel: Kernel, name: str, folder: Path, compile_object: Compile) -> bool:
    """Compile a kernel to `<name>.o`, unless another process does; whether this one did. Raises EngineError."""
    try:
        claim = os.open(folder / f"{name}.claim", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    with os.fdopen(claim, "w") as file:
        file.write(str(os.getpid()))
    unfinished = folder / f"{name}.{os.getpid()}.unfinished.o"
    compile_object(kernel, name, unfinished)
    os.replace(unfinished, folder / f"{name}.o")
    return True


def _effort(named: tuple[str, Kernel]) -> tuple[bool, int]:
    """Reductions have the largest unrolls; otherwise the longer the text, the more there is to compile."""
    kernel = named[1]
    return kernel.group.style is Style.REDUCTION, len(kernel.key)
