"""What a run of the tests notes for the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanes import TAKES_LONG, Long, Passed


def report(name: str, seconds: float, when: str = "call", outcome: str = "passed") -> pytest.TestReport:
    return pytest.TestReport(f"{name}::test", (name, 1, "test"), {}, outcome, None, when, duration=seconds)  # type: ignore[arg-type]


def test_files_whose_tests_take_long_are_noted(tmp_path: Path) -> None:
    """A file's tests together, with what was noted before, each once and in order."""
    file = tmp_path / "takes_long.txt"
    file.write_text("check/test_known.py\n")
    noted = Long(file)
    for name, seconds in (
        ("test_two.py", 2.0),
        ("test_short.py", 2.9),
        ("test_two.py", 1.5),
        ("check/test_known.py", 9.0),
    ):
        noted.pytest_runtest_logreport(report(f"tests/{name}", seconds))
    noted.pytest_sessionfinish()
    assert file.read_text() == "check/test_known.py\ntest_two.py\n"


def test_what_is_noted_as_long_is_there() -> None:
    names = TAKES_LONG.read_text("utf-8").splitlines()
    assert names == sorted({*names})
    assert [name for name in names if not (TAKES_LONG.parent / name).exists()] == []


def test_tests_that_passed_are_noted(tmp_path: Path) -> None:
    file = tmp_path / "passed.txt"
    noted = Passed(file)
    for name, when, outcome in (
        ("a", "call", "passed"),
        ("b", "call", "failed"),
        ("c", "setup", "passed"),
        ("d", "call", "skipped"),
    ):
        noted.pytest_runtest_logreport(report(name, 0.1, when, outcome))
    assert file.read_text() == "a::test\n"
