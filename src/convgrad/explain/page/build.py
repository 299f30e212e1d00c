"""The page as one HTML file that needs nothing else: no network, no other file.

`page.html` has three markers; the styles, the scripts and the model take their places.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from convgrad.explain.page.tables import tables_script

if TYPE_CHECKING:
    if sys.version_info >= (3, 11):
        from importlib.resources.abc import Traversable
    else:
        from importlib.abc import Traversable

CORE = (
    "numbers",
    "positions",
    "text",
    "latex",
    "functions",
    "products",
    "evaluate",
    "nodes",
    "writing",
    "terms",
    "notes",
    "explanation",
    "history",
    "readers",
)
"""The files of static/core in an order in which each finds what it reads; the tables come first, core.js last."""
FONT = re.compile(r"url\((fonts/[^)]+\.woff2)\)")


def static() -> Traversable:
    """The folder with the page's own files."""
    return resources.files("convgrad.explain.page") / "static"


def core_script() -> str:
    """The program that computes and explains a model: it defines `convgrad.Trace`, also where there is no page."""
    folder = static()
    parts = [(folder / "core" / f"{name}.js").read_text(encoding="utf-8") for name in CORE]
    return "\n".join([tables_script(), *parts, (folder / "core.js").read_text(encoding="utf-8")])


def page_html(model: dict[str, Any], examples: Mapping[str, dict[str, Any] | None] | None = None) -> str:
    """The whole page that shows a model (`convgrad.explain.page.model.page_model`).

    examples: name -> model, of what the page can show besides without asking anybody; None stands for the model itself.
    """
    folder = static()
    scripts = [*_vendored(".js"), core_script()]
    scripts += [(folder / name).read_text(encoding="utf-8") for name in _listed("scripts.txt")]
    styles = [_with_fonts(text) for text in _vendored(".css")]
    styles += [(folder / name).read_text(encoding="utf-8") for name in _listed("styles.txt")]
    parts = {
        "<!-- styles -->": "\n".join(f"<style>\n{text}\n</style>" for text in styles),
        "<!-- scripts -->": "\n".join(f"<script>\n{_inline(text)}\n</script>" for text in scripts),
        "<!-- model -->": _data("model", model) + ("" if examples is None else "\n" + _data("examples", examples)),
    }
    html = (folder / "page.html").read_text(encoding="utf-8")
    return re.sub("|".join(map(re.escape, parts)), lambda match: parts[match[0]], html)


def _data(name: str, content: Any) -> str:
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _listed(name: str) -> list[str]:
    lines = (static() / name).read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _vendored(suffix: str) -> list[str]:
    """The renderer's files of one kind."""
    found = sorted((f for f in (static() / "katex").iterdir() if f.name.endswith(suffix)), key=lambda f: f.name)
    return [f.read_text(encoding="utf-8") for f in found]


def _with_fonts(css: str) -> str:
    """Fonts as part of the text."""
    return FONT.sub(lambda match: f"url({_font(match[1])})", css)


def _font(path: str) -> str:
    content = (static() / "katex" / path).read_bytes()
    return "data:font/woff2;base64," + base64.b64encode(content).decode()


def _inline(script: str) -> str:
    """A script may not hold the text that ends it."""
    return script.replace("</script", "<\\/script")
