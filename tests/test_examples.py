"""The examples run and end as they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str) -> str:
    command = [sys.executable, "-W", "error", EXAMPLES / name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_classic() -> None:
    assert "dw = [[0.044606, 0.094061], [0.011262, 0.068288]]" in run("classic.py")


def test_custom_layer() -> None:
    assert accuracy(run("custom_layer.py")) > 90


def test_graph() -> None:
    assert accuracy(run("graph.py")) > 90


def accuracy(output: str) -> float:
    found = re.search(r"test accuracy ([\d.]+)%", output)
    assert found, output
    return float(found[1])
