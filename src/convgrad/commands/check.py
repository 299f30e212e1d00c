"""`convgrad check`: is a calculation correct? A person's code, equation or numbers, with the mistake named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from convgrad.arguments import shown, whole_number
from convgrad.commands.terminal import messages, output, print_json, say, tell, working
from convgrad.errors import DataError
from convgrad.system.texts import json_from

EXIT_WRONG = 1

WIDEST = 100
"""Columns of a report, however wide a terminal is."""


def check(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="LAYER|SHEET.toml|TEXT.md", help="Layer, numbers by hand, a whole derivation.", show_default=False
        ),
    ] = None,
    function: Annotated[
        str | None,
        typer.Argument(metavar="MODULE:FUNCTION", help="Code, also as FILE.py:FUNCTION.", show_default=False),
    ] = None,
    equation: Annotated[str | None, typer.Option(metavar="TEXT", help="A derivation by hand.")] = None,
    of: Annotated[str | None, typer.Option("--of", metavar="TEXT", help="What it is derived from.")] = None,
    strides: Annotated[str | None, typer.Option(metavar="N|N,N", help="Of the layer.")] = None,
    padding: Annotated[str | None, typer.Option(metavar="N|N,N|same", help="Of the layer.")] = None,
    dilation: Annotated[str | None, typer.Option(metavar="N|N,N", help="Of the layer.")] = None,
    groups: Annotated[int | None, typer.Option(metavar="N", help="Of the layer.")] = None,
    filters: Annotated[int | None, typer.Option(metavar="N", help="Of the layer.")] = None,
    units: Annotated[int | None, typer.Option(metavar="N", help="Of the layer.")] = None,
    kernel_size: Annotated[str | None, typer.Option(metavar="N|N,N", help="Of the layer.")] = None,
    pool_size: Annotated[str | None, typer.Option(metavar="N|N,N", help="Of the layer.")] = None,
    more: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other argument of the layer.")
    ] = None,
    input_shape: Annotated[str | None, typer.Option(metavar="N,N,..", help="One example's, channels last.")] = None,
    dtype: Annotated[str, typer.Option(metavar="float64|float32", help="Of the arrays it gets.")] = "float64",
    argument: Annotated[
        list[str] | None, typer.Option("--argument", metavar="NAME=TENSOR", help="What an argument is.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, metavar="N", help="Time limit of one call.")] = 10.0,
    folder: Annotated[
        Path | None, typer.Option("--class", metavar="FOLDER", help="Many submissions; runs other people's code.")
    ] = None,
    specification: Annotated[
        Path | None, typer.Option("--spec", metavar="FILE.toml", help="What they are checked against.")
    ] = None,
    table: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="File for their marks.")] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Run the code in bubblewrap: no network, no files of yours.")
    ] = False,
    programs: Annotated[
        bool | None,
        typer.Option(
            "--run-programs/--no-programs",
            help="Of a derivation; by default those of files, but web pages.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a calculation and name the mistake.

    Exit code 1 where something is wrong, 2 where it could not be checked.

    Examples:
    convgrad check conv2d mymodule:my_backward --strides 2;
    convgrad check sheet.toml;
    convgrad check derivation.md;
    convgrad check --equation "dw[m] = sum[i](dx[i]*o[i+m])" --of "x[i] = sum[m](w[m]*o[i+m])";
    convgrad check --class submissions/ --spec spec.toml --csv marks.csv
    """
    if folder is not None:
        _class(folder, specification, table, seconds, sandbox, as_json)
        return
    report: Any
    if equation is not None:
        with working("checking the equation"):
            report = _equation(equation, of)
    elif what is not None and function is None and what.endswith(".toml"):
        from convgrad.check.sheets.sheet import check_sheet

        with working(f"checking {what}"):
            report = check_sheet(what)
    elif what is not None and function is None and _is_document(what):
        with working(f"checking {what}"):
            report = _document(what, seconds, sandbox, programs, as_json)
    elif what is not None and function is not None:
        numbers = {"strides": strides, "padding": padding, "dilation": dilation, "kernel_size": kernel_size}
        settings: dict[str, Any] = {n: _sizes(n, v) for n, v in (numbers | {"pool_size": pool_size}).items() if v}
        settings |= {n: v for n, v in (("groups", groups), ("filters", filters), ("units", units)) if v is not None}
        settings |= dict(_setting(pair) for pair in more or [])
        with working(f"checking {function}"):
            report = _code(function, what, input_shape, argument or [], dtype, seconds, sandbox, settings)
    else:
        raise typer.BadParameter(
            "give a layer and a function, or a sheet.toml, or a derivation.md, or --equation and --of, or --class."
        )
    if as_json:
        print_json(report.to_json())
    else:
        from convgrad.check.words import in_columns

        width = min(output().width, WIDEST)
        tell(report.text(width) if hasattr(report, "text") else in_columns(report, width))
    raise typer.Exit(report.verdict.exit_code)


def _is_document(what: str) -> bool:
    from convgrad.check.documents.formats import is_document

    return is_document(what)


def _document(what: str, seconds: float, sandbox: bool, programs: bool | None, quiet: bool) -> Any:
    """On a whole derivation: a file, or standard input."""
    from convgrad.check.documents.document import STANDARD_INPUT, check_text, options_for
    from convgrad.system.texts import LONGEST_FILE, as_text, file_text

    if what == "-":
        text, name = as_text(sys.stdin.buffer.read(LONGEST_FILE + 1), STANDARD_INPUT), STANDARD_INPUT
    else:
        text, name = file_text(Path(what)), Path(what).name
    progress = None if quiet or not messages().is_terminal else say
    return check_text(text, name, options_for(name, programs, seconds, sandbox, progress))


def _code(
    function: str,
    layer: str,
    input_shape: str | None,
    arguments: list[str],
    dtype: str,
    seconds: float,
    sandbox: bool,
    settings: dict[str, Any],
) -> Any:
    from convgrad.check import check as check_function

    if not all(function.rpartition(":")[::2]):
        raise typer.BadParameter(f"{function!r} does not name a function; write module:function or file.py:function.")
    sizes = None if input_shape is None else _sizes("input-shape", input_shape)
    if isinstance(sizes, str):
        raise typer.BadParameter("a shape is written as numbers separated by commas.", param_hint="--input-shape")
    shape = (sizes,) if isinstance(sizes, int) else sizes
    roles = {}
    for pair in arguments:
        name, equals, tensor = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"{pair!r} does not name a tensor; write NAME=TENSOR, as in grad=dx.")
        roles[name] = tensor
    return check_function(
        function,
        layer,
        input_shape=shape,
        roles=roles,
        dtype=dtype,
        seconds=seconds,
        sandbox=sandbox,
        **settings,
    )


def _setting(pair: str) -> tuple[str, Any]:
    """`epsilon=1e-5`: a name and a number, true or false, or text."""
    name, equals, value = pair.partition("=")
    if not equals or not name.isidentifier():
        raise typer.BadParameter(f"{pair!r} sets nothing; write NAME=VALUE, as in epsilon=1e-5.", param_hint="--set")
    try:
        return name, json_from(value, name)
    except DataError:
        return name, value


def _equation(equation: str, of: str | None) -> Any:
    from convgrad.check.derivations.equation import check_equation

    if of is None:
        raise typer.BadParameter("--equation needs --of, the equation that it is derived from.")
    return check_equation(equation, of)


def _class(
    folder: Path, specification: Path | None, table: Path | None, seconds: float, sandbox: bool, as_json: bool
) -> None:
    """Print each mark as it comes, and keep all that there are in the table."""
    from convgrad.check.classes import ClassReport, Row, marks
    from convgrad.check.submissions.table import try_table

    if specification is None:
        raise typer.BadParameter("--class needs --spec, what submissions are checked against.")
    row_by_row = table is not None and try_table(table)
    count, rows = marks(folder, specification, seconds=seconds, sandbox=sandbox)
    done: list[Row] = []
    try:
        with working("checking") as progress:
            for row in rows:
                done.append(row)
                progress(len(done), count)
                if table is not None and row_by_row:
                    ClassReport(tuple(done)).write(table)
                if not as_json:
                    output().print(str(row), soft_wrap=True)
                    sys.stdout.flush()
    finally:
        report = ClassReport(tuple(done))
        if table is not None and not row_by_row:
            report.write(table)
        if as_json:
            print_json(report.to_json() | {"complete": len(done) == count})
        elif len(done) == count:
            output().print(report.summary, soft_wrap=True)
        else:
            output().print(f"{len(done)} of {count} submissions were checked.\n{report.summary}", soft_wrap=True)
    if not report.ok:
        raise typer.Exit(EXIT_WRONG)


def _sizes(name: str, text: str) -> int | str | tuple[int, ...]:
    if text in ("same", "valid"):
        return text
    sizes = [whole_number(part) for part in text.split(",")]
    whole = tuple(size for size in sizes if size is not None)
    if len(whole) < len(sizes):
        raise typer.BadParameter(
            f"{shown(text)} must be a whole number, or whole numbers separated by commas.", param_hint=f"--{name}"
        )
    return whole[0] if len(whole) == 1 else whole
