"""The page as one HTML file that needs nothing else: no network, no other file.

`page.html` has markers; the policy, the styles, the scripts and the model take their places.
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
POLICY = {
    "default-src": "'none'",
    "script-src": "'unsafe-inline'",
    "style-src": "'unsafe-inline'",
    "font-src": "data:",
    "img-src": "data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
"""What a page that is one file may load. A server's page loads the editor from it, too."""
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
    own = {"script-src": "'unsafe-inline' 'self'"} if model["served"] else {}
    return filled(
        policy_of({**POLICY, **own}),
        "\n".join(f"<style>\n{_with_fonts(text)}\n</style>" for text in style_texts()),
        "\n".join(f"<script>\n{_inline(text)}\n</script>" for text in script_texts()),
        data_block("model", model) + ("" if examples is None else "\n" + data_block("examples", examples)),
    )


def filled(policy: str, styles: str, scripts: str, data: str) -> str:
    """`page.html` with what its markers stand for."""
    named = {"policy": policy, "styles": styles, "scripts": scripts, "model": data}
    parts = {f"<!-- {name} -->": text for name, text in named.items()}
    html = (static() / "page.html").read_text(encoding="utf-8")
    return re.sub("|".join(map(re.escape, parts)), lambda match: parts[match[0]], html)


def policy_of(policy: Mapping[str, str]) -> str:
    """A Content-Security-Policy as an element of the page's head."""
    content = "; ".join(f"{name} {value}" for name, value in policy.items())
    return f'<meta http-equiv="Content-Security-Policy" content="{content}" />'


def data_block(name: str, content: Any) -> str:
    """Data that the page reads by its name."""
    data = json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{data}</script>'


def script_texts() -> list[str]:
    """The page's programs, the renderer of mathematics first, in their order."""
    own = [(static() / name).read_text(encoding="utf-8") for name in _listed("scripts.txt")]
    return [*_vendored(".js"), core_script(), *own]


def style_texts() -> list[str]:
    """The page's styles. They name fonts of the renderer as files."""
    return [*_vendored(".css"), *((static() / name).read_text(encoding="utf-8") for name in _listed("styles.txt"))]


def font_files() -> dict[str, bytes]:
    """The fonts that `style_texts` names, and the license that goes with them."""
    folder = static() / "katex"
    fonts = {f"fonts/{font.name}": font.read_bytes() for font in (folder / "fonts").iterdir()}
    return {**fonts, "fonts/OFL.txt": (folder / "OFL.txt").read_bytes()}


def editor_script() -> bytes:
    """The editor for pasted code, which a page loads when it is needed first; it defines `convgradEditor`."""
    return (static() / "codemirror" / "codemirror.min.js").read_bytes()


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
