"""`convgrad scale`: what it prints at each width, what its options change, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command_runs import TINY, convgrad
from convgrad.commands import terminal

GIVEN = ("--images-per-second", "5000")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tiny.toml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scale(*options: str, code: int = 0) -> Any:
    return convgrad("scale", "tiny.toml", "--input-shape", "6,7,2", "--classes", "3", *options, code=code)


def found(*options: str) -> Any:
    return json.loads(scale(*options, "--json").stdout)


def test_a_step_is_timed_here() -> None:
    report = found("--ranks", "6", "--batch-size", "64")
    assert [one["ranks"] for one in report["ranks"]] == [1, 2, 4, 6]
    assert report["shards"] == 8
    assert report["sizes"]["numbers"] >= 3 * 3 * 2 * 2 + 2 + 4 * 5 * 2 * 3 + 3
    assert not report["computing_given"]
    one, *others = report["ranks"]
    assert one["exchange_seconds"] == 0
    assert all(step["exchange_seconds"] > 0 for step in others)
    assert one["seconds"] == pytest.approx(
        report["computing"]["update"] + 8 * report["computing"]["fixed"] + 64 * report["computing"]["each"]
    )
    assert "timed here with" in scale("--batch-size", "64").stdout


def test_speed_and_processors_are_taken_as_given() -> None:
    report = found("--batch-size", "1000", *GIVEN)
    assert report["computing_given"]
    assert report["ranks"][0]["seconds"] == pytest.approx(0.2)
    many = found("--batch-size", "1000", "--cores", "0.25", *GIVEN)
    assert many["ranks"][0]["seconds"] == pytest.approx(0.2)  # of one rank, with what it has
    assert many["ranks"][1]["exchange_seconds"] > report["ranks"][1]["exchange_seconds"]
    text = " ".join(scale("--batch-size", "64", "--cores", "0.125").stdout.split())
    assert "a rank with 0.125 is taken to need" in text


def test_networks() -> None:
    def exchange(*options: str) -> float:
        return float(found(*options, *GIVEN)["ranks"][-1]["exchange_seconds"])

    assert exchange("--network", "1Mb") > 10 * exchange("--network", "10GbE")
    assert exchange("--latency", "10ms") - exchange("--latency", "0us") == pytest.approx(0.02)
    assert (found(*GIVEN)["shards"], found("--shards", "64", *GIVEN)["shards"]) == (8, 64)


def test_what_is_printed_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--ranks", "64", "--network", "10Gb", *GIVEN)
    piped = scale(*options).stdout
    monkeypatch.setattr(terminal, "_is_terminal", lambda stream: True)
    monkeypatch.setenv("NO_COLOR", "1")
    for columns in (60, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        shown = scale(*options).stdout
        assert max(map(len, shown.split("\n"))) <= columns
        for word in ("speed-up", "efficiency", "best batch", "8,192", "arXiv:1706.02677", "arXiv:1811.03600", "alike"):
            assert word in shown
    assert shown == piped
    assert ("exchange" in piped, "MB sent" in piped) == (True, True)
    assert piped.splitlines()[2].split()[0] == "1"


def test_no_batch_is_good_enough_for_a_slow_network() -> None:
    text = " ".join(scale("--network", "1Kb", *GIVEN).stdout.split())
    assert "none up to 65,536 gives 8 ranks an efficiency of 80%" in text


def test_statistics_of_few_examples_are_told(place: Path) -> None:
    (place / "tiny.toml").write_text('[[layer]]\ntype = "BatchNorm"\n' + TINY)
    assert "BatchNorm sees 8 examples" in " ".join(scale("--batch-size", "64", *GIVEN).stdout.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "fast"], "'fast' is no bandwidth; write 10Gb"),
        (["--latency", "5"], "'5' is no time; write it with its unit"),
        (["--ranks", "9", "--shards", "8"], "9 ranks can't share 8 shards of a batch"),
        (["--batch-size", "7"], "A batch of 7 can't be cut into 8 shards"),
        (["--cores", "0"], "'--cores'"),
        (["--images-per-second", "-1"], "'--images-per-second'"),
    ],
)
def test_what_it_refuses(options: list[str], message: str) -> None:
    assert message in " ".join(scale(*options, code=2).stderr.split())
