"""A process that compiles kernels for another one: `python -m convgrad.engine.worker FOLDER`.

The folder holds the kernels in order (`JOBS`). Of several workers, the one that makes `<name>.claim` compiles the
kernel and leaves `<name>.o`. A kernel that takes too much of the processor's time ends the process by a signal.
"""

from __future__ import annotations

import os
import pickle
import resource
import sys
from contextlib import suppress
from pathlib import Path

from convgrad.engine.surroundings import LOADED
from convgrad.engine.workers import JOBS, compile_claimed
from convgrad.errors import EngineError


def main(folder: Path) -> None:
    from convgrad.engine.compile import compile_object

    parent = os.getppid()
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
    main(Path(sys.argv[1]))
