"""The process between the check and a person's process: whatever ends, it ends all that the person's process started.

    python guard.py ALIVE TOLD MEGABYTES PROCESSES FOLDER COMMAND...

A script of its own, for Linux and macOS, that imports little, so that it starts quickly. ALIVE is a pipe that the check
holds open: when it closes, the check is over or was killed. TOLD is a pipe on which it tells how the command ended:
`code 3`, `signal 11`, `memory` or `processes`, in a line after `pid 4711`. FOLDER goes when the check was killed.

On Linux orphans come to this process (PR_SET_CHILD_SUBREAPER), so that a process in a session of its own is found, too.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36
EVERY = 0.02
"""Seconds between two looks at how much memory there is in use, and by how many processes."""
MOMENT = 0.2
"""Seconds in which a process that is being killed closes its pipes, one after the other."""
PATIENCE = 5.0
"""Seconds for ending processes that start others."""
KEEP = b"k"
"""What the check sends where it removes the folder itself."""


def control(option: int, value: int) -> None:
    """prctl(option, value); nothing elsewhere than on Linux."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def started_by(pid: int) -> list[int]:
    """Processes that came of one, its own aside; none where there is no /proc."""
    found, left = [], [pid]
    while left:
        own = _children(left.pop())
        found += own
        left += own
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as stream:
                found += map(int, stream.read().split())
    except (OSError, ValueError):
        return found
    return found


def in_use(pids: list[int]) -> int:
    """Bytes of memory of all these processes; what they share counts for each."""
    pages = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm", "rb") as stream:
                pages += int(stream.read().split()[1])
        except (OSError, ValueError, IndexError):
            continue
    return pages * os.sysconf("SC_PAGE_SIZE")


def end(pids: list[int]) -> None:
    """Stop all, so that none starts another, then end all."""
    for kind in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            try:
                os.kill(pid, kind)
            except OSError:
                continue


def end_group(pid: int) -> None:
    """End a process and what is in its group."""
    for one in (os.killpg, os.kill):
        try:
            one(pid, signal.SIGKILL)
        except OSError:
            continue


def end_all(pid: int) -> None:
    """End all that came of a process that takes orphans up, until nothing is left."""
    deadline = time.monotonic() + PATIENCE
    while (found := started_by(pid)) and time.monotonic() < deadline:
        end(found)
        if pid == os.getpid():
            _reap()
        else:
            time.sleep(EVERY / 4)


def marked(variable: str) -> list[int]:
    """Processes that were started with `NAME=value` in their environment."""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        try:
            with open(f"/proc/{int(name)}/environ", "rb") as stream:
                if variable.encode() in stream.read().split(b"\0"):
                    found.append(int(name))
        except (OSError, ValueError):
            continue
    return found


def _reap() -> dict[int, int]:
    """Status of processes that have ended."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except OSError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def _run(command: list[str], closed: tuple[int, ...]) -> int:
    """Start the command in a session of its own; its process."""
    guard = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        control(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() == guard:
            signal.set_wakeup_fd(-1)
            for kind in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(kind, signal.SIG_DFL)
            for stream in closed:
                os.close(stream)
            os.execv(command[0], command)
    finally:
        os._exit(127)


def _watch(pid: int, alive: int, woken: int, most_bytes: int, most_processes: int) -> str:
    """Until it ends, does too much, or the check says something or is over: what happened."""
    while True:
        ready = select.select([alive, woken], [], [], EVERY)[0]
        if alive in ready or (woken in ready and set(os.read(woken, 512)) - {signal.SIGCHLD}):
            return "over"
        status = _reap().get(pid)
        if status is not None:
            kind, value = ("signal", os.WTERMSIG(status)) if os.WIFSIGNALED(status) else ("code", status >> 8)
            return f"{kind} {value}"
        found = started_by(os.getpid())
        if len(found) > most_processes:
            return "processes"
        if in_use(found) > most_bytes:
            return "memory"


def _abandoned(alive: int) -> bool:
    """Whether the check was killed: it has said nothing, and is not there any more, or will not be in a moment."""
    return bool(select.select([alive], [], [], MOMENT)[0]) and not os.read(alive, 1)


def main() -> None:
    """Run the command and watch it."""
    alive, told, megabytes, processes = map(int, sys.argv[1:5])
    folder, command = sys.argv[5], sys.argv[6:]
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    for kind in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(kind, lambda *_: None)
    control(SET_CHILD_SUBREAPER, 1)
    pid = _run(command, (alive, told, woken, wakes))
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # the ends of pipes that only the command is to hold
        os.dup2(nothing, stream)
    os.write(told, f"pid {pid}\n".encode())
    reason = _watch(pid, alive, woken, megabytes * 2**20, processes)
    end_group(pid)
    end_all(os.getpid())
    if folder and reason in ("over", "code 0") and _abandoned(alive):  # a worker ends with code 0 after the check
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
        return
    os.write(told, f"{reason}\n".encode())


if __name__ == "__main__":
    main()
