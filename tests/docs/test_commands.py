"""docs/commands.md is made from the commands themselves: CONVGRAD_ACCEPT=1 writes it anew."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from convgrad.commands.cli import app

pytestmark = pytest.mark.complete
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "commands.md"
INTRODUCTION = """\
# Commands

This page is made from the commands themselves; `convgrad COMMAND --help` says the same. A command ends with 0 where it
is done, 1 where a calculation that it checked is wrong, 2 where what was given can't be used, and 70 after a mistake in
convgrad itself, which `--debug` before the command shows.

In a terminal there are colours, lines that fit its width, and a bar for what takes more than a second; in a pipe there
are none of them. `NO_COLOR` (any text) turns colours off, `FORCE_COLOR=1` turns them on in a pipe, too.
"""
GROUP = get_command(app)
assert isinstance(GROUP, TyperGroup)
COMMANDS: dict[str, TyperCommand] = {name: c for name, c in GROUP.commands.items() if isinstance(c, TyperCommand)}
Given = TyperOption | TyperArgument


def test_the_page_is_up_to_date() -> None:
    text = "\n".join([INTRODUCTION, *(line for name in COMMANDS for line in _section(name))])
    if os.environ.get("CONVGRAD_ACCEPT"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == text, "run with CONVGRAD_ACCEPT=1 to write the page anew"


def _section(name: str) -> Iterator[str]:
    command = COMMANDS[name]
    yield f"## {name}\n"
    for paragraph in (command.help or "").split("\n\n"):
        text = " ".join(paragraph.split())
        yield re.sub("^(Examples?): (convgrad .*)$", r"\1: `\2`", text) + "\n"
    rows = [_row(parameter) for parameter in _given(command)]
    if rows:
        yield "| what | means | without it |\n| --- | --- | --- |"
        yield from rows
        yield ""


def _given(command: TyperCommand) -> list[Given]:
    """What can be given, without `--help`."""
    return [p for p in command.params if isinstance(p, (TyperOption, TyperArgument)) and "--help" not in p.opts]


def _row(parameter: Given) -> str:
    if isinstance(parameter, TyperOption):
        names = ", ".join(parameter.opts) + ("" if parameter.is_flag else f" {parameter.metavar}")
    else:
        names = str(parameter.metavar)
    words = parameter.help or ""
    told, _, default = words.removesuffix("]").partition(" [default: ")
    plain = parameter.default is None or parameter.default is False or parameter.default == ""
    without = default or ("" if plain or callable(parameter.default) else f"`{parameter.default}`")
    return f"| {_cell(f'`{names}`')} | {_cell(told)} | {_cell(without)} |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


@pytest.mark.parametrize("name", COMMANDS)
def test_everything_that_can_be_given_is_described(name: str) -> None:
    assert COMMANDS[name].help, "its function has no docstring"
    nameless = [p.opts[-1] for p in _given(COMMANDS[name]) if not (p.metavar or getattr(p, "is_flag", False))]
    assert not nameless, "say what stands for their values: typer.Option(metavar=...)"
    silent = [p.opts[-1] for p in _given(COMMANDS[name]) if not p.help]
    assert not silent, "say what they do: typer.Option(help=...)"


def _words_of_tests() -> Iterator[set[str]]:
    """For each file of tests the words in its texts, which are arguments of commands, too."""
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__):
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            texts = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
            yield {word for text in texts for word in re.split(r"[\s=]+", text)}


def _words_of_pages() -> Iterator[set[str]]:
    """For each line of the sessions in pages, which are run, its words."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        if page != PAGE:
            sessions = re.findall(r"^```(?:console|sh)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
            yield from (set(re.split(r"[\s=]+", line)) for session in sessions for line in session.splitlines())


def test_every_option_is_tried_by_a_test() -> None:
    """A file of tests, or a line of a page, has both the command and the option."""
    together = [*_words_of_tests(), *_words_of_pages()]
    options = {(name, tuple(p.opts)) for name, c in COMMANDS.items() for p in _given(c) if isinstance(p, TyperOption)}
    untried = sorted(
        f"{name} {opts[0]}"
        for name, opts in options
        if not any(name in words and words & set(opts) for words in together)
    )
    assert not untried, "no test gives them to the command"
