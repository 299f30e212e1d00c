"""Documentation is executed: every Python block runs, every shown output is what was printed, every link leads on.

In a page, ```python blocks share their names from top to bottom; a ```text block that follows one is what it printed.
```console blocks are commands of convgrad with what they print (... stands for anything). CONVGRAD_ACCEPT=1
writes what was printed into the pages.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import inspect
import io
import os
import pkgutil
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import convgrad
from convgrad.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
ACCEPT = bool(os.environ.get("CONVGRAD_ACCEPT"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text()
    names: dict[str, object] = {"__name__": page.stem}
    printed = ""
    monkeypatch.chdir(tmp_path)
    parts, position = [], 0
    for block in BLOCK.finditer(text):
        kind, content = block[1], block[2]
        replaced = content
        if kind == "python":
            printed = _run(content, names, page)
        elif kind == "text":
            replaced = printed
            assert ACCEPT or printed == content, f"{page.name} shows\n{content}\nbut\n{printed}\nwas printed"
        elif kind == "console":
            replaced = _commands(content, page)
        parts += [text[position : block.start(2)], replaced]
        position = block.end(2)
    if ACCEPT:
        page.write_text("".join(parts) + text[position:])


def _run(code: str, names: dict[str, object], page: Path) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, f"{page.name}", "exec"), names)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines()) + "\n" * bool(output.getvalue())


def _commands(content: str, page: Path) -> str:
    """Run each `$ convgrad ...` and compare what follows it; `...` stands for anything in a line."""
    shown = re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]
    result = ""
    for entry in shown:
        command, _, expected = entry.partition("\n")
        words = shlex.split(command)
        assert words[0] == "convgrad", command
        run = CliRunner().invoke(app, words[1:], env={"COLUMNS": "80"})
        output = "\n".join(line.rstrip() for line in run.output.splitlines()).strip("\n") + "\n"
        assert run.exit_code == 0, f"{page.name}: {command}\n{output}"
        if expected.strip() and not ACCEPT:
            pattern = "".join(".*" if part == "..." else re.escape(part) for part in re.split(r"(\.\.\.)", expected))
            assert re.fullmatch(pattern, output, re.DOTALL), f"{page.name}: {command} printed\n{output}"
        keep = "..." in expected or not ACCEPT
        result += f"$ {command}\n{expected if keep else output}"
    return result


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$|^    .*?$|`[^`]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in LINK.findall(prose):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _modules() -> list[str]:
    names = [m.name for m in pkgutil.walk_packages(convgrad.__path__, "convgrad.") if not m.name.endswith("__main__")]
    return ["convgrad", *names]


@pytest.mark.parametrize("name", _modules())
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(name)
    failures, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failures == 0


@pytest.mark.parametrize("name", [name for name in _modules() if hasattr(importlib.import_module(name), "__all__")])
def test_public_names_exist_and_are_described(name: str) -> None:
    module = importlib.import_module(name)
    for public in module.__all__:
        thing = getattr(module, public)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            assert thing.__doc__, f"{name}.{public} has no docstring"
