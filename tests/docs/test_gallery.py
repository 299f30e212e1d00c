"""The gallery: every example and every question has its place, and every link shows what it says, in a browser."""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from browser_support import opened, served
from convgrad.examples import NAMES, load_example
from convgrad.examples.page import example_model
from convgrad.explain.page.build import page_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "tools" / "site" / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gallery"] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


GALLERY = _loaded()
LINKS = GALLERY.links()


def test_every_example_and_every_question_is_there() -> None:
    headings = re.findall("^## (.*)$", (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert list(GALLERY.QUESTIONS) == headings
    assert sorted(GALLERY.EXAMPLES) == sorted(NAMES)
    for name, links in GALLERY.EXAMPLES.items():
        assert {link.example for link in links} == {name}
    page = GALLERY.gallery()
    assert all(link.address in page for link in LINKS)


def test_addresses_are_escaped() -> None:
    link = GALLERY.Link("", "a b&c", "forward", "x[0,1]")
    assert link.address == "live/index.html#example=a%20b%26c&lens=forward&at=x[0,1]"


def _index(element: str) -> list[int]:
    return [int(i) for i in element.rstrip("]").split("[")[1].split(",")]


@cache
def models() -> dict[str, dict[str, object]]:
    return {name: example_model(load_example(name), load_example(name).trace()) for name in NAMES}


CODE = """
import numpy as np

def conv2d_backward(dx, w, o):
    M, N = w.shape
    dw = np.zeros_like(w)
    for i in range(dx.shape[0]):
        for j in range(dx.shape[1]):
            dw += dx[i, j] * o[i:i + M, j:j + N]
    return dw
"""
PROGRAM, CELL = "#share-told >> text=The program is copied.", "#share-told >> text=The cell is copied."
ANSWERS = {
    "See where one number of my network comes from": "#panel >> text=conv1.dw[0,1] =",
    "Start from deltas or from rounded numbers of my own": "#panel >> text=pinned",
    "Find the values that another convolution before mine would get": "#panel >> text=conv1.dx[1,1] =",
    "Check numbers that I calculated by hand": "#checker >> text=is wrong",
    "Test a backward pass that I wrote": "#code-verdict >> text=RIGHT",
    "Derive a gradient for a paper or a page": "#panel details.derivation[open] >> text=chain rule",
    "Compute an equation and its gradients in a program": PROGRAM,
    "Compare with what another tool printed": PROGRAM,
    "Train on pictures of my own": "svg.chart[aria-label^='Loss over 1 step']",
    "Use a trained network in a program": CELL,
    "Look at it all in a notebook": CELL,
    "Add a layer of my own": "#title >> text=own network",
}
"""Question -> what is seen behind the last click."""


def test_every_click_is_counted_for_a_question_of_the_page() -> None:
    assert set(GALLERY.CLICKS) == set(ANSWERS) == set(GALLERY.QUESTIONS)


@pytest.mark.browser
@pytest.mark.parametrize("question", sorted(ANSWERS))
def test_the_clicks_that_are_told_answer_the_question(question: str, browser: Browser) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    with served("classic", programs=True) as url, opened(browser, url, permissions=allowed) as looker:
        for click in GALLERY.CLICKS[question]:
            target = looker.page.locator(click.selector).first
            if click.selector == "#check-now":
                for cell in looker.page.locator("#checker input").all():
                    cell.fill("7")
            if click.selector == "#code-now":
                looker.page.locator("#code-text [contenteditable=true]").fill(CODE)
            if click.selector in ("#build-now", "#build-share"):
                looker.page.locator("#builder textarea").first.fill("x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c])")
                looker.page.get_by_label("Sizes in the equation of layer 1").fill("M = 2, N = 2, K = 2")
            if click.selector == "#photo":
                with looker.page.expect_file_chooser() as chosen:
                    target.click()
                chosen.value.set_files(ROOT / "docs" / "page.png")
                looker.page.get_by_text("The picture is the input now").wait_for(state="attached")
                continue
            target.select_option(click.choice) if click.choice else target.click()
            if click.selector == "#example":
                looker.page.wait_for_function(
                    "n => document.getElementById('title').textContent === n", arg=click.choice
                )
        looker.page.locator(ANSWERS[question]).first.wait_for(timeout=30_000)


@pytest.mark.browser
@pytest.mark.parametrize("large", [None, *GALLERY.LARGE])
def test_links_show_what_they_say(large: str | None, browser: Browser, tmp_path: Path) -> None:
    """As the site has them: one file for the small examples, one for each large one."""
    first = large or "classic"
    names = [large] if large else [name for name in NAMES if name not in GALLERY.LARGE]
    file = tmp_path / "page.html"
    shipped = {name: None if name == first else models()[name] for name in names}
    file.write_text(page_html(models()[first], shipped), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    chosen = [link for link in LINKS if link.example in names]
    assert chosen
    for link in chosen:
        page.goto("about:blank")
        page.goto(f"{file.as_uri()}#{link.address.split('#')[1]}")
        page.wait_for_function("at => window.convgrad?.page?.app?.links?.state().at?.at(-1) === at", arg=link.at)
        state = page.evaluate("() => convgrad.page.app.links.state()")
        assert (state["example"], state["lens"]) == (link.example, link.lens)
        shown = page.locator("#panel").inner_text().replace("\u2212", "-")
        written = page.evaluate(
            "([n, i]) => convgrad.page.app.trace.explain(n, i).written", [link.at.split("[")[0], _index(link.at)]
        )
        assert f"{link.at} = {written}" in shown
        example = load_example(link.example)
        if not example.deltas and not example.pins:  # else the page begins without them
            assert written == example.trace().at(link.at).written
    assert not complaints
    page.close()
