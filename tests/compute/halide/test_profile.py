"""What a profile counts and prints; how long things take is not tested."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("halide")

from convgrad.commands.cli import app
from convgrad.compute.halide.profile import Profile, Stage, operations, profile
from convgrad.compute.halide.program import Program, compile_program
from convgrad.compute.halide.runtime import native, peak
from convgrad.compute.halide.runtime.cache import Cache, using
from convgrad.compute.halide.runtime.peak import Peak
from convgrad.notation import bind, parse
from engine_support import bound


def count(text: str, **arguments: Any) -> int:
    return sum(map(operations, bound(text, **arguments).definitions))


def test_operations_of_a_convolution_are_two_a_product() -> None:
    shapes = {"w": (3, 5, 2, 7), "o": (11, 13, 2)}
    assert count("x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c])", shapes=shapes) == 2 * 9 * 9 * 7 * 3 * 5 * 2


def test_terms_that_are_read_at_whole_places_only_count_by_their_share() -> None:
    """The gradient of a stride of (2, 3), of which a sixth of the terms are read."""
    text = "do[p,q] = sum[m,n](dx[(p-m)/2,(q-n)/3 else 0] * w[m,n])"
    shapes = {"w": (4, 6), "dx": (5, 7)}
    assert count(text, shapes=shapes, sizes={"P": 12, "Q": 24}) == 2 * 12 * 24 * 4 * 6 // 6


@pytest.mark.parametrize(
    ("text", "each"),
    [
        ("x[i] = o[i]", 0),
        ("x[i] = 3*o[i] + 1", 2),
        ("x[i] = o[i] / 2 - o[i]^3", 3),
        ("x[i] = max(o[i], 0)", 1),
        ("x[i] = where(o[i] < 0, 2*o[i], o[i])", 2),
        ("x = sum[i](o[i])", 5),
        ("x = sum[i](o[i] * o[i])", 10),
        ("x = mean[i](o[i])", 5),
        ("x = max[i](2*o[i])", 5),
    ],
)
def test_operations_of_other_terms(text: str, each: int) -> None:
    total = count(text, shapes={"o": (5,)})
    assert total == each * (5 if text.startswith("x[i]") else 1)


def step() -> Program:
    text = "x[e,i,k] = sum[m](w[m,k] * o[e,i+m]); y[e,i,k] = max(x[e,i,k], 0); w_next[m,k] = w[m,k] - 0.5*w[m,k]"
    equation = bind(parse(text), shapes={"o": (16, 70), "w": (5, 40)})
    return compile_program(equation, ["y", "w_next"], in_place={"w_next": "w"})


def check(found: Profile) -> None:
    assert found.runs == 3
    assert found.flops == 16 * 66 * 40 * (2 * 5 + 1) + 5 * 40 * 2
    assert sum(stage.least_seconds for stage in found.stages) <= found.seconds * 1.5
    for stage in found.stages:
        assert 0 < stage.least_seconds <= stage.seconds
        assert stage.gflops == pytest.approx(stage.flops / stage.seconds / 1e9)
        assert stage.gbytes == pytest.approx(stage.bytes / stage.seconds / 1e9)
    assert [name for stage in found.stages for name in stage.names if name == "y"] == ["y"]
    assert found.bytes == 4 * (16 * 70 + 5 * 40 + 16 * 66 * 40 + 2 * 5 * 40)


def test_a_profile_of_a_program() -> None:
    check(profile(step(), runs=3))


def test_a_profile_without_a_c_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "compiler", lambda: None)
    check(profile(step(), runs=3))


def test_as_many_runs_as_fit_in_the_time() -> None:
    program = step()
    assert profile(program, seconds=0).runs == 5
    assert 5 < profile(program, seconds=5).runs <= 200


def test_a_timed_run_computes() -> None:
    program = compile_program(bound("x[i] = 3*o[i]", shapes={"o": (5,)}), ["x"])
    program.set("o", [1, 2, 3, 4, 5])
    assert len(program.timed()) == 1
    np.testing.assert_array_equal(program.arrays["x"], [3, 6, 9, 12, 15])


def test_a_stage_without_work() -> None:
    stage = Stage(("x",), "map", 0, 0, 0.0, 0.0)
    assert (stage.gflops, stage.gbytes, stage.intensity) == (0, 0, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_peak_is_measured(dtype: str) -> None:
    found = peak.measured(dtype, 0.0)
    assert found.gflops > 0.1
    assert found.gbytes > 0.1


# The commands


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "measured", lambda dtype: Peak(200.0, 20.0))


def convgrad(*arguments: Any, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.mark.usefixtures("machine")
def test_the_command_prints_a_table_and_draws(tmp_path: Path) -> None:
    result = convgrad("profile", "example", "--batch-size", 3, "--runs", 4, "--plot", tmp_path / "roof.png")
    lines = result.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "GFLOP/s" in lines[1]
    assert any(line.startswith("step of 3") and "(median of 4)" in line for line in lines)
    assert (tmp_path / "roof.png").read_bytes().startswith(b"\x89PNG")
    assert "roof.png" in result.stderr


@pytest.mark.usefixtures("machine")
def test_the_command_prints_json() -> None:
    result = convgrad("profile", "example", "--batch-size", 3, "--input-shape", "7,6,1", "--runs", 2, "--json")
    report = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert (report["model"], report["batch_size"], report["runs"]) == ("example", 3, 2)
    assert report["flops"] == sum(stage["flops"] for stage in report["stages"])
    names = [name for stage in report["stages"] for name in stage["names"]]
    assert {"conv1.w_next", "loss.mean"} <= set(names)


@pytest.mark.usefixtures("machine")
def test_more_classes_are_more_work() -> None:
    def work(classes: int) -> int:
        options = ("--batch-size", 3, "--classes", classes, "--runs", 1, "--json")
        return int(json.loads(convgrad("profile", "example", *options).stdout)["flops"])

    assert work(3) < work(7)


@pytest.mark.usefixtures("machine")
def test_what_the_command_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "There is no model 'lenett'" in convgrad("profile", "lenett", code=2).stderr
    arguments = ("profile", "example", "--runs", 1, "--plot")
    refused = convgrad(*arguments, tmp_path / "no" / "roof.png", code=2).stderr
    assert "roof.png: No such file or directory." in refused
    refused = convgrad(*arguments, tmp_path / "roof.xyz", code=2).stderr
    assert "roof.xyz: Format 'xyz' is not supported" in refused
    assert len(refused.splitlines()) == 1
    monkeypatch.setattr("convgrad.compute.halide.available", lambda: (False, "there is none."))
    assert "The compiled engine can't be used: there is none." in convgrad("profile", "example", code=2).stderr


def test_the_cache_is_shown_and_cleared(tmp_path: Path) -> None:
    with using(Cache(tmp_path / "kept", limit=10_000_000)) as kept:
        kept.write("a", bytes(2_000_000))
        kept.write("b", bytes(1_000_000))
        lines = convgrad("cache").stdout.splitlines()
        assert lines == [f"folder   {tmp_path / 'kept'}", "entries  2", "size     3.0 MB of at most 10 MB"]
        report = json.loads(convgrad("cache", "--json").stdout)
        assert (report["entries"], report["bytes"], report["removed"]) == (2, 3_000_064, 0)
        lines = convgrad("cache", "--clear").stdout.splitlines()
        assert lines[1:3] == ["removed  2", "entries  0"]
        (tmp_path / "kept").chmod(0o777)
        assert "It is not used" in convgrad("cache").stdout
    with using(Cache(None)):
        assert convgrad("cache").stdout == "Compiled code is not kept on disk.\n"
