"""A person's function, run where it can do no harm to the check: hangs, exceptions and printing are answers."""

from __future__ import annotations

import importlib.util
import inspect
import os
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from convgrad.check.submissions import adapted, answers, engines, in_place, worker
from convgrad.check.submissions.answers import Argument, Array, Engine, Method, Methods, NoAnswer, Outcome, Trouble
from convgrad.check.submissions.process import LARGEST, PROCESSES, Ended, NoTime, Process, code_words, signal_of
from convgrad.check.submissions.sandbox import FOLDER, sandboxed

SECONDS = 10.0
"""What one call may take; inputs are small."""
CALLS = 3
"""All calls together may take as long as so many of the longest."""
MEGABYTES = 4096
"""What its process may use of memory; PyTorch needs about 1,000 by itself."""
IMPORTING = 30.0
"""Seconds that importing it may take, or as long as a call where that is longer."""
COMPILING = 60.0
"""Seconds that compiling may take in all calls together, which are not counted, where numba compiles a function."""
CRASHES = 2
"""After so many its process is not started again."""


CACHE = object()
"""What the call of the function that makes a cache has kept, as an argument."""


@dataclass
class Call:
    """Arguments for one call. Values are arrays, numbers, text, and tuples and dicts of them.

    largest: numbers that its result may have.
    forward: the call of the function that makes the cache of this one, and the names of its results.
    plan: of a class, how its object is built and sent forward and backward, for `submissions.objects`; it is told how
        a value is written.
    """

    positional: list[Any] = field(default_factory=list)
    named: dict[str, Any] = field(default_factory=dict)
    torch: bool = False
    largest: int = LARGEST
    forward: tuple[Call, tuple[str, ...]] | None = None
    plan: Callable[[Callable[[Any], Any]], Mapping[str, Any]] | None = None

    def message(self) -> tuple[dict[str, Any], list[Array]]:
        """The tree and the arrays that the worker reads."""
        arrays: list[Array] = []

        def tree(value: Any) -> Any:
            if isinstance(value, np.ndarray):
                arrays.append(value)
                return {"array": len(arrays) - 1}
            if value is CACHE:
                return {"cache": True}
            if isinstance(value, tuple):
                return {"tuple": [tree(v) for v in value]}
            if isinstance(value, Mapping):
                return {"dict": {k: tree(v) for k, v in value.items()}}
            return value

        def arguments(call: Call) -> dict[str, Any]:
            return {
                "positional": [tree(v) for v in call.positional],
                "named": {n: tree(v) for n, v in call.named.items()},
            }

        told = {**arguments(self), "torch": self.torch, "largest": self.largest}
        if self.forward is not None:
            told["forward"] = {**arguments(self.forward[0]), "results": [*self.forward[1]]}
        return (told if self.plan is None else told | {"object": self.plan(tree)}), arrays


class Person:
    """A function that can be called. `arguments` is None where it has no signature to read.

    target: `module:function` or `file.py:function`, run in a process of its own; or a function that has no such name
        (made in another function, in a notebook), run in a thread of this process. Where there are neither processes
        nor threads, both are run in place (`in_place.py`), and `seconds` is kept by whoever started this process.
    seconds: what a call may take, and a third of what all may take.
    megabytes: what the process may use of memory.
    folder: where the process runs, with no variables of the environment but those that Python needs.
    sandbox: whether it is shut in, as `sandbox.py` says; `file.py` of the target is then in `folder`.
    """

    def __init__(
        self,
        target: object,
        *,
        seconds: float = SECONDS,
        megabytes: int = MEGABYTES,
        folder: Path | None = None,
        sandbox: bool = False,
    ):
        self.seconds, self.megabytes, self.folder, self.sandbox = seconds, megabytes, folder, sandbox
        named = target if isinstance(target, str) else importable(target)
        self.target: Any = named or adapted.plain_function(target)
        self.apart = named is not None and in_place.HAS_PROCESSES
        self.process: Process | None = None
        self.trouble: Trouble | None = None
        self.printed = ""
        self.hangs = False
        self.crashes = 0
        self.spent = 0.0
        self.arguments: tuple[Argument, ...] | None = None
        self.torch = False
        self.methods: Methods | None = None
        self.forward: Method | None = None
        self.engine: Engine | None = None
        self.operation = ""
        self.compiles = self.both = False
        self.compiling = 0.0
        self.cache: tempfile.TemporaryDirectory[str] | None = None
        self.source = ""
        self.named_here: Callable[..., Any] | None = None
        try:
            self._describe(self._start() if self.apart else self._found_here(named))
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """How reports call it."""
        if isinstance(self.target, str):
            own = self.target.rpartition(":")[2]
        else:
            own = getattr(self.target, "__name__", type(self.target).__name__)
        return f"{own}.{self.operation.rstrip(engines.DEEP)}" if self.operation else own

    def turn_to(self, operation: str, operands: Sequence[str]) -> None:
        """From now on one operation of a class as in micrograd is called."""
        self.operation, self.engine, self.spent = operation, None, 0.0
        self.arguments = (*(Argument(n, True) for n in operands), Argument(adapted.ABOVE, True, keyword=True))

    def __enter__(self) -> Person:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> str:
        """End its process; how it ended."""
        process, self.process = self.process, None
        ended = "over" if process is None else process.close()
        if self.cache is not None:
            self.cache.cleanup()
            self.cache = None
        return ended

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
        started, compiled = time.perf_counter(), 0.0
        try:
            outcome = self._ask(call) if self.apart else self._here(call)
            compiled = max(0.0, min(outcome.compiling, COMPILING - self.compiling))
            return outcome
        finally:
            self.compiling += compiled
            self.spent += time.perf_counter() - started - compiled

    @property
    def limit(self) -> float:
        """What the next call may take."""
        return self.seconds + (COMPILING - self.compiling if self.compiles else 0.0)

    def _describe(self, about: answers.About) -> None:
        self.arguments, self.torch, self.printed = about.arguments, about.torch, about.printed
        self.trouble, self.methods = about.trouble or self.trouble, about.methods
        self.forward, self.compiles, self.both, self.source = about.forward, about.compiles, about.both, about.source
        self.engine = about.engine

    def _found_here(self, named: str | None) -> answers.About:
        if named is None:
            return answers.about(worker.described(self.target))
        self.named_here, told = in_place.loaded(named)
        return answers.about(told)

    def _start(self) -> answers.About:
        environment, target = _environment(self.folder) | self._compiled_goes_to(), str(self.target)
        command = [sys.executable, worker.__file__]
        if self.sandbox:
            file, _, function = target.rpartition(":")
            command = sandboxed(Path(file), worker.__file__, environment)
            target = f"{FOLDER}/{Path(file).name}:{function}"
        self.process = Process(
            [*command, target, str(self.megabytes)],
            folder=self.folder,
            environment=environment,
            megabytes=self.megabytes,
            goes=self.folder,
        )
        seconds = max(self.seconds, IMPORTING)
        try:
            tree, _ = self.process.ask({}, [], seconds)
            return answers.about(tree)
        except (NoTime, Ended, NoAnswer) as error:
            return answers.About(trouble=self._failed(error, seconds, "importing it"))

    def _compiled_goes_to(self) -> dict[str, str]:
        """Where numba keeps what it compiles: beside the person's file it would name a module that is there no more."""
        if self.folder is not None:
            return {"NUMBA_CACHE_DIR": str(self.folder)}
        if importlib.util.find_spec("numba") is None:
            return {}
        self.cache = self.cache or tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        return {"NUMBA_CACHE_DIR": self.cache.name}

    def _ask(self, call: Call) -> Outcome:
        if self.process is None:
            restarted = self._start()
            if restarted.trouble is not None:
                return Outcome(trouble=restarted.trouble)
        assert self.process is not None
        tree, arrays = self._message(call)
        try:
            told, results = self.process.ask(tree, arrays, self.limit, call.largest)
            return answers.outcome(told, results, len(arrays))
        except (NoTime, Ended, NoAnswer) as error:
            return Outcome(trouble=self._failed(error, self.limit, "a call on small inputs"))

    def _message(self, call: Call) -> tuple[dict[str, Any], list[Array]]:
        tree, arrays = call.message()
        return (tree | {"operation": self.operation} if self.operation else tree), arrays

    def _failed(self, error: Exception, seconds: float, what: str) -> Trouble:
        """No answer came: why, in words."""
        if isinstance(error, Ended) and self.process is not None:
            self.process.wait(1)
        ended = self.close()
        if self.sandbox:
            ended = signal_of(ended)
        if isinstance(error, NoTime) and ended == "over":
            return self._hang(seconds, what)
        told = Trouble("Crash", f"its process ended{self._end_words(ended, isinstance(error, NoAnswer))}")
        self.crashes += 1
        if self.crashes >= CRASHES:
            self.trouble = told
        return told

    def _end_words(self, ended: str, nonsense: bool) -> str:
        if ended == "memory":
            return f": with what it started it used more than {self.megabytes} MB of memory"
        if ended == "processes":
            return f": it started more than {PROCESSES} processes"
        if nonsense or ended == "over":
            return ": it sent what is not an answer to what it was asked" if nonsense else ", or closed its output"
        return f" with {code_words(ended)} (the limit on memory is {self.megabytes} MB)"

    def _hang(self, seconds: float, what: str) -> Trouble:
        self.hangs = True
        self.trouble = Trouble("Time limit", f"{what} took longer than {seconds:g} s and was stopped")
        return self.trouble

    def _here(self, call: Call) -> Outcome:
        """In a thread, where there are any: a hang is noticed, but the thread can't be ended."""
        told: queue.Queue[dict[str, Any]] = queue.Queue()
        tree, arrays = self._message(call)
        if not in_place.HAS_PROCESSES:
            answer = in_place.called(self.named_here or self.target, tree, arrays)
            return answers.outcome(answer, answer.pop("arrays"), len(arrays))

        def work() -> None:
            told.put(worker.run(self.target, tree, arrays))

        with worker.caught_output() as printed:  # here, so that it ends when the waiting does
            threading.Thread(target=work, daemon=True).start()
            try:
                answer = told.get(timeout=self.limit)
            except queue.Empty:
                return Outcome(trouble=self._hang(self.limit, "a call on small inputs"))
        return answers.outcome(answer | {"printed": printed.text}, answer.pop("arrays"), len(arrays))


KEPT = (
    "PATH",
    "PYTHONPATH",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "SYSTEMROOT",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
)
"""Variables of the environment that the process of another person's code gets."""

ADDED = {"PYTHONDONTWRITEBYTECODE": "1", "NUMBA_BOUNDSCHECK": "1"}
"""Variables that it gets beside: what numba compiles must not write past the end of arrays that are tried on it."""


def _environment(folder: Path | None) -> dict[str, str]:
    """All variables for one's own code; for that of other people, which runs in a folder, those that Python needs."""
    own = {n: v for n, v in os.environ.items() if folder is None or n in KEPT}
    if folder is not None:
        own |= {n: str(folder) for n in ("HOME", "TMPDIR", "TEMP", "TMP")}
    if folder is None:  # what this process can import, that one can, too
        own["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    return own | ADDED


def importable(function: Any) -> str | None:
    """`file.py:name` of what stands at the top of a file other than the program's, a function or a class; else None."""
    name, module = getattr(function, "__qualname__", ""), inspect.getmodule(function)
    if (
        module is None
        or module.__name__ == "__main__"
        or "<" in name
        or not (inspect.isfunction(function) or inspect.isclass(function))
    ):
        return None
    if getattr(module, name, None) is not function or not getattr(module, "__file__", None):
        return None
    if "." in module.__name__:
        return f"{module.__name__}:{name}"
    return f"{module.__file__}:{name}"
