"""The command `convgrad`: train, predict, and look into equations.

Exit codes: 0 done, 1 a calculation is wrong, 2 something that was given can't be used (one clear message, no
traceback), 70 a bug in convgrad, 128 + its number for a signal: 130 after Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib.metadata import version as package_version
from typing import Annotated

import typer
from typer.core import TyperGroup

from convgrad.commands.boundary import DEBUG, ended
from convgrad.commands.cache import cache
from convgrad.commands.catalogue import datasets, models, summary
from convgrad.commands.check import check
from convgrad.commands.derive import derive
from convgrad.commands.explain import examples, explain
from convgrad.commands.export import export
from convgrad.commands.inspect import inspect
from convgrad.commands.predict import predict
from convgrad.commands.profile import profile
from convgrad.commands.scale import scale
from convgrad.commands.terminal import EXIT_UNUSABLE, say
from convgrad.commands.train import train
from convgrad.commands.worksheet import worksheet
from convgrad.errors import ConvgradError
from convgrad.system.interruption import exit_code


class Commands(TyperGroup):
    """Turns errors that are meant for the user into a message; all others are for `boundary`."""

    def invoke(self, context: typer.Context) -> object:  # type: ignore[override]
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _print_warning  # type: ignore[assignment]
                return super().invoke(context)
        except ConvgradError as error:
            say(f"{type(error).__name__}: {error}")
            raise typer.Exit(EXIT_UNUSABLE) from None
        except KeyboardInterrupt:
            say("Interrupted.")
            raise typer.Exit(exit_code()) from None


def _print_warning(message: Warning | str, *place: object) -> None:
    """One line on standard error, without the place in the program, which does not help the user."""
    say(f"Warning: {message}")


app = typer.Typer(
    cls=Commands,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    train,
    predict,
    inspect,
    export,
    summary,
    derive,
    explain,
    examples,
    worksheet,
    check,
    profile,
    scale,
    datasets,
    models,
    cache,
):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"convgrad {package_version('convgrad')}")
        raise typer.Exit


@app.callback()
def convgrad(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Show where in the program something went wrong.")] = False,
) -> None:
    """Convolutional networks whose layers are equations: derived, explained, checked and compiled."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Entry point of the command `convgrad`."""
    os.environ["MPLBACKEND"] = "agg"  # pictures go to files, whatever is set for windows
    sys.exit(ended(lambda arguments: app(args=list(arguments), prog_name="convgrad"), sys.argv[1:]))


if __name__ == "__main__":
    main()
