"""What a run was made on: processor, threads, versions."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("convgrad", "halide", "numpy", "torch", "jax")
CPU_INFO = Path("/proc/cpuinfo")
PROCESSES = Path("/proc")
BUSY = 0.1
"""Processors kept busy by others from which on a run does not count: PyTorch's threads wait for each other busily, and
one that is held up costs it many times the time."""


FEATURES = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "bfloat16", "amx_tile": "AMX"}
"""What the system calls instructions that matter here, and what people do."""


def processor() -> str:
    """The processor by its name, its family and model (for names may be as wide as "AMD EPYC"), and what it can do."""
    try:
        text = CPU_INFO.read_text()
    except OSError:
        return platform.processor() or platform.machine()
    told: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        told.setdefault(key.strip(), value.strip())
    if "model name" not in told:
        return platform.machine()
    flags = told.get("flags", "").split()
    details = [f"family {told['cpu family']} model {told['model']}"] if {"cpu family", "model"} <= told.keys() else []
    details += [name for flag, name in FEATURES.items() if flag in flags]
    return told["model name"] + (f" ({', '.join(details)})" if details else "")


def threads_in_use() -> int:
    """How many threads the engine runs on; PyTorch gets as many."""
    from convgrad.compute.halide.runtime import threads

    return threads.choose_threads()


class Others:
    """How much of the processors others have used since this object was made: other processes and, on a virtual
    machine, other guests. Only where the system tells it (Linux)."""

    def __init__(self, processes: Path = PROCESSES):
        self.processes = processes
        self.began = self._used()

    def processors(self) -> float | None:
        """Processors that others kept busy, on average: 0 on a machine that does nothing else."""
        if self.began is None or (now := self._used()) is None or now[1] <= self.began[1]:
            return None
        return max(0.0, (now[0] - self.began[0]) / (now[1] - self.began[1]))

    def _used(self) -> tuple[float, float] | None:
        """Seconds of processor time that all but this process and those it started used so far, and the time."""
        try:
            fields = (self.processes / "stat").read_text().split(maxsplit=9)
        except OSError:
            return None
        user, nice, system, _, _, irq, soft, stolen = map(int, fields[1:9])
        ticks = user + nice + system + irq + soft + stolen - self._descendants(os.getpid())
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return ticks / os.sysconf("SC_CLK_TCK") - own, time.monotonic()

    def _descendants(self, of: int) -> int:
        """Ticks of processor time of the processes that are running and were started from process `of`."""
        parents, ticks = {}, {}
        for file in self.processes.glob("[0-9]*/stat"):
            try:
                fields = file.read_text().rpartition(")")[2].split()  # after the name, which may hold spaces
            except OSError:
                continue  # it has just ended
            process = int(file.parent.name)
            parents[process], ticks[process] = int(fields[1]), sum(map(int, fields[11:15]))
        found, total = {of}, 0
        while started := {p for p, parent in parents.items() if parent in found} - found:
            found |= started
            total += sum(ticks[p] for p in started)
        return total


def versions() -> dict[str, str]:
    """Package -> version, of those that are there."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe(threads: int, **settings: Any) -> dict[str, Any]:
    """All that a reader needs to know of a run; `settings` are the run's own."""
    from convgrad.compute.halide.target import machine

    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "target": machine().name,
        "threads": threads,
        "versions": versions(),
        **settings,
    }
