"""The command, run in this process."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner

from convgrad.commands.cli import app

TINY = """
[[layer]]
type = "Conv2D"
filters = 2
kernel_size = 3

[[layer]]
type = "ReLU"

[[layer]]
type = "Flatten"

[[layer]]
type = "Dense"
units = "classes"
"""


def convgrad(*arguments: Any, code: int = 0) -> Any:
    """Run the command in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result
