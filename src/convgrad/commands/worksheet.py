"""`convgrad worksheet`: an exercise sheet with blanks, and its key, to be printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convgrad.commands.explain import found
from convgrad.commands.terminal import output, print_words, working
from convgrad.errors import DataError
from convgrad.system.files import write_text

if TYPE_CHECKING:
    from convgrad.examples import Example


def worksheet(
    source: Annotated[
        str | None,
        typer.Argument(metavar="EXAMPLE|MODEL.toml|RUN_DIR", help="Network. [default: one that suits the difficulty]"),
    ] = None,
    blanks: Annotated[int, typer.Option(metavar="N", help="Numbers that are left out.")] = 10,
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed gives the same sheet.")] = 0,
    difficulty: Annotated[
        str,
        typer.Option(metavar="easy|medium|hard", help="Forward; deltas and gradients; whole chains and the update."),
    ] = "medium",
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The sheet: .pdf, .html or .tex.")] = Path(
        "worksheet.pdf"
    ),
    key_file: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Where the answers go. [default: the end of the sheet]")
    ] = None,
    sheet_file: Annotated[
        Path | None,
        typer.Option(
            "--sheet", metavar="FILE.toml", help="Write a file to fill in as well, which `convgrad check` marks."
        ),
    ] = None,
) -> None:
    """Make an exercise sheet with blanks, and its answer key.

    Examples:
    convgrad worksheet;
    convgrad worksheet --difficulty easy --blanks 6 --seed 3 --out sheet.pdf --key key.pdf;
    convgrad worksheet classic --out sheet.html --sheet sheet.toml
    """
    from convgrad.paper import write
    from convgrad.paper.write import rendering
    from convgrad.worksheet import worksheet as make
    from convgrad.worksheet.form import form
    from convgrad.worksheet.pages import exercise, key, with_key

    for path in filter(None, (out, key_file)):
        rendering(path)  # before anything takes time
    if out == key_file:
        raise DataError(f"--out and --key both name {out}; omit --key to put both in one file.")
    with working(f"making {out}"):
        example = _example(source)
        sheet = make(example, blanks, difficulty, seed)
        content = form(sheet) if sheet_file is not None else ""
        write(with_key(sheet) if key_file is None else exercise(sheet), out)
        if key_file is not None:
            write(key(sheet), key_file)
    if sheet_file is not None:
        write_text(sheet_file, content)
    console = output()
    names = [] if example is None else [*example.deltas, *example.pins]
    if names:
        listed = ", ".join(names)
        print_words(f"All numbers are new ones; those given for {listed} are not used.")
    for path in filter(None, (out, key_file, sheet_file)):
        console.print(f"wrote {path}", soft_wrap=True)


def _example(source: str | None) -> Example | None:
    return None if source is None else found(source)
