"""A function that is pasted into the page of a server: the editor, its options, its verdict, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from browser_support import Looker, opened, served, written_to

pytestmark = pytest.mark.browser
SLOW = 120_000
RIGHT = "def relu_backward(dx, o):\n    return dx * (o > 0)\n"


@pytest.fixture
def looker(browser: Any) -> Iterator[Looker]:
    with served("classic", programs=True) as url, opened(browser, url) as found:
        yield found


def report(looker: Looker, text: str, layer: str = "", options: str = "") -> str:
    """The verdict on what is typed into the editor."""
    page = looker.page
    if not page.locator("#coder").is_visible():
        page.locator("#code").click()
    page.locator("#coder button", has_text="Clear").click()
    page.locator("#coder .cm-content").click()
    page.keyboard.insert_text(text)
    page.locator("#code-layer option[value=dense]").wait_for(state="attached")
    page.locator("#code-layer").select_option(layer)
    page.locator("#code-options").fill(options)
    page.locator("#code-now").click()
    page.locator("#code-verdict .report, #code-verdict .problem").wait_for(timeout=SLOW)
    return str(page.locator("#code-verdict").inner_text())


def refused(looker: Looker) -> None:
    """A browser complains about every answer that says no."""
    looker.complaints[:] = [text for text in looker.complaints if "400 (Bad Request)" not in text]


def test_a_function_gets_its_verdict(looker: Looker) -> None:
    assert report(looker, RIGHT).startswith("RIGHT: relu_backward, against ReLU(")
    told = report(looker, RIGHT.replace("o > 0", "o < 0"))
    assert told.startswith("WRONG: relu_backward")
    assert looker.page.locator("#code-verdict .report.wrong").count() == 1
    assert "The name back does not say which layer" in report(looker, "def back(dx, o):\n    return dx")
    refused(looker)
    assert "against MaxPool2D(pool_size=(3, 2)" in report(looker, RIGHT, "max_pool2d", "pool_size=3,2")
    assert "Write options as strides=2" in report(looker, RIGHT, "relu", "strides 2")


def test_a_line_that_a_report_names_is_shown(looker: Looker) -> None:
    told = report(looker, "def relu_backward(dx, o):\n    scale = 2\n    return scale * dy * (o > 0)\n")
    assert "NameError" in told
    looker.page.locator("#code-verdict .place").first.click()
    selected = "document.querySelector('#code-text').shadowRoot.querySelector('.cm-activeLine').textContent"
    assert str(looker.page.evaluate(selected)).strip() == "return scale * dy * (o > 0)"


def test_the_example_is_wrong_and_told_so(looker: Looker) -> None:
    looker.page.locator("#code").click()
    looker.page.locator("#code-example").click()
    looker.page.locator("#code-now").click()
    looker.page.locator("#code-verdict .report.wrong").wait_for(timeout=SLOW)
    assert "the kernel is not rotated by 180 degrees" in looker.page.locator("#code-verdict").inner_text()
    looker.page.keyboard.press("Escape")
    assert looker.focused() == "Check my code\u2026"


def test_what_is_put_in_before_the_editor_is_there_stays(looker: Looker) -> None:
    """The editor comes late, as over a slow line; the example is put in, and checked, meanwhile."""
    held: list[Any] = []
    looker.page.route("**/editor.js", lambda route: held.append(route))
    looker.page.locator("#code").click()
    looker.page.locator("#code-example").click()
    looker.page.locator("#code-now").click()
    looker.page.locator("#code-verdict .report.wrong").wait_for(timeout=SLOW)
    held[0].continue_()
    looker.page.locator("#coder .cm-content", has_text="def ").wait_for()


def test_a_server_that_runs_no_programs_says_so(browser: Any) -> None:
    with served("classic") as url, opened(browser, url) as stranger:
        assert "convgrad explain --serve --run-programs" in report(stranger, RIGHT)
        refused(stranger)


def test_the_editor_is_loaded_when_it_is_needed(looker: Looker) -> None:
    assert not [url for url in looker.requests if url.endswith("editor.js")]
    looker.page.locator("#code").click()
    looker.page.locator("#coder .cm-content").wait_for()
    assert len([url for url in looker.requests if url.endswith("editor.js")]) == 1


def test_where_the_editor_is_missing_a_plain_field_takes_its_place(browser: Any) -> None:
    with served("classic", programs=True) as url, opened(browser, url) as looker:
        looker.page.route("**/editor.js", lambda route: route.abort())
        looker.page.locator("#code").click()
        looker.page.locator("#coder textarea").fill(RIGHT)
        looker.page.locator("#code-now").click()
        looker.page.locator("#code-verdict .report.right").wait_for(timeout=SLOW)
        looker.complaints[:] = [text for text in looker.complaints if "ERR_FAILED" not in text]


def test_a_file_does_not_offer_it(browser: Any, tmp_path: Any) -> None:
    with opened(browser, written_to(tmp_path, "classic")) as looker:
        assert looker.page.locator("#code").count() == 0
        assert "convgradEditor" not in (tmp_path / "classic.html").read_text(encoding="utf-8").replace(
            "globalThis.convgradEditor", ""
        )


def test_of_several_functions_one_can_be_chosen(looker: Looker) -> None:
    two = RIGHT + "\ndef relu_backward_slow(dx, o):\n    return dx * (o >= 0.5)\n"
    assert "The program has several: relu_backward, relu_backward_slow. Say which" in report(looker, two)
    refused(looker)
    choice = looker.page.locator("#code-function")
    assert choice.locator("option").all_inner_texts()[1:] == ["relu_backward", "relu_backward_slow"]
    for name, verdict in (("relu_backward", "RIGHT"), ("relu_backward_slow", "WRONG")):
        choice.select_option(name)
        looker.page.locator("#code-layer").select_option("relu")
        looker.page.locator("#code-now").click()
        looker.page.locator(f"#code-verdict >> text={verdict}: {name}, against").wait_for(timeout=SLOW)
    report(looker, RIGHT)
    assert not choice.is_visible()
