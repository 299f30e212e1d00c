"""Whatever ends the check ends what it has started, and keeps the marks that there are."""

from __future__ import annotations

import contextlib
import csv
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from convgrad.check.submissions.guard import started_by

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
GOOD = "def backward(dout, x):\n    return dout * (x > 0)\n"
LEAVES = """
import os, subprocess, time

def backward(dout, x):
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open({begun!r}, "w")
            time.sleep(1000)
        os._exit(0)
    time.sleep(1000)
"""
WAIT = 30


@pytest.fixture
def in_class(tmp_path: Path) -> list[str]:
    """A folder of two submissions, of which the second starts others and hangs, and the command to check it."""
    folder, begun = tmp_path / "class", tmp_path / "begun"
    folder.mkdir()
    (tmp_path / "copies").mkdir()
    (folder / "a.py").write_text(GOOD)
    (folder / "b.py").write_text(LEAVES.format(begun=str(begun)))
    (tmp_path / "spec.toml").write_text('layer = "relu"\nfunction = "backward"\n')
    arguments = ["--class", str(folder), "--spec", str(tmp_path / "spec.toml"), "--csv", str(tmp_path / "marks.csv")]
    return [sys.executable, "-m", "convgrad", "check", *arguments, "--seconds", "600"]


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def running(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text()]


@contextlib.contextmanager
def begin(tmp_path: Path, command: Sequence[str], **streams: Any) -> Iterator[tuple[subprocess.Popen[Any], list[int]]]:
    process = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path / "copies")}, **streams)
    until(lambda: (tmp_path / "begun").exists(), "it has not begun")
    try:
        # the guard, the worker, and what it has left twice; who has left the last one is gone in a moment
        until(lambda: len(running(started_by(process.pid))) == 4, "others have been started")
        yield process, running(started_by(process.pid))
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL])
def test_signals(tmp_path: Path, in_class: list[str], kind: signal.Signals) -> None:
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with begin(tmp_path, in_class, **streams) as (process, found):
        assert process.stdout is not None
        assert process.stdout.readline() == "a.py: right\n"  # before the second is done
        process.send_signal(kind)
        rest = process.communicate(timeout=WAIT)[0]
        until(lambda: not running(found), "something goes on")
    until(lambda: not os.listdir(tmp_path / "copies"), "a folder is left")
    rows = list(csv.reader((tmp_path / "marks.csv").read_text().splitlines()))
    assert [row[:2] for row in rows if row[0].endswith(".py")] == [["a.py", "True"]]
    if kind == signal.SIGINT:
        assert process.returncode == 130
        assert rest == "1 of 2 submissions were checked.\n1 of 1 are right.\n"


def test_a_closed_terminal(tmp_path: Path, in_class: list[str]) -> None:
    ours, theirs = pty.openpty()
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with begin(tmp_path, in_class, **streams, start_new_session=True) as (process, found):
        os.close(theirs)
        os.close(ours)
        process.send_signal(signal.SIGHUP)  # as the shell's terminal does
        process.wait(WAIT)
        until(lambda: not running(found), "something goes on")


def test_an_exception_in_the_check(tmp_path: Path, in_class: list[str]) -> None:
    text = (
        "import sys, convgrad.check\n"
        "from convgrad.check.submissions import answers\n"
        "def fails(*_): raise KeyboardInterrupt\n"
        "answers.about = fails\n"
        "convgrad.check(sys.argv[1], 'relu')\n"
    )
    (tmp_path / "class" / "c.py").write_text(GOOD + "import subprocess\nsubprocess.Popen(['sleep', '1000'])\n")
    code = [sys.executable, "-c", text, f"{tmp_path}/class/c.py:backward"]
    process = subprocess.Popen(code, stderr=subprocess.PIPE, env={**os.environ, "MARK_OF_TEST": str(tmp_path)})
    assert b"KeyboardInterrupt" in process.communicate(timeout=WAIT)[1]
    until(lambda: not marked(tmp_path), "something goes on")


def marked(tmp_path: Path) -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if f"MARK_OF_TEST={tmp_path}".encode() in Path(f"/proc/{name}/environ").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return running(found)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL])
def test_a_guard_that_is_ended_or_stopped(tmp_path: Path, in_class: list[str], kind: signal.Signals) -> None:
    """As a submission could do it that looks for its parents."""
    command = [*in_class[:-1], "2"]
    with begin(tmp_path, command, stdout=subprocess.PIPE, text=True) as (process, found):
        guard = next(pid for pid in found if b"guard.py" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(guard, kind)
        output = process.communicate(timeout=WAIT)[0]
        assert process.returncode == 1
        assert "b.py: " in output
        assert not running(found)
