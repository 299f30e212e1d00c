"""`convgrad check derivation.md`: the command, its exit codes, standard input."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from convgrad.commands.cli import app
from derivation_texts import CORRELATION


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["check", *arguments], input=given)


def test_a_right_derivation(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text(CORRELATION)
    result = run(str(file))
    assert result.exit_code == 0, result.output
    assert result.output.startswith("RIGHT: mine.md, 11 claims: 11 right; 3 definitions, 4 given parts\n")
    assert all(len(line) <= 80 for line in result.output.splitlines())


def test_standard_input_without_its_programs() -> None:
    result = run("-", "--no-programs", given=CORRELATION)
    assert result.exit_code == 2
    assert result.output.startswith("NOT CHECKED: standard input, 11 claims: 9 right, 2 not understood")
    assert "program: not run here" in result.output


def test_as_json() -> None:
    result = run("-", "--no-programs", "--json", given=CORRELATION.replace("P-r}", "P-r+1}", 1))
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert found["verdict"] == "WRONG"
    assert [part["line"] for part in found["parts"] if part["mark"] == "WRONG"] == [9]
