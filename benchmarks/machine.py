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


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = CPU_INFO.read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


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
    from convgrad.engine.schedules.target import machine

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
