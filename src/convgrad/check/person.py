"""A person's function, run where it can do no harm to the check: hangs, exceptions and printing are answers."""

from __future__ import annotations

import contextlib
import inspect
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check import worker

Array = npt.NDArray[Any]
SECONDS = 10.0
"""What one call may take; inputs are small."""
CALLS = 3
"""All calls together may take as long as so many of the longest."""
MEGABYTES = 4096
"""What its process may use of memory; PyTorch needs about 1,000 by itself."""
ANSWER = {"keys", "changed", "printed", "seconds", "warnings"}
CRASHES = 2
"""After so many its process is not started again."""


@dataclass(frozen=True)
class Trouble:
    """A call that gave no result: what happened, in words, and where."""

    kind: str
    message: str
    place: str = ""
    line: str = ""

    def __str__(self) -> str:
        where = f" ({self.place}: {self.line})" if self.place else ""
        return f"{self.kind}: {self.message}{where}" if self.message else f"{self.kind}{where}"


@dataclass(frozen=True)
class Outcome:
    """What a call returned. `keys`: the name of each array where it has one. `changed`: arguments that differ after."""

    arrays: tuple[Array, ...] = ()
    keys: tuple[str | None, ...] = ()
    changed: tuple[int, ...] = ()
    printed: str = ""
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    trouble: Trouble | None = None


@dataclass(frozen=True)
class Argument:
    """An argument of the function, as its signature says it."""

    name: str
    required: bool
    default: Any = None
    keyword: bool = False


@dataclass
class Call:
    """Arguments for one call. Values are arrays, numbers, text, and tuples and dicts of them."""

    positional: list[Any] = field(default_factory=list)
    named: dict[str, Any] = field(default_factory=dict)
    torch: bool = False

    def message(self) -> tuple[dict[str, Any], list[Array]]:
        """The tree and the arrays that the worker reads."""
        arrays: list[Array] = []

        def tree(value: Any) -> Any:
            if isinstance(value, np.ndarray):
                arrays.append(value)
                return {"array": len(arrays) - 1}
            if isinstance(value, tuple):
                return {"tuple": [tree(v) for v in value]}
            if isinstance(value, Mapping):
                return {"dict": {k: tree(v) for k, v in value.items()}}
            return value

        positional = [tree(v) for v in self.positional]
        named = {name: tree(v) for name, v in self.named.items()}
        return {"positional": positional, "named": named, "torch": self.torch}, arrays


class Person:
    """A function that can be called. `arguments` is None where it has no signature to read.

    target: `module:function` or `file.py:function`, run in a process of its own; or a function that has no such name
        (made in another function, in a notebook), run in a thread of this process.
    seconds: what a call may take, and a third of what all may take.
    megabytes: what the process may use of memory.
    folder: where the process runs.
    """

    def __init__(
        self,
        target: str | Callable[..., Any],
        *,
        seconds: float = SECONDS,
        megabytes: int = MEGABYTES,
        folder: Path | None = None,
    ):
        self.seconds, self.megabytes, self.folder = seconds, megabytes, folder
        named = target if isinstance(target, str) else importable(target)
        self.target: str | Callable[..., Any] = named or target
        self.apart = named is not None
        self.process: subprocess.Popen[bytes] | None = None
        self.trouble: Trouble | None = None
        self.printed = ""
        self.hangs = False
        self.crashes = 0
        self.spent = 0.0
        self.arguments: tuple[Argument, ...] | None = None
        self.torch = False
        self._describe(self._start() if self.apart else worker.described(target))  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        """How reports call it."""
        if isinstance(self.target, str):
            return self.target.rpartition(":")[2]
        return getattr(self.target, "__name__", type(self.target).__name__)

    def __enter__(self) -> Person:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End its process."""
        process, self.process = self.process, None
        if process is None:
            return
        if hasattr(os, "killpg"):  # what it has started, too
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()

    @property
    def exhausted(self) -> bool:
        """Whether its calls have taken all the time there is."""
        return self.spent > CALLS * self.seconds

    def call(self, call: Call) -> Outcome:
        """Call it. What goes wrong is in the outcome's `trouble`; after a hang every further call is refused."""
        if self.trouble is not None:
            return Outcome(trouble=self.trouble)
        if self.exhausted:
            words = f"all calls on small inputs together took longer than {CALLS * self.seconds:g} s"
            return Outcome(trouble=Trouble("Time limit", words))
        tree, arrays = call.message()
        started = time.perf_counter()
        answer, results = self._ask(tree, arrays) if self.apart else self._here(tree, arrays)
        self.spent += time.perf_counter() - started
        if "error" in answer:
            return Outcome(printed=answer.get("printed", ""), trouble=Trouble(**answer["error"]))
        return Outcome(
            tuple(results),
            tuple(answer["keys"]),
            tuple(answer["changed"]),
            answer["printed"],
            answer["seconds"],
            tuple(answer["warnings"]),
        )

    def _describe(self, about: Mapping[str, Any]) -> None:
        if "error" in about:
            self.trouble = Trouble(**about["error"])
            return
        self.printed = about.get("printed", "")
        if about["arguments"] is not None:
            self.arguments = tuple(Argument(**a) for a in about["arguments"])
        self.torch = about["torch"]

    def _start(self) -> dict[str, Any]:
        command = [sys.executable, worker.__file__, str(self.target), str(self.megabytes)]
        paths = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | paths,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.answers: queue.Queue[tuple[dict[str, Any], list[Array]]] = queue.Queue()
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        return self._answer(max(self.seconds, 30.0), "importing it")[0]

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        try:
            while True:
                self.answers.put(worker.read_message(process.stdout))  # type: ignore[arg-type]
        except Exception:  # it has ended, or sends what is no answer
            self.answers.put(({"ended": True}, []))
        finally:
            process.stdout.close()

    def _ask(self, tree: dict[str, Any], arrays: list[Array]) -> tuple[dict[str, Any], list[Array]]:
        if self.process is None:
            restarted = self._start()
            if "error" in restarted:
                return restarted, []
        assert self.process is not None
        assert self.process.stdin is not None
        try:
            worker.write_message(self.process.stdin, tree, arrays)  # type: ignore[arg-type]
        except OSError:
            return self._ended()
        return self._answer(self.seconds, "a call on small inputs")

    def _answer(self, seconds: float, what: str) -> tuple[dict[str, Any], list[Array]]:
        try:
            answer, arrays = self.answers.get(timeout=seconds)
        except queue.Empty:
            if self.process is not None and self.process.poll() is not None:
                return self._ended()  # but something that it started holds its pipe
            self.close()
            return self._hang(seconds, what)
        complete = "error" in answer or {"arguments", "torch"} <= answer.keys() or answer.keys() >= ANSWER
        return (answer, arrays) if complete else self._ended()

    def _hang(self, seconds: float, what: str) -> tuple[dict[str, Any], list[Array]]:
        self.hangs = True
        self.trouble = Trouble("Time limit", f"{what} took longer than {seconds:g} s and was stopped")
        return {"error": vars(self.trouble)}, []

    def _ended(self) -> tuple[dict[str, Any], list[Array]]:
        code = None
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(1)
        self.close()
        memory = f" (the limit on memory is {self.megabytes} MB)"
        self.crashes += 1
        died = f"its process ended with {_code_words(code)}{memory}"
        told = Trouble("Crash", died)
        if self.crashes >= CRASHES:
            self.trouble = told
        return {"error": vars(told)}, []

    def _here(self, tree: dict[str, Any], arrays: list[Array]) -> tuple[dict[str, Any], list[Array]]:
        """In a thread: a hang is noticed, but the thread can't be ended."""
        answers: queue.Queue[dict[str, Any]] = queue.Queue()

        def work() -> None:
            with worker.caught_output() as printed:
                answer = worker.run(self.target, tree, arrays)  # type: ignore[arg-type]
            answers.put(answer | {"printed": worker.text_of(printed)})

        threading.Thread(target=work, daemon=True).start()
        try:
            answer = answers.get(timeout=self.seconds)
        except queue.Empty:
            return self._hang(self.seconds, "a call on small inputs")
        return answer, answer.pop("arrays")


def _code_words(code: int | None) -> str:
    """`code 3`, or the signal that ended it: `signal 11, SIGSEGV`."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {-code}, {signal.Signals(-code).name}"
    return f"code {code}"


def importable(function: Callable[..., Any]) -> str | None:
    """`file.py:name` of a function that stands at the top of a file other than the program's; None for others."""
    name, module = getattr(function, "__qualname__", ""), inspect.getmodule(function)
    if module is None or module.__name__ == "__main__" or "<" in name or not inspect.isfunction(function):
        return None
    if getattr(module, name, None) is not function or not getattr(module, "__file__", None):
        return None
    if "." in module.__name__:
        return f"{module.__name__}:{name}"
    return f"{module.__file__}:{name}"
