"""Documentation is executed: every block runs, every output shown is what was printed, every link leads somewhere.

What a fence's first word says is done to the block; in a page they go from top to bottom, in one empty folder that
`files` fills:

    python    run; the blocks of a page share their names
    text      what the block of Python before it printed; so does `math`, which is LaTeX
    console   `$ convgrad ...` and what it printed; `...` in it stands for anything
    sh        commands; those of convgrad are run, `make` is not
    toml      written to the file that its first line names, before anything runs; so does `markdown`
    equation  tests/notation/test_docs.py reads them
    measured  what a benchmark printed once, a file of `docs/measured`: it takes long, and an idle machine

What stands between the comments `printed` and `end` is Markdown that the block of Python before it printed.
CONVGRAD_ACCEPT=1 writes what was printed into the pages.
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
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, get_origin

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import convgrad
from convgrad.commands.cli import app
from convgrad.data import write_idx

ROOT = Path(__file__).parents[2]
GENERATED = ("gallery.md",)
"""Pages that the site has and the repository has not (tools/site/hooks.py)."""
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^```(?P<kind>[^\n]*)\n(?P<content>.*?)^```$|^<!-- printed -->\n(?P<printed>.*?)^<!-- end -->$",
    re.MULTILINE | re.DOTALL,
)
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
ACCEPT = bool(os.environ.get("CONVGRAD_ACCEPT"))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that pages speak of, few and small, in the folder that the test runs in."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    gray, labels = rng.integers(0, 256, (40, 28, 28), np.uint8), np.arange(40, dtype=np.uint8) % 10
    Path("downloads").mkdir()
    for part in ("train", "t10k"):
        write_idx(f"downloads/{part}-images-idx3-ubyte.gz", gray)
        write_idx(f"downloads/{part}-labels-idx1-ubyte.gz", labels)
    np.savez("data.npz", x_train=gray, y_train=labels, x_test=gray, y_test=labels)
    Image.fromarray(gray[0]).save("image.png")
    for number, pixels in enumerate(rng.integers(0, 256, (16, 32, 48, 3), np.uint8)):
        place = Path("photos", "train" if number < 12 else "test", ("cat", "dog")[number % 2])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number}.png")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_run_and_print_what_is_shown(page: Path) -> None:
    text = page.read_text()
    names: dict[str, object] = {"__name__": page.stem}
    printed, position, parts = "", 0, []
    for block in FENCED.finditer(text):
        if block[1] in ("toml", "markdown"):
            Path(block[2].partition("\n")[0].strip("#<!-> ")).write_text(block[2])
    for block in BLOCK.finditer(text):
        part = "content" if block["printed"] is None else "printed"
        kind, content = block["kind"] or "text", block[part]
        shown = content
        if kind == "python":
            printed = _python(content, names, page)
        elif kind in ("text", "math"):
            shown = printed if part == "content" else f"\n{printed}\n"
            assert ACCEPT or shown == content, f"{page.name} shows\n{content}\nbut\n{shown}\nwas printed"
        elif kind == "console":
            shown = _session(content, page)
        elif kind == "sh":
            for line in content.splitlines():
                _command(line, page)
        elif kind == "measured":
            kept = [file.read_text(encoding="utf-8").rstrip("\n") for file in (ROOT / "docs/measured").glob("*.txt")]
            assert content.rstrip("\n") in kept, f"{page.name}: no file of docs/measured holds\n{content}"
        else:
            # tests/export/test_serving.py runs those of C and JavaScript.
            assert kind.split()[0] in ("toml", "markdown", "equation", "c", "js"), (
                f"{page.name}: nothing is done with a block of {kind!r}"
            )
        parts += [text[position : block.start(part)], shown]
        position = block.end(part)
    if ACCEPT:
        page.write_text("".join(parts) + text[position:])


ROW = re.compile(r"^\| .*\|((?: `[^`\n]+`)+) \|$", re.MULTILINE)
"""A row of a table whose last cell is nothing but code."""
NEEDED = {"TensorBoard(": "tensorboard", "MLflow(": "mlflow"}
"""What of a line needs a package that may be missing."""


@pytest.mark.usefixtures("files")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning:mlflow", "ignore::DeprecationWarning:mlflow")
def test_lines_of_the_table_of_jobs_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    page = ROOT / "docs" / "week.md"
    text = page.read_text()
    names: dict[str, object] = {"__name__": page.stem}
    for block in FENCED.finditer(text):
        _python(block[2], names, page)
    lines = [line for row in ROW.finditer(text) for line in re.findall("`([^`]+)`", row[1])]
    told = [row for row in re.findall(r"^\|.*\|$", text, re.MULTILINE) if "---" not in row and row != "| job | line |"]
    assert len(told) == len(list(ROW.finditer(text))), "a row without code"
    for line in lines:
        package = next((name for part, name in NEEDED.items() if part in line), None)
        if package is not None and find_spec(package) is None:
            continue
        try:
            _command(line, page) if line.startswith("convgrad ") else _python(line, names, page)
        except Exception as error:
            raise AssertionError(f"{page.name}: {line}") from error


def _python(code: str, names: dict[str, object], page: Path) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, page.name, "exec"), names)
    return _stripped(output.getvalue())


def _session(content: str, page: Path) -> str:
    """Run each `$ command`, compare what follows it, and give back the block as it should be."""
    result = ""
    for entry in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
        command, _, shown = entry.partition("\n")
        printed = _command(command, page)
        if not ACCEPT:
            pattern = ".*".join(re.escape(part) for part in shown.split("..."))
            assert re.fullmatch(pattern, printed, re.DOTALL), f"{page.name}: {command} printed\n{printed}"
        result += f"$ {command}\n{shown if '...' in shown or not ACCEPT else printed}"
    return result


def _command(line: str, page: Path) -> str:
    """What a command prints; nothing for `make`, which would run these tests."""
    words = shlex.split(line, comments=True)
    if not words or words[0] == "make":
        return ""
    assert words[0] == "convgrad", f"{page.name}: {line}"
    run = CliRunner().invoke(app, words[1:])
    assert run.exit_code == 0, f"{page.name}: {line}\n{run.output}\n{run.exception!r}"
    return _stripped(run.output)


def _stripped(output: str) -> str:
    """Without blanks at the ends of lines and empty lines at the end, which nobody sees in a page."""
    return "".join(line.rstrip() + "\n" for line in output.rstrip().splitlines())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, heading in LINK.findall(_prose(page)):
        file = (page.parent / target).resolve() if target else page
        if target in GENERATED:
            continue
        assert file.exists(), f"{page.name} links to {target}"
        if heading:
            assert heading in map(_anchor, HEADING.findall(FENCED.sub("", file.read_text()))), f"{target}#{heading}"


def _prose(page: Path) -> str:
    """The page without its code, in which brackets are followed by parentheses, too."""
    return re.sub(r"^    .*$|`[^`\n]*`", "", FENCED.sub("", page.read_text()), flags=re.MULTILINE)


def _anchor(heading: str) -> str:
    """The name under which a heading is linked to."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_page_is_linked_from_the_readme() -> None:
    linked = {target for target, _ in LINK.findall(_prose(ROOT / "README.md"))}
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= linked


def test_the_readme_begins_with_one_screen() -> None:
    """What it is, a picture, and what comes out; everything else after a heading that says more."""
    screen, more, _ = (ROOT / "README.md").read_text().partition("\n## More")
    assert more
    assert len(screen.splitlines()) <= 60
    assert "\n## " not in screen
    assert "](docs/moving.gif)" in screen


def test_the_glossary_names_files_and_folders_that_exist() -> None:
    inside = [f"/{path.relative_to(ROOT / 'src/convgrad')}" for path in (ROOT / "src/convgrad").rglob("*")]
    places = re.findall(r"`([a-z_/]+(?:\.py|/))`", (ROOT / "docs/glossary.md").read_text())
    assert len(places) > 30
    for place in places:
        assert any(path.endswith("/" + place.rstrip("/")) for path in inside), place


def _modules() -> list[str]:
    found = pkgutil.walk_packages(convgrad.__path__, "convgrad.")
    return ["convgrad", *(module.name for module in found if not module.name.endswith("__main__"))]


def _imported(name: str) -> ModuleType:
    if name.startswith("convgrad.compute.halide."):
        pytest.importorskip("halide")
    return importlib.import_module(name)


class Finder(doctest.DocTestFinder):
    """Finds the examples of decorated functions, too: doctest takes these to be of the decorator's module."""

    def _from_module(self, module: ModuleType | None, object: Any) -> bool:
        return super()._from_module(module, inspect.unwrap(object) if callable(object) else object)  # type: ignore[misc, no-any-return]


@pytest.mark.parametrize("name", _modules())
def test_examples_in_docstrings(name: str) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for examples in Finder().find(_imported(name), name):
        runner.run(examples)
    assert runner.summarize().failed == 0


def test_examples_of_decorated_functions_are_found() -> None:
    found = {test.name for test in Finder().find(importlib.import_module("convgrad.notation.binding.bind"), "binding")}
    assert "binding.bind" in found


@pytest.mark.parametrize("name", _modules())
def test_public_names_exist_and_are_described(name: str) -> None:
    module = _imported(name)
    for public in getattr(module, "__all__", ()):
        thing = getattr(module, public)
        if get_origin(thing) is None and (inspect.isclass(thing) or inspect.isroutine(thing)):
            docstring = thing.__doc__ or f"{public}("  # what a dataclass without one gets
            assert not docstring.startswith(f"{public}("), f"{name}.{public} has no docstring"
