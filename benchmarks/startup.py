"""The suite `startup`: import, first step with an empty and with a filled compile cache, peak resident memory.

Every figure comes from a process of its own, see `startup_child`; ours and PyTorch's take turns, and the median counts.
PyTorch runs in eager mode, which compiles nothing; of its two memory formats the better one counts.
"""

from __future__ import annotations

import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import convgrad
from benchmarks.rows import Row
from benchmarks.targets import COLD, MEMORY, WARM
from convgrad.compute.halide.runtime.cache import VARIABLE

CASES = ("lenet", "vgg", "resnet18-cifar", "resnet18-224")
FORMATS = ("NCHW", "channels_last")
ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 1800

Figures = dict[str, float]


class ChildFailed(Exception):
    """A process that was to be measured did not come to its end."""


def run(*, cases: Sequence[str] = CASES, rounds: int = 3) -> Iterator[Row]:
    """Rows of every case. Python's byte code is there, as after an installation by pip."""
    compileall.compile_dir(Path(convgrad.__file__).parent, quiet=1)
    for case in cases:
        yield from _case(case, rounds)


def _case(case: str, rounds: int) -> list[Row]:
    cold: list[Figures] = []
    warm: list[Figures] = []
    theirs: dict[str, list[Figures]] = {memory: [] for memory in FORMATS}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="convgrad-benchmark-") as cache:
            cold.append(child(["convgrad", case], cache))
            warm.append(child(["convgrad", case], cache))
        for memory, found in theirs.items():
            found.append(child(["torch", case, memory]))
    rows = []
    for part, key, ours in (("import", "import", warm), (COLD, "first_step", cold), (WARM, "first_step", warm)):
        best = min(FORMATS, key=lambda memory, key=key: _median(theirs[memory], key))  # type: ignore[misc]
        rows.append(
            Row(
                "startup", case, part, _median(ours, key) * 1e3, _median(theirs[best], key) * 1e3, rival=f"eager {best}"
            )
        )
    best = min(FORMATS, key=lambda memory: _median(theirs[memory], "peak_mib"))
    for part, ours in ((MEMORY, warm), (f"{MEMORY}, while compiling", cold)):
        mib, torch_mib = _median(ours, "peak_mib"), _median(theirs[best], "peak_mib")
        rows.append(Row("startup", case, part, rival=f"eager {best}", ours_mib=mib, torch_mib=torch_mib))
    return rows


def child(arguments: Sequence[str], cache: str | None = None) -> Figures:
    """What one process measured of itself, with compiled code kept in the folder `cache`. Raises ChildFailed."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [environment.get("PYTHONPATH")])])
    if cache is not None:
        environment[VARIABLE] = cache
    command = [sys.executable, "-m", "benchmarks.startup_child", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise ChildFailed(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    figures: Figures = json.loads(done.stdout)
    return figures


def _median(runs: Sequence[Figures], key: str) -> float:
    return statistics.median(run[key] for run in runs)
