"""The examples run, each as a person would run it, and print what they promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PRINTED = """
dw =
[[0.044606 0.094061]
 [0.011262 0.068288]]

w_next[m,n] = w[m,n] - eta * dw[m,n]

w_next =
[[-0.152303  0.102969]
 [-0.515631  0.585856]]

do[p,q] = sum[m,n](dx[p+m-M+1,q+n-N+1 else 0] * w[M-1-m,N-1-n])

do =
[[ 0.        0.       -0.008918  0.01029   0.      ]
 [ 0.       -0.004732 -0.029526  0.042532  0.      ]
 [ 0.       -0.024635  0.029573  0.        0.      ]
 [ 0.       -0.023817  0.028954  0.008853 -0.010215]
 [ 0.        0.        0.        0.034731 -0.042222]]
"""


def run(name: str, folder: Path, *options: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *options]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"cifar94.py", "classic.py", "custom_layer.py", "graph.py"}


def test_the_classic_question(tmp_path: Path) -> None:
    printed = run("classic.py", tmp_path)
    assert printed.startswith("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n])\n\nchain rule: ")
    assert printed.endswith(PRINTED)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("custom_layer.py", ()),
        ("graph.py", ()),
        ("cifar94.py", ("digits", "--widths", "12", "20", "24", "--epochs", "6")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_network_learns_the_digits(name: str, options: tuple[str, ...], tmp_path: Path) -> None:
    printed = run(name, tmp_path, *options)
    found = re.search(r"^test accuracy ([\d.]+)%$", printed, re.MULTILINE)
    assert found, printed
    assert float(found[1]) > 90
