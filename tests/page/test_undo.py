"""Changes taken back and done again, to the last bit, by buttons that say what they do, and by keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import Looker, opened, written_to
from convgrad.examples import load_example
from convgrad.examples.page import example_model
from core_support import job, run
from link_support import bits, do, random_change, state

pytestmark = pytest.mark.browser

CHANGES = int(os.environ.get("CONVGRAD_FUZZ", "12"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undo")


@pytest.fixture
def looker(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, written_to(folder, "classic")) as found:
        yield found


def offered(looker: Looker) -> tuple[str, str]:
    """What the two buttons say that they would do."""
    labels = [looker.page.locator(f"#{key}").get_attribute("aria-label") for key in ("undo", "redo")]
    return str(labels[0]), str(labels[1])


def test_random_changes_are_taken_back_to_the_start_and_done_again_to_the_end(either: Any, folder: Path) -> None:
    rng = np.random.default_rng(29)
    for name in ("classic", "batch-of-two"):
        with opened(either, written_to(folder, name)) as looker:
            seen = [bits(looker)]
            while len(seen) <= CHANGES // (1 if name == "classic" else 4):
                do(looker, *random_change(looker, rng))
                seen.append(bits(looker))
            for numbers in reversed(seen[:-1]):
                do(looker, "undo")
                assert bits(looker) == numbers
            assert "log" not in state(looker)
            assert looker.page.locator("#undo").is_disabled()
            for numbers in seen[1:]:
                do(looker, "redo")
                assert bits(looker) == numbers
            assert looker.page.locator("#redo").is_disabled()


def test_buttons_say_what_they_do(looker: Looker) -> None:
    assert offered(looker) == ("Nothing to undo", "Nothing to redo")
    looker.edit("conv1.w[0,1]", "0.5")
    assert offered(looker) == ("Undo: conv1.w[0,1] = 0.5", "Nothing to redo")
    looker.page.locator("#step").click()
    assert offered(looker) == ("Undo: step", "Nothing to redo")
    looker.page.locator("#step10").click()
    assert offered(looker) == ("Undo: 10 steps", "Nothing to redo")
    looker.page.locator("#undo").click()
    assert offered(looker) == ("Undo: step", "Redo: 10 steps")
    looker.page.locator("#rate").fill("0.2")
    looker.page.locator("#rate").press("Enter")
    assert offered(looker) == ("Undo: learning rate 0.2", "Nothing to redo")
    looker.page.locator("#reset").click()
    assert offered(looker) == ("Undo: reset", "Nothing to redo")
    do(looker, "pin", True)
    do(looker, "unpin", "conv1.dx")
    assert offered(looker) == ("Undo: conv1.dx unpinned", "Nothing to redo")
    do(looker, "undo")
    assert offered(looker) == ("Undo: published numbers", "Redo: conv1.dx unpinned")
    do(looker, "pin", False)
    assert offered(looker) == ("Undo: computed numbers", "Nothing to redo")
    do(looker, "setAll", "target", [0.5, 0.25])
    assert offered(looker) == ("Undo: new numbers for target", "Nothing to redo")
    do(looker, "together", ["set", "conv1.w", 0, 1], ["step", 1], ["step", 1])
    assert offered(looker) == ("Undo: conv1.w[0,0] = 1 and 2 more", "Nothing to redo")


def test_keys_take_back_and_do_again_but_not_in_fields(either: Any, folder: Path) -> None:
    with opened(either, written_to(folder, "classic")) as looker:
        start = bits(looker)
        looker.edit("conv1.w[0,1]", "0.5")
        changed = bits(looker)
        for back, again in (("Control+z", "Control+Shift+Z"), ("Control+z", "Control+y")):
            looker.page.keyboard.press(back)
            assert bits(looker) == start
            looker.page.keyboard.press(again)
            assert bits(looker) == changed
        looker.page.locator("#rate").focus()
        looker.page.keyboard.press("Control+z")
        assert bits(looker) == changed


def test_the_focus_stays_on_a_button_that_can_be_used(looker: Looker) -> None:
    looker.edit("conv1.w[0,1]", "0.5")
    looker.page.locator("#undo").press("Enter")
    assert looker.focused() == "Redo: conv1.w[0,1] = 0.5"
    looker.page.locator("#redo").press("Enter")
    assert looker.focused() == "Undo: conv1.w[0,1] = 0.5"


def test_the_curve_of_losses_is_taken_back_too(looker: Looker) -> None:
    chart = looker.page.locator(".chart")
    looker.page.locator("#step10").click()
    after = chart.get_attribute("aria-label")
    looker.page.locator("#undo").click()
    assert "no step yet" in str(chart.get_attribute("aria-label"))
    looker.page.locator("#redo").click()
    assert chart.get_attribute("aria-label") == after


def test_a_change_that_fails_leaves_all_as_it_was(browser: Any) -> None:
    example = load_example("classic")
    model = example_model(example, example.trace())
    actions = [
        ["set", "target", 0, -1e6],
        ["set", model["learning_rate"], 0, 1e308],
        ["step", 3],
        ["perform", "constructor", []],
    ]
    before, after = run(browser, [job(model, actions[:2]), job(model, actions)])
    assert after["values"] == before["values"]
    assert after["said"][2]["error"].endswith("takes finite numbers, not -Infinity.")
    assert after["said"][3]["error"] == "Numbers are not changed by `constructor`."
    assert after["changes"] == before["changes"] == 2


def test_very_many_numbers_are_worked_out_again_instead_of_kept(browser: Any, folder: Path) -> None:
    script = """() => {
        const { trace } = convgrad.page.app;
        const { history } = trace;
        history.mostKept = 30;
        const seen = [];
        for (let n = 0; n < 8; n += 1) {
            seen.push(String([...trace.tensor('dense1.x').values]));
            trace.step();
        }
        const dropped = history.done.filter(({ before }) => before === null).length;
        const now = () => [...trace.tensor('dense1.x').values].join();
        const again = seen.reverse().map((values) => history.undo() && now() === values);
        return [dropped > 3, again.every(Boolean), history.log.length];
    }"""
    with opened(browser, written_to(folder, "classic")) as looker:
        assert looker.page.evaluate(script) == [True, True, 0]


def test_a_step_that_leaves_the_finite_numbers_says_so_and_is_not_made(looker: Looker) -> None:
    do(looker, "set", "target", 0, -1e6)
    looker.page.locator("#rate").fill("1e308")
    looker.page.locator("#rate").press("Enter")
    before = bits(looker)
    looker.page.locator("#step10").click()
    words = looker.page.locator(".rate-problem").inner_text()
    assert words == "No step was made: conv1.w takes finite numbers, not -Infinity. Try a smaller learning rate."
    assert bits(looker) == before
    do(looker, "undo")
    assert looker.page.locator(".rate-problem").inner_text() == ""
