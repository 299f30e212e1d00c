"""Processes that answer questions within limits of time and memory (`convgrad.serve.worker`), as the server sees them.

One is ready from the beginning, others are started where it is busy. One that takes too long is ended, and another
takes its place.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

from convgrad.questions.answer import Answer, refusal

SECONDS = 30.0
"""For one answer."""
MEGABYTES = 1024
"""For one answer. The largest network that a page takes needs a quarter of it."""
MOST = 3
"""Questions that are answered at a time, so that one that takes long is in nobody's way."""
START_SECONDS = 60.0
"""For a process to begin; half a second is usual."""
COMMAND = (sys.executable, "-m", "convgrad.serve.worker")
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Each thread of a library would reserve memory that counts."""


SMALLER = "Make the network, the equation, or the sizes of its axes, smaller."
ADVICE = {"/api/function": "Does a loop of the program never end?"}
"""Path -> what to do where an answer takes too long, if it is not that."""


class Ended(Exception):
    """A worker has ended instead of answering."""


class Worker:
    """One process."""

    def __init__(self, command: Sequence[str]):
        search = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self.process = subprocess.Popen(
            command,
            cwd=Path(__file__).parents[2],  # `python -m` looks for modules there first
            env={**os.environ, "PYTHONPATH": search, **ENVIRONMENT},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the server
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
        self.begun = self.late = False

    def ask(self, path: str, body: bytes, seconds: float) -> tuple[Answer, bool]:
        """The answer, and whether it was the last one. Raises: Ended; `late` tells whether it was ended."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            if not self.begun:
                with self._ended_after(START_SECONDS):
                    self.begun = bool(stdout.readline())
            with self._ended_after(seconds):
                stdin.write(json.dumps({"path": path, "size": len(body)}).encode() + b"\n" + body)
                stdin.flush()
                head = json.loads(stdout.readline())
                content = stdout.read(head["size"])
        except (OSError, ValueError) as error:
            raise Ended from error
        if len(content) != head["size"]:
            raise Ended
        return Answer(head["status"], content), head["last"] or self.late

    @contextlib.contextmanager
    def _ended_after(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()  # it may just be at it

    def _end(self) -> None:
        self.late = True
        self.process.kill()

    def close(self) -> int:
        """End it. Its code: negative where a signal ended it."""
        self.process.kill()
        code = self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what it was asked may be unsent
                    stream.close()
        return code


class Workers:
    """Answers questions, `most` at a time, each within so many seconds and megabytes."""

    def __init__(
        self,
        seconds: float = SECONDS,
        megabytes: int = MEGABYTES,
        most: int = MOST,
        command: Sequence[str] = COMMAND,
    ):
        self.seconds, self.megabytes = seconds, megabytes
        self._command = [*command, str(megabytes)]
        self._lock = threading.Lock()
        self._running: set[Worker] = set()
        self._closed = False
        self._free: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        for _ in range(most - 1):
            self._free.put(None)
        self._free.put(self._started())

    def answer(self, path: str, body: bytes) -> Answer:
        """To a question, or why there is none."""
        try:
            worker = self._free.get(timeout=self.seconds)
        except queue.Empty:
            return refusal(
                "The server is busy with other requests. Wait until these are answered, and ask again.",
                HTTPStatus.SERVICE_UNAVAILABLE,
            )
        last = True
        try:
            if worker is not None and worker.process.poll() is not None:
                self._end(worker)
                worker = None
            worker = worker or self._started()
            if worker is None:
                return refusal(
                    "No process can be started to compute this. Close other programs, and ask again.",
                    HTTPStatus.SERVICE_UNAVAILABLE,
                )
            answer, last = worker.ask(path, body, self.seconds)
            return answer
        except Ended:
            assert worker is not None
            return self._told(worker, path)
        finally:
            if worker is not None and last:
                self._end(worker)
                worker = self._started()
            self._free.put(worker)

    def close(self) -> None:
        """End all."""
        with self._lock:
            self._closed = True
            running = [*self._running]
        for worker in running:
            worker.process.kill()
            self._end(worker)

    def _told(self, worker: Worker, path: str) -> Answer:
        if worker.late:
            advice = ADVICE.get(path, SMALLER)
            return refusal(f"This takes longer than {self.seconds:g} seconds, the most for one request. {advice}")
        return refusal(
            f"The process that computed this has ended (code {worker.close()}); most likely it needed more memory than "
            "there is. Make the network, the equation, or the sizes of its axes, smaller.",
        )

    def _started(self) -> Worker | None:
        """A new one; None where the system starts none, or the server is being closed."""
        with self._lock:
            if self._closed:
                return None
            try:
                worker = Worker(self._command)
            except OSError:
                return None
            self._running.add(worker)
            return worker

    def _end(self, worker: Worker) -> None:
        worker.close()
        with self._lock:
            self._running.discard(worker)
