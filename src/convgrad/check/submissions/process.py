"""A process that answers requests, as the check sees it: nothing that it does takes long, much memory, or outlives it.

Each wait has an end, for reading as for writing. On Linux and macOS a guard (`guard.py`) stands between: it ends with
whatever ends the check, and takes along all that the process started.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import re
import secrets
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convgrad.check.submissions import guard
from convgrad.check.submissions.answers import Array, NoAnswer, read_answer
from convgrad.check.submissions.worker import packed

PROCESSES = 64
"""Processes that may run at a time, with all that they start."""
GRACE = 8.0
"""Seconds for a guard to end what it guards; it needs a few hundredths."""
SHORTLY = 1.0
"""Seconds for a thread to find out that nobody reads what it writes."""
LARGEST = 2**20
"""Numbers that an answer may have, where no more are asked for."""
MARK = "CONVGRAD_CHECKED"
"""Variable of the environment by which what a guard has lost is found."""
HAS_GUARD = os.name == "posix"


class NoTime(Exception):
    """No answer came in time."""


class Ended(Exception):
    """No answer will come. The message says why."""


class Process:
    """A worker that was started with a command.

    folder: where it runs. environment: its variables. megabytes: of memory that it may use, with all that it starts.
    goes: a folder that is removed where the check itself is killed.
    """

    def __init__(
        self,
        command: list[str],
        *,
        folder: Path | None,
        environment: Mapping[str, str],
        megabytes: int,
        goes: Path | None = None,
    ):
        self.megabytes, self.mark = megabytes, secrets.token_hex(8)
        self._alive = self._told = -1
        self._writing: threading.Thread | None = None
        self._over = False
        passed: tuple[int, ...] = ()
        if HAS_GUARD:
            watched, self._alive = os.pipe()
            self._told, tells = os.pipe()
            passed = (watched, tells)
            limits = [str(n) for n in (*passed, megabytes, PROCESSES)]
            command = [sys.executable, "-I", "-S", guard.__file__, *limits, str(goes or ""), *command]
        try:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                cwd=folder,
                env={**environment, MARK: self.mark},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=passed,
            )
        except BaseException:
            self._close_pipes()
            raise
        finally:
            for stream in passed:
                os.close(stream)
        self.largest = LARGEST
        self._answers: queue.Queue[tuple[dict[str, Any], list[Array]] | str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(
        self, tree: Mapping[str, Any], arrays: list[Array], seconds: float, largest: int = LARGEST
    ) -> tuple[dict[str, Any], list[Array]]:
        """The answer to a request, of at most `largest` numbers. Raises: NoTime, Ended, NoAnswer."""
        self.largest, own = largest, secrets.token_hex(8)
        content = packed({**tree, "id": own}, arrays)
        self._writing = threading.Thread(target=self._write, args=(content,), daemon=True)
        self._writing.start()
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise NoTime from None
        if isinstance(answer, str):
            raise Ended if answer == "ended" else NoAnswer
        if answer[0].get("id") != own:
            raise NoAnswer
        return answer

    def _write(self, content: bytes) -> None:
        stream = self._process.stdin
        assert stream is not None
        left = memoryview(content)
        with contextlib.suppress(OSError, ValueError):  # it has ended: the reader sees it, too
            while left:
                left = left[stream.write(left) :]
        if self._over:
            with contextlib.suppress(OSError):
                stream.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        said = "nonsense"
        with io.BufferedReader(self._process.stdout) as stream:  # type: ignore[type-var]
            try:
                while self._answers.qsize() < 2:
                    self._answers.put(read_answer(stream, self.largest))
            except EOFError:
                said = "ended"
            except (NoAnswer, OSError, ValueError, MemoryError):
                pass
        self._answers.put(said)

    def close(self) -> str:
        """End it with all that it has started. How it ended: `code 3`, `signal 11`, `memory`, `processes`, `over`."""
        if not HAS_GUARD:
            ended = self._process.poll()
            self._process.kill()
            self._process.wait()
            self._close_pipes()
            return "over" if ended is None else f"code {ended}"
        with contextlib.suppress(OSError):
            os.kill(self._process.pid, signal.SIGCONT)  # it may have been stopped
            os.write(self._alive, guard.KEEP)
        self._alive = _closed(self._alive)
        told = self._last_words()
        try:
            self._process.wait(GRACE if told else 0)
        except subprocess.TimeoutExpired:  # it was stopped, say
            guard.end_all(self._process.pid)
            self._process.kill()
            self._process.wait()
        if not told.endswith("\n") or "pid" not in told or len(told.splitlines()) < 2:
            self._search(told)
        self._close_pipes()
        found = re.search(r"^(code \d+|signal \d+|memory|processes|over)$", told, re.MULTILINE)
        return found.group(1) if found else "over"

    def wait(self, seconds: float) -> None:
        """Until it has ended by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def _last_words(self) -> str:
        """What the guard tells until it ends; nothing more where it does not end."""
        told = b""
        while len(told) < 1000 and select.select([self._told], [], [], GRACE)[0]:
            content = os.read(self._told, 1000)
            if not content:
                break
            told += content
        return told.decode("ascii", "replace")

    def _search(self, told: str) -> None:
        """End what a guard has lost that was ended or stopped itself."""
        found = re.match(r"pid (\d+)\n", told)
        if found:
            guard.end_group(int(found.group(1)))
        guard.end(guard.marked(f"{MARK}={self.mark}"))

    def _close_pipes(self) -> None:
        self._alive, self._told = _closed(self._alive), _closed(self._told)
        stdin = getattr(self, "_process", None) and self._process.stdin
        self._over = True  # from now on who writes closes, where that takes longer
        if self._writing:
            self._writing.join(SHORTLY)
        if stdin and not (self._writing and self._writing.is_alive()):
            with contextlib.suppress(OSError):
                stdin.close()


def _closed(stream: int) -> int:
    if stream >= 0:
        os.close(stream)
    return -1


def signal_of(ended: str) -> str:
    """How it ended where a program between, as shells do, says `code 139` for `signal 11`."""
    kind, _, number = ended.partition(" ")
    return f"signal {int(number) - 128}" if kind == "code" and int(number) > 128 else ended


def code_words(ended: str) -> str:
    """`code 3`, or the signal that ended it: `signal 11, SIGSEGV`."""
    kind, _, number = ended.partition(" ")
    if kind == "signal":
        with contextlib.suppress(ValueError):
            return f"{ended}, {signal.Signals(int(number)).name}"
    return ended
