"""What MkDocs does besides: sets mathematics as MathML, adds the changelog, leaves pages out that are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from convgrad.notation.printing.mathml import mathml_of_latex

ROOT = Path(__file__).parents[2]
LATER = ("benchmarks.md",)
"""Pages in the navigation that may be missing."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Blocks of `math` are LaTeX that a run printed; pages that may be missing leave the navigation."""
    config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = [
        {"name": "math", "class": "math", "format": _math}
    ]
    missing = {page for page in LATER if not Path(config.docs_dir, page).exists()}
    config.nav = _without(config.nav, missing)
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The changelog stands in the project's folder, where people look for it."""
    files.append(File.generated(config, "changes.md", content=(ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fences that tests read by a second word have one word here."""
    return markdown.replace("```equation error", "```text").replace("```equation", "```text")


def _without(nav: Any, pages: set[str]) -> Any:
    if isinstance(nav, list):
        return [_without(entry, pages) for entry in nav if not _is_one_of(entry, pages)]
    if isinstance(nav, dict):
        return {title: _without(entry, pages) for title, entry in nav.items()}
    return nav


def _is_one_of(entry: Any, pages: set[str]) -> bool:
    return isinstance(entry, dict) and any(isinstance(page, str) and page in pages for page in entry.values())


def _math(source: str, *_: Any, **__: Any) -> str:
    lines = [line for line in source.split("\n\n") if line.strip()]
    return "".join(f'<div class="math">{mathml_of_latex(line, line)}</div>' for line in lines)
