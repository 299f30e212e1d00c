"""Which tests a run leaves out: what takes long, and what another run has passed."""

from __future__ import annotations

import os
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

LONG = 3.0
"""Seconds of a file's tests, with a compile cache that was empty, from which `--quick` leaves it out."""
TAKES_LONG = Path(__file__).parents[1] / "takes_long.txt"
"""The files that take as long, as a run with `--note-long` found them; all others take about a minute."""


@cache
def names_in(file: Path) -> frozenset[str]:
    """The lines of a file."""
    return frozenset(file.read_text("utf-8").splitlines())


class Passed:
    """Notes the tests that passed: `.ci/run` runs those that could not with what they need, and no test twice."""

    def __init__(self, file: Path):
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            with self._file.open("a", encoding="utf-8") as names:
                names.write(f"{report.nodeid}\n")


class Long:
    """Notes the files whose tests took long, beside those that a file has: tests are added, and grow."""

    def __init__(self, file: Path = TAKES_LONG):
        self._file = file
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.location[0].replace(os.sep, "/").removeprefix("tests/")] += report.duration

    def pytest_sessionfinish(self) -> None:
        found = {name for name, seconds in self._seconds.items() if seconds >= LONG}
        self._file.write_text("".join(f"{name}\n" for name in sorted(found | names_in(self._file))), "utf-8")
