"""Code as a person has it, in a file of its own."""

from __future__ import annotations

from pathlib import Path

from convgrad.check import Report, check


def report_on(folder: Path, text: str, layer: str, name: str, old: str = "", new: str = "") -> Report:
    """The report on a function or class of a file in the folder, with a part of its text exchanged."""
    assert old in text
    file = folder / "posted.py"
    file.write_text(text.replace(old, new) if old else text)
    return check(f"{file}:{name}", layer)


def report_on_numpy(folder: Path, code: str, layer: str, name: str) -> Report:
    """The same of code without its `import numpy as np`."""
    return report_on(folder, f"import numpy as np\n{code}", layer, name)
