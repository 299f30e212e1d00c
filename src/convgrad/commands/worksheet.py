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
    from convgrad.worksheet import Worksheet


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
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The sheet: .pdf, .html or .tex. [default: worksheet.pdf]"),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Where the answers go. [default: the end of the sheet]")
    ] = None,
    sheet_file: Annotated[
        Path | None,
        typer.Option(
            "--sheet", metavar="FILE.toml", help="Write a file to fill in as well, which `convgrad check` marks."
        ),
    ] = None,
    page_file: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one page for any browser that marks itself; offline, too."),
    ] = None,
) -> None:
    """Make an exercise sheet with blanks, and its answer key.

    Examples:
    convgrad worksheet;
    convgrad worksheet --difficulty easy --blanks 6 --seed 3 --out sheet.pdf --key key.pdf;
    convgrad worksheet classic --out sheet.html --sheet sheet.toml;
    convgrad worksheet --difficulty easy --blanks 6 --html exercise.html
    """
    from convgrad.paper import write
    from convgrad.paper.write import rendering
    from convgrad.worksheet import worksheet as make
    from convgrad.worksheet.form import form
    from convgrad.worksheet.pages import exercise, key, with_key

    if out is None and (page_file is None or key_file is not None or sheet_file is not None):
        out = Path("worksheet.pdf")
    for path in filter(None, (out, key_file)):
        rendering(path)  # before anything takes time
    _check_apart({"--out": out, "--key": key_file, "--html": page_file})
    with working(f"making {out or page_file}"):
        example = _example(source)
        sheet = make(example, blanks, difficulty, seed)
        content = form(sheet) if sheet_file is not None else ""
        page = _page(sheet) if page_file is not None else ""
        if out is not None:
            write(with_key(sheet) if key_file is None else exercise(sheet), out)
        if key_file is not None:
            write(key(sheet), key_file)
    if sheet_file is not None:
        write_text(sheet_file, content)
    if page_file is not None:
        write_text(page_file, page)
    console = output()
    names = [] if example is None else [*example.deltas, *example.pins]
    if names:
        listed = ", ".join(names)
        print_words(f"All numbers are new ones; those given for {listed} are not used.")
    for path in filter(None, (out, key_file, sheet_file, page_file)):
        console.print(f"wrote {path}", soft_wrap=True)


def _check_apart(files: dict[str, Path | None]) -> None:
    """Raises: DataError where two options name one file."""
    seen: dict[Path, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        if path in seen:
            both = f"{seen[path]} and {option} both name {path}"
            hint = "omit --key to put both in one file" if option == "--key" else "give each a file of its own"
            raise DataError(f"{both}; {hint}.")
        seen[path] = option


def _page(sheet: Worksheet) -> str:
    from convgrad.explain.page.build import page_html
    from convgrad.worksheet.exercise import exercise_model

    return page_html(exercise_model(sheet, marks_itself=True))


def _example(source: str | None) -> Example | None:
    return None if source is None else found(source)
