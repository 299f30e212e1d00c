"""Where the command ends: streams that last, signals that tidy up, and one message for whatever went wrong."""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TextIO

from convgrad.commands.terminal import EXIT_MISTAKE_OF_OURS, EXIT_UNUSABLE, say
from convgrad.system import interruption

DEBUG = "--debug"
NOBODY_READS = (errno.EPIPE, errno.EINVAL)  # as `| head` ends; the second one is Windows'


def ended(command: Callable[[Sequence[str]], object], arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; nothing is raised."""
    interruption.take_over()
    _open_missing()
    output = _lasting("stdout")
    _lasting("stderr")
    own, rest = _without_debug(arguments)
    try:
        code = _code(command, rest, debug=own)
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        failure = None if output is None else output.failure
        if failure is not None and failure.errno not in NOBODY_READS:
            say(f"Standard output can't be written: {failure.strerror}.")
            code = code or EXIT_UNUSABLE
        with suppress(OSError, ValueError):
            sys.stderr.flush()
    except KeyboardInterrupt:  # a second one, while the first one's message is written
        code = interruption.exit_code()
    for number in interruption.SIGNALS:  # nothing is left to be tidied up
        if signal.getsignal(number) is interruption.interrupt:
            signal.signal(number, signal.SIG_DFL)
    return code


def _code(command: Callable[[Sequence[str]], object], arguments: Sequence[str], debug: bool) -> int:
    try:
        command(arguments)
        return 0
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        if interruption.was_interrupted() or isinstance(error, KeyboardInterrupt):
            message, code = "Interrupted.", interruption.exit_code()
        else:
            message, code = told(error)
        if debug:
            traceback.print_exc()
    say(message)
    return code


def told(error: BaseException) -> tuple[str, int]:
    """A message about an error that nobody expected, and the exit code."""
    words = " ".join(str(error).split())[:500]
    if isinstance(error, MemoryError):
        return f"There is not enough memory for this{f': {words}' if words else ''}.", EXIT_UNUSABLE
    if isinstance(error, RecursionError):
        return "What was given is nested too deeply.", EXIT_UNUSABLE
    if isinstance(error, OverflowError):
        return f"A number that was given is too large: {words}.", EXIT_UNUSABLE
    if isinstance(error, OSError) and error.strerror:
        file = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return f"The system refused this: {file}{error.strerror}.", EXIT_UNUSABLE
    if isinstance(error, Warning):
        return f"Warning, treated as an error: {words}", EXIT_UNUSABLE
    return (
        f"This is a bug in convgrad: {type(error).__name__}{f': {words}' if words else ''}. Please report it, with "
        f"the command that you typed and what it prints with {DEBUG}.",
        EXIT_MISTAKE_OF_OURS,
    )


def _without_debug(arguments: Sequence[str]) -> tuple[bool, list[str]]:
    """Whether `--debug` is among the options, of whichever command, and the other arguments."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return DEBUG in arguments[:end], [a for n, a in enumerate(arguments) if a != DEBUG or n >= end]


class _Lasting(io.RawIOBase):
    """A stream that can always be written to; what its file no longer takes is lost. `failure`: why, at first."""

    def __init__(self, handle: int, stream: TextIO):
        self.handle = handle
        self._behind = stream  # closes the file when nobody has it any more
        self.failure: OSError | None = None

    def fileno(self) -> int:
        return self.handle

    def isatty(self) -> bool:
        return os.isatty(self.handle)

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        size = len(content)
        while self.failure is None:
            try:
                return os.write(self.handle, content)
            except BlockingIOError:  # a pipe that another program has set so
                select.select([], [self.handle], [])
            except OSError as error:
                self.failure = error
        return size


def _lasting(name: str) -> _Lasting | None:
    """Replace a standard stream by one that never fails: not for a character it lacks, and not when nobody reads on."""
    stream: TextIO = getattr(sys, name)
    try:
        handle = stream.fileno()
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return None  # it is not a file, but something of the program that runs us
    if sys.platform == "win32" and stream.isatty():
        return None  # a console takes all characters
    raw = _Lasting(handle, stream)
    buffered = io.BufferedWriter(raw)
    encoding = stream.encoding or "utf-8"
    text = io.TextIOWrapper(buffered, encoding=encoding, errors="backslashreplace", line_buffering=True)
    setattr(sys, name, text)
    return raw


def _open_missing() -> None:
    """Open the standard streams that are closed to nothing, lest a file that is opened later takes their places."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  it is never closed
