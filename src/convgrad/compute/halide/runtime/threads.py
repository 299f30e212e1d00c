"""How many threads compiled code uses, and that a forked child must not use them.

A process may be allowed fewer processors than the machine has: by its affinity, or by the quota of the control group
(container) that it runs in. Where kernels are compiled in memory, Halide fixes the number at its first parallel run.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from convgrad.arguments import shown, whole_number
from convgrad.errors import EngineError

VARIABLE = "HL_NUM_THREADS"
CONTROL_GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MOST = 999_999
"""Threads; a greater number is a slip, and no machine has as many."""

_forked = False


def processors_allowed() -> int:
    """The processors that this process may use: by affinity and by control groups; at least 1."""
    allowed = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    quota = _quota(CONTROL_GROUPS, MEMBERSHIP)
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def choose_threads() -> int:
    """Set the number of threads for Halide before its first parallel run; the user's HL_NUM_THREADS goes first."""
    given = os.environ.get(VARIABLE, "")
    if not given:
        os.environ[VARIABLE] = given = str(processors_allowed())
    number = whole_number(given)
    if number is None or not 1 <= number <= MOST:
        raise EngineError(
            f"The environment variable {VARIABLE} must be a number of threads, at least 1; it is {shown(given)}."
        )
    return number


def refuse_forked_child() -> None:
    """Raises EngineError in a process that was forked off one that had compiled programs."""
    if _forked:
        raise EngineError(
            "This process was forked from one that uses the compiled engine; its threads do not exist here. "
            'Start a new one instead: multiprocessing.get_context("spawn").'
        )


def _mark_forked() -> None:
    global _forked
    _forked = True


def watch_forks() -> None:
    """From now on, forked children are marked."""
    global _watching
    if not _watching and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_mark_forked)
        _watching = True


_watching = False


def _quota(groups: Path, membership: Path) -> float | None:
    """Processors that the control groups (version 2 or 1) grant, or None where there is no limit."""
    quotas = []
    for folder in _folders(groups, membership):
        quotas += [_version2(folder / "cpu.max"), _version1(folder)]
    found = [quota for quota in quotas if quota is not None]
    return min(found) if found else None


def _folders(groups: Path, membership: Path) -> list[Path]:
    """The folders of this process's control groups, from its own up to the root."""
    folders = [groups, groups / "cpu"]
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return folders
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        base = groups / "cpu" if controllers else groups
        own = base / path.lstrip("/")
        folders += [own, *(parent for parent in own.parents if base in parent.parents)]
    return folders


def _version2(file: Path) -> float | None:
    try:
        quota, period = file.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _version1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None
