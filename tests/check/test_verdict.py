"""The verdict, which every report says first, and the exit code that goes with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from convgrad.check import assert_gradient_correct, check, check_equation
from convgrad.check.verdict import Verdict
from convgrad.commands.cli import app

Array = npt.NDArray[np.float64]
FORWARD = "x[i] = sum[m](w[m] * o[i+m])"


def right(dout: Array, x: Array) -> Array:
    return dout * (x > 0)


def wrong(dout: Array, x: Array) -> Array:
    return dout * (x < 0)


def refuses(dout: Array, x: Array) -> Array:
    raise RuntimeError("not today")


@pytest.mark.parametrize(
    ("function", "verdict", "exit_code"),
    [(right, Verdict.RIGHT, 0), (wrong, Verdict.WRONG, 1), (refuses, Verdict.NOT_CHECKED, 2)],
)
def test_a_function(function: Callable[..., Array], verdict: Verdict, exit_code: int) -> None:
    report = check(function, "relu")
    assert report.verdict is verdict
    assert str(report).startswith(f"{verdict}: {function.__name__}, against ReLU()\n")
    assert report.ok is (verdict is Verdict.RIGHT)
    assert report.to_json()["verdict"] == str(verdict)
    result = CliRunner().invoke(app, ["check", "relu", f"{__file__}:{function.__name__}", "--json"])
    assert result.exit_code == exit_code
    assert json.loads(result.output)["verdict"] == str(verdict)


@pytest.mark.parametrize(("index", "verdict"), [("i+m", Verdict.RIGHT), ("i", Verdict.WRONG)])
def test_an_equation(index: str, verdict: Verdict) -> None:
    equation = f"dw[m] = sum[i](dx[i] * o[{index}])"
    report = check_equation(equation, FORWARD)
    assert report.verdict is verdict
    assert report.to_json()["verdict"] == str(verdict)
    assert str(report).startswith(f"{verdict}: ")
    result = CliRunner().invoke(app, ["check", "--equation", equation, "--of", FORWARD])
    assert result.exit_code == verdict.exit_code


@pytest.mark.parametrize(
    ("results", "verdict", "first"),
    [
        ("[2, 4]", Verdict.RIGHT, "RIGHT: sheet.toml"),
        ("[2, 5]", Verdict.WRONG, "WRONG: sheet.toml"),
        ("[2, nan]", Verdict.RIGHT, "RIGHT: sheet.toml"),
        (
            "nan",
            Verdict.NOT_CHECKED,
            "NOT CHECKED: sheet.toml, which has no numbers to compare; those that it asks for",
        ),
    ],
)
def test_a_sheet(tmp_path: Path, results: str, verdict: Verdict, first: str) -> None:
    sheet = tmp_path / "sheet.toml"
    sheet.write_text(f'equation = "x[i] = 2 * o[i]"\n[given]\no = [1, 2]\n[results]\nx = {results}\n')
    result = CliRunner().invoke(app, ["check", str(sheet)])
    assert result.exit_code == verdict.exit_code
    assert result.output.splitlines()[0] == first
    told = json.loads(CliRunner().invoke(app, ["check", str(sheet), "--json"]).output)
    assert told["verdict"] == str(verdict)
    assert told["ok"] is (verdict is Verdict.RIGHT)


def test_a_test_fails_where_nothing_could_be_compared() -> None:
    with pytest.raises(AssertionError, match="the gradient is not checked\nNOT CHECKED: refuses, against"):
        assert_gradient_correct(refuses, "relu")
