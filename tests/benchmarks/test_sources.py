"""The benchmark of sources, at a size of a few images."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks import sources

from optional import compiled


@compiled
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
def test_each_source_is_made_compared_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sources.count_for(4) == 144_896  # of 27,648 bytes: 4.006 GB
    assert sources.main(["--gigabytes", "0.01", "--folder", str(tmp_path)]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["source", "images", "images/s", "waiting", "peak", "MB"]
    assert [row.split()[:2] for row in rows] == [[kind, "512"] for kind in sources.KINDS]
    for row in rows:
        _, _, speed, waiting, peak = row.split()
        assert float(speed.replace(",", "")) > 0
        assert 0 <= float(waiting.rstrip("%")) <= 100
        assert 20 < float(peak.replace(",", "")) < 1000
