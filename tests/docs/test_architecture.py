"""The map in docs/architecture.md: it names every module; they import from rows above theirs only; no files in circles.

Imports in functions and imports for type checks count like all others.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import convgrad

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = Path(convgrad.__file__).parent
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
ENTRANCES = ("__init__", "__main__")

IN_FUNCTIONS = {
    "convgrad.__main__": "Ctrl-C is seen to first",
    "convgrad.commands": "each command starts with what it needs alone",
    "convgrad.compute.choose": "an engine is loaded when it is chosen",
    "convgrad.compute.halide": "all but compiling works without Halide",
    "convgrad.data.named": "few datasets are downloaded",
    "convgrad.examples.files": "few examples are images",
    "convgrad.export": "without Halide it says that it is missing",
    "convgrad.models.network": "most processes only predict",
    "convgrad.parallel.start": "MPI starts where it is asked for, and is an extra",
}
"""The modules that import others of ours in functions, and why; all else is imported as a module is loaded."""


def rows() -> list[list[str]]:
    """The modules and folders of each row."""
    table = re.findall(r"^\| (`.*?) \|", PAGE.read_text().partition("## ")[0], re.MULTILINE)
    return [re.findall(r"`(\w+)/?`", row) for row in table]


def modules() -> dict[str, ast.Module]:
    """All modules of the package, read."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(file.read_text())
    return found


def imports(tree: ast.AST, known: Mapping[str, object]) -> Iterator[str]:
    """The modules among those known that a module imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.module, "Imports name the whole path."
            assert not node.level, "Imports name the whole path."
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from inner & known.keys()
            if node.module in known and inner - known.keys():
                yield node.module
        elif isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & known.keys()


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    known = modules()
    return {name: set(imports(tree, known)) - {name} for name, tree in known.items()}


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """The greatest sets of modules each of which imports all others, directly or through others."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        pending = list(graph[start])
        while pending:
            module = pending.pop()
            if module not in seen:
                seen.add(module)
                pending += graph[module]
        reached[start] = seen
    found: list[set[str]] = []
    for module, seen in reached.items():
        if module in seen and not any(module in circle for circle in found):
            found.append({other for other in seen if module in reached[other]})
    return found


@pytest.mark.complete
def test_the_map_is_whole() -> None:
    known = {path.stem for path in PACKAGE.glob("*.py")} - set(ENTRANCES)
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert {name for row in rows() for name in row} == known | folders


def test_imports_go_upwards(graph: dict[str, set[str]]) -> None:
    place = {name: number for number, row in enumerate(rows()) for name in row}
    wrong = [
        f"{module} imports {imported}"
        for module, all_imported in graph.items()
        for imported in all_imported
        for own, other in [(module.split(".")[1:2], imported.split(".")[1:2])]
        if own not in ([], ["__main__"]) and own != other and (not other or place[other[0]] >= place[own[0]])
    ]
    assert not wrong


def test_files_do_not_import_one_another(graph: dict[str, set[str]]) -> None:
    assert not circles(graph)


def test_imports_in_functions_have_a_reason() -> None:
    known = modules()
    importing = {
        name
        for name, tree in known.items()
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and any(imports(function, known))
    }
    reasons = {name: [place for place in IN_FUNCTIONS if f"{name}.".startswith(f"{place}.")] for name in importing}
    assert not [name for name, found in reasons.items() if not found]
    assert {place for found in reasons.values() for place in found} == IN_FUNCTIONS.keys()


def test_circles_and_imports_are_seen() -> None:
    source = """
import convgrad.a
from convgrad import b, unknown
if TYPE_CHECKING:
    from convgrad.c import C
def f():
    from convgrad.d import e
"""
    known = dict.fromkeys(["convgrad", *(f"convgrad.{name}" for name in ("a", "b", "c", "d", "d.e"))])
    names = ["convgrad", "convgrad.a", "convgrad.b", "convgrad.c", "convgrad.d.e"]
    assert sorted(imports(ast.parse(source), known)) == names
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"e"}}) == [{"b", "c"}, {"e"}]


def test_the_linter_keeps_the_same_order() -> None:
    settings: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers"]
    assert [set(layer.split(" | ")) for layer in reversed(layers)] == [set(row) for row in rows()]


def test_only_the_engine_imports_halide() -> None:
    importing = {
        file.relative_to(PACKAGE).parts[:2]
        for file in PACKAGE.rglob("*.py")
        if re.search(r"^\s*(import|from) halide\b", file.read_text(), re.MULTILINE)
    }
    assert importing == {("compute", "halide")}


def test_files_that_pages_name_are_there() -> None:
    """`passes/fusion.py` is in the repository, in the package or in one of its folders; NAME stands for a new file."""
    known = {
        path.as_posix()
        for folder in ("src", "tests", "docs", "tools", "planted", "examples")
        for path in ROOT.glob(f"{folder}/**/*.*")
    }
    missing = []
    for page in (*ROOT.glob("docs/*.md"), ROOT / "CONTRIBUTING.md", *PACKAGE.glob("**/README.md")):
        for named in re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|js|c))`", page.read_text(encoding="utf-8")):
            if "NAME" not in named and not any(path.endswith(f"/{named}") for path in known):
                missing.append(f"{page.name}: {named}")
    assert not missing
