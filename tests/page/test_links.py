"""The page's state in its address: opened fresh it is the same to the last bit; what can't be read is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser_support import Looker, opened, written_to

pytestmark = pytest.mark.browser

SETTLED = "convgrad.page.app.links.settled()"
BITS = """() => Object.fromEntries(convgrad.page.app.trace.names.map((name) =>
    [name, [...new Uint32Array(Float64Array.from(convgrad.page.app.trace.tensor(name).values).buffer)].join()]))"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("links")


@pytest.fixture
def looker(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, written_to(folder, "classic")) as found:
        yield found


def state(looker: Looker) -> dict[str, Any]:
    """What the page says that it shows, once its address says so, too."""
    looker.page.evaluate(SETTLED)
    return dict(looker.page.evaluate("convgrad.page.app.links.state()"))


def test_an_address_opened_fresh_shows_the_same_numbers(browser: Any, looker: Looker) -> None:
    looker.look("backward")
    looker.cell("conv1.dw[0,0]").click()
    looker.edit("conv1.w[0,0]", "0.3")
    looker.page.locator("#step10").click()
    looker.page.locator("#theme").click()
    shown, address = state(looker), looker.page.url
    assert shown == {
        "example": "classic",
        "lens": "backward",
        "at": ["conv1.dw[0,0]"],
        "log": [["set", "conv1.w", 0, 0.3], ["step", 10]],
        "theme": "dark",
    }
    assert "#example=classic&lens=backward&at=conv1.dw[0,0]&log=" in address
    with opened(browser, address) as other:
        assert state(other) == shown
        assert other.page.url == address
        assert other.title() == looker.title()
        assert other.lens == "backward"
        assert other.page.evaluate(BITS) == looker.page.evaluate(BITS)


@pytest.mark.parametrize(
    ("hash_", "words"),
    [
        ("#lens=sideways", "there is no lens “sideways”."),
        ("#example=other", "it is about “other”, but this file shows classic only."),
        ("#at=conv1.w[9,9]", "classic has no number “conv1.w[9,9]”."),
        ("#at=__proto__[0]", "classic has no number “__proto__[0]”."),
        ("#log=abc", "a part of it is missing or changed."),
        ("#__proto__=3", "this page does not know its part “__proto__”."),
        ("#lens=forward&lens=update", "its part “lens” stands there twice."),
        ("#layer=conv7", "classic has no layer `conv7`."),
        ("#theme=pink", "its colours are neither light nor dark."),
        ("#example=" + "x" * 20_000, "it is longer than 16000 characters."),
    ],
)
def test_a_link_that_cannot_be_read_is_one_sentence_and_changes_nothing(looker: Looker, hash_: str, words: str) -> None:
    before = state(looker)
    looker.page.evaluate("(hash) => { location.hash = hash; }", hash_)
    looker.page.wait_for_selector("#link-problem:not([hidden])")
    assert looker.page.locator("#link-problem span").inner_text() == f"This link can't be shown: {words}"
    assert looker.page.evaluate("convgrad.page.app.links.state()") == before
