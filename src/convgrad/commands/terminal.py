"""How commands write: results to standard output, progress and errors to standard error where results are JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import Progress

EXIT_UNUSABLE, EXIT_MISTAKE_OF_OURS = 2, 70
"""And 0 for done, 1 for a calculation that is wrong, 128 + the signal's number for interrupted."""


def output() -> Console:
    """Standard output; 80 columns and no control codes where it is not a terminal."""
    return _console(stderr=False)


def messages() -> Console:
    """Standard error, likewise."""
    return _console(stderr=True)


def say(text: str) -> None:
    """One message on standard error. Characters that would control a terminal are shown, not sent."""
    shown = "".join(c if (c >= " " and c != "\x7f") or c == "\n" else f"\\x{ord(c):02x}" for c in text)
    typer.echo(shown, err=True)


def print_json(content: dict[str, Any]) -> None:
    """Exactly one JSON object on standard output."""
    sys.stdout.write(json.dumps(content) + "\n")


@contextmanager
def counting(console: Console, title: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar that a function (done, of how many) moves, and that goes away; None where there is no terminal."""
    if not console.is_terminal:
        yield None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)

        def count(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield count


def _console(stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else 80)
