"""A file that is a part of a package: its imports say so, and it is loaded as that part."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import check
from convgrad.check.verdict import Verdict

GATE = """
    def forward(self, z):
        self.s = squashed(z)
        return self.s
    def backward(self, g):
        return g * self.s * (1 - self.s)
"""
SQUASHED = "import numpy as np\ndef squashed(z):\n    return 1 / (1 + np.exp(-z))\n"
LAYOUTS = {
    "a module beside it": ("net/gate.py", {"net/maths.py": SQUASHED}, "from .maths import squashed\n"),
    "a package that is marked": (
        "tiny/layers/gate.py",
        {"tiny/__init__.py": "", "tiny/layers/__init__.py": "from .gate import Gate\n", "tiny/maths.py": SQUASHED},
        "from ..maths import squashed\n",
    ),
    "one that can't be run whole": (
        "tiny/layers/gate.py",
        {"tiny/__init__.py": "import a_module_that_nobody_has\n", "tiny/maths.py": SQUASHED},
        "from ..maths import squashed\n",
    ),
    "a folder with a dot": ("net.v2/layers/gate.py", {"net.v2/maths.py": SQUASHED}, "from ..maths import squashed\n"),
    "from the folder where it is run": ("src/layers/gate.py", {"src/maths.py": SQUASHED}, "from src.maths import *\n"),
    "from a folder above": ("net/layers/gate.py", {"net/maths.py": SQUASHED}, "from maths import squashed\n"),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_a_part_of_a_package(case: str, tmp_path: Path) -> None:
    place, others, imports = LAYOUTS[case]
    for name, text in {**others, place: f"{imports}class Gate:{GATE}"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    report = check(f"{tmp_path / place}:Gate", "sigmoid")
    assert report.ok, report


@pytest.mark.parametrize("imports", ["from .nowhere import squashed\n", "import nowhere_at_all\n"])
def test_what_is_nowhere_is_told(imports: str, tmp_path: Path) -> None:
    file = tmp_path / "net" / "gate.py"
    file.parent.mkdir()
    file.write_text(f"{imports}class Gate:{GATE}")
    report = check(f"{file}:Gate", "sigmoid")
    assert report.verdict is Verdict.NOT_CHECKED
    words = " ".join(str(report).split())
    assert "The function can't be loaded: ModuleNotFoundError: No module named" in words
    assert "nowhere" in words
