"""The map in docs/architecture.md: it names every module, and modules import only from their row and rows above it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import convgrad

PACKAGE = Path(convgrad.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
ENTRANCES = ("__init__", "__main__")


def floors() -> dict[str, int]:
    """Module or folder -> the number of its row."""
    rows = re.findall(r"^\| (`.*?) \|", PAGE.read_text().partition("## ")[0], re.MULTILINE)
    return {name: number for number, row in enumerate(rows) for name in re.findall(r"`(\w+)/?`", row)}


def test_the_map_is_whole() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - set(ENTRANCES)
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert set(floors()) == modules | folders


def test_imports_go_downwards() -> None:
    floor = floors()
    upwards = [
        f"{file.relative_to(PACKAGE)} imports {imported}"
        for file in sorted(PACKAGE.rglob("*.py"))
        for own in [file.relative_to(PACKAGE).with_suffix("").parts[0]]
        for imported in (_imports(ast.parse(file.read_text())) if own not in ENTRANCES else ())
        if floor[imported] > floor[own]
    ]
    assert not upwards


def _imports(node: ast.AST) -> Iterator[str]:
    """Parts of convgrad that are imported as a module is loaded: not in functions, not for type checks."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ImportFrom) and child.module and child.module.split(".")[0] == "convgrad":
            path = child.module.split(".")[1:]
            yield from path[:1] or (alias.name for alias in child.names)
        elif isinstance(child, ast.Import):
            yield from (alias.name.split(".")[1] for alias in child.names if alias.name.startswith("convgrad."))
        elif isinstance(child, ast.FunctionDef) or (
            isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        ):
            continue
        else:
            yield from _imports(child)


def test_only_the_engine_imports_halide() -> None:
    importing = {
        file.relative_to(PACKAGE).parts[:2]
        for file in PACKAGE.rglob("*.py")
        if re.search(r"^\s*(import|from) halide\b", file.read_text(), re.MULTILINE)
    }
    assert importing == {("compute", "halide")}
