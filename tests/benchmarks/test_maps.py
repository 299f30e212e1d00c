"""Memory maps of many networks."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("halide")

from benchmarks import maps


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells the memory maps of a process")
def test_networks_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    maps.main(3)
    words = capsys.readouterr().out.split()
    assert words[:2] == ["3", "networks:"]
    assert float(words[-5]) <= 8
