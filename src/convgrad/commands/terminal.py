"""How commands write: results to standard output, progress and errors to standard error where results are JSON."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from convgrad.commands.colors import painted
from convgrad.commands.layout import fitted, listed

EXIT_UNUSABLE, EXIT_MISTAKE_OF_OURS = 2, 70
"""And 0 for done, 1 for a calculation that is wrong, 128 + the signal's number for interrupted."""
PLAIN_WIDTH = 80
"""Columns where there is no terminal."""
PLAIN_HEIGHT = 25
PATIENCE = 1.0
"""Seconds after which a person is shown that something is being done."""


def is_given(context: typer.Context, name: str | None) -> bool:
    """Whether an option or argument stands on the command line."""
    origin = None if name is None else context.get_parameter_source(name)
    return origin is not None and origin.name == "COMMANDLINE"


def output() -> Console:
    """Standard output; 80 columns and no control codes where it is not a terminal."""
    return _console(stderr=False)


def messages() -> Console:
    """Standard error, likewise."""
    return _console(stderr=True)


def tell(text: str) -> None:
    """A result in words, on standard output: in colours, and in lines that fit, where that is a terminal. Elsewhere
    lines stay whole, so that programs can look for them.
    """
    console = output()
    shown = fitted(text, console.width) if console.is_terminal else text
    console.print(painted(shown), soft_wrap=True)


def print_list(entries: Iterable[tuple[str, str]]) -> None:
    """Names with a text each, in two columns."""
    console = output()
    for line in listed(entries, console.width).split("\n"):
        name = line.split(" ", 1)[0]
        shown = Text(line)
        shown.stylize("bold", 0, len(name))
        console.print(shown, soft_wrap=True)


def print_words(text: str) -> None:
    """A paragraph, in lines that fit; it may begin with an empty line."""
    console = output()
    empty = len(text) - len(text.lstrip("\n"))
    console.print("\n" * empty + "\n".join(textwrap.wrap(text, console.width, break_on_hyphens=False)), soft_wrap=True)


def say(text: str) -> None:
    """One message on standard error. Characters that would control a terminal are shown, not sent."""
    shown = "".join(c if (c >= " " and c != "\x7f") or c == "\n" else f"\\x{ord(c):02x}" for c in text)
    if not _is_terminal(sys.stderr) and _colors(terminal=False) is None:
        typer.echo(shown, err=True)  # with as little as can be: there may be no memory left
        return
    console = messages()
    console.print(painted(fitted(shown, console.width) if console.is_terminal else shown), soft_wrap=True)


def print_json(content: dict[str, Any]) -> None:
    """Exactly one JSON object on standard output."""
    sys.stdout.write(json.dumps(content) + "\n")


@contextmanager
def counting(console: Console, title: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar that a function (done, of how many) moves, and that goes away; None where there is no terminal."""
    if not console.is_terminal:
        yield None
        return
    with working(title, console) as count:
        yield count


@contextmanager
def working(title: str, console: Console | None = None) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while something takes longer than `PATIENCE`; it goes away, and is on a terminal only.

    The function that is given (done, of how many) moves it; until it is called, the bar only shows that time passes.
    """
    console = console or messages()
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TaskProgressColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(title, total=None)
    waiting = threading.Timer(PATIENCE, bar.start)
    waiting.daemon = True
    waiting.start()
    try:
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
    finally:
        waiting.cancel()
        waiting.join()
        if bar.live.is_started:
            bar.stop()


def _console(stderr: bool) -> Console:
    stream: TextIO = sys.stderr if stderr else sys.stdout
    terminal = _is_terminal(stream)
    return Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=terminal,
        color_system=_colors(terminal),
        width=_columns(stream) if terminal else PLAIN_WIDTH,
        height=PLAIN_HEIGHT,  # told, or rich would not heed the width where TERM is dumb
    )


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty()


def _columns(stream: TextIO) -> int:
    """Of a terminal, of which the variable COLUMNS may say otherwise."""
    try:
        return int(os.environ.get("COLUMNS", "")) or PLAIN_WIDTH
    except ValueError:
        pass
    try:
        return os.get_terminal_size(stream.fileno()).columns or PLAIN_WIDTH
    except OSError:
        return PLAIN_WIDTH


def _colors(terminal: bool) -> Literal["auto", "standard"] | None:
    """NO_COLOR (https://no-color.org) wins, then FORCE_COLOR; else a terminal that can has colours."""
    if os.environ.get("NO_COLOR"):
        return None
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0", "false"):
        return "standard"
    return "auto" if terminal else None
