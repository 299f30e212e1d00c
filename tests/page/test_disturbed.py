"""What nobody should do, and what happens then: text that is no number, changes while something plays or is computed,
a window that changes, a browser that keeps nothing, the same page twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import Looker, opened, served, trace_of, written_to

pytestmark = pytest.mark.browser

WANTED = "Write one such as 0.5, -3, 1e-4 or 1/3."
CHANGED_BETWEEN = """
    const button = document.getElementById("step10");
    new MutationObserver((_, observer) => {
        observer.disconnect();
        convgrad.page.app.trace.set("input", 0, 0.5);
    }).observe(button, { attributeFilter: ["style"] }); // which says how far they are
"""
DONE = "() => !convgrad.page.app.training.going"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disturbed")


@pytest.fixture
def exact(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, written_to(folder, "classic", exact=True)) as looker:
        yield looker


@pytest.fixture
def playing(browser: Any, folder: Path) -> Iterator[Looker]:
    """conv1.x is being played, slowly."""
    options = {"reduced_motion": "no-preference"}
    with opened(browser, written_to(folder, "classic", exact=True), **options) as looker:
        looker.cell("conv1.x[1,1]").click()
        looker.page.evaluate("convgrad.page.app.motion.speed = 0.25")
        looker.page.evaluate("void convgrad.page.app.motion.play('conv1.x')")
        looker.page.wait_for_function("() => convgrad.page.app.motion.playing")
        yield looker


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("abc", f"\u201cabc\u201d is not a number. {WANTED}"),
        (" ", "Nothing is written here. Write a number, such as 0.5."),
        ("1/0", "Nothing can be divided by 0."),
        ("0/0", "Nothing can be divided by 0."),
        ("1e999", "1e999 is too large for a number of 64 bits."),
        ("1/1e999", "1/1e999 is too large for a number of 64 bits."),
        ("1e300/1e-300", "1e300/1e-300 is too large for a number of 64 bits."),
        ("1 2", f"\u201c1 2\u201d is not a number. {WANTED}"),
        ("nan", f"\u201cnan\u201d is not a number. {WANTED}"),
        ("-inf", f"\u201c-inf\u201d is not a number. {WANTED}"),
        ("9" * 400, "9" * 40 + "\u2026 is too large for a number of 64 bits."),
    ],
)
def test_what_is_no_number_is_told_where_it_is(exact: Looker, typed: str, why: str) -> None:
    exact.edit("conv1.w[0,0]", typed)
    editor = exact.page.locator(".editor")
    assert exact.page.locator("#edit-problem").inner_text() == why
    assert editor.get_attribute("aria-invalid") == "true"
    assert editor.get_attribute("aria-describedby") == "edit-problem"
    editor.fill("0.5")
    exact.page.keyboard.press("Enter")
    assert exact.page.locator("#edit-problem").count() == 0
    assert exact.values("conv1.w")[0, 0] == 0.5


@pytest.mark.parametrize(
    ("typed", "value"), [("- 0,25", -0.25), (" 1 / 4 ", 0.25), ("\u22121e-2", -0.01), ("1e-400", 0)]
)
def test_numbers_are_read_as_people_write_them(exact: Looker, typed: str, value: float) -> None:
    exact.edit("conv1.w[0,0]", typed)
    assert exact.values("conv1.w")[0, 0] == value


def test_an_edit_while_something_plays_is_made_and_taken_back(playing: Looker) -> None:
    loss = playing.loss()
    playing.page.evaluate("convgrad.page.app.trace.set('conv1.w', 0, 2)")
    assert playing.values("conv1.w")[0, 0] == 2
    assert playing.loss() != loss
    playing.page.evaluate("convgrad.page.app.motion.scrub(0.5)")
    playing.page.keyboard.press("Control+z")
    assert playing.loss() == loss
    playing.page.evaluate("convgrad.page.app.motion.scrub(1)")
    playing.page.evaluate("convgrad.page.app.motion.stop()")
    trace = trace_of("classic", exact=True)
    np.testing.assert_allclose(playing.values("conv1.x"), trace["conv1.x"].values, rtol=1e-12)


def test_going_back_while_something_plays_shows_what_was_there_before(playing: Looker) -> None:
    page = playing.page
    page.evaluate("convgrad.page.app.links.settled()")
    playing.look("backward")
    playing.cell("conv1.dw[0,0]").click()
    page.evaluate("convgrad.page.app.links.settled()")
    page.evaluate("void convgrad.page.app.motion.play('conv1.dw[0,0]')")
    page.go_back()
    page.wait_for_function("() => convgrad.page.app.chosen?.name === 'conv1.x'")
    page.evaluate("convgrad.page.app.links.settled()")
    assert not page.evaluate("convgrad.page.app.motion.playing")
    assert playing.title() == str(trace_of("classic", exact=True).at("conv1.x[1,1]"))


def test_another_size_and_other_colours_while_something_plays(playing: Looker) -> None:
    page = playing.page
    for width, height in ((700, 500), (1100, 800), (360, 640), (1600, 1000)):
        page.set_viewport_size({"width": width, "height": height})
        page.locator("#theme").click()
        page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
    page.evaluate("convgrad.page.app.motion.stop()")
    cell, network = playing.cell("loss.E").bounding_box(), page.locator("#network").bounding_box()
    assert cell["x"] + cell["width"] <= network["x"] + network["width"]


def test_a_browser_that_keeps_nothing_shows_all_the_same(browser: Any, folder: Path) -> None:
    refusing = """for (const name of ["localStorage", "sessionStorage", "indexedDB"])
        Object.defineProperty(window, name, { get() { throw new DOMException("refused", "SecurityError"); } });
        history.pushState = history.replaceState = () => { throw new DOMException("refused", "SecurityError"); };"""
    context = browser.new_context(offline=True)
    context.add_init_script(refusing)
    looker = Looker(context.new_page())
    looker.page.goto(written_to(folder, "classic", exact=True))
    looker.edit("conv1.w[0,0]", "2")
    looker.page.locator("#theme").click()
    looker.page.locator("#step").click()
    assert looker.loss() != trace_of("classic", exact=True).loss
    context.close()
    assert looker.complaints == []


def test_two_pages_of_one_browser_have_their_own_numbers(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "classic", exact=True)) as looker:
        other = Looker(looker.page.context.new_page())
        other.page.goto(looker.page.url)
        looker.edit("conv1.w[0,0]", "2")
        assert other.values("conv1.w")[0, 0] == -0.13
        other.page.reload()
        assert other.values("conv1.w")[0, 0] == -0.13
        assert other.complaints == []


def test_steps_of_a_large_network_are_made_between_frames(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "lenet-digit")) as looker:
        page = looker.page
        press = "document.getElementById('step10').click()"
        again = "document.getElementById('step').click()"  # nothing, since ten are on their way
        made = page.evaluate(f"() => {{ {press}; {again}; return convgrad.page.app.trace.losses.length; }}")
        assert made == 0  # the click is answered before the steps are made
        page.wait_for_function(DONE)
        assert page.evaluate("convgrad.page.app.trace.losses.length") == 10
        weights = "[...convgrad.page.app.trace.tensor('dense3.w').values]"
        apart = page.evaluate(weights)
        page.keyboard.press("Control+z")  # ten steps are one change
        assert page.evaluate("convgrad.page.app.trace.losses.length") == 0
        page.evaluate("convgrad.page.app.trace.step(10)")
        assert page.evaluate(weights) == apart  # the same bits as all at once
        page.evaluate(f"() => {{ {press}; {CHANGED_BETWEEN}; }}")
        page.wait_for_function(DONE)
        assert page.evaluate("convgrad.page.app.trace.losses.length") == 10
        assert page.locator(".rate-problem").inner_text().startswith("No step was made: something else was changed")


def test_a_number_that_is_edited_is_given_up_for_another_network(exact: Looker) -> None:
    exact.cell("dense1.w[1,1,0]").dblclick()
    exact.page.keyboard.type("5")
    exact.page.evaluate("() => convgrad.page.app.open({ ...convgrad.page.app.trace.model, name: 'other' })")
    assert not exact.page.locator(".editor").count()
    exact.cell("conv1.x[1,1]").click()
    exact.page.wait_for_timeout(50)
    assert exact.page.evaluate("() => convgrad.page.app.trace.history.log") == []
    assert exact.complaints == []


def test_numbers_to_check_are_those_of_the_network_that_is_shown(browser: Any) -> None:
    with served("classic") as url, opened(browser, url) as looker:
        looker.page.locator("#check").click()
        looker.page.locator("#checked-tensor").select_option("dense1.dx")
        for cell, text in zip(looker.page.locator(".check-cell input").all(), ("0.1", "0.2"), strict=True):
            cell.fill(text)
        looker.page.locator("#check-now").click()
        looker.page.locator('.check-cell[data-mark="wrong"]').first.wait_for()
        looker.page.locator("#example").select_option("strided")
        looker.page.wait_for_function("() => convgrad.page.app.trace.model.name === 'strided'")
        assert "dense1.dx" not in looker.page.locator("#checked-tensor option").all_inner_texts()
        assert not looker.page.locator(".check-cell[data-mark=wrong]").count()
        looker.page.locator("#checked-tensor").select_option("conv1.db")
        looker.page.locator(".check-cell input").fill(str(looker.values("conv1.db").item()))
        looker.page.locator("#check-now").click()
        looker.page.locator('.check-cell[data-mark="right"]').wait_for()
        assert looker.complaints == []


def test_numbers_that_have_left_all_bounds_are_written_as_elsewhere(exact: Looker) -> None:
    exact.page.evaluate(
        """() => { const { app } = convgrad.page; app.look("backward");
        [1e308, 1e308, -1e308].forEach((weight, n) => app.trace.set("dense1.w", n, weight)); }"""
    )
    names = exact.page.evaluate(
        "() => convgrad.page.app.trace.names.filter((name) => convgrad.page.app.network.drawn(name))"
    )
    assert {"conv1.dw", "dinput", "loss.E"} <= {*names}
    said = set()
    for name in names:
        exact.page.evaluate("(name) => convgrad.page.app.explain(name, 0)", name)
        text = exact.page.locator("body").inner_text()
        assert "NaN" not in text, name
        assert "Infinity" not in text, name
        said |= {word for word in ("nan", "inf") if word in text}
    assert said == {"nan", "inf"}


def test_large_type_on_the_narrowest_screen(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "classic"), viewport={"width": 320, "height": 568}) as looker:
        looker.page.locator("#large").click()
        looker.page.wait_for_timeout(60)
        assert looker.page.evaluate("() => document.documentElement.scrollWidth") == 320
