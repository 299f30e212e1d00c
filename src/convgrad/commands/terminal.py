"""How commands write: results to standard output, progress and errors to standard error where results are JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

EXIT_UNUSABLE, EXIT_INTERRUPTED = 2, 130


def output() -> Console:
    """Standard output; 80 columns and no control codes where it is no terminal."""
    return _console(stderr=False)


def messages() -> Console:
    """Standard error, likewise."""
    return _console(stderr=True)


def print_json(content: dict[str, Any]) -> None:
    """Exactly one JSON object on standard output."""
    sys.stdout.write(json.dumps(content) + "\n")


def _console(stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else 80)
