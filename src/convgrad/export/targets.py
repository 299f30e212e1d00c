"""The processors that programs are exported for, and exporting for another one than this."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

from convgrad.arguments import shown
from convgrad.errors import ArgumentError, EngineError, suggestion

HOST = "host"
TARGETS = {
    "x86-64": "x86-64-linux",
    "x86-64-v2": "x86-64-linux-sse41",
    "x86-64-v3": "x86-64-linux-avx-avx2-f16c-fma-sse41",
    "x86-64-v4": "x86-64-linux-avx-avx2-avx512-avx512_skylake-f16c-fma-sse41",
    "arm-64": "arm-64-linux",
    "arm-64-osx": "arm-64-osx",
    "arm-32-noos": "arm-32-noos",
    "wasm-32": "wasm-32-wasmrt-wasm_simd128",
}
"""What people call a processor -> Halide's words, which are taken, too."""
JOB, MADE = "job.pickle", "made.pickle"
EXPECTED = 2
"""Exit code of the other process where its message is for the user."""


def in_words_of_halide(target: str) -> str:
    """The target as Halide names it. Raises: ArgumentError where there is none of that name."""
    from convgrad.compute.halide.target import in_full

    known = {HOST: "", **TARGETS}
    found = in_full(known.get(target, target)) if isinstance(target, str) and target else None
    if found is None:
        raise ArgumentError(
            f"There is no target {shown(target)}.{suggestion(target, known)} Halide's words are taken, too, such as "
            "arm-64-android."
        )
    return found


def for_target(job: object, target: str, folder: Path) -> object:
    """`made(job, folder)` of `convgrad.export.job`, in a process whose kernels are for that target.

    A process is for one target: schedules, kernels and what is kept of them depend on it.

    Raises: EngineError where the process fails.
    """
    from convgrad.compute.halide.target import VARIABLE

    try:
        (folder / JOB).write_bytes(pickle.dumps(job))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise EngineError(
            f"The network can't be handed to the process that compiles for {target}: {error}. Export it for this "
            "processor, or define what it is made of in a module."
        ) from error
    search = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "convgrad.export.process", str(folder)],
        env={**os.environ, VARIABLE: target, "PYTHONPATH": search},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip()
        last = said if done.returncode == EXPECTED else said.rpartition("\n")[2]
        raise EngineError(f"The network can't be exported for {target}: {last}")
    return pickle.loads((folder / MADE).read_bytes())
