"""The built documentation (`make docs`): links lead somewhere, nothing comes from elsewhere, pages work in a browser.

The site is the folder that CONVGRAD_SITE names; with CONVGRAD_REQUIRE_ALL (as in CI) it must be there.
"""

from __future__ import annotations

import functools
import http.server
import importlib
import importlib.util
import inspect
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

import pytest

from optional import optional_module

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
FOLDER = os.environ.get("CONVGRAD_SITE") or ("build/site" if os.environ.get("CONVGRAD_REQUIRE_ALL") else "")
PACKAGES = ("convgrad", "convgrad.layers", "convgrad.training", "convgrad.data", "convgrad.check", "convgrad.explain")
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""Element -> attribute that a browser loads."""


@dataclass
class Page(HTMLParser):
    """What a page links to, what it loads, and what can be linked to."""

    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    formulas: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.formulas += tag == "math"
        if "id" in given:
            self.anchors.append(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if LOADED.get(tag) in given:
            self.loaded.append(given[LOADED[tag]])


@pytest.fixture(scope="session")
def site() -> Path:
    if not FOLDER:
        pytest.skip("`make docs` builds the site and tests it")
    folder = ROOT / FOLDER
    assert (folder / "index.html").exists(), f"no site in {folder}: run `make docs`"
    return folder


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Page]:
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path] = Page()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


def _target(site: Path, page: Path, link: str) -> Path:
    """The file that a link of a page leads to; the page that is shown for a missing one links from the root."""
    path = unquote(urlsplit(link).path)
    if not path:
        return page
    target = (site / path.lstrip("/") if path.startswith("/") else page.parent / path).resolve()
    return target / "index.html" if target.is_dir() else target


def test_links_and_anchors_lead_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    wrong, followed = [], 0
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            if urlsplit(link).scheme:
                continue
            target, anchor = _target(site.resolve(), path.resolve(), link), unquote(urlsplit(link).fragment)
            if not target.exists():
                wrong.append(f"{path.name} links to {link}")
            elif "=" in anchor:  # a state of the live page; tests/docs/test_gallery.py opens them
                assert target.parent.name == "live"
            elif anchor and anchor not in pages[site / target.relative_to(site.resolve())].anchors:
                wrong.append(f"{path.name} links to {link}, an anchor that is not there")
            followed += 1
    assert not wrong
    assert followed > 1000


def test_anchors_are_unique(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        twice = {anchor for anchor in page.anchors if page.anchors.count(anchor) > 1}
        assert not twice, path.name


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        assert not [link for link in page.loaded if urlsplit(link).netloc], path.name
    for style in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(https?:)?//", style.read_text(encoding="utf-8")), style.name


def test_mathematics_is_mathml_without_javascript(pages: dict[Path, Page]) -> None:
    source = (ROOT / "docs" / "backpropagation.md").read_text()
    (page,) = [page for path, page in pages.items() if path.name == "backpropagation.html"]
    assert page.formulas == len(re.findall(r"^```math$", source, re.MULTILINE)) > 20


@pytest.mark.parametrize("package", PACKAGES)
def test_the_reference_is_complete(package: str, pages: dict[Path, Page]) -> None:
    module = importlib.import_module(package)
    described = {anchor.rpartition(".")[2] for page in pages.values() for anchor in page.anchors if "." in anchor}
    things = {name: getattr(module, name) for name in module.__all__}
    wanted = {name for name, thing in things.items() if inspect.isclass(thing) or inspect.isroutine(thing)}
    assert wanted <= described


# Docstrings


@pytest.fixture(scope="module")
def docstrings(site: Path) -> ModuleType:
    optional_module("griffe")
    spec = importlib.util.spec_from_file_location("docstrings", ROOT / "tools" / "site" / "docstrings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("x[i] = o[i]. See `A`.", "```text\nx[i] = o[i]\n```\n\nSee `A`."),
        ("d[..] is a * b", r"d\[..\] is a \* b"),
        ("Do it.\n\n>>> 1 + 1\n2", "Do it.\n\n```pycon\n>>> 1 + 1\n2\n```"),
        (
            "Args:\n    a, b: one\n        and more.\n    c: two.",
            "\n**Args**\n\n- `a, b`: one\n  and more.\n- `c`: two.",
        ),
        ("Raises: E where [i].", "\n**Raises** E where \\[i\\]."),
        ("strides: s\n    of rows", "\n- `strides`: s\n  of rows"),
        ("So:\n\n    y[i] = x[i]", "So:\n\n```text\ny[i] = x[i]\n```"),
        ("Example:\n    >>> 1\n    1", "\n**Example**\n\n```pycon\n>>> 1\n1\n```"),
    ],
)
def test_docstrings_become_markdown(docstrings: ModuleType, docstring: str, expected: str) -> None:
    assert docstrings.markdown(docstring) == expected


# In a browser


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


Scheme = Literal["dark", "light"]


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")], ids=["phone", "desk"])
def test_pages_in_a_browser(address: str, site: Path, browser: Browser, width: int, scheme: Scheme) -> None:
    """No errors, no requests to elsewhere, nothing wider than the window, mathematics set, and the search finds."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(address) else errors.append(request.url))
    for path in sorted(site.rglob("*.html")):
        page.goto(f"{address}/{path.relative_to(site).as_posix()}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
        assert not errors, path.name
    page.goto(f"{address}/backpropagation.html")
    formulas = len(re.findall(r"^```math$", (ROOT / "docs" / "backpropagation.md").read_text(), re.MULTILINE))
    assert page.locator(".math > .katex-display > .katex").count() == formulas  # each by the renderer of the page
    assert page.locator(".katex-error").count() == 0
    box = page.locator(".math .katex-html .mop.op-limits").first.bounding_box()
    assert box is not None
    assert box["height"] > 20, "the indices of a sum stand below it"
    page.locator("label[for=__search]").first.click() if width < 1000 else page.locator(
        "[data-md-component=search-query]"
    ).click()
    page.keyboard.type("rotated")
    page.locator(".md-search-result__item").first.wait_for()
    assert not errors
    page.close()
