"""Ctrl-C as a question that is answered between two batches, so that no update is left half done.

Other signals that ask a process to end, and those by which the queues of large machines announce it, count as Ctrl-C
where the command has taken them over.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGBREAK")
    if hasattr(signal, name)
)
FIRST_CODE = 128
"""An interrupted command's exit code is this plus the number of the signal."""


class Interruption:
    """While it is entered, the first Ctrl-C only sets `requested`; the second one interrupts at once, as ever.

    Outside the main thread, where no signal arrives, it does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Callable[..., Any]] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if handler in (interrupt, signal.default_int_handler):  # a program with one of its own keeps it
                    assert callable(handler)
                    self._before[number] = handler
                    signal.signal(number, self._request)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            interrupt(number, frame)
        _received.append(number)
        self.requested = True


def take_over() -> None:
    """From now on every signal that would end this process raises KeyboardInterrupt; one that is ignored stays so."""
    _received.clear()
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, interrupt)


def interrupt(number: int, frame: FrameType | None) -> None:
    """A handler of signals. Raises KeyboardInterrupt."""
    _received.append(number)
    raise KeyboardInterrupt


def was_interrupted() -> bool:
    """Whether a signal has come, even if what it raised got lost in a library."""
    return bool(_received)


def exit_code() -> int:
    """Of a command that was interrupted: by the first signal that came, or by Ctrl-C."""
    return FIRST_CODE + (_received[0] if _received else signal.SIGINT)


_received: list[int] = []
