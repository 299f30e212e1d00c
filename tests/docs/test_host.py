"""What a public host and an editor read: workflows, templates, hooks. None runs here, so their parts are checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from optional import optional_module

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FILES = [*WORKFLOWS, *sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ROOT / ".pre-commit-config.yaml"]


def _read(path: Path) -> Any:
    yaml = optional_module("yaml")  # comes with what builds the site
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _jobs(path: Path) -> dict[str, Any]:
    jobs: dict[str, Any] = _read(path)["jobs"]
    return jobs


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_yaml(path: Path) -> None:
    assert isinstance(_read(path), dict)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_jobs_end(path: Path) -> None:
    used = re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"[\w-]+/[\w/-]+@v\d+(\.\d+)*|\./\.github/workflows/\w+\.yml", action) for action in used)
    for name, job in _jobs(path).items():
        assert "uses" in job or 0 < job["timeout-minutes"] <= 120, f"{name} may hang for hours"
        needed = job.get("needs", [])
        assert {needed} if isinstance(needed, str) else set(needed) <= set(_jobs(path))
    assert _read(path)["permissions"] == {"contents": "read"}, "a job asks for more by itself"


def test_every_python_is_tested_on_every_system() -> None:
    matrix = _jobs(ROOT / ".github" / "workflows" / "tests.yml")["tests"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.10", "3.11", "3.12", "3.13"]
    assert [system.partition("-")[0] for system in matrix["os"]] == ["ubuntu", "macos", "windows"]
    without = {case["os"].partition("-")[0] for case in matrix["include"] if case["halide"] == "without"}
    assert without == {"ubuntu", "macos", "windows"}


def test_targets_of_make_that_are_spoken_of_exist() -> None:
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    pages = [ROOT / "CONTRIBUTING.md", ROOT / ".github" / "pull_request_template.md"]
    asked = {
        target
        for path in [*WORKFLOWS, *pages]
        for words in re.findall(r"(?:`|run: |^)make ((?:[a-z-]+ ?)+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        for target in words.split()
    }
    assert {"test", "quick", "lint", "types", "docs-check", "site"} <= asked <= targets


def test_hooks_are_the_tools_of_the_environment() -> None:
    (repository,) = _read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    entries = [hook["entry"].split()[:2] for hook in repository["hooks"]]
    assert [" ".join(entry) for entry in entries] == [".venv/bin/ruff format", ".venv/bin/ruff check", ".venv/bin/mypy"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(tool.replace(".venv/bin", "$(BIN)") in makefile for tool in (" ".join(entry) for entry in entries))
