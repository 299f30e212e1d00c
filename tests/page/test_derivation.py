"""A derivation that is pasted into the page: its verdicts line by line, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser_support import Looker, opened, served
from convgrad.questions.reading import LONGEST_TEXT
from derivation_texts import CORRELATION

pytestmark = pytest.mark.browser
CONTRAST = Path(__file__).with_name("page_contrast.js")


@pytest.fixture
def looker(browser: Any) -> Iterator[Looker]:
    with served("classic") as url, opened(browser, url) as found:
        yield found


def pasted(looker: Looker, text: str) -> list[str]:
    """The lines of the verdict."""
    page = looker.page
    page.locator("#derive").click()
    page.locator("#derivation-text").fill(text)
    page.locator("#derive-now").click()
    page.locator("#derivation .sum").wait_for()
    return [str(line) for line in page.locator("#derivation .part > p:first-child").all_inner_texts()]


def test_each_line_gets_its_verdict(looker: Looker) -> None:
    lines = pasted(looker, CORRELATION.replace(r"- \eta", r"+ \eta"))
    assert (
        "WRONG: 11 claims: 8 right, 1 wrong, 2 not understood" in looker.page.locator("#derivation .sum").inner_text()
    )
    assert [line.split(maxsplit=1)[1] for line in lines if "\u2717" in line] == ["line 23 equation: WRONG"]
    assert [line.split(maxsplit=1)[1] for line in lines if "?" in line] == [
        "line 26 program: not understood",
        "line 34 numbers: not understood",
    ]
    assert "program: not run here" in looker.page.locator("#derivation .part", has_text="line 26").inner_text()
    looker.page.locator("#derivation .part.wrong .place").click()
    script = "() => { const t = document.activeElement; return t.value.slice(t.selectionStart, t.selectionEnd); }"
    assert str(looker.page.evaluate(script)).startswith("$$v^{l(t+1)}")
    looker.page.keyboard.press("Escape")
    assert not looker.page.locator("#derivation").is_visible()
    assert looker.focused() == "Check a derivation\u2026"


def test_what_was_pasted_stays(looker: Looker) -> None:
    pasted(looker, "Nothing but prose.")
    assert "no claim was found" in looker.page.locator("#derivation .sum").inner_text()
    looker.page.locator("#close-derivation").click()
    looker.page.locator("#derive").click()
    assert looker.page.locator("#derivation-text").input_value() == "Nothing but prose."
    looker.page.locator("#derivation button", has_text="Clear").click()
    looker.page.locator("#derive-now").click()
    assert looker.page.locator("#derivation .problem").inner_text() == "Nothing is pasted yet."


def test_a_text_that_is_too_long(looker: Looker) -> None:
    page = looker.page
    page.locator("#derive").click()
    page.locator("#derivation-text").fill("x" * (LONGEST_TEXT + 1))
    page.locator("#derive-now").click()
    page.locator("#derivation .problem").wait_for()
    assert "a page checks at most 100,000" in page.locator("#derivation .problem").inner_text()
    looker.complaints.clear()  # the status 400


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark")])
def test_it_can_be_read_everywhere(browser: Any, width: int, scheme: str) -> None:
    view = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    with served("classic") as url, opened(browser, url, **view) as looker:
        pasted(looker, CORRELATION.replace(r"- \eta", r"+ \eta"))
        assert looker.page.evaluate(CONTRAST.read_text(encoding="utf-8")) == []
        box = looker.page.locator("#derivation").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert (
            looker.page.evaluate(
                "() => { const d = document.getElementById('derivation'); return d.scrollWidth - d.clientWidth; }"
            )
            <= 0
        )
