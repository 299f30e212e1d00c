"""`convgrad check derivation.md`: the command, its exit codes, standard input."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from convgrad.check import check_document
from convgrad.commands.cli import app
from derivation_texts import CORRELATION


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["check", *arguments], input=given)


def test_a_right_derivation(tmp_path: Path) -> None:
    file = tmp_path / "mine.md"
    file.write_text(CORRELATION)
    result = run(str(file))
    assert result.exit_code == 0, result.output
    first = " ".join(result.output.split("\nline ")[0].split())
    counts = "11 claims: 11 right; 3 definitions, 4 given parts; 1 program run without a sandbox"
    assert first == f"RIGHT: mine.md, {counts}"
    assert all(len(line) <= 80 for line in result.output.splitlines())


def test_standard_input_without_its_programs() -> None:
    result = run("-", "--no-programs", given=CORRELATION)
    assert result.exit_code == 2
    assert result.output.startswith("NOT CHECKED: standard input, 11 claims: 9 right, 2 not understood")
    assert "program: not run here" in result.output


RUNS = "# A program\n\n```python\nimport pathlib\n\npathlib.Path({!r}).write_text('ran')\nx = 1 + 1\n```\n"
CODE = "\nimport pathlib\npathlib.Path({!r}).write_text('ran')\n"
PAGE = f"<html><body><pre><code class='language-python'>{CODE}</code></pre></body></html>"


def test_what_comes_from_elsewhere_is_run_only_when_asked(tmp_path: Path) -> None:
    mark, page = tmp_path / "mark", tmp_path / "saved.htm"
    page.write_text(PAGE.format(str(mark)))
    for source, given in (("-", RUNS.format(str(mark))), (str(page), None)):
        result = run(source, given=given)
        assert result.exit_code == 2
        assert not mark.exists()
        said = " ".join(result.output.split())
        where = "standard input" if given else "a web page"
        assert f"It is not run, since it comes from {where}: `--run-programs` runs it, `--sandbox` shuts it in." in said
        assert "run without" not in said
        asked = run(source, "--run-programs", given=given)
        assert mark.read_text() == "ran", asked.output
        mark.unlink()


def test_a_file_of_ones_own_is_run_unless_refused(tmp_path: Path) -> None:
    mark, file = tmp_path / "mark", tmp_path / "mine.md"
    file.write_text(RUNS.format(str(mark)))
    assert "program: not run here" in run(str(file), "--no-programs").output
    assert not mark.exists()
    assert "1 program run without a sandbox" in " ".join(str(check_document(file)).split())
    assert mark.exists()


def test_as_json() -> None:
    result = run("-", "--no-programs", "--json", given=CORRELATION.replace("P-r}", "P-r+1}", 1))
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert found["verdict"] == "WRONG"
    assert [part["line"] for part in found["parts"] if part["mark"] == "WRONG"] == [9]
