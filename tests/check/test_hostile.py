"""Submissions that try to stop, deceive or outlive the check."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import pytest

from convgrad.check import check_class
from hostile_submissions import SUBMISSIONS

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
HELD = 30 * 2**20
"""Bytes that the check may take more than before: an answer of 2**20 numbers is the largest there is."""


def left_over(mark: str) -> list[bytes]:
    """Processes with a text among their variables, this one aside."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark.encode() in Path(f"/proc/{name}/environ").read_bytes() and int(name) != os.getpid():
                found.append(Path(f"/proc/{name}/cmdline").read_bytes())
        except OSError:
            continue
    return found


@pytest.fixture
def specification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "class").mkdir()
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "copies"))
    monkeypatch.setenv("CONVGRAD_TEST_SECRET", "not to be seen")
    monkeypatch.setattr("convgrad.check.functions.person.IMPORTING", 6.0)
    path = tmp_path / "spec.toml"
    path.write_text('layer = "relu"\nfunction = "backward"\n')
    return path


@LINUX
@pytest.mark.parametrize("name", SUBMISSIONS)
def test_a_hostile_submission(tmp_path: Path, specification: Path, name: str) -> None:
    text, causes = SUBMISSIONS[name]
    (tmp_path / "class" / f"{name}.py").write_text(text)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    report = check_class(tmp_path / "class", specification, seconds=1 if "hangs" in causes else 5)
    (row,) = report.rows
    assert set(row.causes or ("",)) & set(causes), row.words
    assert row.ok == (row.causes == ())
    assert all(c.isprintable() or c == "\n" for c in row.words)
    assert len(row.words) < 20_000
    assert time.monotonic() - started < 60
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < HELD
    assert not left_over(str(tmp_path))
    assert not os.listdir(tmp_path / "copies")
    assert os.listdir(tmp_path / "class") == [f"{name}.py"]
