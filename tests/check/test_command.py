"""The command `convgrad check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from convgrad.commands.cli import app

ROOT = Path(__file__).parents[2]
SHEET = str(ROOT / "examples" / "sheets" / "deltas.toml")
FUNCTIONS = str(ROOT / "planted" / "checked_functions.py")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["check", *arguments])


def test_code() -> None:
    result = run("dense", f"{FUNCTIONS}:right")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("RIGHT: right, against Dense(5)")
    result = run("dense", f"{FUNCTIONS}:not_a_number", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["causes"] == ["not-a-number"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def f(:\n    pass\n", "SyntaxError: invalid syntax (mine.py, line 1: def f(:)"),
        ("import not_there\n", "ModuleNotFoundError: No module named 'not_there' (mine.py, line 1"),
        ("f = 7\n", "f in"),
        ("raise SystemExit(3)\n", "SystemExit: 3 (mine.py, line 1"),
    ],
)
def test_what_can_not_be_loaded_is_no_wrong_function(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    result = run("dense", f"{tmp_path / 'mine.py'}:f")
    assert result.exit_code == 2
    assert "The function can't be loaded: " in result.output
    assert words in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_module_that_is_not_there() -> None:
    result = run("dense", "no_such_module:f")
    assert result.exit_code == 2
    assert " ".join(result.output.split()).endswith("ModuleNotFoundError: No module named 'no_such_module'.")


def test_one_file_for_checking_and_explaining() -> None:
    sheet = str(ROOT / "examples" / "sheets" / "classic.toml")
    result = run(sheet)
    assert result.exit_code == 0, result.output
    assert "pool1.dx: right\nconv1.dw: right\nconv1.w_next: right" in result.output
    explained = CliRunner().invoke(app, ["explain", sheet, "--at", "pool1.dx[1,0]"])
    assert "0.04675125" in explained.output


def test_settings_reach_the_layer() -> None:
    result = run("conv2d", f"{FUNCTIONS}:raises", "--strides", "2,3", "--padding", "same", "--kernel-size", "3")
    assert result.exit_code == 2
    assert "strides=(2, 3), padding='same'" in result.output


def test_all_settings_of_a_convolution_reach_the_layer() -> None:
    options = ["--filters", "6", "--kernel-size", "2,3", "--groups", "3", "--dilation", "1,2", "--dtype", "float32"]
    result = run("conv2d", f"{FUNCTIONS}:raises", *options)
    assert result.exit_code == 2
    assert "against Conv2D(6, (2, 3), dilation=(1, 2), groups=3)" in " ".join(result.output.split())
    result = run("conv2d", f"{FUNCTIONS}:raises", "--dtype", "float16")
    assert result.exit_code == 2


def test_the_window_of_a_pooling_reaches_the_layer() -> None:
    result = run("max_pool2d", f"{FUNCTIONS}:raises", "--pool-size", "2,3")
    assert "against MaxPool2D(pool_size=(2, 3))" in result.output, result.output


def test_roles_and_shape() -> None:
    result = run("dense", f"{FUNCTIONS}:right", "--argument", "dout=dx", "--input-shape", "6", "--units", "4")
    assert result.exit_code == 0, result.output


def test_any_argument_of_a_layer(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def leaky(dout, x):\n    return dout * ((x > 0) + 0.25 * (x <= 0))\n")
    result = run("leaky_relu", f"{tmp_path / 'mine.py'}:leaky", "--set", "negative_slope=0.25")
    assert result.exit_code == 0, result.output
    result = run("conv2d", f"{FUNCTIONS}:raises", "--set", "bias=null")
    assert result.exit_code == 2


def test_a_sheet() -> None:
    result = run(SHEET)
    assert result.exit_code == 0
    assert "dz: right" in result.output


def test_an_equation() -> None:
    of = "x[i] = sum[m](w[m] * o[i+m])"
    assert run("--equation", "dw[m] = sum[i](dx[i] * o[i+m])", "--of", of).exit_code == 0
    result = run("--equation", "dw[m] = sum[i](dx[i] * o[i-m else 0])", "--of", of)
    assert result.exit_code == 1
    assert "^^^" in result.output


def test_a_class(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "anna.toml").write_text("[results]\ndz = [0.0364, 0.0686, 0.0468, -0.0682]\n")
    table = tmp_path / "marks.csv"
    result = run("--class", str(tmp_path / "all"), "--spec", SHEET, "--csv", str(table))
    assert result.exit_code == 0, result.output
    assert "1 of 1 are right." in result.output
    assert table.read_text().splitlines()[1].startswith("anna.toml,True")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give a layer and a function"),
        (["dense", "nothing"], "does not name a function"),
        (["dense", "mine.py:"], "does not name a function"),
        (["dense", "a:b", "--argument", "x"], "does not name a tensor"),
        (["dense", "a:b", "--strides", "x"], "must be a whole number"),
        (["dense", "a:b", "--strides", "9" * 5000], "must be a whole number"),
        (["dense", "a:b", "--input-shape", "same"], "a shape is written as numbers"),
        (["dense", "a:b", "--set", "units"], "sets nothing; write NAME=VALUE"),
        (["--equation", "x = 1"], "needs --of"),
        (["--class", "."], "needs --spec"),
        (["conv7", "a:b"], "There is no layer called 'conv7'"),
    ],
)
def test_what_it_refuses(arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.replace("│", " ").split())
