"""What commands look like: in terminals of 80 and of 60 columns, in a pipe, with colours and without."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from command_runs import convgrad
from convgrad.commands import terminal
from convgrad.commands.colors import RULES, painted
from convgrad.commands.layout import fitted, listed
from convgrad.commands.terminal import working
from terminal_runs import in_terminal, plain

terminals = pytest.mark.skipif(os.name != "posix", reason="opens a terminal")
SHEET = """
equation = "x[i] = sum[m](w[m] * o[i+m])"
[given]
w = [2, -1]
o = [1, 3, 5, 7]
dx = [1, 2, 0.5]
[results]
x = [-1, 1, 4]
dw = [9.5, 16.25]
"""
WRONG = ["check", "--equation", "do[p] = sum[m](dx[p+m else 0] * w[m])", "--of", "x[i] = sum[m](w[m] * o[i+m])"]
KERNEL = "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]"
COMMANDS = {
    "explain": (["explain", "two-channels"], 0),
    "explain-one": (["explain", "two-channels", "--at", "conv1.dw[0,0,0,0]", "--depth", "2"], 0),
    "derive": (["derive", KERNEL, "--wrt", "o"], 0),
    "summary": (["summary", "resnet18"], 0),
    "sheet": (["check", "sheet.toml"], 1),
    "equation": (WRONG, 1),
    "examples": (["examples"], 0),
    "models": (["models"], 0),
    "datasets": (["datasets"], 0),
    "error": (["explain", "clasic"], 2),
    "error-in-equation": (["derive", KERNEL.replace("b[k]", "b[k,q]") + " + relu(o[0,0,0])", "--wrt", "o"], 2),
}

CHANGED = ("summary", "error-in-equation")
"""What is not the same words at another width: tables, and lines of which a part is shown."""


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    (tmp_path / "sheet.toml").write_text(SHEET)
    return tmp_path


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("name", COMMANDS)
def test_lines_fit_the_terminal_and_lose_nothing(
    name: str, columns: int, sheet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, code = COMMANDS[name]
    monkeypatch.chdir(sheet)
    piped = convgrad(*arguments, code=code)
    monkeypatch.setattr(terminal, "_is_terminal", lambda stream: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    found = convgrad(*arguments, code=code)
    shown = found.stdout + found.stderr
    assert "\x1b" not in shown
    wide = [line for line in shown.split("\n") if len(line) > columns]
    assert not wide
    if name not in CHANGED:
        assert words_of(shown) == words_of(piped.stdout + piped.stderr)


@terminals
def test_in_a_real_terminal_of_60_columns(sheet: Path) -> None:
    shown, code = in_terminal(*WRONG, columns=60, folder=sheet, TERM="dumb")
    assert code == 1
    assert max(map(len, shown.split("\n"))) <= 60
    assert "With dx[p-m else 0] in place of dx[p+m else 0] it is the\n  derived equation" in shown


def piping(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return subprocess.run(
        [sys.executable, "-m", "convgrad.commands.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**kept, **environment},
    )


def words_of(text: str) -> list[str]:
    """All characters in order, however they are broken into lines; which columns of a row these are is left out."""
    rows = re.sub(r"^ *columns \d+(\.\.\d+)?:$", "", text, flags=re.MULTILINE)
    return sorted(rows.split())


@terminals
def test_colors_change_no_character(sheet: Path) -> None:
    colored, code = in_terminal("check", "sheet.toml", folder=sheet)
    bare, _ = in_terminal("check", "sheet.toml", folder=sheet, NO_COLOR="1")
    assert code == 1
    assert colored.startswith("\x1b[1;31mWRONG\x1b[0m: sheet.toml")
    assert "\x1b" not in bare
    assert plain(colored) == bare


def test_a_pipe_has_colors_only_where_they_are_forced(sheet: Path) -> None:
    arguments = ("check", "sheet.toml")
    bare = piping(*arguments, folder=sheet).stdout
    assert "\x1b" not in bare
    for off in ({"FORCE_COLOR": "0"}, {"FORCE_COLOR": ""}, {"FORCE_COLOR": "1", "NO_COLOR": "1"}):
        assert piping(*arguments, folder=sheet, **off).stdout == bare
    forced = piping(*arguments, folder=sheet, FORCE_COLOR="1").stdout
    assert "\x1b[1;31mWRONG" in forced
    assert plain(forced) == bare
    error = piping("explain", "clasic", folder=sheet, FORCE_COLOR="1")
    assert error.stderr.startswith("\x1b[1;31mModelError")
    assert (error.stdout, error.returncode) == ("", 2)


def test_every_rule_paints_something() -> None:
    samples = {
        r"^(RIGHT)\b": "RIGHT: all",
        r"^(WRONG)\b": "WRONG: one",
        r"^(NOT CHECKED)\b": "NOT CHECKED: none",
    }
    for pattern, sample in samples.items():
        assert any(pattern == rule for rule, _ in RULES)
        assert painted(sample).spans
    for sample in (
        "x: right",
        "x: wrong (the first mistake)",
        "dw: still to be entered",
        "  x[2]: expected 3, got 4",
        "    ^^^",
        "  Cause: none.",
        "classic\n=======",
        "  numbers   1*2 = 2",
        "target   (given)",
        "  made of   w[0] = 1  given",
        "            w[0] = 1  pinned",
        "1. chain rule",
        "Result",
        "ModelError: there is none.",
        "Warning: slow.",
    ):
        shown = painted(sample)
        assert shown.spans, sample
        assert shown.plain == sample


def test_the_bare_command_is_its_help() -> None:
    bare = convgrad()
    assert (bare.stdout, bare.stderr) == (convgrad("--help").stdout, "")
    assert "Commands:" in bare.stdout


def test_long_lines_go_on_under_what_they_belong_to() -> None:
    line = "  numbers   0.0686*0.88 + 0.0364*0.62 + 0.0467*0.20 - 0.0681*0.70 = 0.044606"
    assert fitted(line, 44).split("\n") == [
        "  numbers   0.0686*0.88 + 0.0364*0.62",
        "            + 0.0467*0.20 - 0.0681*0.70",
        "            = 0.044606",
    ]
    assert fitted(line, 80) == line
    assert listed({"a": "one two three", "long": ""}, 14).split("\n") == ["a     one two", "      three", "long"]


@pytest.mark.parametrize("place", [4, 40, 90])
def test_of_a_long_line_the_part_with_carets_is_kept(place: int) -> None:
    text = "    " + "".join(f"{n:<5}" for n in range(20))
    carets = " " * place + "^^^"
    line, below = fitted(f"{text}\n{carets}", 50).split("\n")
    assert max(len(line), len(below)) <= 50
    first = below.index("^")
    assert line[first : first + 3] == text[place : place + 3]


def test_a_bar_for_what_takes_long_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "PATIENCE", 0.05)

    def shown(seconds: float, is_terminal: bool) -> str:
        file = io.StringIO()
        console = Console(width=60, force_terminal=is_terminal, file=file, color_system=None)
        with working("measuring", console) as count:
            time.sleep(seconds)
            count(1, 4)
        return file.getvalue()

    assert "measuring" in shown(0.4, is_terminal=True)
    assert shown(0.4, is_terminal=False) == ""
    assert shown(0, is_terminal=True) == ""
