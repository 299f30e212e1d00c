"""Files stay short, and folders within the budget of lines that pyproject.toml gives them: `make lines` prints both."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.complete
ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "convgrad"
CODE = (".py", ".js", ".c", ".css", ".html")
VENDORED = ("katex", "codemirror")
LONGEST = 500
"""A file has fewer lines than that."""


def _code(folder: Path) -> dict[Path, int]:
    """Lines of each file of code that was written here: not of what a vendor wrote."""
    found = (path for path in sorted(folder.rglob("*")) if path.suffix in CODE and not {*VENDORED} & {*path.parts})
    return {path: len(path.read_text(encoding="utf-8").splitlines()) for path in found}


def _budgets() -> dict[str, int]:
    budgets: dict[str, int] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["lines"]
    return budgets


def _home(path: Path, folders: dict[str, int]) -> str:
    """The folder with a budget that a file counts for: the innermost one; `.` for what lies in none."""
    inside = path.relative_to(PACKAGE).parents
    return next((name for parent in inside if (name := parent.as_posix()) in folders), ".")


def test_folders_stay_within_their_budgets() -> None:
    budgets = _budgets()
    lines = dict.fromkeys([".", *(path.name for path in PACKAGE.iterdir() if any(path.glob("*.py")))], 0)
    lines |= dict.fromkeys(budgets, 0)
    for path, count in _code(PACKAGE).items():
        lines[_home(path, lines)] += count
    print(f"\n{'src/convgrad/':24}{'lines':>8}{'budget':>8}")
    for folder, count in lines.items():
        print(f"{folder:24}{count:8,}{budgets.get(folder, 0):8,}")
    print(f"{'together':24}{sum(lines.values()):8,}{sum(budgets.values()):8,}")
    told = [f"{name}: {count} lines, {budgets.get(name, 0)} allowed" for name, count in lines.items()]
    over = [line for line, (name, count) in zip(told, lines.items(), strict=True) if count > budgets.get(name, 0)]
    assert not over, "shorten them, or raise their budget in pyproject.toml and say why in the commit"
    unused = [name for name, count in lines.items() if not count]
    assert not unused, "these folders of [tool.lines] have no code"


def test_files_are_short() -> None:
    files = {
        path: count
        for part in ("src", "tests", "benchmarks", "planted", "tools")
        for path, count in _code(ROOT / part).items()
    }
    for path, count in sorted(files.items(), key=lambda item: -item[1])[:5]:
        print(f"{count:5} {path.relative_to(ROOT)}")
    long = [f"{path.relative_to(ROOT)}: {count} lines" for path, count in files.items() if count >= LONGEST]
    assert len(files) > 400
    assert not long, f"a file has fewer than {LONGEST} lines: give one of its ideas a file of its own"
