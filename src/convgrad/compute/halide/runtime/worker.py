"""A process that compiles kernels for another one: `python -m convgrad.compute.halide.runtime.worker PARENT`.

It loads Halide, and reads the name of a folder from its input; where that ends, so does it. The folder holds the
kernels in order (`JOBS`). Of several workers, the one that makes `<name>.claim` compiles the kernel and leaves
`<name>.o`. A kernel that takes too much of the processor's time ends the process by a signal. It ends with the process
`PARENT`: on Linux at once, elsewhere after its kernel.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from convgrad.compute.halide.runtime.surroundings import LOADED
from convgrad.compute.halide.runtime.workers import JOBS, compile_claimed
from convgrad.errors import EngineError

END_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main(told: IO[bytes], parent: int | None = None) -> None:
    parent = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(END_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        return  # it has ended before that was said
    # Halide takes long to load: not before it is known that somebody waits.
    from convgrad.compute.halide.runtime.compile import compile_object

    name = told.readline()
    if not name:
        return  # there is nothing to compile
    folder = Path(os.fsdecode(name.removesuffix(b"\n")))
    os.chdir(folder)
    source, seconds, kernels = pickle.loads((folder / JOBS).read_bytes())
    if source != LOADED:
        return  # the source has been edited since the parent read it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, kernel in kernels.items():
        if os.getppid() != parent:
            return  # nobody waits any more
        _limit(seconds)
        with suppress(EngineError):  # the parent compiles it again, and tells the user
            compile_claimed(kernel, name, folder, compile_object)


def _limit(seconds: float) -> None:
    """End this process by SIGXCPU when it has used that many more seconds of the processor."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


if __name__ == "__main__":
    main(sys.stdin.buffer, int(sys.argv[1]))
