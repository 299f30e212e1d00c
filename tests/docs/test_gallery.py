"""The gallery: every example and every question has its place, and every link shows what it says, in a browser."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser_support import opened, served
from convgrad.examples import NAMES, load_example
from convgrad.examples.page import example_model
from convgrad.explain.page.build import page_html
from question_clicks import ALLOWED, ANSWERS, GALLERY, answer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]


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


def test_every_question_is_answered_by_few_clicks() -> None:
    assert set(GALLERY.CLICKS) == set(ANSWERS) == set(GALLERY.QUESTIONS)
    assert max(map(len, GALLERY.CLICKS.values())) <= GALLERY.MOST_CLICKS


@pytest.mark.browser
@pytest.mark.parametrize("question", sorted(ANSWERS))
def test_the_clicks_that_are_told_answer_the_question(question: str, browser: Browser) -> None:
    """On the page as people get it, with the tour."""
    with served("classic", programs=True, toured=True) as url, opened(browser, url, permissions=ALLOWED) as looker:
        answer(looker, question, 30_000)


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
