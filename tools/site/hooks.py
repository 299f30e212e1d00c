"""What MkDocs does besides: mathematics by the page's own renderer (MathML without JavaScript), the live page, the
gallery, the changelog; pages that are not there are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from convgrad.examples import NAMES, load_example
from convgrad.examples.page import example_model
from convgrad.explain.page.build import page_html
from convgrad.notation.printing.mathml import mathml_of_latex

sys.path.insert(0, str(Path(__file__).parent))
from gallery import LARGE, LIVE, gallery

ROOT = Path(__file__).parents[2]
KATEX = ROOT / "src" / "convgrad" / "explain" / "page" / "static" / "katex"
FIRST = "classic"
"""The example that the live page begins with."""
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
    """The changelog stands in the project's folder, where people look for it; the gallery is made from its links. The
    renderer's files are those of the page, which is there, too.
    """
    files.append(File.generated(config, "changes.md", content=(ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))
    files.append(File.generated(config, "gallery.md", content=gallery()))
    for name, content in _live():
        files.append(File.generated(config, name, content=content))
    for path in sorted(KATEX.rglob("*")):
        if path.is_file():
            name = f"katex/{path.relative_to(KATEX).as_posix()}"
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def _live() -> Iterator[tuple[str, str]]:
    """The live page, as files that load nothing: one with the small examples, one for each large one."""
    models = {name: example_model(load_example(name), load_example(name).trace()) for name in NAMES}
    small = {name: None if name == FIRST else model for name, model in models.items() if name not in LARGE}
    yield f"{LIVE}/index.html", page_html(models[FIRST], small)
    for name in LARGE:
        yield f"{LIVE}/{name}.html", page_html(models[name], {name: None})


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
    return "".join(
        f'<div class="math" data-latex="{escape(line)}">{mathml_of_latex(line, line)}</div>' for line in lines
    )
